//! Families of generators.
use super::{HALVE, KEEP, NetworkError, POINT, leaky, no_picture, widths_ok};
use crate::nn::{Activation, Layer, Network};
use serde::{Deserialize, Serialize};

/// How a generator doubles a picture's sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upsampling {
    /// A transposed convolution of kernel 4 and stride 2 (Radford et al. 2016).
    #[default]
    Transpose,
    /// Nearest-neighbor enlargement, then a convolution of kernel 3.
    Nearest,
    /// Nearest-neighbor enlargement, a depthwise convolution of kernel 3, a convolution of kernel 1 (Howard et al. 2017).
    Separable,
}

/// A generator's family and size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "family")]
pub enum Generator {
    /// Dense layers with ReLU between; for points.
    Mlp {
        /// Length of the latent vector.
        latent: usize,
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// How many numbers of the latent count by their sign alone, a code: what lies apart can be made apart
        /// (Khayatkhoei et al. 2018).
        #[serde(default)]
        binary_latents: usize,
    },
    /// A dense layer to a small picture, then doublings with ReLU between, tanh at the end.
    Dcgan {
        /// Length of the latent vector.
        latent: usize,
        /// Widths of dense layers in front, which map the latent to another (Karras et al. 2019).
        #[serde(default)]
        mapping: Vec<usize>,
        /// Channels of the small picture and after each doubling but the last.
        widths: Vec<usize>,
        /// How sides double.
        #[serde(default)]
        upsampling: Upsampling,
        /// End with a convolution of kernel 3 at full size instead of with a doubling.
        #[serde(default)]
        refine: bool,
        /// Batch normalization before each ReLU.
        #[serde(default)]
        batch_norm: bool,
    },
    /// A dense layer to a small picture, doublings with shortcuts (He et al. 2016), a convolution and tanh.
    Residual {
        /// Length of the latent vector.
        latent: usize,
        /// Channels of the small picture and after each doubling.
        widths: Vec<usize>,
        /// Batch normalization inside the blocks.
        #[serde(default)]
        batch_norm: bool,
    },
    /// A Laplacian pyramid (Denton et al. 2015) in one network: each level adds a residual to the enlarged level before.
    Pyramid {
        /// Length of the latent vector.
        latent: usize,
        /// Channels behind the picture of each level, smallest first.
        widths: Vec<usize>,
    },
}

impl Generator {
    /// The family's name.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Mlp { .. } => "mlp",
            Self::Dcgan { .. } => "dcgan",
            Self::Residual { .. } => "residual",
            Self::Pyramid { .. } => "pyramid",
        }
    }

    /// Length of the latent vector.
    pub fn latent(&self) -> usize {
        match self {
            Self::Mlp { latent, .. }
            | Self::Dcgan { latent, .. }
            | Self::Residual { latent, .. }
            | Self::Pyramid { latent, .. } => *latent,
        }
    }

    /// The network for examples of `shape`; with `classes`, 1 at the asked class and 0 elsewhere follow the latent.
    pub fn network(&self, shape: &[usize], classes: usize) -> Result<Network, NetworkError> {
        let what = "generator";
        widths_ok(what, &[self.latent()])?;
        let input = self.latent() + classes;
        let mut layers = Vec::new();
        match (self, shape) {
            (Self::Mlp { hidden, binary_latents, latent }, _) => {
                if binary_latents > latent {
                    let why =
                        format!("binary_latents = {binary_latents} of {latent} latent numbers: expected 0 to {latent}");
                    return Err(NetworkError::new(what, why));
                }
                layers.extend((*binary_latents > 0).then_some(Layer::BinaryLatents { count: *binary_latents }));
                let inputs = dense(&mut layers, input, hidden)?;
                layers.push(Layer::Dense { inputs, to: shape.to_vec() });
                if shape.len() == 3 {
                    layers.push(Layer::Activation(Activation::Tanh));
                }
            }
            (Self::Dcgan { mapping, widths, upsampling, refine, batch_norm, .. }, &[_, _, c]) => {
                let doublings = widths.len() - usize::from(*refine && !widths.is_empty());
                let inputs = dense(&mut layers, input, mapping)?;
                let first = small(&mut layers, inputs, widths, doublings, shape)?;
                norm(&mut layers, first, *batch_norm);
                let mut inputs = first;
                for &width in &widths[1..] {
                    double(&mut layers, *upsampling, inputs, width);
                    norm(&mut layers, width, *batch_norm);
                    inputs = width;
                }
                if *refine {
                    layers.push(Layer::Conv { window: KEEP, inputs, outputs: c });
                } else {
                    double(&mut layers, *upsampling, inputs, c);
                }
                layers.push(Layer::Activation(Activation::Tanh));
            }
            (Self::Residual { widths, batch_norm, .. }, &[_, _, c]) => {
                let mut inputs = small(&mut layers, input, widths, widths.len().max(1) - 1, shape)?;
                layers.push(leaky(0.0));
                for &outputs in &widths[1..] {
                    layers.extend([Layer::Fork, Layer::Upsample(2), Layer::Conv { window: KEEP, inputs, outputs }]);
                    norm(&mut layers, outputs, *batch_norm);
                    layers.push(Layer::Conv { window: KEEP, inputs: outputs, outputs });
                    layers.extend(batch_norm.then_some(Layer::BatchNorm { channels: outputs }));
                    layers.extend([Layer::Swap, Layer::Upsample(2), Layer::Conv { window: POINT, inputs, outputs }]);
                    layers.extend([Layer::Join, leaky(0.0)]);
                    inputs = outputs;
                }
                layers.push(Layer::Conv { window: KEEP, inputs, outputs: c });
                layers.push(Layer::Activation(Activation::Tanh));
            }
            (Self::Pyramid { widths, .. }, &[_, _, c]) => {
                let mut inputs = small(&mut layers, input, widths, widths.len().max(1) - 1, shape)?;
                layers.extend([leaky(0.0), Layer::Level { window: KEEP, inputs, outputs: c }]);
                for &outputs in &widths[1..] {
                    layers.extend([Layer::ConvTranspose { window: HALVE, inputs, outputs }, leaky(0.0)]);
                    layers.push(Layer::Level { window: KEEP, inputs: outputs, outputs: c });
                    inputs = outputs;
                }
                layers.push(Layer::Picture);
            }
            _ => return Err(no_picture(what, self.family(), shape)),
        }
        Ok(Network::new(what, &[input], layers))
    }
}

/// Dense layers of `widths` with ReLU behind each; gives the numbers behind the last.
fn dense(layers: &mut Vec<Layer>, mut inputs: usize, widths: &[usize]) -> Result<usize, NetworkError> {
    widths_ok("generator", widths)?;
    for &width in widths {
        layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.0)]);
        inputs = width;
    }
    Ok(inputs)
}

/// A dense layer to the picture from which `doublings` doublings lead to `shape`; gives its channels.
fn small(
    layers: &mut Vec<Layer>,
    inputs: usize,
    widths: &[usize],
    doublings: usize,
    shape: &[usize],
) -> Result<usize, NetworkError> {
    let what = "generator";
    widths_ok(what, widths)?;
    let Some(&first) = widths.first() else {
        return Err(NetworkError::new(what, "`widths` is empty: expected channels, at least one number"));
    };
    let (h, w) = (shape[0], shape[1]);
    let by = 1 << doublings.min(13);
    if doublings > 12 || h % by != 0 || w % by != 0 {
        let near = |up: usize| [w, h].map(|side| (side / by + usize::from(side % by > 0 && up > 0)).max(1) * by);
        let (below, above) = (near(0), near(1));
        let sizes = if below == above { format!("{above:?}") } else { format!("{below:?} or {above:?}") };
        let why = format!(
            "{} widths double the sides {doublings} times, but pictures of {w}x{h} cannot be halved so often: \
             use fewer widths, or set data.size = {sizes}",
            widths.len(),
        );
        return Err(NetworkError::new(what, why));
    }
    layers.push(Layer::Dense { inputs, to: vec![h / by, w / by, first] });
    Ok(first)
}

fn norm(layers: &mut Vec<Layer>, channels: usize, batch_norm: bool) {
    layers.extend(batch_norm.then_some(Layer::BatchNorm { channels }));
    layers.push(leaky(0.0));
}

fn double(layers: &mut Vec<Layer>, upsampling: Upsampling, inputs: usize, outputs: usize) {
    match upsampling {
        Upsampling::Transpose => layers.push(Layer::ConvTranspose { window: HALVE, inputs, outputs }),
        Upsampling::Nearest => layers.extend([Layer::Upsample(2), Layer::Conv { window: KEEP, inputs, outputs }]),
        Upsampling::Separable => layers.extend([
            Layer::Upsample(2),
            Layer::Depthwise { window: KEEP, channels: inputs },
            Layer::Conv { window: POINT, inputs, outputs },
        ]),
    }
}
