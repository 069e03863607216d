//! From a trained generator to the chain that is exported: batch normalisation folded into the layer before it.
use super::{Activation, FloatLayer, FloatNet, FloatOp, QuantiseError};
use crate::nn::{self, BATCH_NORM_EPSILON, Layer, Network, Tensor};

/// The generator `network` with its averaged `weights` and batch `statistics`, ready to be quantised.
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
) -> Result<FloatNet, QuantiseError> {
    let find = |tensors: &[Tensor], values: &[f32], layer: usize, role: &str| {
        let wanted = format!("{layer}.{role}");
        let tensor = tensors.iter().find(|t| t.name == wanted);
        tensor.map_or_else(Vec::new, |t| values[t.at..][..t.len()].to_vec())
    };
    let weight = |layer, role| find(&network.tensors, weights, layer, role);
    let statistic = |layer, role| find(&network.statistics, statistics, layer, role);
    let mut layers: Vec<FloatLayer> = Vec::new();
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
            Layer::BatchNorm { .. } => {
                let norm = Norm::new(
                    [weight(i, "scale"), weight(i, "shift")],
                    [statistic(i, "mean"), statistic(i, "variance")],
                );
                layers.last_mut().into_iter().for_each(|l| norm.fold_into(l));
                continue;
            }
            Layer::Activation(a) => {
                let activation = match *a {
                    nn::Activation::Leaky(0.0) => Activation::Relu,
                    nn::Activation::Leaky(slope) => Activation::LeakyRelu(slope),
                    nn::Activation::Tanh => Activation::Tanh,
                    nn::Activation::Sigmoid => Activation::Sigmoid,
                };
                layers.last_mut().into_iter().for_each(|l| l.activation = activation);
                continue;
            }
            other => return Err(QuantiseError::unknown(i, other)),
        };
        let (weight, bias) = (weight(i, "weight"), weight(i, "bias"));
        layers.push(FloatLayer { op, weight, bias, activation: Activation::Linear });
    }
    Ok(FloatNet {
        name: name.into(),
        latent: network.input.iter().product(),
        layers,
        classes: 0,
        judges: 0,
        range: (range[0], range[1]),
    })
}

/// A batch normalisation as one factor and one summand per channel.
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
