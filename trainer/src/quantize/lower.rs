//! Computes the parameters of the integer layers: scales, zero points, weights, biases, multipliers and tables.
use super::{
    Activation, FloatLayer, FloatNet, FloatOp, FloatSource,
    calibrate::{Clipping, TensorStats},
    net::Dims,
};
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, Op, Source},
};

/// Minimum ratio of an output step to an accumulator unit, so that multipliers stay below 0.5: `m < 2^31` in units of 2^-32.
const LEAST_STEP: f64 = 2.000_1;
/// The larger weight of a sum of two tensors. It keeps sums far below 2^31 and multipliers at 16 bits.
const SUM_WEIGHT: f64 = (1 << 16) as f64;
/// Share of a palette's color with the largest value in a pixel.
const LARGEST_SHARE: f64 = 32767.0;
/// Largest bias, in accumulator units.
const LARGEST_BIAS: f64 = (1 << 27) as f64;

/// Quantization parameters of a tensor: the i8 value q means `(q - zero_point) * scale`.
#[derive(Clone, Copy, Debug)]
struct QuantParams {
    scale: f64,
    zero_point: i8,
}

/// Returns the layers of `net` as integers, weights in training order. `clippings` has one entry per layer.
///
/// `rounded` has the integer weights of each layer that [`round`](super::rounding::round) returned; weights that it does not have are rounded to the nearest.
pub(super) fn lower(
    net: &FloatNet,
    stats: &[TensorStats],
    rounded: &[Vec<i8>],
    clippings: &[Clipping],
) -> Vec<LayerSpec> {
    let shapes = net.shapes().expect("the network was checked");
    let shown: Vec<usize> = net.levels.iter().copied().chain([net.image()]).map(|i| values_of(net, i)).collect();
    let score = (net.discriminator_layers > 0).then_some(net.layers.len() - 1);
    let mut specs = Vec::new();
    let mut params: Vec<QuantParams> = Vec::new();
    for (index, layer) in net.layers.iter().enumerate() {
        let params_of = |source| match source {
            FloatSource::Latent => QuantParams { scale: 1.0 / 32.0, zero_point: 0 },
            FloatSource::Layer(i) => params[i],
        };
        let lowering = Lowering {
            layer,
            rounded: rounded.get(index).map_or(&[], Vec::as_slice),
            shape: shapes[index],
            stats: &stats[index],
            input: params_of(layer.input),
            other: layer.op.other().map(params_of),
            means: match layer.input {
                FloatSource::Latent => Vec::new(),
                FloatSource::Layer(i) => means(layer.op, &stats[i].mean, shapes[i].c),
            },
        };
        let range = match index {
            i if shown.contains(&i) => Some(net.range),
            i if Some(i) == score => Some((0.0, 1.0)),
            _ => None,
        };
        let (spec, output) = lowering.run(range, clippings[index]);
        specs.push(spec);
        params.push(output);
    }
    specs
}

/// Returns the layer that computes the values of layer `index`: itself, the input of an upsampling, which only copies, or the palette
/// whose colors are mixed.
fn values_of(net: &FloatNet, index: usize) -> usize {
    match net.layers[index] {
        FloatLayer { op: FloatOp::Upsample { .. }, input: FloatSource::Layer(i), .. }
        | FloatLayer { op: FloatOp::Palette { palette: FloatSource::Layer(i), .. }, .. } => values_of(net, i),
        _ => index,
    }
}

fn source(source: FloatSource) -> Source {
    match source {
        FloatSource::Latent => Source::Latent,
        FloatSource::Layer(i) => Source::Layer(i as u8),
    }
}

/// Returns the mean of the inputs that each weight multiplies: per input channel, or per input value in dense layers.
fn means(op: FloatOp, mean: &[f64], channels: usize) -> Vec<f64> {
    if let FloatOp::Dense { .. } = op {
        return mean.to_vec();
    }
    let pixels = (mean.len() / channels) as f64;
    (0..channels).map(|c| mean.iter().skip(c).step_by(channels).sum::<f64>() / pixels).collect()
}

/// One layer and everything that its integers depend on.
struct Lowering<'a> {
    layer: &'a FloatLayer,
    /// Its integer weights; empty if they are rounded to the nearest.
    rounded: &'a [i8],
    shape: Dims,
    stats: &'a TensorStats,
    input: QuantParams,
    /// Parameters of the second tensor of a sum.
    other: Option<QuantParams>,
    /// Means of the input, per channel (dense: per value); empty if they are 0.
    means: Vec<f64>,
}

impl Lowering<'_> {
    /// Computes the integers of the layer and the parameters of its output. `range` is fixed for images and scores.
    fn run(&self, range: Option<(f32, f32)>, clipping: Clipping) -> (LayerSpec, QuantParams) {
        let mut spec = LayerSpec {
            op: self.op(),
            input: source(self.layer.input),
            zero_point: self.input.zero_point,
            table: None,
            weights: Vec::new(),
            wide: [0; 2],
            bias: Vec::new(),
            scale: Vec::new(),
        };
        if let FloatOp::Upsample { .. } = self.layer.op {
            return (spec, self.input);
        }
        if let (FloatOp::Palette { .. }, Some(colors)) = (self.layer.op, self.other) {
            let share = |below: usize| (LARGEST_SHARE * (-(below as f64) * self.input.scale).exp()).round() as i16;
            spec.table = Some(std::array::from_fn(share));
            spec.zero_point = colors.zero_point;
            return (spec, colors);
        }
        let steps = self.weight_steps();
        let largest = self.layer.largest_weights();
        let weight = |(i, w): (usize, &f32)| {
            let channel = self.layer.channel_of(i);
            match self.rounded.get(i) {
                Some(&rounded) if steps[channel] == f64::from(largest[channel]) / 127.0 => rounded,
                _ => (f64::from(*w) / steps[channel]).round().clamp(-127.0, 127.0) as i8,
            }
        };
        spec.weights = self.layer.weight.iter().enumerate().map(weight).collect();
        // The real value of one accumulator unit, per channel.
        let sum = self.other.map(|other| Sum::new(self.input, other));
        let units = sum.map_or_else(|| steps.iter().map(|s| s * self.input.scale).collect(), |sum| vec![sum.unit]);
        let coarsest = units.iter().fold(0.0, |m: f64, u| m.max(*u)) * LEAST_STEP;

        // A real v becomes the i8 v / step + offset.
        let (step, offset) = match (range, self.layer.activation) {
            (Some((black, white)), _) => {
                let step = f64::from(white - black) / 255.0;
                (step, -128.0 - f64::from(black) / step)
            }
            // The steps of the latent, so that values which are passed on lose nothing.
            (None, Activation::Limit(limit)) => (f64::from(limit) / 127.0, 0.0),
            (None, _) => {
                let (lo, hi) = self.stats.range(clipping);
                let step = (f64::from(hi - lo) / 255.0).max(coarsest);
                (step, (-128.0 - f64::from(lo) / step).round().clamp(-128.0, 127.0))
            }
        };
        let saturates = match self.layer.activation {
            Activation::Linear => true,
            Activation::Relu => offset == -128.0,
            // The i8 range saturates where the activation does, or one step below.
            Activation::Limit(_) => range.is_none(),
            _ => false,
        };
        spec.zero_point = offset.round().clamp(-128.0, 127.0) as i8;
        let (unit, shift) = if saturates && step >= coarsest {
            // The bias holds the fraction of the offset that the zero point cannot represent.
            (step, (offset - f64::from(spec.zero_point)) * step)
        } else {
            let unit = (self.table_reach() / 32768.0).max(coarsest);
            let activation = self.layer.activation;
            spec.table = Some(std::array::from_fn(|i| {
                let x = (i as f64 - 128.0) * 256.0 * unit;
                let v = f64::from(activation.apply(x as f32)) / step + offset;
                (v * 256.0).round().clamp(-32768.0, 32767.0) as i16
            }));
            (unit, 0.0)
        };
        match sum {
            Some(sum) => (spec.wide, spec.bias) = (sum.weights, vec![sum.bias + (shift / sum.unit).round() as i32]),
            None => spec.bias = self.biases(&spec.weights, &steps, shift),
        }
        let scale = |u: &f64| (u / unit * 4_294_967_296.0).round().min(2_147_483_647.0) as u32;
        spec.scale = units.iter().map(scale).collect();
        let output = QuantParams { scale: step, zero_point: spec.zero_point };
        (spec, output)
    }

    fn op(&self) -> Op {
        let (small, wide) = (|n: usize| n.min(255) as u8, |n: usize| n.min(65535) as u16);
        match self.layer.op {
            FloatOp::Dense { h, w, c, .. } => Op::Dense { shape: Shape { h: wide(h), w: wide(w), c: wide(c) } },
            FloatOp::Conv { k, s, p, c_out, .. } => Op::Conv { k: small(k), s: small(s), p: small(p), c: wide(c_out) },
            FloatOp::ConvTranspose { k, s, p, c_out, .. } => {
                Op::ConvTranspose { k: small(k), s: small(s), p: small(p), c: wide(c_out) }
            }
            FloatOp::Upsample { factor } => Op::Upsample { factor: small(factor) },
            FloatOp::Depthwise { k, s, p, .. } => Op::Depthwise { k: small(k), s: small(s), p: small(p) },
            FloatOp::Add { other } => Op::Add { other: source(other) },
            FloatOp::Palette { palette, .. } => Op::Palette { colors: source(palette) },
        }
    }

    /// Returns the real value of the integer weight 1, per channel.
    fn weight_steps(&self) -> Vec<f64> {
        let mut steps = vec![1e-20f64; self.shape.c];
        for (step, largest) in steps.iter_mut().zip(self.layer.largest_weights()) {
            *step = step.max(f64::from(largest) / 127.0);
        }
        // If the weights are tiny compared with the bias, the bias determines the unit.
        let channels = steps.len();
        for (i, b) in self.layer.bias.iter().enumerate() {
            let step = &mut steps[i % channels];
            *step = step.max(f64::from(b.abs()) / self.input.scale / LARGEST_BIAS);
        }
        steps
    }

    /// Returns the largest magnitude that the activation table resolves.
    fn table_reach(&self) -> f64 {
        let seen = f64::from(self.stats.before) * 1.25 + 1e-6;
        match self.layer.activation {
            // Beyond these values the functions are constant at 8 bits.
            Activation::Tanh => seen.min(6.0),
            Activation::Sigmoid => seen.min(11.0),
            Activation::Bounded(limit) => seen.min(6.0 * f64::from(limit)),
            _ => seen,
        }
    }

    /// Returns the biases in accumulator units, including `shift` and corrections for the input's zero point and for the mean
    /// rounding error of the weights.
    fn biases(&self, weights: &[i8], steps: &[f64], shift: f64) -> Vec<i32> {
        let (c, zero) = (self.shape.c, i64::from(self.input.zero_point));
        // One bias for each group of weights that are summed together: an output value, a phase or a channel.
        let groups = match self.layer.op {
            FloatOp::Dense { .. } => self.shape.len(),
            FloatOp::ConvTranspose { s, .. } => s * s * c,
            _ => c,
        };
        let (mut sums, mut lost) = (vec![0i64; groups], vec![0.0; groups]);
        for (i, (&q, &w)) in weights.iter().zip(&self.layer.weight).enumerate() {
            let (group, input) = self.group_and_input(i);
            sums[group] += i64::from(q);
            let mean = self.means.get(input).copied().unwrap_or(0.0);
            lost[group] += (f64::from(w) - f64::from(q) * steps[group % c]) * mean;
        }
        let bias = |group: usize| {
            let bias = match self.layer.bias.len() {
                0 => 0.0,
                n => f64::from(self.layer.bias[group % n]),
            };
            let real = (bias + shift + lost[group]) / (self.input.scale * steps[group % c]);
            (real.round() as i64 - zero * sums[group]).clamp(i32::MIN.into(), i32::MAX.into()) as i32
        };
        let all: Vec<i32> = (0..groups).map(bias).collect();
        let shared = matches!(self.layer.op, FloatOp::Dense { .. }) && all.chunks(c).all(|pixel| pixel == &all[..c]);
        if shared { all[..c].to_vec() } else { all }
    }

    /// Returns the bias group of weight `i`, and the input channel (dense: input value) that it multiplies.
    fn group_and_input(&self, i: usize) -> (usize, usize) {
        match self.layer.op {
            FloatOp::Dense { h, w, c, .. } => (i % (h * w * c), i / (h * w * c)),
            FloatOp::Conv { c_in, c_out, .. } => (i % c_out, i / c_out % c_in),
            FloatOp::ConvTranspose { k, s, c_in, c_out, .. } => {
                let tap = i / (c_in * c_out);
                let phase = (tap / k % s) * s + tap % k % s;
                (phase * c_out + i / c_in % c_out, i % c_in)
            }
            FloatOp::Depthwise { c, .. } => (i % c, i % c),
            FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => (0, 0),
        }
    }
}

/// The integers of a layer that adds two tensors.
#[derive(Clone, Copy)]
struct Sum {
    /// Real value of one accumulator unit.
    unit: f64,
    weights: [i32; 2],
    /// Cancels both zero points.
    bias: i32,
}

impl Sum {
    fn new(a: QuantParams, b: QuantParams) -> Self {
        let unit = a.scale.max(b.scale) / SUM_WEIGHT;
        let weights = [a, b].map(|m| (m.scale / unit).round() as i32);
        let bias = -(weights[0] * i32::from(a.zero_point) + weights[1] * i32::from(b.zero_point));
        Self { unit, weights, bias }
    }
}
