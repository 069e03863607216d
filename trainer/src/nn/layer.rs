//! The kinds of layers, and what each makes of the shape before it.
use crate::graph::Window;

/// A function applied to every number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x where positive, else slope·x; slope 0 is ReLU.
    Leaky(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1+e^-x).
    Sigmoid,
}

/// One layer; sizes are of one example, pictures [height, width, channels].
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// x·W + b to numbers laid out as `to`.
    Dense {
        /// Numbers in.
        inputs: usize,
        /// Shape of the result.
        to: Vec<usize>,
    },
    /// Convolution with bias.
    Conv {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
    },
    /// Transposed convolution with bias.
    ConvTranspose {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
    },
    /// Convolution of each channel by itself, with bias.
    Depthwise {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels in and out.
        channels: usize,
    },
    /// The first `count` numbers become their signs, -1 or 1; the others pass.
    BinaryLatents {
        /// Numbers that become signs.
        count: usize,
    },
    /// Every number is followed by `count` foldings of it, v to 2|v| - 1: waves that are twice as fine each, and half as high, so that all
    /// are equally steep.
    FourierFeatures {
        /// Foldings.
        count: usize,
    },
    /// Nearest-neighbor enlargement.
    Upsample(usize),
    /// Normalization over the batch and all pixels, with scale and shift per channel.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// A function of every number.
    Activation(Activation),
    /// Remembers the value for a shortcut (He et al. 2016).
    Fork,
    /// Exchanges the value with the one remembered last: what follows is the shortcut.
    Swap,
    /// Adds the value remembered last, and forgets it.
    Join,
    /// A level of a Laplacian pyramid (Denton et al. 2015): a convolution of the value is the residual that is added to the
    /// enlarged picture of the level before. The value itself passes.
    Level {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels of the value.
        inputs: usize,
        /// Channels of the picture.
        outputs: usize,
    },
    /// The picture of the last level takes the value's place.
    Picture,
    /// One number more for each example: how much the examples of the batch differ (Karras et al. 2018, section 3).
    MinibatchStddev {
        /// Numbers in.
        inputs: usize,
    },
    /// `kernels` numbers more: how near the others of the batch are (Salimans et al. 2016, section 3.2).
    MinibatchDiscrimination {
        /// Numbers in.
        inputs: usize,
        /// Numbers added.
        kernels: usize,
        /// Dimensions in which examples are compared, for each.
        dimensions: usize,
    },
    /// One score: x·w + b, and with classes the inner product of x with the embedding of the class
    /// (Miyato & Koyama 2018, eq. 4).
    Score {
        /// Numbers in.
        inputs: usize,
        /// Classes.
        classes: usize,
    },
}

impl Layer {
    /// Shape behind this layer; `stack` and `picture` hold what forks and levels left.
    pub(crate) fn output(&self, dims: Vec<usize>, stack: &mut Vec<Vec<usize>>, picture: &mut Vec<usize>) -> Vec<usize> {
        let by = |window: &Window, dims: &[usize], channels: usize| {
            vec![window.output(dims[0]).unwrap_or(0), window.output(dims[1]).unwrap_or(0), channels]
        };
        match (self, &dims[..]) {
            (Self::Dense { to, .. }, _) => to.clone(),
            (Self::Conv { window, outputs, .. }, &[_, _, _]) => by(window, &dims, *outputs),
            (Self::Depthwise { window, channels }, &[_, _, _]) => by(window, &dims, *channels),
            (Self::ConvTranspose { window, outputs, .. }, &[h, w, _]) => {
                vec![window.transposed(h).unwrap_or(0), window.transposed(w).unwrap_or(0), *outputs]
            }
            (Self::Upsample(f), &[h, w, c]) => vec![h * f, w * f, c],
            (Self::FourierFeatures { count }, &[numbers]) => vec![numbers * (count + 1)],
            (Self::MinibatchStddev { inputs }, _) => vec![inputs + 1],
            (Self::MinibatchDiscrimination { inputs, kernels, .. }, _) => vec![inputs + kernels],
            (Self::Score { .. }, _) => vec![1],
            (Self::Fork, _) => {
                stack.push(dims.clone());
                dims
            }
            (Self::Swap, _) => stack.last_mut().map_or(dims.clone(), |top| std::mem::replace(top, dims)),
            (Self::Join, _) => {
                stack.pop();
                dims
            }
            (Self::Level { window, outputs, .. }, &[_, _, _]) => {
                *picture = by(window, &dims, *outputs);
                dims
            }
            (Self::Picture, _) => picture.clone(),
            _ => dims,
        }
    }

    /// The weight's dimensions, inputs that reach an output, outputs that an input reaches, and the count of biases.
    pub(crate) fn weights(&self) -> Option<(Vec<usize>, usize, usize, usize)> {
        Some(match self {
            Self::Dense { inputs, to } => {
                let n = to.iter().product();
                (vec![*inputs, n], *inputs, n, n)
            }
            Self::Score { inputs, .. } => (vec![*inputs, 1], *inputs, 1, 1),
            Self::Conv { window: w, inputs, outputs } | Self::Level { window: w, inputs, outputs } => {
                let taps = w.kernel * w.kernel;
                (vec![w.kernel, w.kernel, *inputs, *outputs], taps * inputs, taps * outputs, *outputs)
            }
            Self::ConvTranspose { window: w, inputs, outputs } => {
                let taps = (w.kernel * w.kernel / (w.stride * w.stride)).max(1);
                (vec![w.kernel, w.kernel, *outputs, *inputs], taps * inputs, w.kernel * w.kernel * outputs, *outputs)
            }
            Self::Depthwise { window: w, channels } => {
                (vec![w.kernel, w.kernel, *channels], w.kernel * w.kernel, w.kernel * w.kernel, *channels)
            }
            _ => return None,
        })
    }

    /// Whether the result for one example depends on the others of the batch.
    pub fn mixes(&self) -> bool {
        matches!(self, Self::BatchNorm { .. } | Self::MinibatchStddev { .. } | Self::MinibatchDiscrimination { .. })
    }
}
