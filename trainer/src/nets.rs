//! Families of generators and critics, from the few numbers a recipe gives to lists of layers.
use crate::graph::Window;
use crate::nn::{Activation, Layer, Network};
use serde::{Deserialize, Serialize};
use std::fmt;

/// k4 s2 p1: halves a side, or doubles it when transposed.
const HALVE: Window = Window { kernel: 4, stride: 2, pad: 1 };
/// k3 s1 p1: keeps a side.
const KEEP: Window = Window { kernel: 3, stride: 1, pad: 1 };

/// How a generator doubles a picture's sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubling {
    /// A transposed convolution of kernel 4 and stride 2 (Radford et al. 2016).
    #[default]
    Transpose,
    /// Nearest-neighbour enlargement, then a convolution of kernel 3.
    Nearest,
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
    },
    /// A dense layer to a small picture, then doublings with ReLU between, tanh at the end.
    Dcgan {
        /// Length of the latent vector.
        latent: usize,
        /// Channels of the small picture and after each doubling but the last.
        widths: Vec<usize>,
        /// How sides double.
        #[serde(default)]
        doubling: Doubling,
        /// End with a convolution of kernel 3 at full size instead of with a doubling.
        #[serde(default)]
        refine: bool,
        /// Batch normalisation before each ReLU.
        #[serde(default)]
        batch_norm: bool,
    },
}

/// A critic's family and size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "family")]
pub enum Critic {
    /// Dense layers with LeakyReLU (slope 0.2) between.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
    },
    /// Halving convolutions with LeakyReLU (slope 0.2) between, then a dense layer to one score.
    Dcgan {
        /// Channels of a first convolution of kernel 3 at full size; 0 for none.
        #[serde(default)]
        stem: usize,
        /// Channels after each halving.
        widths: Vec<usize>,
        /// Width of a hidden dense layer before the score; 0 for none.
        #[serde(default)]
        hidden: usize,
        /// Batch normalisation behind each convolution but the first.
        #[serde(default)]
        batch_norm: bool,
    },
}

/// A family that cannot make networks for this data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    what: &'static str,
    why: String,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.what, self.why)
    }
}

impl std::error::Error for Impossible {}

impl Impossible {
    pub(crate) fn new(what: &'static str, why: String) -> Self {
        Self { what, why }
    }
}

/// Widest layer that a recipe may ask for.
const MAX_WIDTH: usize = 16_384;

fn widths_ok(what: &'static str, widths: &[usize]) -> Result<(), Impossible> {
    match widths.iter().find(|&&w| w == 0 || w > MAX_WIDTH) {
        Some(w) => Err(Impossible { what, why: format!("a width of {w}: expected 1 to {MAX_WIDTH}") }),
        None => Ok(()),
    }
}

fn leaky(slope: f32) -> Layer {
    Layer::Activation(Activation::Leaky(slope))
}

impl Generator {
    /// Length of the latent vector.
    pub fn latent(&self) -> usize {
        match self {
            Self::Mlp { latent, .. } | Self::Dcgan { latent, .. } => *latent,
        }
    }

    /// The network for examples of `shape`.
    pub fn network(&self, shape: &[usize]) -> Result<Network, Impossible> {
        let what = "generator";
        let latent = self.latent();
        widths_ok(what, &[latent])?;
        let mut layers = Vec::new();
        match (self, shape) {
            (Self::Mlp { hidden, .. }, _) => {
                widths_ok(what, hidden)?;
                let mut inputs = latent;
                for &width in hidden {
                    layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.0)]);
                    inputs = width;
                }
                layers.push(Layer::Dense { inputs, to: shape.to_vec() });
                if shape.len() == 3 {
                    layers.push(Layer::Activation(Activation::Tanh));
                }
            }
            (Self::Dcgan { widths, doubling, refine, batch_norm, .. }, &[h, w, c]) => {
                widths_ok(what, widths)?;
                let Some((&first, rest)) = widths.split_first() else {
                    return Err(Impossible {
                        what,
                        why: "`widths` is empty: expected channels, at least one number".into(),
                    });
                };
                let doublings = widths.len() - usize::from(*refine);
                let by = 1 << doublings.min(13);
                if doublings > 12 || h % by != 0 || w % by != 0 {
                    let why = format!(
                        "{} widths double the sides {doublings} times, but pictures of {w}x{h} cannot be halved so often: \
                         use fewer widths, or set data.size to a multiple of {by}",
                        widths.len()
                    );
                    return Err(Impossible { what, why });
                }
                let norm = |layers: &mut Vec<Layer>, channels: usize| {
                    layers.extend(batch_norm.then_some(Layer::BatchNorm { channels }));
                    layers.push(leaky(0.0));
                };
                layers.push(Layer::Dense { inputs: latent, to: vec![h / by, w / by, first] });
                norm(&mut layers, first);
                let mut inputs = first;
                let double = |layers: &mut Vec<Layer>, inputs, outputs| match doubling {
                    Doubling::Transpose => layers.push(Layer::ConvTranspose { window: HALVE, inputs, outputs }),
                    Doubling::Nearest => {
                        layers.extend([Layer::Upsample(2), Layer::Conv { window: KEEP, inputs, outputs }])
                    }
                };
                for &width in rest {
                    double(&mut layers, inputs, width);
                    norm(&mut layers, width);
                    inputs = width;
                }
                if *refine {
                    layers.push(Layer::Conv { window: KEEP, inputs, outputs: c });
                } else {
                    double(&mut layers, inputs, c);
                }
                layers.push(Layer::Activation(Activation::Tanh));
            }
            _ => return Err(no_picture(what, shape)),
        }
        Ok(Network::new(what, &[latent], layers))
    }
}

fn no_picture(what: &'static str, shape: &[usize]) -> Impossible {
    let why =
        format!("the dcgan family makes pictures, the data are points of {} numbers: use family = \"mlp\"", shape[0]);
    Impossible { what, why }
}

impl Critic {
    /// The network for examples of `shape`; its output is one score an example.
    pub fn network(&self, shape: &[usize]) -> Result<Network, Impossible> {
        let what = "critic";
        let mut layers = Vec::new();
        let mut inputs = shape.iter().product();
        match (self, shape) {
            (Self::Mlp { hidden }, _) => {
                widths_ok(what, hidden)?;
                for &width in hidden {
                    layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.2)]);
                    inputs = width;
                }
            }
            (Self::Dcgan { stem, widths, hidden, batch_norm }, &[mut h, mut w, c]) => {
                widths_ok(what, widths)?;
                let mut channels = c;
                if *stem > 0 {
                    widths_ok(what, &[*stem])?;
                    layers.extend([Layer::Conv { window: KEEP, inputs: c, outputs: *stem }, leaky(0.2)]);
                    channels = *stem;
                }
                for (i, &width) in widths.iter().enumerate() {
                    (h, w) = match (HALVE.output(h), HALVE.output(w)) {
                        (Some(h), Some(w)) if h > 0 && w > 0 => (h, w),
                        _ => {
                            let why = format!(
                                "{} widths halve pictures of {}x{} below one pixel: use fewer widths",
                                widths.len(),
                                shape[1],
                                shape[0]
                            );
                            return Err(Impossible { what, why });
                        }
                    };
                    layers.push(Layer::Conv { window: HALVE, inputs: channels, outputs: width });
                    if *batch_norm && i > 0 {
                        layers.push(Layer::BatchNorm { channels: width });
                    }
                    layers.push(leaky(0.2));
                    channels = width;
                }
                inputs = h * w * channels;
                if *hidden > 0 {
                    widths_ok(what, &[*hidden])?;
                    layers.extend([Layer::Dense { inputs, to: vec![*hidden] }, leaky(0.2)]);
                    inputs = *hidden;
                }
            }
            _ => return Err(no_picture(what, shape)),
        }
        layers.push(Layer::Dense { inputs, to: vec![1] });
        Ok(Network::new(what, shape, layers))
    }
}
