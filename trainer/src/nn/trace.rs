//! Tracing: a network's layers as nodes of a graph.
use super::spectral::normalized;
use super::{Activation, BATCH_NORM_EPSILON, Layer, Network, Tensor};
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary};

/// What batch normalization normalizes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The batch's own statistics.
    Train,
    /// Stored statistics: this node holds the flat vector.
    Evaluate(Option<NodeId>),
}

/// A traced network: the value after each layer.
#[derive(Clone, Debug)]
pub struct Trace {
    /// After each layer, the last being the output.
    pub values: Vec<NodeId>,
    /// Batch means and variances in the order of [`Network::statistics`], in training mode.
    pub statistics: Vec<NodeId>,
    /// The picture of each level of a pyramid, smallest first.
    pub pictures: Vec<NodeId>,
}

impl Trace {
    /// The network's output.
    pub fn output(&self) -> NodeId {
        self.values[self.values.len() - 1]
    }
}

/// A network's weights as nodes of a graph.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The flat vector.
    pub flat: NodeId,
    /// Views of it, one a tensor.
    pub raw: Vec<NodeId>,
    /// What layers multiply by: the views, or what spectral normalization makes of them.
    pub tensors: Vec<NodeId>,
    /// The next vectors of the power iterations, as one flat vector, with spectral normalization.
    pub vectors: Option<NodeId>,
}

impl Bound {
    /// The gradient of the scalar `y` by all weights, as one flat vector.
    pub fn grad(&self, g: &mut Graph, y: NodeId) -> NodeId {
        let parts = g.grad(y, &self.raw);
        let flat: Vec<_> = parts.iter().map(|&p| g.reshape(p, &[g.shape(p).len()])).collect();
        g.concat(&flat, 0)
    }
}

impl Network {
    /// Binds the weights to the store's entry `param`.
    pub fn bind(&self, g: &mut Graph, param: ParamId) -> Bound {
        g.enter(&self.name);
        let flat = g.param(param, &[self.len()]);
        self.bind_to(g, flat, None)
    }

    /// Binds the weights to any flat vector of them; `vectors` holds those of the power iterations.
    pub fn bind_to(&self, g: &mut Graph, flat: NodeId, vectors: Option<NodeId>) -> Bound {
        let raw = views(g, flat, &self.tensors);
        let mut bound = Bound { flat, tensors: raw.clone(), raw, vectors: None };
        let Some(vectors) = vectors else { return bound };
        let mut next = Vec::new();
        for (vector, node) in self.vectors.iter().zip(views(g, vectors, &self.vectors)) {
            let Some(at) = self.tensors.iter().position(|t| t.name == vector.name) else { continue };
            let (normal, moved) = normalized(g, bound.raw[at], node);
            bound.tensors[at] = normal;
            next.push(moved);
        }
        bound.vectors = Some(g.concat(&next, 0));
        bound
    }

    /// Traces the network on `x` [batch, …] with the weights `bound`.
    pub fn trace(&self, g: &mut Graph, bound: &Bound, x: NodeId, mode: Mode) -> Trace {
        self.trace_of(g, bound, x, None, mode)
    }

    /// The same for examples of classes: `classes` [batch, classes] holds 1 where an example belongs.
    pub fn trace_of(&self, g: &mut Graph, bound: &Bound, x: NodeId, classes: Option<NodeId>, mode: Mode) -> Trace {
        let mut weights = bound.tensors.iter().copied();
        let mut next = || weights.next().expect("one weight for each tensor of the layout");
        let stored = match mode {
            Mode::Evaluate(Some(flat)) => views(g, flat, &self.statistics),
            _ => Vec::new(),
        };
        let mut trace = Trace { values: vec![], statistics: vec![], pictures: vec![] };
        let (mut x, mut stack) = (x, Vec::new());
        for (i, layer) in self.layers.iter().enumerate() {
            g.enter(format!("{} layer {i}", self.name));
            let batch = g.shape(x).dims()[0];
            x = match layer {
                Layer::Dense { inputs, to } => {
                    let flat = g.reshape(x, &[batch, *inputs]);
                    let (w, b) = (next(), next());
                    let product = g.matmul(flat, w);
                    let sum = g.add(product, b);
                    let dims: Vec<_> = std::iter::once(batch).chain(to.iter().copied()).collect();
                    g.reshape(sum, &dims)
                }
                Layer::Score { inputs, classes: count } => {
                    let flat = g.reshape(x, &[batch, *inputs]);
                    let (w, b) = (next(), next());
                    let product = g.matmul(flat, w);
                    let score = g.add(product, b);
                    if *count == 0 {
                        score
                    } else {
                        let classes = classes.expect("a discriminator of classes is told them");
                        let embedded = g.matmul(classes, next());
                        let agreement = g.mul(embedded, flat);
                        let agreement = g.sum_to(agreement, Shape::new(&[batch, 1]));
                        g.add(score, agreement)
                    }
                }
                Layer::Conv { window, .. } => {
                    let (w, b) = (next(), next());
                    let y = g.conv(x, w, *window);
                    g.add(y, b)
                }
                Layer::ConvTranspose { window, .. } => {
                    let (w, b) = (next(), next());
                    let &[_, h, width, _] = g.shape(x).dims() else { panic!("transposed convolution of no picture") };
                    let to = (window.transposed(h).unwrap_or(0), window.transposed(width).unwrap_or(0));
                    let y = g.conv_input(x, w, *window, to);
                    g.add(y, b)
                }
                Layer::Depthwise { window, .. } => {
                    let (w, b) = (next(), next());
                    let y = g.depthwise(x, w, *window);
                    g.add(y, b)
                }
                Layer::BinaryLatents { count } => signs(g, x, *count),
                Layer::FourierFeatures { count } => fourier_features(g, x, *count),
                Layer::Upsample(factor) => g.upsample(x, *factor),
                Layer::BatchNorm { channels } => {
                    let (scale, shift) = (next(), next());
                    let (variance, centered) = if stored.is_empty() {
                        batch_statistics(g, x, *channels, &mut trace.statistics)
                    } else {
                        let at = trace.statistics.len();
                        let (mean, variance) = (stored[at], stored[at + 1]);
                        trace.statistics.extend([mean, variance]);
                        (variance, g.sub(x, mean))
                    };
                    let away = g.affine(variance, 1.0, BATCH_NORM_EPSILON);
                    let deviation = g.unary(Unary::Sqrt, away);
                    let factor = g.div(scale, deviation);
                    let scaled = g.mul(centered, factor);
                    g.add(scaled, shift)
                }
                Layer::Activation(Activation::Leaky(slope)) => g.unary(Unary::Leaky(*slope), x),
                Layer::Activation(Activation::Tanh) => g.unary(Unary::Tanh, x),
                Layer::Activation(Activation::Sigmoid) => g.unary(Unary::Sigmoid, x),
                Layer::Fork => {
                    stack.push(x);
                    x
                }
                Layer::Swap => stack.last_mut().map_or(x, |top| std::mem::replace(top, x)),
                Layer::Join => match stack.pop() {
                    Some(other) => g.add(x, other),
                    None => x,
                },
                Layer::Level { window, .. } => {
                    let (w, b) = (next(), next());
                    let residual = g.conv(x, w, *window);
                    let residual = g.add(residual, b);
                    let picture = match trace.pictures.last() {
                        Some(&before) => {
                            let factor = g.shape(residual).dims()[1] / g.shape(before).dims()[1];
                            let enlarged = g.upsample(before, factor);
                            g.add(enlarged, residual)
                        }
                        None => residual,
                    };
                    trace.pictures.push(picture);
                    x
                }
                Layer::Picture => trace.pictures.last().copied().unwrap_or(x),
                Layer::MinibatchStddev { inputs } => {
                    let flat = g.reshape(x, &[batch, *inputs]);
                    deviation(g, flat)
                }
                Layer::MinibatchDiscrimination { inputs, kernels, dimensions } => {
                    let flat = g.reshape(x, &[batch, *inputs]);
                    discrimination(g, flat, next(), *kernels, *dimensions)
                }
            };
            trace.values.push(x);
        }
        trace
    }
}

/// The first `count` numbers of each row of `x` as -1 or 1; 0 counts as negative.
fn signs(g: &mut Graph, x: NodeId, count: usize) -> NodeId {
    let numbers = g.shape(x).last();
    let kinds = g.slice(x, 1, 0, count);
    let steps = g.unary(Unary::LeakyStep(0.0), kinds);
    let signs = g.affine(steps, 2.0, -1.0);
    if count == numbers {
        return signs;
    }
    let rest = g.slice(x, 1, count, numbers - count);
    g.concat(&[signs, rest], 1)
}

/// Each row of `x` with its foldings behind it.
fn fourier_features(g: &mut Graph, x: NodeId, count: usize) -> NodeId {
    let (mut all, mut height) = (vec![x], 1.0);
    for i in 0..count {
        // |v| times the height before is 2|v| times this one.
        let magnitude = g.unary(Unary::Abs, all[i]);
        height *= 0.5;
        all.push(g.affine(magnitude, 1.0, -height));
    }
    g.concat(&all, 1)
}

/// Variances per channel over all else, and the centered values; means and variances are `kept`.
fn batch_statistics(g: &mut Graph, x: NodeId, channels: usize, kept: &mut Vec<NodeId>) -> (NodeId, NodeId) {
    let over = 1.0 / (g.shape(x).len() / channels) as f32;
    let sum = g.sum_to(x, Shape::new(&[channels]));
    let mean = g.affine(sum, over, 0.0);
    let centered = g.sub(x, mean);
    let squares = g.square(centered);
    let sum = g.sum_to(squares, Shape::new(&[channels]));
    let variance = g.affine(sum, over, 0.0);
    kept.extend([mean, variance]);
    (variance, centered)
}

/// Appends to each row of `x` the mean over its columns of their standard deviation over the batch.
fn deviation(g: &mut Graph, x: NodeId) -> NodeId {
    let &[batch, columns] = g.shape(x).dims() else { panic!("a batch of rows") };
    let (variance, _) = batch_statistics(g, x, columns, &mut Vec::new());
    let away = g.affine(variance, 1.0, 1e-8);
    let deviations = g.unary(Unary::Sqrt, away);
    let mean = g.mean(deviations);
    let mean = g.broadcast(mean, Shape::new(&[batch, 1]));
    g.concat(&[x, mean], 1)
}

/// Appends to each row of `x` its nearness to the other rows, seen through each kernel.
fn discrimination(g: &mut Graph, x: NodeId, kernel: NodeId, kernels: usize, dimensions: usize) -> NodeId {
    let batch = g.shape(x).dims()[0];
    let seen = g.matmul(x, kernel);
    let all = Shape::new(&[batch, batch, kernels, dimensions]);
    let (ours, theirs) =
        (g.reshape(seen, &[batch, 1, kernels, dimensions]), g.reshape(seen, &[1, batch, kernels, dimensions]));
    let (ours, theirs) = (g.broadcast(ours, all), g.broadcast(theirs, all));
    let way = g.sub(ours, theirs);
    let way = g.unary(Unary::Abs, way);
    let distance = g.sum_to(way, Shape::new(&[batch, batch, kernels, 1]));
    let away = g.affine(distance, -1.0, 0.0);
    let near = g.unary(Unary::Exp, away);
    let near = g.sum_to(near, Shape::new(&[batch, 1, kernels, 1]));
    let near = g.reshape(near, &[batch, kernels]);
    // Every row is near itself.
    let others = g.affine(near, 1.0, -1.0);
    g.concat(&[x, others], 1)
}

fn views(g: &mut Graph, flat: NodeId, tensors: &[Tensor]) -> Vec<NodeId> {
    let view = |t: &Tensor| {
        let run = g.slice(flat, 0, t.at, t.len());
        g.reshape(run, &t.dims)
    };
    tensors.iter().map(view).collect()
}
