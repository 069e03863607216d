//! The float generator as the exporter sees it: layers with batch norm folded, each reading an earlier one.

use ganlet_runtime::normal_i8;

/// A float generator with batch norm folded: the reference that an integer model is compared with.
///
/// Tensors are stored rows first, channels innermost; latent values are `i8 / 32`.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatNet {
    /// The model's name.
    pub name: String,
    /// Inputs: the latent vector, and behind it a value for each class.
    pub latent: usize,
    /// How many of the inputs at the end are classes: 1 for the class chosen, else 0.
    pub classes: usize,
    /// The layers, latent first; the last one makes the picture, or the one before those that judge it.
    pub layers: Vec<FloatLayer>,
    /// Layers that make smaller pictures on the way, smallest first.
    pub levels: Vec<usize>,
    /// How many layers at the end judge the picture; the very last one makes a single value, the score in 0..=1.
    pub judges: usize,
    /// The output values that mean black and white: (-1, 1) behind a tanh.
    pub range: (f32, f32),
}

/// One layer: an operation, its numbers and the activation behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// The operation.
    pub op: FloatOp,
    /// What it reads.
    pub input: FloatSource,
    /// Weights: dense `[inputs, h * w * c]`, convolution `[k, k, c_in, c_out]`, transposed convolution
    /// `[k, k, c_out, c_in]`, depthwise `[k, k, c]`, upsampling and sum none.
    pub weight: Vec<f32>,
    /// Biases: one a channel, or (dense only) one a value; none counts as zeros.
    pub bias: Vec<f32>,
    /// The activation.
    pub activation: Activation,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatSource {
    /// The latent vector, classes included.
    #[default]
    Latent,
    /// What an earlier layer makes.
    Layer(usize),
}

impl FloatSource {
    /// The value that layer `index` makes after as many before it; the latent for the first.
    pub fn before(index: usize) -> Self {
        index.checked_sub(1).map_or(Self::Latent, Self::Layer)
    }
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatOp {
    /// Every output value is a weighted sum of every input value.
    Dense {
        /// Input values.
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
    /// Convolution of each channel by itself.
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
        /// The second one.
        other: FloatSource,
    },
}

impl FloatOp {
    /// The operation's name.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv-transpose",
            Self::Upsample { .. } => "upsample",
            Self::Depthwise { .. } => "depthwise",
            Self::Add { .. } => "add",
        }
    }

    /// Weights that the operation has.
    pub(super) fn weights(self) -> usize {
        match self {
            Self::Dense { inputs, h, w, c } => inputs * h * w * c,
            Self::Conv { k, c_in, c_out, .. } | Self::ConvTranspose { k, c_in, c_out, .. } => k * k * c_in * c_out,
            Self::Depthwise { k, c, .. } => k * k * c,
            Self::Upsample { .. } | Self::Add { .. } => 0,
        }
    }

    /// The second tensor that it reads.
    pub(super) fn other(self) -> Option<FloatSource> {
        if let Self::Add { other } = self { Some(other) } else { None }
    }

    /// Height, width and channels that it makes of `input`; `None` if it does not take that input.
    pub(super) fn output(self, input: Dims) -> Option<Dims> {
        let Dims { h, w, c } = input;
        let side = |n: usize, k: usize, s: usize, p: usize| Some((n + 2 * p).checked_sub(k)?.checked_div(s)? + 1);
        match self {
            Self::Add { .. } => Some(input),
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

/// The function behind a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// None.
    Linear,
    /// max(0, x).
    Relu,
    /// x, or the slope times x where x is negative.
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// x within -limit and limit.
    Limit(f32),
}

impl Activation {
    /// The function's value.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Linear => x,
            Self::Relu => x.max(0.0),
            Self::LeakyRelu(slope) => x * if x < 0.0 { slope } else { 1.0 },
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Limit(limit) => x.clamp(-limit, limit),
        }
    }
}

impl FloatLayer {
    /// The same layer with what it reads renamed.
    #[must_use]
    pub(super) fn reading(mut self, name: impl Fn(FloatSource) -> FloatSource) -> Self {
        self.input = name(self.input);
        if let FloatOp::Add { other } = &mut self.op {
            *other = name(*other);
        }
        self
    }

    /// Whether it reads what layer `index` makes.
    pub(super) fn reads(&self, index: usize) -> bool {
        let source = FloatSource::Layer(index);
        self.input == source || self.op.other() == Some(source)
    }
}

impl FloatNet {
    /// The output values for latent `z` (each meaning `z / 32`), rows first, channels innermost.
    ///
    /// # Panics
    /// When the layers do not fit together: [`super::quantize`] says which.
    pub fn forward(&self, z: &[i8]) -> Vec<f32> {
        super::float::Forward::new(self).run(z, |_, _, _| {})
    }

    /// The inputs of picture `seed`, which is of class `seed` modulo their number, as a device makes them.
    pub fn inputs(&self, seed: u32) -> Vec<i8> {
        let mut z = vec![0; self.latent];
        let (latent, classes) = z.split_at_mut(self.latent.saturating_sub(self.classes));
        normal_i8(seed, latent);
        let class = seed.checked_rem(classes.len() as u32).unwrap_or(0);
        if let Some(chosen) = classes.get_mut(class as usize) {
            *chosen = 32;
        }
        z
    }

    /// The layer that makes the picture.
    pub(super) fn picture(&self) -> usize {
        (self.layers.len() - self.judges).saturating_sub(1)
    }

    /// The score of latent `z`, if there are layers that judge.
    pub fn score(&self, z: &[i8]) -> Option<f32> {
        let score = super::float::Forward::new(self).run_all(z).last().copied();
        score.filter(|_| self.judges > 0)
    }

    /// The same network with a `discriminator` of pictures behind it, whose logit becomes a share of one.
    ///
    /// Some objectives teach a discriminator no more than differences. With `real` pictures given, the mean of their logits is what counts as one half.
    pub fn judged_by(mut self, discriminator: Self, real: Option<&[f32]>) -> Self {
        let (picture, first) = (self.picture(), self.layers.len());
        let moved = |source| match source {
            FloatSource::Latent => FloatSource::Layer(picture),
            FloatSource::Layer(i) => FloatSource::Layer(first + i),
        };
        self.judges = discriminator.layers.len();
        self.layers.extend(discriminator.layers.into_iter().map(|layer| layer.reading(moved)));
        if let Some(real) = real {
            let logits = super::float::Forward::new(&self).judge(real);
            let mean = logits.iter().map(|&v| f64::from(v)).sum::<f64>() / logits.len().max(1) as f64;
            if let Some(last) = self.layers.last_mut() {
                let bias = last.bias.first().copied().unwrap_or(0.0) - mean as f32;
                last.bias = vec![bias];
            }
        }
        if let Some(last) = self.layers.last_mut() {
            last.activation = Activation::Sigmoid;
        }
        self
    }

    /// The same network with the numbers that it makes as a row of gray pixels: what a device shows as a point of a plot.
    #[must_use]
    pub fn with_numbers_as_pixels(mut self) -> Self {
        if let Some(FloatLayer { op: FloatOp::Dense { h: 1, w, c, .. }, .. }) = self.layers.last_mut() {
            (*w, *c) = (*w * *c, 1);
        }
        self
    }

    /// The 8-bit pixels of output values: [`FloatNet::range`] spread over 0..=255, rounded, saturated.
    pub fn pixels(&self, values: &[f32]) -> Vec<u8> {
        crate::data::to_bytes(values, self.range)
    }

    /// The shape behind each layer, or the first layer that does not fit.
    pub(super) fn shapes(&self) -> Result<Vec<Dims>, usize> {
        let mut shapes = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let input = self.shape_of(layer.input, &shapes).ok_or(i)?;
            let fits = layer.op.other().is_none_or(|o| self.shape_of(o, &shapes) == Some(input));
            let shape = layer.op.output(input).filter(|d| d.len() > 0 && fits).ok_or(i)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The shape of a tensor, given those of the layers before its reader.
    pub(super) fn shape_of(&self, source: FloatSource, shapes: &[Dims]) -> Option<Dims> {
        match source {
            FloatSource::Latent => Some(Dims { h: 1, w: 1, c: self.latent }),
            FloatSource::Layer(i) => shapes.get(i).copied(),
        }
    }
}
