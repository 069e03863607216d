//! An interpreter in double precision. It defines every operation in readable code and is the reference for executors.
use super::{Binary, Graph, NodeId, Op, Shape, Unary, Window};
use crate::philox::Key;
use std::collections::HashMap;

/// Inputs of a run of the interpreter.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// Values of inputs and parameters, by node.
    pub values: HashMap<NodeId, Vec<f64>>,
    /// Seed of the random nodes.
    pub seed: u64,
    /// Training step, which the random nodes depend on.
    pub step: u64,
}

/// The values of all nodes of `graph`, by [`NodeId::index`]. A value in `feeds` replaces the value of its node.
///
/// # Panics
/// If `feeds` has no value for an input or a parameter.
pub fn interpret(graph: &Graph, feeds: &Feeds) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let value = match (feeds.values.get(&id), node.op) {
            (Some(fed), _) => fed.clone(),
            (None, Op::Input | Op::Param(_)) => panic!("{} has no value in the feeds", graph.describe(id)),
            (None, Op::Random { stream, distribution }) => {
                let mut out = vec![0.0; node.shape.len()];
                Key { seed: feeds.seed, stream, step: feeds.step }.fill(distribution, &mut out);
                out.into_iter().map(f64::from).collect()
            }
            (None, op) => {
                let args = node.args.iter().map(|a| (&values[a.index()][..], graph.shape(*a))).collect::<Vec<_>>();
                evaluate(op, &args, node.shape)
            }
        };
        values.push(value);
    }
    values
}

/// The value of an operation of `shape`, from the values and shapes of its arguments.
fn evaluate(op: Op, args: &[(&[f64], Shape)], shape: Shape) -> Vec<f64> {
    let a = |k: usize| args[k].0;
    let s = |k: usize| args[k].1;
    let zeros = || vec![0.0; shape.len()];
    match op {
        Op::Input | Op::Param(_) | Op::Random { .. } => unreachable!("{op:?} has no arguments"),
        Op::Full(v) => vec![f64::from(v); shape.len()],
        Op::Unary(f) => a(0).iter().map(|&x| unary(f, x)).collect(),
        Op::Binary(f) => a(0).iter().zip(a(1)).map(|(&x, &y)| binary(f, x, y)).collect(),
        Op::Select => (0..shape.len()).map(|i| if a(0)[i] > 0.0 { a(1)[i] } else { a(2)[i] }).collect(),
        Op::Reshape | Op::Detach | Op::Assign(_) => a(0).to_vec(),
        Op::Slice { axis, start } => gather(shape, s(0), |mut at| {
            at[axis + 4 - shape.rank()] += start;
            at
        })
        .map(|i| a(0)[i])
        .collect(),
        Op::Pad { axis, before } => {
            let mut out = zeros();
            let to = gather(s(0), shape, |mut at| {
                at[axis + 4 - shape.rank()] += before;
                at
            });
            to.zip(a(0)).for_each(|(i, &v)| out[i] = v);
            out
        }
        Op::Concat { axis } => {
            let outer: usize = shape.dims()[..axis].iter().product();
            let part = |k: usize, o: usize| {
                let len = a(k).len() / outer;
                &a(k)[o * len..][..len]
            };
            (0..outer).flat_map(|o| (0..args.len()).flat_map(move |k| part(k, o))).copied().collect()
        }
        Op::Broadcast => gather(shape, s(0), |at| at).map(|i| a(0)[i]).collect(),
        Op::SumTo => {
            let mut out = zeros();
            gather(s(0), shape, |at| at).zip(a(0)).for_each(|(i, &v)| out[i] += v);
            out
        }
        Op::MatMul { ta, tb } => {
            let (m, n) = (shape.dims()[0], shape.dims()[1]);
            let k = a(0).len() / m;
            let left = |i, l| if ta { a(0)[l * m + i] } else { a(0)[i * k + l] };
            let right = |l, j| if tb { a(1)[j * k + l] } else { a(1)[l * n + j] };
            (0..m * n).map(|e| (0..k).map(|l| left(e / n, l) * right(l, e % n)).sum()).collect()
        }
        Op::Upsample(f) => gather(shape, s(0), |[b, y, x, c]| [b, y / f, x / f, c]).map(|i| a(0)[i]).collect(),
        Op::SumPool(f) => {
            let mut out = zeros();
            let to = gather(s(0), shape, |[b, y, x, c]| [b, y / f, x / f, c]);
            to.zip(a(0)).for_each(|(i, &v)| out[i] += v);
            out
        }
        Op::Conv(_)
        | Op::ConvInput(_)
        | Op::ConvWeight(_)
        | Op::Depthwise(_)
        | Op::DepthwiseInput(_)
        | Op::DepthwiseWeight(_) => convolution(op, args, shape),
    }
}

/// [`evaluate`] for the convolutions and their gradients.
fn convolution(op: Op, args: &[(&[f64], Shape)], shape: Shape) -> Vec<f64> {
    let mut out = vec![0.0; shape.len()];
    let ((a, sa), (b, sb)) = (args[0], args[1]);
    // Indices of the input x, the output y and the weight k.
    match op {
        Op::Conv(w) => taps(w, sa, shape, sb, |x, y, k| out[y] += a[x] * b[k]),
        Op::ConvInput(w) => taps(w, shape, sa, sb, |x, y, k| out[x] += a[y] * b[k]),
        Op::ConvWeight(w) => taps(w, sa, sb, shape, |x, y, k| out[k] += a[x] * b[y]),
        Op::Depthwise(w) => depthwise_taps(w, sa, shape, |x, y, k| out[y] += a[x] * b[k]),
        Op::DepthwiseInput(w) => depthwise_taps(w, shape, sa, |x, y, k| out[x] += a[y] * b[k]),
        Op::DepthwiseWeight(w) => depthwise_taps(w, sa, sb, |x, y, k| out[k] += a[x] * b[y]),
        _ => unreachable!("{op:?} is not a convolution"),
    }
    out
}

/// For each index of `over`, the flat index in `into` that `map` maps it to. Dimensions of length 1 are repeated.
fn gather(over: Shape, into: Shape, map: impl Fn([usize; 4]) -> [usize; 4]) -> impl Iterator<Item = usize> {
    let (o, t) = (over.four(), into.four());
    (0..over.len()).map(move |i| {
        let at = [i / (o[1] * o[2] * o[3]), i / (o[2] * o[3]) % o[1], i / o[3] % o[2], i % o[3]];
        map(at).iter().zip(t).fold(0, |flat, (&i, n)| flat * n + if n == 1 { 0 } else { i })
    })
}

/// Calls `each` with the flat indices (input, output, weight) of every tap of a convolution that is not padding.
fn taps(w: Window, x: Shape, y: Shape, k: Shape, mut each: impl FnMut(usize, usize, usize)) {
    let ([_, h, width, ci], [b, oh, ow, co], kernel) = (x.four(), y.four(), k.four()[0]);
    for (n, oy, ox) in (0..b * oh * ow).map(|i| (i / (oh * ow), i / ow % oh, i % ow)) {
        for (ky, kx) in (0..kernel * kernel).map(|i| (i / kernel, i % kernel)) {
            let (iy, ix) = (oy * w.stride + ky, ox * w.stride + kx);
            if iy < w.pad || ix < w.pad || iy - w.pad >= h || ix - w.pad >= width {
                continue;
            }
            for (i, o) in (0..ci * co).map(|e| (e / co, e % co)) {
                let pixel = (n * h + iy - w.pad) * width + ix - w.pad;
                each(pixel * ci + i, ((n * oh + oy) * ow + ox) * co + o, ((ky * kernel + kx) * ci + i) * co + o);
            }
        }
    }
}

/// [`taps`] for a depthwise convolution.
fn depthwise_taps(w: Window, x: Shape, y: Shape, mut each: impl FnMut(usize, usize, usize)) {
    let c = x.last();
    // A convolution with one channel, repeated for every channel.
    let one = |s: Shape| Shape::new(&[s.four()[0], s.four()[1], s.four()[2], 1]);
    let kernel = Shape::new(&[w.kernel, w.kernel, 1, 1]);
    for channel in 0..c {
        taps(w, one(x), one(y), kernel, |x, y, k| each(x * c + channel, y * c + channel, k * c + channel));
    }
}

fn unary(f: Unary, x: f64) -> f64 {
    match f {
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Recip => 1.0 / x,
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Unary::Abs => x.abs(),
        Unary::Sign => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
        Unary::Leaky(slope) => x * if x > 0.0 { 1.0 } else { f64::from(slope) },
        Unary::LeakyStep(slope) => {
            if x > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        Unary::Affine { scale, offset } => f64::from(scale) * x + f64::from(offset),
    }
}

fn binary(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
    }
}
