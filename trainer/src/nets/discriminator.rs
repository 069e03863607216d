//! Families of discriminators, and what lets a discriminator see several examples or their classes.
use super::{HALVE, KEEP, NetworkError, PAIRS, leaky, no_picture, widths_ok};
use crate::nn::{Layer, Network};
use serde::{Deserialize, Serialize};

/// A discriminator's family and size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "family")]
pub enum Discriminator {
    /// Dense layers with LeakyReLU (slope 0.2) between.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// Scales at which the discriminator sees each number beside the number itself, each twice as fine as the one before
        /// (after the features of Tancik et al. 2020).
        #[serde(default)]
        fourier_features: usize,
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
        /// Batch normalization behind each convolution but the first.
        #[serde(default)]
        batch_norm: bool,
    },
    /// Halvings with shortcuts (He et al. 2016), then a dense layer to one score.
    Residual {
        /// Channels after each halving.
        widths: Vec<usize>,
    },
    /// Dense layers to a code and back: the score of an example is how badly it is restored (Berthelot et al. 2017).
    Autoencoder {
        /// Widths of the hidden layers on the way to the code, and back in reverse.
        hidden: Vec<usize>,
        /// Length of the code.
        code: usize,
    },
}

/// What lets a discriminator see that the examples of a batch are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Minibatch {
    /// Nothing: each example is judged by itself.
    #[default]
    None,
    /// The mean standard deviation over the batch as one feature more (Karras et al. 2018).
    Stddev,
    /// Nearness to the others through learned kernels (Salimans et al. 2016).
    Discrimination,
}

/// Kernels of minibatch discrimination and the dimensions of each: 100 x 50 in the paper, less for small batches.
const KERNELS: (usize, usize) = (16, 8);

/// Most scales: the finest wave is then a thousandth of the range.
const MOST_OCTAVES: usize = 10;

/// What a discriminator is given beside its own layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judging {
    /// Examples that are judged together as one (Lin et al. 2018).
    pub packing: usize,
    /// What it sees of the batch.
    pub minibatch: Minibatch,
    /// Whether weights are divided by their spectral norm.
    pub spectral_norm: bool,
    /// Classes that it is told.
    pub classes: usize,
}

impl Default for Judging {
    fn default() -> Self {
        Self { packing: 1, minibatch: Minibatch::None, spectral_norm: false, classes: 0 }
    }
}

impl Discriminator {
    /// Whether scores are errors of restored examples.
    pub fn restores(&self) -> bool {
        matches!(self, Self::Autoencoder { .. })
    }

    /// The network for examples of `shape`; its output is one score an example, or the restored example.
    pub fn network(&self, shape: &[usize], judging: Judging) -> Result<Network, NetworkError> {
        let what = "discriminator";
        let mut shape = shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last *= judging.packing;
        }
        let mut layers = Vec::new();
        let mut inputs = shape.iter().product();
        match (self, &shape[..]) {
            (Self::Mlp { hidden, fourier_features }, _) => {
                if *fourier_features > MOST_OCTAVES {
                    let why = format!("fourier_features = {fourier_features}: expected 0 to {MOST_OCTAVES}");
                    return Err(NetworkError::new(what, why));
                }
                if *fourier_features > 0 && shape.len() != 1 {
                    return Err(NetworkError::new(
                        what,
                        "fourier_features are for points: set discriminator.fourier_features = 0 for pictures",
                    ));
                }
                layers.extend((*fourier_features > 0).then_some(Layer::FourierFeatures { count: *fourier_features }));
                inputs = dense(&mut layers, inputs * (fourier_features + 1), hidden)?;
            }
            (Self::Autoencoder { hidden, code }, _) => {
                widths_ok(what, &[*code])?;
                inputs = dense(&mut layers, inputs, hidden)?;
                inputs = dense(&mut layers, inputs, &[*code])?;
                let back: Vec<_> = hidden.iter().rev().copied().collect();
                inputs = dense(&mut layers, inputs, &back)?;
                layers.push(Layer::Dense { inputs, to: shape.clone() });
                return Ok(finished(Network::new(what, &shape, layers), judging));
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
                    (h, w) = halved((h, w), widths.len(), &shape)?;
                    layers.push(Layer::Conv { window: HALVE, inputs: channels, outputs: width });
                    if *batch_norm && i > 0 {
                        layers.push(Layer::BatchNorm { channels: width });
                    }
                    layers.push(leaky(0.2));
                    channels = width;
                }
                inputs = h * w * channels;
                if *hidden > 0 {
                    inputs = dense(&mut layers, inputs, &[*hidden])?;
                }
            }
            (Self::Residual { widths }, &[mut h, mut w, mut channels]) => {
                widths_ok(what, widths)?;
                for &width in widths {
                    (h, w) = halved((h, w), widths.len(), &shape)?;
                    let wide = |inputs, outputs, window| Layer::Conv { window, inputs, outputs };
                    layers.extend([Layer::Fork, wide(channels, width, KEEP), leaky(0.2), wide(width, width, HALVE)]);
                    layers.extend([Layer::Swap, wide(channels, width, PAIRS), Layer::Join, leaky(0.2)]);
                    channels = width;
                }
                inputs = h * w * channels;
            }
            (Self::Dcgan { .. }, _) => return Err(no_picture(what, "dcgan", &shape)),
            (Self::Residual { .. }, _) => return Err(no_picture(what, "residual", &shape)),
        }
        match judging.minibatch {
            Minibatch::None => {}
            Minibatch::Stddev => {
                layers.push(Layer::MinibatchStddev { inputs });
                inputs += 1;
            }
            Minibatch::Discrimination => {
                layers.push(Layer::MinibatchDiscrimination { inputs, kernels: KERNELS.0, dimensions: KERNELS.1 });
                inputs += KERNELS.0;
            }
        }
        layers.push(match judging.classes {
            0 => Layer::Dense { inputs, to: vec![1] },
            classes => Layer::Score { inputs, classes },
        });
        Ok(finished(Network::new(what, &shape, layers), judging))
    }
}

fn finished(network: Network, judging: Judging) -> Network {
    if judging.spectral_norm { network.spectral() } else { network }
}

/// Dense layers of `widths` with LeakyReLU behind each; gives the numbers behind the last.
fn dense(layers: &mut Vec<Layer>, mut inputs: usize, widths: &[usize]) -> Result<usize, NetworkError> {
    widths_ok("discriminator", widths)?;
    for &width in widths {
        layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.2)]);
        inputs = width;
    }
    Ok(inputs)
}

fn halved((h, w): (usize, usize), times: usize, shape: &[usize]) -> Result<(usize, usize), NetworkError> {
    match (HALVE.output(h), HALVE.output(w)) {
        (Some(h), Some(w)) if h > 0 && w > 0 => Ok((h, w)),
        _ => {
            let why =
                format!("{times} widths halve pictures of {}x{} below one pixel: use fewer widths", shape[1], shape[0]);
            Err(NetworkError::new("discriminator", why))
        }
    }
}
