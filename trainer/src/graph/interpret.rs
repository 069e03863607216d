//! The readable meaning of every operation, in double precision: the oracle of all executors.
use super::{Binary, Graph, NodeId, Op, Shape, Unary, Window};
use crate::philox::Key;
use std::collections::HashMap;

/// What a run of the interpreter is given.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// Values of inputs and of stored parameters, by node.
    pub values: HashMap<NodeId, Vec<f64>>,
    /// Seed of random nodes.
    pub seed: u64,
    /// Step of random nodes.
    pub step: u64,
}

/// The value of every node of `graph`; a node that was fed keeps what it was fed.
///
/// # Panics
/// When an input or a parameter was not fed.
pub fn interpret(graph: &Graph, feeds: &Feeds) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let a = |k: usize| &values[node.args[k].index()][..];
        let s = |k: usize| graph.shape(node.args[k]);
        let value = match (feeds.values.get(&id), node.op) {
            (Some(fed), _) => fed.clone(),
            (None, Op::Input | Op::Param(_)) => panic!("{} was not fed", graph.describe(id)),
            (_, Op::Full(v)) => vec![f64::from(v); node.shape.len()],
            (_, Op::Random { stream, distribution }) => {
                let mut out = vec![0.0; node.shape.len()];
                Key { seed: feeds.seed, stream, step: feeds.step }.fill(distribution, &mut out);
                out.into_iter().map(f64::from).collect()
            }
            (_, Op::Unary(f)) => a(0).iter().map(|&x| unary(f, x)).collect(),
            (_, Op::Binary(f)) => a(0).iter().zip(a(1)).map(|(&x, &y)| binary(f, x, y)).collect(),
            (_, Op::Select) => (0..node.shape.len()).map(|i| if a(0)[i] > 0.0 { a(1)[i] } else { a(2)[i] }).collect(),
            (_, Op::Reshape | Op::Detach | Op::Assign(_)) => a(0).to_vec(),
            (_, Op::Slice { axis, start }) => gather(node.shape, s(0), |mut at| {
                at[axis + 4 - node.shape.rank()] += start;
                at
            })
            .map(|i| a(0)[i])
            .collect(),
            (_, Op::Pad { axis, before }) => {
                let mut out = vec![0.0; node.shape.len()];
                let to = gather(s(0), node.shape, |mut at| {
                    at[axis + 4 - node.shape.rank()] += before;
                    at
                });
                to.zip(a(0)).for_each(|(i, &v)| out[i] = v);
                out
            }
            (_, Op::Concat { axis }) => {
                let outer: usize = node.shape.dims()[..axis].iter().product();
                let part = |k: usize, o: usize| {
                    let len = a(k).len() / outer;
                    a(k)[o * len..][..len].to_vec()
                };
                (0..outer).flat_map(|o| (0..node.args.len()).flat_map(move |k| part(k, o))).collect()
            }
            (_, Op::Broadcast) => gather(node.shape, s(0), |at| at).map(|i| a(0)[i]).collect(),
            (_, Op::SumTo) => {
                let mut out = vec![0.0; node.shape.len()];
                gather(s(0), node.shape, |at| at).zip(a(0)).for_each(|(i, &v)| out[i] += v);
                out
            }
            (_, Op::MatMul { ta, tb }) => {
                let (m, n) = (node.shape.dims()[0], node.shape.dims()[1]);
                let k = a(0).len() / m;
                let left = |i, l| if ta { a(0)[l * m + i] } else { a(0)[i * k + l] };
                let right = |l, j| if tb { a(1)[j * k + l] } else { a(1)[l * n + j] };
                (0..m * n).map(|e| (0..k).map(|l| left(e / n, l) * right(l, e % n)).sum()).collect()
            }
            (_, Op::Conv(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                taps(w, s(0), node.shape, s(1), |x, y, k| out[y] += a(0)[x] * a(1)[k]);
                out
            }
            (_, Op::ConvInput(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                taps(w, node.shape, s(0), s(1), |x, y, k| out[x] += a(0)[y] * a(1)[k]);
                out
            }
            (_, Op::ConvWeight(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                taps(w, s(0), s(1), node.shape, |x, y, k| out[k] += a(0)[x] * a(1)[y]);
                out
            }
            (_, Op::Depthwise(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                lone_taps(w, s(0), node.shape, |x, y, k| out[y] += a(0)[x] * a(1)[k]);
                out
            }
            (_, Op::DepthwiseInput(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                lone_taps(w, node.shape, s(0), |x, y, k| out[x] += a(0)[y] * a(1)[k]);
                out
            }
            (_, Op::DepthwiseWeight(w)) => {
                let mut out = vec![0.0; node.shape.len()];
                lone_taps(w, s(0), s(1), |x, y, k| out[k] += a(0)[x] * a(1)[y]);
                out
            }
            (_, Op::Upsample(f)) => {
                gather(node.shape, s(0), |[b, y, x, c]| [b, y / f, x / f, c]).map(|i| a(0)[i]).collect()
            }
            (_, Op::SumPool(f)) => {
                let mut out = vec![0.0; node.shape.len()];
                let to = gather(s(0), node.shape, |[b, y, x, c]| [b, y / f, x / f, c]);
                to.zip(a(0)).for_each(|(i, &v)| out[i] += v);
                out
            }
        };
        values.push(value);
    }
    values
}

/// For each index of `over`, the flat index into `into` that `map` leads to; dimensions of length 1 repeat.
fn gather(over: Shape, into: Shape, map: impl Fn([usize; 4]) -> [usize; 4]) -> impl Iterator<Item = usize> {
    let (o, t) = (over.four(), into.four());
    (0..over.len()).map(move |i| {
        let at = [i / (o[1] * o[2] * o[3]), i / (o[2] * o[3]) % o[1], i / o[3] % o[2], i % o[3]];
        map(at).iter().zip(t).fold(0, |flat, (&i, n)| flat * n + if n == 1 { 0 } else { i })
    })
}

/// Calls `each` with the flat indices (picture, output, weight) of every useful tap of a convolution.
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

/// The same for a depthwise convolution.
fn lone_taps(w: Window, x: Shape, y: Shape, mut each: impl FnMut(usize, usize, usize)) {
    let c = x.last();
    // A convolution of one channel, once for each.
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
