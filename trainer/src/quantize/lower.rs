//! The numbers of an integer layer: scales, zero points, weights, biases, multipliers and tables.
use super::{
    Activation, FloatLayer, FloatNet, FloatOp, FloatSource,
    calibrate::{Clip, Stats},
    net::Dims,
};
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, Op, Source},
};

/// Real multipliers stay below one half: `m < 2^31` in units of 2^-32.
const LEAST_STEP: f64 = 2.000_1;
/// The larger weight of a sum of two tensors: such sums stay far below 2^31, and multipliers keep 16 bits.
const SUM_WEIGHT: f64 = (1 << 16) as f64;
/// Accumulator units of the largest bias.
const LARGEST_BIAS: f64 = (1 << 27) as f64;

/// What the i8 of a tensor mean: `(value - zero_point) * scale`.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    scale: f64,
    zero_point: i8,
}

/// The layers of `net` as integers.
pub(super) fn lower(net: &FloatNet, stats: &[Stats], clip: Clip) -> Vec<LayerSpec> {
    let shapes = net.shapes().expect("the network was checked");
    let shown: Vec<usize> = net.levels.iter().copied().chain([net.picture()]).map(|i| numbers_of(net, i)).collect();
    let score = (net.judges > 0).then_some(net.layers.len() - 1);
    let mut specs = Vec::new();
    let mut meanings: Vec<Meaning> = Vec::new();
    for (index, layer) in net.layers.iter().enumerate() {
        let meaning = |source| match source {
            FloatSource::Latent => Meaning { scale: 1.0 / 32.0, zero_point: 0 },
            FloatSource::Layer(i) => meanings[i],
        };
        let lowering = Lowering {
            layer,
            shape: shapes[index],
            stats: &stats[index],
            input: meaning(layer.input),
            other: layer.op.other().map(meaning),
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
        let (spec, output) = lowering.run(range, clip);
        specs.push(spec);
        meanings.push(output);
    }
    specs
}

/// The layer whose numbers layer `index` shows: itself, but for upsampling, which passes on what it reads.
fn numbers_of(net: &FloatNet, index: usize) -> usize {
    match net.layers[index] {
        FloatLayer { op: FloatOp::Upsample { .. }, input: FloatSource::Layer(i), .. } => numbers_of(net, i),
        _ => index,
    }
}

fn source(source: FloatSource) -> Source {
    match source {
        FloatSource::Latent => Source::Latent,
        FloatSource::Layer(i) => Source::Layer(i as u8),
    }
}

/// The mean of what each weight of `op` multiplies: by input channel, or by input value where every value has its own.
fn means(op: FloatOp, mean: &[f64], channels: usize) -> Vec<f64> {
    if let FloatOp::Dense { .. } = op {
        return mean.to_vec();
    }
    let pixels = (mean.len() / channels) as f64;
    (0..channels).map(|c| mean.iter().skip(c).step_by(channels).sum::<f64>() / pixels).collect()
}

/// One layer, and all that its integers depend on.
struct Lowering<'a> {
    layer: &'a FloatLayer,
    shape: Dims,
    stats: &'a Stats,
    input: Meaning,
    /// The second tensor's, of a sum.
    other: Option<Meaning>,
    /// Means of the input, by channel (dense: by value); none where they are 0.
    means: Vec<f64>,
}

impl Lowering<'_> {
    fn run(&self, range: Option<(f32, f32)>, clip: Clip) -> (LayerSpec, Meaning) {
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
        let steps = self.weight_steps();
        spec.weights = self.layer.weight.iter().enumerate().map(|(i, w)| self.weight(i, *w, &steps)).collect();
        // The real value of an accumulator's unit, by channel.
        let sum = self.other.map(|other| Sum::new(self.input, other));
        let units = sum.map_or_else(|| steps.iter().map(|s| s * self.input.scale).collect(), |sum| vec![sum.unit]);
        let coarsest = units.iter().fold(0.0, |m: f64, u| m.max(*u)) * LEAST_STEP;

        // A real v becomes the i8 v / step + offset.
        let (step, offset) = match range {
            Some((black, white)) => {
                let step = f64::from(white - black) / 255.0;
                (step, -128.0 - f64::from(black) / step)
            }
            None => {
                let (lo, hi) = self.stats.range(clip);
                let step = (f64::from(hi - lo) / 255.0).max(coarsest);
                (step, (-128.0 - f64::from(lo) / step).round().clamp(-128.0, 127.0))
            }
        };
        let saturates = match self.layer.activation {
            Activation::Linear => true,
            Activation::Relu => offset == -128.0,
            // What saturates here is what the range ends with.
            Activation::Limit(limit) => range.is_none() && step * 255.0 <= f64::from(2.0 * limit) * 1.000_1,
            _ => false,
        };
        spec.zero_point = offset.round().clamp(-128.0, 127.0) as i8;
        let (unit, shift) = if saturates && step >= coarsest {
            // What of the offset the zero point cannot say, the bias says.
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
        let output = Meaning { scale: step, zero_point: spec.zero_point };
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
        }
    }

    /// The output channel that weight `i` belongs to.
    fn channel(&self, i: usize) -> usize {
        match self.layer.op {
            FloatOp::ConvTranspose { c_in, c_out, .. } => i / c_in % c_out,
            _ => i % self.shape.c,
        }
    }

    fn weight(&self, i: usize, w: f32, steps: &[f64]) -> i8 {
        (f64::from(w) / steps[self.channel(i)]).round().clamp(-127.0, 127.0) as i8
    }

    /// The real value of weight 1, by channel.
    fn weight_steps(&self) -> Vec<f64> {
        let mut steps = vec![1e-20f64; self.shape.c];
        for (i, w) in self.layer.weight.iter().enumerate() {
            let step = &mut steps[self.channel(i)];
            *step = step.max(f64::from(w.abs()) / 127.0);
        }
        // Where weights vanish beside the bias, the bias sets the unit.
        let channels = steps.len();
        for (i, b) in self.layer.bias.iter().enumerate() {
            let step = &mut steps[i % channels];
            *step = step.max(f64::from(b.abs()) / self.input.scale / LARGEST_BIAS);
        }
        steps
    }

    /// The greatest magnitude that a table tells apart.
    fn table_reach(&self) -> f64 {
        let seen = f64::from(self.stats.before) * 1.25 + 1e-6;
        match self.layer.activation {
            // Beyond these both are flat at 8 bits.
            Activation::Tanh => seen.min(6.0),
            Activation::Sigmoid => seen.min(11.0),
            _ => seen,
        }
    }

    /// Biases in accumulator units, `shift` added, the input's zero point and the mean rounding of weights taken out.
    fn biases(&self, weights: &[i8], steps: &[f64], shift: f64) -> Vec<i32> {
        let (c, zero) = (self.shape.c, i64::from(self.input.zero_point));
        // One bias for each group of weights that are summed together.
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
            let given = match self.layer.bias.len() {
                0 => 0.0,
                n => f64::from(self.layer.bias[group % n]),
            };
            let real = (given + shift + lost[group]) / (self.input.scale * steps[group % c]);
            (real.round() as i64 - zero * sums[group]).clamp(i32::MIN.into(), i32::MAX.into()) as i32
        };
        let all: Vec<i32> = (0..groups).map(bias).collect();
        let shared = matches!(self.layer.op, FloatOp::Dense { .. }) && all.chunks(c).all(|pixel| pixel == &all[..c]);
        if shared { all[..c].to_vec() } else { all }
    }

    /// Which bias weight `i` counts for, and which input channel (dense: input value) it multiplies.
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
            FloatOp::Upsample { .. } | FloatOp::Add { .. } => (0, 0),
        }
    }
}

/// The integers of a sum of two tensors.
#[derive(Clone, Copy)]
struct Sum {
    /// The real value of one unit of the accumulator.
    unit: f64,
    weights: [i32; 2],
    /// Takes both zero points out.
    bias: i32,
}

impl Sum {
    fn new(a: Meaning, b: Meaning) -> Self {
        let unit = a.scale.max(b.scale) / SUM_WEIGHT;
        let weights = [a, b].map(|m| (m.scale / unit).round() as i32);
        let bias = -(weights[0] * i32::from(a.zero_point) + weights[1] * i32::from(b.zero_point));
        Self { unit, weights, bias }
    }
}
