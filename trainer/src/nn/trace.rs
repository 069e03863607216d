//! Tracing: appends a network's layers to a graph.
use super::spectral::normalized;
use super::{Activation, BATCH_NORM_EPSILON, Layer, Network, Tensor};
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary, Window};

/// Statistics that batch normalization uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Statistics of the batch.
    Train,
    /// Stored statistics in this node, one flat vector; `None` for networks without batch normalization.
    Evaluate(Option<NodeId>),
}

/// Nodes of a traced network.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Output of each layer; the last is the output of the network.
    pub values: Vec<NodeId>,
    /// Batch means and variances, in the order of [`Network::statistics`].
    pub statistics: Vec<NodeId>,
    /// Image of each pyramid level, smallest first.
    pub images: Vec<NodeId>,
}

impl Trace {
    /// Output of the network.
    pub fn output(&self) -> NodeId {
        self.values[self.values.len() - 1]
    }
}

/// Weights of a network as nodes of a graph.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The flat vector of all weights.
    pub flat: NodeId,
    /// Views of the flat vector, one for each tensor.
    pub raw: Vec<NodeId>,
    /// Tensors that the layers use: the views, after spectral normalization if there is one.
    pub tensors: Vec<NodeId>,
    /// Next vectors of the power iterations as one flat vector, with spectral normalization.
    pub vectors: Option<NodeId>,
}

impl Bound {
    /// Appends the gradient of the scalar `y` with respect to all weights, as one flat vector.
    pub fn grad(&self, g: &mut Graph, y: NodeId) -> NodeId {
        let parts = g.grad(y, &self.raw);
        let flat: Vec<_> = parts.iter().map(|&p| g.reshape(p, &[g.shape(p).len()])).collect();
        g.concat(&flat, 0)
    }
}

impl Network {
    /// Binds the weights to the store entry `param`.
    #[doc(hidden)]
    pub fn bind(&self, g: &mut Graph, param: ParamId) -> Bound {
        g.enter(&self.name);
        let flat = g.param(param, &[self.len()]);
        self.bind_to(g, flat, None)
    }

    /// Binds the weights to the flat vector `flat`; `vectors` holds the vectors of the power iterations.
    #[doc(hidden)]
    pub fn bind_to(&self, g: &mut Graph, flat: NodeId, vectors: Option<NodeId>) -> Bound {
        let raw = views(g, flat, &self.tensors);
        let mut bound = Bound { flat, tensors: raw.clone(), raw, vectors: None };
        let Some(vectors) = vectors else { return bound };
        let mut next = Vec::new();
        for (vector, node) in self.vectors.iter().zip(views(g, vectors, &self.vectors)) {
            let Some(at) = self.tensors.iter().position(|t| t.key == vector.key) else { continue };
            let (weight, vector) = normalized(g, bound.raw[at], node);
            bound.tensors[at] = weight;
            next.push(vector);
        }
        bound.vectors = Some(g.concat(&next, 0));
        bound
    }

    /// Appends the network for the input `x` [batch, …] with the weights `bound`.
    #[doc(hidden)]
    pub fn trace(&self, g: &mut Graph, bound: &Bound, x: NodeId, mode: Mode) -> Trace {
        self.trace_with_classes(g, bound, x, None, mode)
    }

    /// Appends the network for the input `x` and, if given, one-hot `classes` [batch, classes].
    #[doc(hidden)]
    pub fn trace_with_classes(
        &self,
        g: &mut Graph,
        bound: &Bound,
        x: NodeId,
        classes: Option<NodeId>,
        mode: Mode,
    ) -> Trace {
        let stored = match mode {
            Mode::Evaluate(Some(flat)) => views(g, flat, &self.statistics),
            _ => Vec::new(),
        };
        let trace = Trace { values: vec![], statistics: vec![], images: vec![] };
        let weights = bound.tensors.iter().copied();
        let mut tracer = Tracer { weights, stored, classes, stack: Vec::new(), trace };
        let mut x = x;
        for (i, layer) in self.layers.iter().enumerate() {
            g.enter(format!("{} layer {i}", self.name));
            x = tracer.layer(g, layer, x);
            tracer.trace.values.push(x);
        }
        tracer.trace
    }
}

/// A trace under construction: the remaining weights, and the values that later layers need.
struct Tracer<W> {
    weights: W,
    /// Stored batch-norm statistics; empty in training mode.
    stored: Vec<NodeId>,
    classes: Option<NodeId>,
    /// Values kept by [`Layer::Fork`].
    stack: Vec<NodeId>,
    trace: Trace,
}

impl<W: Iterator<Item = NodeId>> Tracer<W> {
    fn next(&mut self) -> NodeId {
        self.weights.next().expect("the layout has a tensor for each weight of each layer")
    }

    /// Weight and bias of a layer.
    fn pair(&mut self) -> (NodeId, NodeId) {
        (self.next(), self.next())
    }

    fn layer(&mut self, g: &mut Graph, layer: &Layer, x: NodeId) -> NodeId {
        let batch = g.shape(x).dims()[0];
        match layer {
            Layer::Dense { inputs, to } => {
                let sum = self.dense(g, x, *inputs).1;
                let dims: Vec<_> = std::iter::once(batch).chain(to.iter().copied()).collect();
                g.reshape(sum, &dims)
            }
            Layer::Score { inputs, classes } => {
                let (flat, score) = self.dense(g, x, *inputs);
                if *classes == 0 { score } else { self.projected(g, flat, score) }
            }
            Layer::Conv { window, .. } => {
                let (w, b) = self.pair();
                let y = g.conv(x, w, *window);
                g.add(y, b)
            }
            Layer::ConvTranspose { window, .. } => {
                let (w, b) = self.pair();
                let &[_, h, width, _] = g.shape(x).dims() else { panic!("a transposed convolution needs an image") };
                let to = (window.transposed(h).unwrap_or(0), window.transposed(width).unwrap_or(0));
                let y = g.conv_input(x, w, *window, to);
                g.add(y, b)
            }
            Layer::Depthwise { window, .. } => {
                let (w, b) = self.pair();
                let y = g.depthwise(x, w, *window);
                g.add(y, b)
            }
            Layer::BinaryLatents { count } => binary_latents(g, x, *count),
            Layer::ClassLatent { thresholds } => class_latent(g, x, thresholds),
            Layer::FourierFeatures { count } => fourier_features(g, x, *count),
            Layer::Upsample(factor) => g.upsample(x, *factor),
            Layer::BatchNorm { channels } => self.batch_norm(g, x, *channels),
            Layer::Activation(Activation::Leaky(slope)) => g.unary(Unary::Leaky(*slope), x),
            Layer::Activation(Activation::Tanh) => g.unary(Unary::Tanh, x),
            Layer::Activation(Activation::Sigmoid) => g.unary(Unary::Sigmoid, x),
            Layer::Activation(Activation::Bounded(limit)) => {
                let share = g.affine(x, 1.0 / limit, 0.0);
                let share = g.unary(Unary::Tanh, share);
                g.affine(share, *limit, 0.0)
            }
            Layer::Fork => {
                self.stack.push(x);
                x
            }
            Layer::Swap => self.stack.last_mut().map_or(x, |top| std::mem::replace(top, x)),
            Layer::Join => match self.stack.pop() {
                Some(other) => g.add(x, other),
                None => x,
            },
            Layer::Palette { channels, .. } => match self.stack.pop() {
                Some(palette) => mixed(g, x, palette, *channels),
                None => x,
            },
            Layer::Level { window, .. } => {
                self.level(g, x, *window);
                x
            }
            Layer::Image => self.trace.images.last().copied().unwrap_or(x),
            Layer::MinibatchStddev { inputs } => {
                let flat = g.reshape(x, &[batch, *inputs]);
                minibatch_stddev(g, flat)
            }
            Layer::MinibatchDiscrimination { inputs, kernels, dimensions } => {
                let flat = g.reshape(x, &[batch, *inputs]);
                minibatch_discrimination(g, flat, self.next(), *kernels, *dimensions)
            }
        }
    }

    /// The input as rows, and x·W + b for each row.
    fn dense(&mut self, g: &mut Graph, x: NodeId, inputs: usize) -> (NodeId, NodeId) {
        let flat = g.reshape(x, &[g.shape(x).dims()[0], inputs]);
        let (w, b) = self.pair();
        let product = g.matmul(flat, w);
        (flat, g.add(product, b))
    }

    /// Adds the inner product of the features with the embedding of their class to the score.
    fn projected(&mut self, g: &mut Graph, flat: NodeId, score: NodeId) -> NodeId {
        let classes = self.classes.expect("a class-conditional discriminator needs classes");
        let embedded = g.matmul(classes, self.next());
        let agreement = g.mul(embedded, flat);
        let agreement = g.sum_to(agreement, g.shape(score));
        g.add(score, agreement)
    }

    fn batch_norm(&mut self, g: &mut Graph, x: NodeId, channels: usize) -> NodeId {
        let (scale, shift) = self.pair();
        let (variance, centered) = if self.stored.is_empty() {
            batch_statistics(g, x, channels, &mut self.trace.statistics)
        } else {
            let at = self.trace.statistics.len();
            let (mean, variance) = (self.stored[at], self.stored[at + 1]);
            self.trace.statistics.extend([mean, variance]);
            (variance, g.sub(x, mean))
        };
        let variance = g.affine(variance, 1.0, BATCH_NORM_EPSILON);
        let deviation = g.unary(Unary::Sqrt, variance);
        let factor = g.div(scale, deviation);
        let scaled = g.mul(centered, factor);
        g.add(scaled, shift)
    }

    /// Adds the residual of a pyramid level to the upsampled image of the previous level.
    fn level(&mut self, g: &mut Graph, x: NodeId, window: Window) {
        let (w, b) = self.pair();
        let residual = g.conv(x, w, window);
        let residual = g.add(residual, b);
        let image = match self.trace.images.last() {
            Some(&before) => {
                let factor = g.shape(residual).dims()[1] / g.shape(before).dims()[1];
                let upsampled = g.upsample(before, factor);
                g.add(upsampled, residual)
            }
            None => residual,
        };
        self.trace.images.push(image);
    }
}

/// Replaces the first `count` numbers of each row by their signs, -1 or 1; 0 becomes -1.
fn binary_latents(g: &mut Graph, x: NodeId, count: usize) -> NodeId {
    let numbers = g.shape(x).last();
    let binary = g.slice(x, 1, 0, count);
    let steps = g.unary(Unary::LeakyStep(0.0), binary);
    let signs = g.affine(steps, 2.0, -1.0);
    if count == numbers {
        return signs;
    }
    let rest = g.slice(x, 1, count, numbers - count);
    g.concat(&[signs, rest], 1)
}

/// Replaces the last number of each row by a one-hot class.
fn class_latent(g: &mut Graph, x: NodeId, thresholds: &[f32]) -> NodeId {
    let numbers = g.shape(x).last();
    let value = g.slice(x, 1, numbers - 1, 1);
    let mut parts = Vec::new();
    if numbers > 1 {
        parts.push(g.slice(x, 1, 0, numbers - 1));
    }
    // Whether the value is above the threshold before each class, less whether it is above the one after it.
    let mut above = None;
    for threshold in thresholds {
        let distance = g.affine(value, 1.0, -threshold);
        let step = g.unary(Unary::LeakyStep(0.0), distance);
        parts.push(match above {
            None => g.affine(step, -1.0, 1.0),
            Some(before) => g.sub(before, step),
        });
        above = Some(step);
    }
    parts.extend(above);
    g.concat(&parts, 1)
}

/// Appends `count` triangle waves of each number to the rows of `x`.
fn fourier_features(g: &mut Graph, x: NodeId, count: usize) -> NodeId {
    let (mut all, mut height) = (vec![x], 1.0);
    for i in 0..count {
        // 2|v| - 1 at half of the previous amplitude is |v| - amplitude.
        let magnitude = g.unary(Unary::Abs, all[i]);
        height *= 0.5;
        all.push(g.affine(magnitude, 1.0, -height));
    }
    g.concat(&all, 1)
}

/// Mixes the colors of `palette` [batch, channels * colors] at each pixel, in the shares softmax(x); x is [batch, height, width, colors].
fn mixed(g: &mut Graph, x: NodeId, palette: NodeId, channels: usize) -> NodeId {
    let shape = g.shape(x);
    let &[batch, h, w, colors] = shape.dims() else { panic!("a palette needs an image") };
    let single = Shape::new(&[batch, h, w, 1]);
    let powers = g.unary(Unary::Exp, x);
    let total = g.sum_to(powers, single);
    let inverse = g.unary(Unary::Recip, total);
    let channel = |c: usize| {
        let values = g.slice(palette, 1, c * colors, colors);
        let values = g.reshape(values, &[batch, 1, 1, colors]);
        let values = g.broadcast(values, shape);
        let products = g.mul(powers, values);
        let sum = g.sum_to(products, single);
        g.mul(sum, inverse)
    };
    let parts: Vec<_> = (0..channels).map(channel).collect();
    if parts.len() == 1 { parts[0] } else { g.concat(&parts, 3) }
}

/// Variance per channel and the centered values; means and variances are appended to `kept`.
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

/// Appends the mean standard deviation over the batch to each row.
fn minibatch_stddev(g: &mut Graph, x: NodeId) -> NodeId {
    let &[batch, columns] = g.shape(x).dims() else { panic!("the standard deviation needs a batch of rows") };
    let (variance, _) = batch_statistics(g, x, columns, &mut Vec::new());
    let variance = g.affine(variance, 1.0, 1e-8);
    let deviations = g.unary(Unary::Sqrt, variance);
    let mean = g.mean(deviations);
    let mean = g.broadcast(mean, Shape::new(&[batch, 1]));
    g.concat(&[x, mean], 1)
}

/// Appends the closeness of each row to the other rows, one feature for each kernel.
fn minibatch_discrimination(g: &mut Graph, x: NodeId, kernel: NodeId, kernels: usize, dimensions: usize) -> NodeId {
    let batch = g.shape(x).dims()[0];
    let projected = g.matmul(x, kernel);
    let all = Shape::new(&[batch, batch, kernels, dimensions]);
    let (ours, theirs) = (
        g.reshape(projected, &[batch, 1, kernels, dimensions]),
        g.reshape(projected, &[1, batch, kernels, dimensions]),
    );
    let (ours, theirs) = (g.broadcast(ours, all), g.broadcast(theirs, all));
    let difference = g.sub(ours, theirs);
    let difference = g.unary(Unary::Abs, difference);
    let distance = g.sum_to(difference, Shape::new(&[batch, batch, kernels, 1]));
    let negated = g.affine(distance, -1.0, 0.0);
    let near = g.unary(Unary::Exp, negated);
    let near = g.sum_to(near, Shape::new(&[batch, 1, kernels, 1]));
    let near = g.reshape(near, &[batch, kernels]);
    // Subtracts the closeness of each row to itself, exp(0) = 1.
    let others = g.affine(near, 1.0, -1.0);
    g.concat(&[x, others], 1)
}

/// One view of `flat` for each tensor.
fn views(g: &mut Graph, flat: NodeId, tensors: &[Tensor]) -> Vec<NodeId> {
    let view = |t: &Tensor| {
        let run = g.slice(flat, 0, t.at, t.len());
        g.reshape(run, &t.dims)
    };
    tensors.iter().map(view).collect()
}
