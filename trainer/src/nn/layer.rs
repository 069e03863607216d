//! Layers: their parameters, output shapes and weight shapes.
use crate::graph::Window;

/// Activation function, applied to each number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Leaky ReLU: x if positive, else slope·x. Slope 0 is ReLU.
    Leaky(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1+e^-x).
    Sigmoid,
    /// limit·tanh(x/limit): nearly x for small x, and never beyond the limit.
    Bounded(f32),
}

/// One layer of a network. Shapes are those of one example; images are [height, width, channels].
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// Fully connected layer x·W + b; the result is reshaped to `to`.
    Dense {
        /// Length of the input.
        inputs: usize,
        /// Shape of the output.
        to: Vec<usize>,
    },
    /// Convolution with bias.
    Conv {
        /// Kernel, stride, padding.
        window: Window,
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
    },
    /// Transposed convolution with bias.
    ConvTranspose {
        /// Kernel, stride, padding.
        window: Window,
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
    },
    /// Depthwise convolution: each channel has its own kernel. With bias.
    Depthwise {
        /// Kernel, stride, padding.
        window: Window,
        /// Input and output channels.
        channels: usize,
    },
    /// Replaces the first `count` latent values by their signs, -1 or 1; the others pass unchanged.
    BinaryLatents {
        /// Number of binary latents.
        count: usize,
    },
    /// Replaces the last latent value by a one-hot class: the number of `thresholds`, which ascend, that it is above.
    ClassLatent {
        /// Values between the classes, one less than there are classes.
        thresholds: Vec<f32>,
    },
    /// Appends `count` triangle waves of each number, made by folding v to 2|v| - 1 again and again. Each wave has twice the frequency
    /// and half the amplitude of the one before, so all have the same slope (after the Fourier features of Tancik et al. 2020).
    FourierFeatures {
        /// Number of waves.
        count: usize,
    },
    /// Nearest-neighbor upsampling by this factor.
    Upsample(usize),
    /// Batch normalization over the batch and all pixels, with scale and shift per channel (Ioffe & Szegedy 2015).
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// Activation function.
    Activation(Activation),
    /// Begins a residual block: keeps the value for the shortcut (He et al. 2016).
    Fork,
    /// Exchanges the value with the value kept by the last [`Layer::Fork`]: the layers that follow form the shortcut.
    Swap,
    /// Ends a residual block: adds the last kept value and drops it.
    Join,
    /// Level of a Laplacian pyramid (Denton et al. 2015): a convolution of the value gives the residual that is added to the
    /// upsampled image of the previous level. The value itself passes unchanged.
    Level {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels of the value.
        inputs: usize,
        /// Channels of the image.
        outputs: usize,
    },
    /// Replaces the value by the image of the last [`Layer::Level`].
    Image,
    /// Mixes the colors of a palette for each pixel: the softmax of the pixel's values gives their shares. The value kept by the last
    /// [`Layer::Fork`] is the palette, which it drops: the first channel of all colors, then the second, and so on.
    Palette {
        /// Number of colors, which is the number of channels of the value.
        colors: usize,
        /// Channels of a color.
        channels: usize,
    },
    /// Appends the mean standard deviation over the batch as one feature (Karras et al. 2018, section 3).
    MinibatchStddev {
        /// Length of the input.
        inputs: usize,
    },
    /// Minibatch discrimination: appends `kernels` features that measure the closeness to the other examples of the batch
    /// (Salimans et al. 2016, section 3.2).
    MinibatchDiscrimination {
        /// Length of the input.
        inputs: usize,
        /// Number of appended features.
        kernels: usize,
        /// Dimensions of each kernel's comparison.
        dimensions: usize,
    },
    /// One score x·w + b; with classes, plus the inner product of x with the embedding of the class (projection discriminator:
    /// Miyato & Koyama 2018, eq. 4).
    Score {
        /// Length of the input.
        inputs: usize,
        /// Number of classes; 0 for none.
        classes: usize,
    },
}

/// Short constructors for the usual layers.
impl Layer {
    /// Fully connected layer from `inputs` numbers to the shape `to`.
    pub fn dense(inputs: usize, to: &[usize]) -> Self {
        Self::Dense { inputs, to: to.to_vec() }
    }

    /// Convolution of `kernel` x `kernel` taps that moves by `stride` over an image with `pad` zeros around it.
    pub fn conv(inputs: usize, outputs: usize, (kernel, stride, pad): (usize, usize, usize)) -> Self {
        Self::Conv { window: Window { kernel, stride, pad }, inputs, outputs }
    }

    /// Transposed convolution with the (kernel, stride, padding) of the convolution that it transposes; (4, 2, 1) doubles an image.
    pub fn conv_transpose(inputs: usize, outputs: usize, (kernel, stride, pad): (usize, usize, usize)) -> Self {
        Self::ConvTranspose { window: Window { kernel, stride, pad }, inputs, outputs }
    }

    /// x if positive, else slope·x; slope 0 is ReLU.
    pub fn leaky_relu(slope: f32) -> Self {
        Self::Activation(Activation::Leaky(slope))
    }

    /// Hyperbolic tangent.
    pub fn tanh() -> Self {
        Self::Activation(Activation::Tanh)
    }

    /// Last layer of a discriminator: one score of `inputs` numbers, without a sigmoid.
    pub fn score(inputs: usize) -> Self {
        Self::Score { inputs, classes: 0 }
    }
}

impl Layer {
    /// Output shape for the input shape `dims`; `stack` and `image` carry the shapes of forks and levels from layer to layer.
    pub(crate) fn output(&self, dims: Vec<usize>, stack: &mut Vec<Vec<usize>>, image: &mut Vec<usize>) -> Vec<usize> {
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
            (Self::ClassLatent { thresholds }, &[numbers]) => vec![numbers + thresholds.len()],
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
            (Self::Palette { channels, .. }, &[h, w, _]) => {
                stack.pop();
                vec![h, w, *channels]
            }
            (Self::Level { window, outputs, .. }, &[_, _, _]) => {
                *image = by(window, &dims, *outputs);
                dims
            }
            (Self::Image, _) => image.clone(),
            _ => dims,
        }
    }

    /// Weight shape, fan-in, fan-out and number of biases; `None` for layers without a weight and a bias.
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
                let taps = (w.kernel * w.kernel / (w.stride * w.stride).max(1)).max(1);
                (vec![w.kernel, w.kernel, *outputs, *inputs], taps * inputs, w.kernel * w.kernel * outputs, *outputs)
            }
            Self::Depthwise { window: w, channels } => {
                (vec![w.kernel, w.kernel, *channels], w.kernel * w.kernel, w.kernel * w.kernel, *channels)
            }
            _ => return None,
        })
    }

    /// Whether the output for one example depends on the other examples of the batch.
    pub fn depends_on_batch(&self) -> bool {
        matches!(self, Self::BatchNorm { .. } | Self::MinibatchStddev { .. } | Self::MinibatchDiscrimination { .. })
    }
}
