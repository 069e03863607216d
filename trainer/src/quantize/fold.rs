//! From a trained generator to the layers that are exported: batch normalization folded into the layer before it, shortcuts and
//! the levels of a pyramid as sums.
use super::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource, QuantizeError};
use crate::nn::{self, BATCH_NORM_EPSILON, Layer, Network, Tensor, TensorKey, TensorRole};

/// The generator `network` with its averaged `weights` and batch `statistics`, ready to be quantized.
///
/// y = (W·x + b - mean)·scale/√(variance + ε) + shift is again a layer W'·x + b' (Jacob et al. 2018, eq. 14).
///
/// # Errors
/// With a layer that no integer model has.
pub fn fold(
    name: &str,
    network: &Network,
    weights: &[f32],
    statistics: &[f32],
    range: [f32; 2],
) -> Result<FloatNet, QuantizeError> {
    let find = |tensors: &[Tensor], values: &[f32], layer: usize, role: TensorRole| {
        let tensor = tensors.iter().find(|t| t.key == TensorKey { layer, role });
        tensor.map_or_else(Vec::new, |t| values[t.at..][..t.len()].to_vec())
    };
    let weight = |layer, role| find(&network.tensors, weights, layer, role);
    let statistic = |layer, role| find(&network.statistics, statistics, layer, role);
    let (mut built, shapes) = (Built::default(), network.shapes());
    for (i, layer) in network.layers.iter().enumerate() {
        let op = match layer {
            Layer::Dense { inputs, to } => {
                let (h, w, c) = match to[..] {
                    [h, w, c] => (h, w, c),
                    _ => (1, 1, to.iter().product()),
                };
                FloatOp::Dense { inputs: *inputs, h, w, c }
            }
            Layer::Conv { window: w, inputs, outputs } => {
                FloatOp::Conv { k: w.kernel, s: w.stride, p: w.pad, c_in: *inputs, c_out: *outputs }
            }
            Layer::ConvTranspose { window: w, inputs, outputs } => {
                FloatOp::ConvTranspose { k: w.kernel, s: w.stride, p: w.pad, c_in: *inputs, c_out: *outputs }
            }
            Layer::Upsample(factor) => FloatOp::Upsample { factor: *factor },
            Layer::Depthwise { window: w, channels } => {
                FloatOp::Depthwise { k: w.kernel, s: w.stride, p: w.pad, c: *channels }
            }
            Layer::BinaryLatents { count } => {
                built.signs(*count, network.input.iter().product());
                continue;
            }
            Layer::Fork => {
                built.stack.push(built.now);
                continue;
            }
            Layer::Swap => {
                let now = built.now;
                built.now = built.stack.last_mut().map_or(now, |top| std::mem::replace(top, now));
                continue;
            }
            Layer::Join => {
                if let Some(other) = built.stack.pop() {
                    built.push(FloatOp::Add { other }, Vec::new(), Vec::new());
                }
                continue;
            }
            Layer::Level { window: w, inputs, outputs } => {
                let op = FloatOp::Conv { k: w.kernel, s: w.stride, p: w.pad, c_in: *inputs, c_out: *outputs };
                let side = w.output(shapes[i][0]).unwrap_or(0);
                built.level(op, weight(i, TensorRole::Weight), weight(i, TensorRole::Bias), side);
                continue;
            }
            Layer::Picture => {
                built.picture();
                continue;
            }
            Layer::BatchNorm { .. } => {
                let norm = Norm::new(
                    [weight(i, TensorRole::Scale), weight(i, TensorRole::Shift)],
                    [statistic(i, TensorRole::Mean), statistic(i, TensorRole::Variance)],
                );
                built.layers.last_mut().into_iter().for_each(|l| norm.fold_into(l));
                continue;
            }
            Layer::Activation(a) => {
                let activation = match *a {
                    nn::Activation::Leaky(0.0) => Activation::Relu,
                    nn::Activation::Leaky(slope) => Activation::LeakyRelu(slope),
                    nn::Activation::Tanh => Activation::Tanh,
                    nn::Activation::Sigmoid => Activation::Sigmoid,
                };
                built.layers.last_mut().into_iter().for_each(|l| l.activation = activation);
                continue;
            }
            other => return Err(QuantizeError::unknown(i, other)),
        };
        built.push(op, weight(i, TensorRole::Weight), weight(i, TensorRole::Bias));
    }
    let Built { layers, levels, .. } = built;
    Ok(FloatNet {
        name: name.into(),
        latent: network.input.iter().product(),
        layers,
        levels,
        classes: 0,
        judges: 0,
        range: (range[0], range[1]),
    })
}

/// Layers as they are built.
#[derive(Default)]
struct Built {
    layers: Vec<FloatLayer>,
    levels: Vec<usize>,
    now: FloatSource,
    /// Values kept for shortcuts.
    stack: Vec<FloatSource>,
    /// The last level of a pyramid, as it was summed, and its side.
    sum: Option<(FloatSource, usize)>,
    /// How many of the inputs of the next layer are signs, which stand as the largest latent.
    signs: usize,
}

/// The largest latent.
const REACH: f32 = 127.0 / 32.0;
/// How steep a line integers make in one layer: half a step of the output for a step of each weight.
const STEEP: f32 = 48.0;

impl Built {
    fn push(&mut self, op: FloatOp, mut weight: Vec<f32>, bias: Vec<f32>) {
        if let FloatOp::Dense { h, w, c, .. } = op {
            weight.iter_mut().take(self.signs * h * w * c).for_each(|w| *w /= REACH);
        }
        self.signs = 0;
        self.layers.push(FloatLayer { op, input: self.now, weight, bias, activation: Activation::Linear });
        self.now = FloatSource::Layer(self.layers.len() - 1);
    }

    /// BinaryLatents of the first `count` of the latent's numbers: two steep lines, one behind the other, that end at the range's ends.
    fn signs(&mut self, count: usize, latent: usize) {
        let mut weight = vec![0.0; latent * latent];
        (0..latent).for_each(|i| weight[i * latent + i] = if i < count { STEEP } else { 1.0 });
        // The first one crosses 0 between the latents 0 and 1/32.
        let bias = (0..latent).map(|i| if i < count { -STEEP / 64.0 } else { 0.0 }).collect();
        for bias in [bias, Vec::new()] {
            self.push(FloatOp::Dense { inputs: latent, h: 1, w: 1, c: latent }, weight.clone(), bias);
            self.layers.last_mut().into_iter().for_each(|l| l.activation = Activation::Limit(REACH));
        }
        self.signs = count;
    }

    /// The residual `op` of the value, added to the enlarged level before; the value stays.
    fn level(&mut self, op: FloatOp, weight: Vec<f32>, bias: Vec<f32>, side: usize) {
        let value = self.now;
        if let (Some((before, _)), FloatOp::Conv { c_out: c, .. }) = (self.sum, op) {
            // A level is shown as it is cut to black and white, but added to as it is.
            let same = (0..c * c).map(|i| if i / c == i % c { 1.0 } else { 0.0 }).collect();
            self.now = before;
            self.push(FloatOp::Conv { k: 1, s: 1, p: 0, c_in: c, c_out: c }, same, Vec::new());
            self.levels.push(self.layers.len() - 1);
        }
        self.now = value;
        self.push(op, weight, bias);
        if let Some((before, smaller)) = self.sum {
            let residual = std::mem::replace(&mut self.now, before);
            self.push(FloatOp::Upsample { factor: side / smaller.max(1) }, Vec::new(), Vec::new());
            self.push(FloatOp::Add { other: residual }, Vec::new(), Vec::new());
        }
        self.sum = Some((self.now, side));
        self.now = value;
    }

    /// The last level takes the value's place.
    fn picture(&mut self) {
        self.now = self.sum.map_or(self.now, |(level, _)| level);
    }
}

/// A batch normalization as one factor and one summand per channel.
struct Norm {
    factor: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    fn new([scale, shift]: [Vec<f32>; 2], [mean, variance]: [Vec<f32>; 2]) -> Self {
        let factor: Vec<_> = scale.iter().zip(&variance).map(|(s, v)| s / (v + BATCH_NORM_EPSILON).sqrt()).collect();
        let shift = shift.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        Self { factor, shift }
    }

    fn fold_into(&self, layer: &mut FloatLayer) {
        let channels = self.factor.len();
        // Output channels are innermost, but for transposed convolutions, whose input channels are.
        let inner = match layer.op {
            FloatOp::ConvTranspose { c_in, .. } => c_in,
            _ => 1,
        };
        for (i, w) in layer.weight.iter_mut().enumerate() {
            *w *= self.factor[i / inner % channels];
        }
        for (i, b) in layer.bias.iter_mut().enumerate() {
            *b = *b * self.factor[i % channels] + self.shift[i % channels];
        }
    }
}
