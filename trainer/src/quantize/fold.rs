//! Converts a trained network to the layers that are exported. Batch norm is folded into the layer before it; shortcuts and
//! pyramid levels become sums.
use super::discrete::DiscreteValues;
use super::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource, QuantizeError};
use crate::nn::{self, BATCH_NORM_EPSILON, Layer, Network, Tensor, TensorKey, TensorRole};
use std::ops::Range;

/// A trained network, as [`fold`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct TrainedNetwork<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Layers and the layout of their weights.
    pub network: &'a Network,
    /// Weights; for a generator those of its exponential moving average.
    pub weights: &'a [f32],
    /// Running statistics of batch norm; empty without batch norm.
    pub statistics: &'a [f32],
    /// Number of classes, whose one-hot values are the last inputs; 0 without classes.
    pub classes: usize,
    /// Shares of the classes with which a class-conditional score is averaged over them; empty for equal shares.
    pub class_shares: &'a [f32],
    /// Output values that mean black and white.
    pub range: [f32; 2],
}

/// Returns the float network to quantize: batch norm folded into the layer before it, pyramid levels as sums.
///
/// Batch norm y = (W·x + b - mean)·scale/√(variance + ε) + shift becomes one layer W'·x + b' (Jacob et al. 2018, eq. 14).
///
/// # Errors
/// If a layer has no counterpart in the model format.
pub fn fold(trained: &TrainedNetwork<'_>) -> Result<FloatNet, QuantizeError> {
    let (network, shapes) = (trained.network, trained.network.shapes());
    let mut builder = NetBuilder::default();
    for (i, layer) in network.layers.iter().enumerate() {
        match layer {
            Layer::BinaryLatents { count } => match network.layers.get(i + 1) {
                Some(Layer::ClassLatent { thresholds }) => builder.discrete_latents(*count, shapes[i][0], thresholds),
                _ => builder.discrete_latents(*count, shapes[i][0], &[]),
            },
            // Added with the binary latents before it.
            Layer::ClassLatent { .. } if i > 0 && matches!(network.layers[i - 1], Layer::BinaryLatents { .. }) => {}
            Layer::ClassLatent { thresholds } if i == 0 => builder.discrete_latents(0, network.input[0], thresholds),
            Layer::Score { inputs, classes } => {
                let op = FloatOp::Dense { inputs: *inputs, h: 1, w: 1, c: 1 };
                builder.push(op, trained.mean_score(i, *classes), trained.weight(i, TensorRole::Bias));
            }
            Layer::Fork => builder.stack.push(builder.current),
            Layer::Swap => builder.swap(),
            Layer::Join => builder.join(),
            Layer::Image => builder.image(),
            Layer::Palette { colors, channels } => builder.palette(*colors, *channels),
            Layer::Level { window: w, inputs, outputs } => {
                let op = FloatOp::Conv { k: w.kernel, s: w.stride, p: w.pad, c_in: *inputs, c_out: *outputs };
                let side = w.output(shapes[i][0]).unwrap_or(0);
                builder.level(op, trained.weight(i, TensorRole::Weight), trained.weight(i, TensorRole::Bias), side);
            }
            Layer::BatchNorm { .. } => {
                let norm = FoldedNorm::new(
                    [trained.weight(i, TensorRole::Scale), trained.weight(i, TensorRole::Shift)],
                    [trained.statistic(i, TensorRole::Mean), trained.statistic(i, TensorRole::Variance)],
                );
                builder.layers.last_mut().into_iter().for_each(|l| norm.fold_into(l));
            }
            Layer::Activation(a) => {
                builder.layers.last_mut().into_iter().for_each(|l| l.activation = activation(*a));
            }
            other => {
                let op = operation(other).ok_or_else(|| QuantizeError::unsupported(i, other))?;
                builder.push(op, trained.weight(i, TensorRole::Weight), trained.weight(i, TensorRole::Bias));
            }
        }
    }
    let inputs = network.input.iter().product();
    if trained.classes > 0 {
        builder.center_classes(FloatSource::Latent, inputs - trained.classes..inputs);
    }
    let discrete = builder.discrete.take();
    if let Some(discrete) = &discrete {
        builder.center_classes(FloatSource::Layer(discrete.layer), discrete.one_hot.clone());
    }
    let mut net = FloatNet {
        name: trained.name.into(),
        inputs,
        classes: trained.classes,
        layers: builder.layers,
        levels: builder.levels,
        discriminator_layers: 0,
        range: (trained.range[0], trained.range[1]),
    };
    if let Some(discrete) = &discrete {
        net.scale_discrete_values(discrete);
    }
    Ok(net)
}

impl TrainedNetwork<'_> {
    /// Returns the weights that layer `layer` uses as `role`; empty if it has none.
    fn weight(&self, layer: usize, role: TensorRole) -> Vec<f32> {
        find(&self.network.tensors, self.weights, layer, role)
    }

    /// Returns the weights of a class-conditional score with the mean embedding of all classes.
    fn mean_score(&self, layer: usize, classes: usize) -> Vec<f32> {
        let (mut weight, embeddings) =
            (self.weight(layer, TensorRole::Weight), self.weight(layer, TensorRole::Embedding));
        let share = |class: usize| self.class_shares.get(class).copied().unwrap_or(1.0);
        let total: f32 = (0..classes).map(share).sum();
        for (class, embedding) in embeddings.chunks_exact(weight.len()).enumerate() {
            weight.iter_mut().zip(embedding).for_each(|(w, e)| *w += share(class) / total * e);
        }
        weight
    }

    /// Returns the batch norm statistics that layer `layer` uses as `role`; empty if it has none.
    fn statistic(&self, layer: usize, role: TensorRole) -> Vec<f32> {
        find(&self.network.statistics, self.statistics, layer, role)
    }
}

fn find(tensors: &[Tensor], values: &[f32], layer: usize, role: TensorRole) -> Vec<f32> {
    let tensor = tensors.iter().find(|t| t.key == TensorKey { layer, role });
    tensor.map_or_else(Vec::new, |t| values[t.at..][..t.len()].to_vec())
}

/// Returns the operation of a layer with weights or of upsampling; `None` for layers that the model format does not have.
fn operation(layer: &Layer) -> Option<FloatOp> {
    Some(match layer {
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
        Layer::Depthwise { window: w, channels } => {
            FloatOp::Depthwise { k: w.kernel, s: w.stride, p: w.pad, c: *channels }
        }
        Layer::Upsample(factor) => FloatOp::Upsample { factor: *factor },
        _ => return None,
    })
}

fn activation(activation: nn::Activation) -> Activation {
    match activation {
        nn::Activation::Leaky(0.0) => Activation::Relu,
        nn::Activation::Leaky(slope) => Activation::LeakyRelu(slope),
        nn::Activation::Tanh => Activation::Tanh,
        nn::Activation::Sigmoid => Activation::Sigmoid,
        nn::Activation::Bounded(limit) => Activation::Bounded(limit),
    }
}

/// Largest latent value.
const LATENT_LIMIT: f32 = 127.0 / 32.0;
/// Slope of one layer of the sign function: half an output step for a step of each weight.
const SIGN_SLOPE: f32 = 48.0;

/// The layers so far, and the tensors that the next layers read.
#[derive(Default)]
struct NetBuilder {
    layers: Vec<FloatLayer>,
    levels: Vec<usize>,
    /// The tensor that the next layer reads.
    current: FloatSource,
    /// Tensors kept for shortcuts.
    stack: Vec<FloatSource>,
    /// The tensor with binary latents and a one-hot class.
    discrete: Option<DiscreteValues>,
    /// The last pyramid level after its sum, and its side in pixels.
    last_level: Option<(FloatSource, usize)>,
}

impl NetBuilder {
    /// Adds a layer that reads the current tensor.
    fn push(&mut self, op: FloatOp, weight: Vec<f32>, bias: Vec<f32>) {
        self.layers.push(FloatLayer { op, input: self.current, weight, bias, activation: Activation::Linear });
        self.current = FloatSource::Layer(self.layers.len() - 1);
    }

    /// Exchanges the current tensor and the top of the stack.
    fn swap(&mut self) {
        if let Some(top) = self.stack.last_mut() {
            std::mem::swap(top, &mut self.current);
        }
    }

    /// Adds the tensor on top of the stack to the current one.
    fn join(&mut self) {
        if let Some(other) = self.stack.pop() {
            self.push(FloatOp::Add { other }, Vec::new(), Vec::new());
        }
    }

    /// Adds the mixture of the colors on top of the stack.
    fn palette(&mut self, colors: usize, channels: usize) {
        if let Some(palette) = self.stack.pop() {
            self.push(FloatOp::Palette { palette, colors, channels }, Vec::new(), Vec::new());
        }
    }

    /// Adds the sign of the first `count` of `latent` values, and replaces the last value by a one-hot class if there are `thresholds`: two
    /// consecutive layers with a steep linear function of the sign's argument, clamped to the latent's limits, and one that turns the
    /// limits into ±1, or into 0 and 1 of a class. Without it, weights of binary latents would have to be smaller than the others by the
    /// limit, and lose two bits.
    fn discrete_latents(&mut self, count: usize, latent: usize, thresholds: &[f32]) {
        let steps = thresholds.len();
        let passed = latent - usize::from(steps > 0);
        let values = passed + steps;
        // The first line crosses 0 between the latent values 0 and 1/32.
        let mut bias: Vec<f32> = (0..passed).map(|i| if i < count { -SIGN_SLOPE / 64.0 } else { 0.0 }).collect();
        bias.extend(thresholds.iter().map(|threshold| -SIGN_SLOPE * threshold));
        let weight = |from: usize, to: usize| match to < passed {
            true if from != to => 0.0,
            true if to >= count => 1.0,
            _ if to < passed || from == latent - 1 => SIGN_SLOPE,
            _ => 0.0,
        };
        self.limited(latent, values, weight, bias);
        // One weight for each value, so a depthwise convolution of one pixel saves the zeros of a dense layer.
        let weight = (0..values).map(|i| if (count..passed).contains(&i) { 1.0 } else { SIGN_SLOPE }).collect();
        self.push_limited(FloatOp::Depthwise { k: 1, s: 1, p: 0, c: values }, weight, Vec::new());
        // A class is reached if the step before it is, and the one after it is not.
        let classes = if steps > 0 { steps + 1 } else { 0 };
        let weight = |from: usize, to: usize| match to.checked_sub(passed) {
            None if from != to => 0.0,
            None => {
                if to < count {
                    1.0 / LATENT_LIMIT
                } else {
                    1.0
                }
            }
            Some(class) if from == passed + class => -0.5 / LATENT_LIMIT,
            Some(class) if from + 1 == passed + class && class > 0 => 0.5 / LATENT_LIMIT,
            Some(_) => 0.0,
        };
        let mut bias = vec![0.0; if classes > 0 { passed } else { 0 }];
        bias.extend((0..classes).map(|class| if class == 0 || class == steps { 0.5 } else { 0.0 }));
        self.limited(values, passed + classes, weight, bias);
        let layer = self.layers.len() - 1;
        self.discrete = Some(DiscreteValues { layer, binary: 0..count, one_hot: passed..passed + classes });
    }

    /// Moves what the weights of all classes have in common into the biases of the dense layers that read the one-hot values `classes` of
    /// `source`. Exactly one of these values is 1, so nothing changes in floats, but the largest weights become smaller.
    fn center_classes(&mut self, source: FloatSource, classes: Range<usize>) {
        for layer in self.layers.iter_mut().filter(|layer| layer.input == source) {
            let FloatOp::Dense { h, w, c, .. } = layer.op else { continue };
            let outputs = h * w * c;
            for output in 0..outputs.min(layer.bias.len()) {
                let at = |class: usize| class * outputs + output;
                let of_classes = classes.clone().map(|class| layer.weight[at(class)]);
                let (least, most) = of_classes.fold((f32::MAX, f32::MIN), |(a, b), w| (a.min(w), b.max(w)));
                let middle = least.midpoint(most);
                classes.clone().for_each(|class| layer.weight[at(class)] -= middle);
                layer.bias[output] += middle;
            }
        }
    }

    /// Adds a dense layer whose outputs are clamped to the latent's limits.
    fn limited(&mut self, inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32, bias: Vec<f32>) {
        let weights = (0..inputs * outputs).map(|i| weight(i / outputs, i % outputs)).collect();
        self.push_limited(FloatOp::Dense { inputs, h: 1, w: 1, c: outputs }, weights, bias);
    }

    /// Adds a layer whose outputs are clamped to the latent's limits.
    fn push_limited(&mut self, op: FloatOp, weight: Vec<f32>, bias: Vec<f32>) {
        self.push(op, weight, bias);
        self.layers.last_mut().into_iter().for_each(|l| l.activation = Activation::Limit(LATENT_LIMIT));
    }

    /// Adds a pyramid level: `op` of the current tensor plus the upsampled previous level. The current tensor stays current.
    fn level(&mut self, op: FloatOp, weight: Vec<f32>, bias: Vec<f32>, side: usize) {
        let features = self.current;
        if let (Some((before, _)), FloatOp::Conv { c_out: c, .. }) = (self.last_level, op) {
            // A level is clamped to black and white for display, but not where the next level reads it.
            let identity = (0..c * c).map(|i| if i / c == i % c { 1.0 } else { 0.0 }).collect();
            self.current = before;
            self.push(FloatOp::Conv { k: 1, s: 1, p: 0, c_in: c, c_out: c }, identity, Vec::new());
            self.levels.push(self.layers.len() - 1);
        }
        self.current = features;
        self.push(op, weight, bias);
        if let Some((before, smaller)) = self.last_level {
            let residual = std::mem::replace(&mut self.current, before);
            self.push(FloatOp::Upsample { factor: side / smaller.max(1) }, Vec::new(), Vec::new());
            self.push(FloatOp::Add { other: residual }, Vec::new(), Vec::new());
        }
        self.last_level = Some((self.current, side));
        self.current = features;
    }

    /// Makes the last pyramid level the current tensor.
    fn image(&mut self) {
        self.current = self.last_level.map_or(self.current, |(level, _)| level);
    }
}

/// Batch norm as one factor and one offset per channel.
struct FoldedNorm {
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl FoldedNorm {
    fn new([scale, shift]: [Vec<f32>; 2], [mean, variance]: [Vec<f32>; 2]) -> Self {
        let factor: Vec<_> = scale.iter().zip(&variance).map(|(s, v)| s / (v + BATCH_NORM_EPSILON).sqrt()).collect();
        let offset = shift.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        Self { factor, offset }
    }

    fn fold_into(&self, layer: &mut FloatLayer) {
        let channels = self.factor.len();
        // Output channels are innermost, except in transposed convolutions, where input channels are innermost.
        let inner = match layer.op {
            FloatOp::ConvTranspose { c_in, .. } => c_in,
            _ => 1,
        };
        for (i, w) in layer.weight.iter_mut().enumerate() {
            *w *= self.factor[i / inner % channels];
        }
        for (i, b) in layer.bias.iter_mut().enumerate() {
            *b = *b * self.factor[i % channels] + self.offset[i % channels];
        }
    }
}
