//! Discriminator families: build layers from the few hyperparameters in a recipe, with packing, minibatch features, classes and
//! spectral norm.
use super::{HALVE, KEEP, NetworkError, PAIRS, check_widths, images_only, leaky};
use crate::nn::{Layer, Network};
use serde::{Deserialize, Serialize};

/// Family and size of a discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "family")]
pub enum Discriminator {
    /// Dense layers with LeakyReLU (slope 0.2) between them.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// Number of triangle waves of each input number, which the first layer receives in addition to the number itself. Each
        /// wave has twice the frequency of the previous one (after the Fourier features of Tancik et al. 2020).
        #[serde(default)]
        fourier_features: usize,
    },
    /// Strided convolutions that halve the sides, with LeakyReLU (slope 0.2), then a dense layer to one score
    /// (Radford et al. 2016).
    Dcgan {
        /// Channels of a first 3x3 convolution at full size; 0 for none.
        #[serde(default)]
        stem: usize,
        /// Channels after each halving.
        widths: Vec<usize>,
        /// Width of a hidden dense layer before the score; 0 for none.
        #[serde(default)]
        hidden: usize,
        /// Batch normalization after each convolution except the first.
        #[serde(default)]
        batch_norm: bool,
    },
    /// Residual blocks that halve the sides (He et al. 2016), then a dense layer to one score.
    Residual {
        /// Channels after each halving.
        widths: Vec<usize>,
    },
    /// Dense autoencoder, for BEGAN: the score of an example is its reconstruction error (Berthelot et al. 2017).
    Autoencoder {
        /// Widths of the encoder's hidden layers; the decoder has the same in reverse.
        hidden: Vec<usize>,
        /// Length of the code.
        code: usize,
    },
}

/// Feature from which the discriminator sees how similar the examples of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Minibatch {
    /// None: each example is scored on its own.
    #[default]
    None,
    /// Mean standard deviation over the batch, as one additional feature (Karras et al. 2018).
    Stddev,
    /// Minibatch discrimination: closeness to the other examples through learned kernels (Salimans et al. 2016).
    Discrimination,
}

/// Kernels of minibatch discrimination and their dimensions: 100 and 50 in the paper, fewer here for small batches.
const KERNELS: usize = 16;
const KERNEL_DIMENSIONS: usize = 8;

/// Largest number of Fourier features; the period of the finest wave is then a thousandth of the range.
const MAX_FOURIER_FEATURES: usize = 10;

const WHAT: &str = "discriminator";

/// Properties of a discriminator that do not depend on its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscriminatorOptions {
    /// Examples that are scored together as one (PacGAN: Lin et al. 2018).
    pub packing: usize,
    /// Feature of the whole batch.
    pub minibatch: Minibatch,
    /// Whether each weight is divided by its spectral norm (Miyato et al. 2018).
    pub spectral_norm: bool,
    /// Number of classes of a class-conditional discriminator; 0 for none.
    pub classes: usize,
}

impl Default for DiscriminatorOptions {
    fn default() -> Self {
        Self { packing: 1, minibatch: Minibatch::None, spectral_norm: false, classes: 0 }
    }
}

impl Discriminator {
    /// Whether scores are reconstruction errors.
    pub fn is_autoencoder(&self) -> bool {
        matches!(self, Self::Autoencoder { .. })
    }

    /// Builds the network for examples of `shape`; its output is one score, or the reconstructed example of an autoencoder.
    ///
    /// # Errors
    /// If the family cannot handle this shape.
    pub fn network(&self, shape: &[usize], options: DiscriminatorOptions) -> Result<Network, NetworkError> {
        let mut shape = shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last *= options.packing;
        }
        let mut layers = Vec::new();
        let mut inputs = self.features(&mut layers, &shape)?;
        if self.is_autoencoder() {
            layers.push(Layer::Dense { inputs, to: shape.clone() });
            return Ok(with_options(Network::new(WHAT, &shape, layers), options));
        }
        match options.minibatch {
            Minibatch::None => {}
            Minibatch::Stddev => {
                layers.push(Layer::MinibatchStddev { inputs });
                inputs += 1;
            }
            Minibatch::Discrimination => {
                layers.push(Layer::MinibatchDiscrimination { inputs, kernels: KERNELS, dimensions: KERNEL_DIMENSIONS });
                inputs += KERNELS;
            }
        }
        layers.push(match options.classes {
            0 => Layer::Dense { inputs, to: vec![1] },
            classes => Layer::Score { inputs, classes },
        });
        Ok(with_options(Network::new(WHAT, &shape, layers), options))
    }

    /// Appends all layers but the last; returns the number of features.
    fn features(&self, layers: &mut Vec<Layer>, shape: &[usize]) -> Result<usize, NetworkError> {
        let inputs = shape.iter().product();
        match (self, shape) {
            (Self::Mlp { hidden, fourier_features }, _) => {
                if *fourier_features > MAX_FOURIER_FEATURES {
                    let why = format!("fourier_features = {fourier_features}: expected 0 to {MAX_FOURIER_FEATURES}");
                    return Err(NetworkError::new(WHAT, why));
                }
                if *fourier_features > 0 && shape.len() != 1 {
                    let why =
                        "fourier_features work for points only: set discriminator.fourier_features = 0 for images";
                    return Err(NetworkError::new(WHAT, why));
                }
                layers.extend((*fourier_features > 0).then_some(Layer::FourierFeatures { count: *fourier_features }));
                dense(layers, inputs * (fourier_features + 1), hidden)
            }
            (Self::Autoencoder { hidden, code }, _) => {
                check_widths(WHAT, &[*code])?;
                let inputs = dense(layers, inputs, hidden)?;
                let inputs = dense(layers, inputs, &[*code])?;
                let decoder: Vec<_> = hidden.iter().rev().copied().collect();
                dense(layers, inputs, &decoder)
            }
            (Self::Dcgan { stem, widths, hidden, batch_norm }, &[h, w, c]) => {
                let inputs = dcgan(layers, [h, w, c], *stem, widths, *batch_norm)?;
                if *hidden > 0 { dense(layers, inputs, &[*hidden]) } else { Ok(inputs) }
            }
            (Self::Residual { widths }, &[h, w, c]) => residual(layers, [h, w, c], widths),
            (Self::Dcgan { .. }, _) => Err(images_only(WHAT, "dcgan", shape)),
            (Self::Residual { .. }, _) => Err(images_only(WHAT, "residual", shape)),
        }
    }
}

/// Appends strided convolutions with LeakyReLU; returns the number of features.
fn dcgan(
    layers: &mut Vec<Layer>,
    shape: [usize; 3],
    stem: usize,
    widths: &[usize],
    batch_norm: bool,
) -> Result<usize, NetworkError> {
    check_widths(WHAT, widths)?;
    let [mut h, mut w, mut channels] = shape;
    if stem > 0 {
        check_widths(WHAT, &[stem])?;
        layers.extend([Layer::Conv { window: KEEP, inputs: channels, outputs: stem }, leaky(0.2)]);
        channels = stem;
    }
    for (i, &width) in widths.iter().enumerate() {
        (h, w) = halved((h, w), widths.len(), &shape)?;
        layers.push(Layer::Conv { window: HALVE, inputs: channels, outputs: width });
        if batch_norm && i > 0 {
            layers.push(Layer::BatchNorm { channels: width });
        }
        layers.push(leaky(0.2));
        channels = width;
    }
    Ok(h * w * channels)
}

/// Appends residual blocks that halve the sides; returns the number of features.
fn residual(layers: &mut Vec<Layer>, shape: [usize; 3], widths: &[usize]) -> Result<usize, NetworkError> {
    check_widths(WHAT, widths)?;
    let [mut h, mut w, mut channels] = shape;
    for &width in widths {
        (h, w) = halved((h, w), widths.len(), &shape)?;
        let conv = |inputs, outputs, window| Layer::Conv { window, inputs, outputs };
        layers.extend([Layer::Fork, conv(channels, width, KEEP), leaky(0.2), conv(width, width, HALVE)]);
        layers.extend([Layer::Swap, conv(channels, width, PAIRS), Layer::Join, leaky(0.2)]);
        channels = width;
    }
    Ok(h * w * channels)
}

/// Applies spectral normalization if the options request it.
fn with_options(network: Network, options: DiscriminatorOptions) -> Network {
    if options.spectral_norm { network.spectral() } else { network }
}

/// Appends dense layers of these widths, each with LeakyReLU; returns the number of features.
fn dense(layers: &mut Vec<Layer>, mut inputs: usize, widths: &[usize]) -> Result<usize, NetworkError> {
    check_widths(WHAT, widths)?;
    for &width in widths {
        layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.2)]);
        inputs = width;
    }
    Ok(inputs)
}

/// Sides after one of `times` halvings.
fn halved((h, w): (usize, usize), times: usize, shape: &[usize]) -> Result<(usize, usize), NetworkError> {
    match (HALVE.output(h), HALVE.output(w)) {
        (Some(h), Some(w)) if h > 0 && w > 0 => Ok((h, w)),
        _ => {
            let [w, h] = [shape[1], shape[0]];
            let why = format!("{times} widths halve images of {w}x{h} below one pixel: use fewer discriminator.widths");
            Err(NetworkError::new(WHAT, why))
        }
    }
}
