//! The float generator as the exporter sees it: a chain of layers with batch norm folded.

use ganlet_runtime::latent::normal_i8;

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
    /// Weights: dense `[inputs, h * w * c]`, convolution `[k, k, c_in, c_out]`, transposed convolution
    /// `[k, k, c_out, c_in]`, upsampling none.
    pub weight: Vec<f32>,
    /// Biases: one a channel, or (dense only) one a value; none counts as zeros.
    pub bias: Vec<f32>,
    /// The activation.
    pub activation: Activation,
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
    /// Nearest-neighbour upsampling.
    Upsample {
        /// Repetitions in both directions.
        factor: usize,
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
        }
    }

    /// Weights that the operation has.
    pub(super) fn weights(self) -> usize {
        match self {
            Self::Dense { inputs, h, w, c } => inputs * h * w * c,
            Self::Conv { k, c_in, c_out, .. } | Self::ConvTranspose { k, c_in, c_out, .. } => k * k * c_in * c_out,
            Self::Upsample { .. } => 0,
        }
    }

    /// Height, width and channels that it makes of `input`; `None` if it does not take that input.
    pub(super) fn output(self, input: Dims) -> Option<Dims> {
        let Dims { h, w, c } = input;
        match self {
            Self::Dense { inputs, h, w, c } => (input.len() == inputs).then_some(Dims { h, w, c }),
            Self::Upsample { factor } => Some(Dims { h: h * factor, w: w * factor, c }),
            Self::Conv { k, s, p, c_in, c_out } => {
                let side = |n: usize| Some((n + 2 * p).checked_sub(k)?.checked_div(s)? + 1);
                (c == c_in).then_some(Dims { h: side(h)?, w: side(w)?, c: c_out })
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
        }
    }
}

impl FloatNet {
    /// The output values for latent `z` (each meaning `z / 32`), rows first, channels innermost.
    ///
    /// # Panics
    /// When the layers do not fit together: [`super::quantise`] says which.
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

    /// The same network with a `critic` of pictures behind it, whose logit becomes a share of one.
    ///
    /// Some objectives teach a critic no more than differences. With `real` pictures given, the mean of their logits is what counts as one half.
    pub fn judged_by(mut self, critic: Self, real: Option<&[f32]>) -> Self {
        self.judges = critic.layers.len();
        self.layers.extend(critic.layers);
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

    /// The same network with the numbers that it makes as a row of grey pixels: what a device shows as a point of a plot.
    #[must_use]
    pub fn with_numbers_as_pixels(mut self) -> Self {
        if let Some(FloatLayer { op: FloatOp::Dense { h: 1, w, c, .. }, .. }) = self.layers.last_mut() {
            (*w, *c) = (*w * *c, 1);
        }
        self
    }

    /// The 8-bit pixels of output values: [`FloatNet::range`] spread over 0..=255, rounded, saturated.
    pub fn pixels(&self, values: &[f32]) -> Vec<u8> {
        crate::evaluate::to_bytes(values, self.range)
    }

    /// The shape behind each layer, or the first layer that does not fit.
    pub(super) fn shapes(&self) -> Result<Vec<Dims>, usize> {
        let mut at = Dims { h: 1, w: 1, c: self.latent };
        let shape = |(i, layer): (usize, &FloatLayer)| {
            at = layer.op.output(at).filter(|d| d.len() > 0).ok_or(i)?;
            Ok(at)
        };
        self.layers.iter().enumerate().map(shape).collect()
    }

    /// The same network with every "upsample, then convolve with stride 1" as one transposed convolution.
    ///
    /// Upsampling by f is itself a transposed convolution with a kernel of f×f ones; composed with a k×k kernel
    /// it has side k + f - 1 and stride f. For ×2 and 3×3: four taps an output instead of nine, and no upsampled
    /// rows in RAM, for 16 weights instead of 9.
    pub(super) fn fuse_upsampling(&self) -> Self {
        let mut layers: Vec<FloatLayer> = Vec::new();
        for layer in &self.layers {
            let fused = layers.last().and_then(|before| fuse(before, layer));
            match fused {
                Some(fused) => *layers.last_mut().expect("a layer was fused") = fused,
                None => layers.push(layer.clone()),
            }
        }
        Self { layers, ..self.clone() }
    }
}

fn fuse(up: &FloatLayer, conv: &FloatLayer) -> Option<FloatLayer> {
    let (FloatOp::Upsample { factor: f }, FloatOp::Conv { k, s: 1, p, c_in, c_out }) = (up.op, conv.op) else {
        return None;
    };
    if up.activation != Activation::Linear || p >= k || f == 0 {
        return None;
    }
    let side = k + f - 1;
    let mut weight = vec![0.0; side * side * c_out * c_in];
    for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
        for (dy, dx) in (0..f).flat_map(|dy| (0..f).map(move |dx| (dy, dx))) {
            // An output at `o` reads the upsampled pixel o + ky - p, which is `dy` into its source.
            let (ty, tx) = (dy + k - 1 - ky, dx + k - 1 - kx);
            for o in 0..c_out {
                for i in 0..c_in {
                    weight[((ty * side + tx) * c_out + o) * c_in + i] +=
                        conv.weight[((ky * k + kx) * c_in + i) * c_out + o];
                }
            }
        }
    }
    let op = FloatOp::ConvTranspose { k: side, s: f, p: k - 1 - p, c_in, c_out };
    Some(FloatLayer { op, weight, bias: conv.bias.clone(), activation: conv.activation })
}
