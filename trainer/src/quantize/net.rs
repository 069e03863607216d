//! The float network that is quantized: layers with batch norm folded in, each reading the latent or an earlier layer.

use ganlet_runtime::normal_i8;

/// A float generator with batch norm folded in: the source of an integer model, and the reference it is compared with.
///
/// Tensors are stored rows first, channels innermost; latent values are `i8 / 32`.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatNet {
    /// Name of the model.
    pub name: String,
    /// Number of inputs: the latent values, then one value for each class.
    pub inputs: usize,
    /// Number of classes, whose one-hot values are the last inputs; 0 without classes.
    pub classes: usize,
    /// Layers in order of computation; the image is the output of the last one before the discriminator.
    pub layers: Vec<FloatLayer>,
    /// Indices of layers whose outputs are smaller images, smallest first: the levels of a pyramid.
    pub levels: Vec<usize>,
    /// Number of layers at the end that form the discriminator. The last one outputs a single score, 0..=1.
    pub discriminator_layers: usize,
    /// Output values that mean black and white: (-1, 1) after a tanh.
    pub range: (f32, f32),
}

/// One layer: an operation, its weights, and the activation that follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// The operation.
    pub op: FloatOp,
    /// The tensor that it reads.
    pub input: FloatSource,
    /// Weights: dense `[inputs, h * w * c]`, convolution `[k, k, c_in, c_out]`, transposed convolution
    /// `[k, k, c_out, c_in]`, depthwise `[k, k, c]`; none for upsampling and sums.
    pub weight: Vec<f32>,
    /// Biases: one per channel or, in dense layers only, one per output value. Empty means zeros.
    pub bias: Vec<f32>,
    /// The activation applied to the output.
    pub activation: Activation,
}

/// The tensor that a layer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatSource {
    /// The latent vector, classes included.
    #[default]
    Latent,
    /// The output of an earlier layer, by index.
    Layer(usize),
}

impl FloatSource {
    /// Returns the output of the layer before layer `index`, or the latent for the first layer.
    pub fn before(index: usize) -> Self {
        index.checked_sub(1).map_or(Self::Latent, Self::Layer)
    }
}

/// The operation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatOp {
    /// Fully connected layer: every output value is a weighted sum of all input values.
    Dense {
        /// Number of input values.
        inputs: usize,
        /// Output rows.
        h: usize,
        /// Output columns.
        w: usize,
        /// Output channels.
        c: usize,
    },
    /// Convolution.
    Conv {
        /// Kernel side.
        k: usize,
        /// Stride.
        s: usize,
        /// Padding on each side.
        p: usize,
        /// Input channels.
        c_in: usize,
        /// Output channels.
        c_out: usize,
    },
    /// Transposed convolution: `out[y * s + ky - p] += in[y] * weight[ky]`.
    ConvTranspose {
        /// Kernel side.
        k: usize,
        /// Stride.
        s: usize,
        /// Padding on each side.
        p: usize,
        /// Input channels.
        c_in: usize,
        /// Output channels.
        c_out: usize,
    },
    /// Nearest-neighbor upsampling.
    Upsample {
        /// Repetitions in both directions.
        factor: usize,
    },
    /// Depthwise convolution: each channel is convolved with its own kernel.
    Depthwise {
        /// Kernel side.
        k: usize,
        /// Stride.
        s: usize,
        /// Padding on each side.
        p: usize,
        /// Channels in and out.
        c: usize,
    },
    /// The sum of two tensors.
    Add {
        /// The second tensor.
        other: FloatSource,
    },
    /// For each pixel, the mean of the colors of a palette, in the shares softmax(values of the pixel).
    Palette {
        /// The palette: the first channel of all colors, then the second, and so on.
        palette: FloatSource,
        /// Number of colors, which is that of the input's channels.
        colors: usize,
        /// Channels of a color.
        channels: usize,
    },
}

impl FloatOp {
    /// Returns the name of the operation, as in messages and in `inspect`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv-transpose",
            Self::Upsample { .. } => "upsample",
            Self::Depthwise { .. } => "depthwise",
            Self::Add { .. } => "add",
            Self::Palette { .. } => "palette",
        }
    }

    /// Returns the number of weights.
    pub(super) fn weights(self) -> usize {
        match self {
            Self::Dense { inputs, h, w, c } => inputs * h * w * c,
            Self::Conv { k, c_in, c_out, .. } | Self::ConvTranspose { k, c_in, c_out, .. } => k * k * c_in * c_out,
            Self::Depthwise { k, c, .. } => k * k * c,
            Self::Upsample { .. } | Self::Add { .. } | Self::Palette { .. } => 0,
        }
    }

    /// Returns the second tensor that a sum or a palette reads.
    pub(super) fn other(self) -> Option<FloatSource> {
        match self {
            Self::Add { other } | Self::Palette { palette: other, .. } => Some(other),
            _ => None,
        }
    }

    /// Returns whether the second tensor may have the shape `other` if the input has the shape `input`.
    pub(super) fn accepts(self, input: Dims, other: Dims) -> bool {
        match self {
            Self::Palette { colors, channels, .. } => other == Dims { h: 1, w: 1, c: colors * channels },
            _ => other == input,
        }
    }

    /// Returns the output shape for an input of shape `input`, or `None` if the operation does not accept that shape.
    pub(super) fn output(self, input: Dims) -> Option<Dims> {
        let Dims { h, w, c } = input;
        let side = |n: usize, k: usize, s: usize, p: usize| Some((n + 2 * p).checked_sub(k)?.checked_div(s)? + 1);
        match self {
            Self::Add { .. } => Some(input),
            Self::Palette { colors, channels, .. } => (c == colors).then_some(Dims { h, w, c: channels }),
            Self::Dense { inputs, h, w, c } => (input.len() == inputs).then_some(Dims { h, w, c }),
            Self::Upsample { factor } => Some(Dims { h: h * factor, w: w * factor, c }),
            Self::Conv { k, s, p, c_in, c_out } => {
                (c == c_in).then_some(Dims { h: side(h, k, s, p)?, w: side(w, k, s, p)?, c: c_out })
            }
            Self::Depthwise { k, s, p, c: own } => {
                (c == own).then_some(Dims { h: side(h, k, s, p)?, w: side(w, k, s, p)?, c })
            }
            Self::ConvTranspose { k, s, p, c_in, c_out } => {
                let side = |n: usize| (n.checked_sub(1)? * s + k).checked_sub(2 * p);
                (c == c_in).then_some(Dims { h: side(h)?, w: side(w)?, c: c_out })
            }
        }
    }
}

/// Height, width and channels of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) c: usize,
}

impl Dims {
    pub(super) fn len(self) -> usize {
        self.h * self.w * self.c
    }
}

/// The function applied to a layer's output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// None.
    Linear,
    /// max(0, x).
    Relu,
    /// x, or slope · x for negative x.
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// x clamped to -limit..=limit.
    Limit(f32),
    /// limit·tanh(x/limit).
    Bounded(f32),
}

impl Activation {
    /// Returns the value of the function at `x`.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Linear => x,
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(slope) => x * if x < 0.0 { slope } else { 1.0 },
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Limit(limit) => x.clamp(-limit, limit),
            Self::Bounded(limit) => limit * (x / limit).tanh(),
        }
    }
}

impl FloatLayer {
    /// Replaces the tensors that the layer reads.
    #[must_use]
    pub(super) fn with_sources(mut self, renamed: impl Fn(FloatSource) -> FloatSource) -> Self {
        self.input = renamed(self.input);
        if let FloatOp::Add { other } | FloatOp::Palette { palette: other, .. } = &mut self.op {
            *other = renamed(*other);
        }
        self
    }

    /// Returns the output channel of weight `i`.
    pub(super) fn channel_of(&self, i: usize) -> usize {
        match self.op {
            FloatOp::ConvTranspose { c_in, c_out, .. } => i / c_in % c_out,
            FloatOp::Dense { c, .. } | FloatOp::Depthwise { c, .. } => i % c,
            FloatOp::Conv { c_out, .. } => i % c_out,
            FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => 0,
        }
    }

    /// Returns the largest magnitude of the weights of each output channel.
    pub(super) fn largest_weights(&self) -> Vec<f32> {
        let channels = match self.op {
            FloatOp::Dense { c, .. } | FloatOp::Depthwise { c, .. } => c,
            FloatOp::Conv { c_out, .. } | FloatOp::ConvTranspose { c_out, .. } => c_out,
            FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => 0,
        };
        let mut largest = vec![0.0f32; channels];
        for (i, w) in self.weight.iter().enumerate() {
            let most = &mut largest[self.channel_of(i)];
            *most = most.max(w.abs());
        }
        largest
    }

    /// Returns whether it reads the output of layer `index`.
    pub(super) fn reads(&self, index: usize) -> bool {
        let source = FloatSource::Layer(index);
        self.input == source || self.op.other() == Some(source)
    }
}

impl FloatNet {
    /// Returns the inputs of seed `seed` as on a device: its latent and, with classes, class `seed` modulo their number.
    pub fn inputs_of_seed(&self, seed: u32) -> Vec<i8> {
        let mut z = vec![0; self.inputs];
        let (latent, classes) = z.split_at_mut(self.inputs.saturating_sub(self.classes));
        normal_i8(seed, latent);
        let class = seed.checked_rem(classes.len() as u32).unwrap_or(0);
        if let Some(chosen) = classes.get_mut(class as usize) {
            *chosen = 32;
        }
        z
    }

    /// Returns the index of the layer whose output is the image.
    pub(super) fn image(&self) -> usize {
        (self.layers.len() - self.discriminator_layers).saturating_sub(1)
    }

    /// Reinterprets the output of a generator of points as a row of gray pixels, which devices show as a point in a plot.
    #[must_use]
    pub fn with_numbers_as_pixels(mut self) -> Self {
        if let Some(FloatLayer { op: FloatOp::Dense { h: 1, w, c, .. }, .. }) = self.layers.last_mut() {
            (*w, *c) = (*w * *c, 1);
        }
        self
    }

    /// Converts output values to 8-bit pixels: [`FloatNet::range`] becomes 0..=255, rounded and saturated.
    pub fn pixels(&self, values: &[f32]) -> Vec<u8> {
        crate::data::to_bytes(values, self.range)
    }

    /// Returns the output shape of every layer, or the index of the first layer that does not fit.
    pub(super) fn shapes(&self) -> Result<Vec<Dims>, usize> {
        let mut shapes = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let input = self.shape_of(layer.input, &shapes).ok_or(i)?;
            let other = layer.op.other().map(|o| self.shape_of(o, &shapes).ok_or(i)).transpose()?;
            let fits = other.is_none_or(|other| layer.op.accepts(input, other));
            let shape = layer.op.output(input).filter(|d| d.len() > 0 && fits).ok_or(i)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// Returns the shape of a tensor, given the output shapes of earlier layers.
    pub(super) fn shape_of(&self, source: FloatSource, shapes: &[Dims]) -> Option<Dims> {
        match source {
            FloatSource::Latent => Some(Dims { h: 1, w: 1, c: self.inputs }),
            FloatSource::Layer(i) => shapes.get(i).copied(),
        }
    }
}
