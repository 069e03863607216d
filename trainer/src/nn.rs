//! Networks as lists of layers: their weights' layout in one flat vector, and their tracing into a graph.
use crate::graph::{Graph, NodeId, ParamId, Shape, Unary, Window};
use crate::philox::Key;

/// Added to a variance before its root is taken (Ioffe & Szegedy 2015).
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

/// A function applied to every number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x where positive, else slope·x; slope 0 is ReLU.
    Leaky(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1+e^-x).
    Sigmoid,
}

/// One layer; sizes are of one example, pictures [height, width, channels].
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// x·W + b to numbers laid out as `to`.
    Dense {
        /// Numbers in.
        inputs: usize,
        /// Shape of the result.
        to: Vec<usize>,
    },
    /// Convolution with bias.
    Conv {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
    },
    /// Transposed convolution with bias.
    ConvTranspose {
        /// Kernel, stride, padding.
        window: Window,
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
    },
    /// Nearest-neighbour enlargement.
    Upsample(usize),
    /// Normalisation over the batch and all pixels, with scale and shift per channel.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// A function of every number.
    Activation(Activation),
}

/// How a weight starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with this standard deviation.
    Normal(f32),
    /// All the same.
    Constant(f32),
}

/// One weight of a network, a run of its flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// "2.weight": the layer's index and the weight's role.
    pub name: String,
    /// Its shape.
    pub dims: Vec<usize>,
    /// Its start in the flat vector.
    pub at: usize,
    /// How it starts.
    pub init: Init,
}

impl Tensor {
    /// Count of numbers.
    #[expect(clippy::len_without_is_empty, reason = "a weight holds at least one number")]
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A network: layers and where their weights lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// "generator" or "critic".
    pub name: String,
    /// Shape of one example of the input.
    pub input: Vec<usize>,
    /// First to last.
    pub layers: Vec<Layer>,
    /// Trained weights.
    pub tensors: Vec<Tensor>,
    /// Means and variances of batch normalisation, for use outside training.
    pub statistics: Vec<Tensor>,
}

/// What batch normalisation normalises by.
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
}

impl Trace {
    /// The network's output.
    pub fn output(&self) -> NodeId {
        self.values[self.values.len() - 1]
    }
}

impl Network {
    /// Lays out the weights of `layers`; starting values follow He et al. 2015 by fan-in, with the gain of the
    /// activation behind, and gain 1 where none follows.
    pub fn new(name: impl Into<String>, input: &[usize], layers: Vec<Layer>) -> Self {
        let mut net = Self { name: name.into(), input: input.to_vec(), layers, tensors: vec![], statistics: vec![] };
        let push = |list: &mut Vec<Tensor>, name: String, dims: &[usize], init| {
            let at = list.last().map_or(0, |t: &Tensor| t.at + t.len());
            list.push(Tensor { name, dims: dims.to_vec(), at, init });
        };
        for (i, layer) in net.layers.iter().enumerate() {
            let follows = net.layers[i + 1..].iter().find_map(|l| match l {
                Layer::Activation(a) => Some(Some(*a)),
                Layer::BatchNorm { .. } | Layer::Upsample(_) => None,
                _ => Some(None),
            });
            let gain = match follows.flatten() {
                Some(Activation::Leaky(slope)) => (2.0 / (1.0 + slope * slope)).sqrt(),
                _ => 1.0,
            };
            let normal = |fan_in: usize| Init::Normal(gain / (fan_in as f32).sqrt());
            let (dims, fan_in, outputs) = match layer {
                Layer::Dense { inputs, to } => {
                    let n = to.iter().product();
                    (vec![*inputs, n], *inputs, n)
                }
                Layer::Conv { window: w, inputs, outputs } => {
                    (vec![w.kernel, w.kernel, *inputs, *outputs], w.kernel * w.kernel * inputs, *outputs)
                }
                Layer::ConvTranspose { window: w, inputs, outputs } => {
                    let taps = (w.kernel * w.kernel / (w.stride * w.stride)).max(1);
                    (vec![w.kernel, w.kernel, *outputs, *inputs], taps * inputs, *outputs)
                }
                Layer::BatchNorm { channels } => {
                    push(&mut net.tensors, format!("{i}.scale"), &[*channels], Init::Constant(1.0));
                    push(&mut net.tensors, format!("{i}.shift"), &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, format!("{i}.mean"), &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, format!("{i}.variance"), &[*channels], Init::Constant(1.0));
                    continue;
                }
                Layer::Upsample(_) | Layer::Activation(_) => continue,
            };
            push(&mut net.tensors, format!("{i}.weight"), &dims, normal(fan_in));
            push(&mut net.tensors, format!("{i}.bias"), &[outputs], Init::Constant(0.0));
        }
        net
    }

    /// Numbers in all weights.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.at + t.len())
    }

    /// Whether the network has no weights.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Numbers in all statistics.
    pub fn statistics_len(&self) -> usize {
        self.statistics.last().map_or(0, |t| t.at + t.len())
    }

    /// Starting weights, from `seed` and `stream` alone.
    pub fn start(&self, seed: u64, stream: u32) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        Key { seed, stream, step: u64::MAX }.normal(&mut values);
        for tensor in &self.tensors {
            let run = &mut values[tensor.at..][..tensor.len()];
            match tensor.init {
                Init::Normal(deviation) => run.iter_mut().for_each(|v| *v *= deviation),
                Init::Constant(c) => run.fill(c),
            }
        }
        values
    }

    /// Binds the weights to the store's entry `param`.
    pub fn bind(&self, g: &mut Graph, param: ParamId) -> Bound {
        g.enter(&self.name);
        let flat = g.param(param, &[self.len()]);
        Bound { flat, tensors: views(g, flat, &self.tensors) }
    }

    /// Traces the network on `x` [batch, …] with the weights `bound`.
    pub fn trace(&self, g: &mut Graph, bound: &Bound, x: NodeId, mode: Mode) -> Trace {
        let mut weights = bound.tensors.iter().copied();
        let mut next = || weights.next().expect("one weight for each tensor of the layout");
        let stored = match mode {
            Mode::Evaluate(Some(flat)) => views(g, flat, &self.statistics),
            _ => Vec::new(),
        };
        let (mut x, mut trace) = (x, Trace { values: vec![], statistics: vec![] });
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
                Layer::Upsample(factor) => g.upsample(x, *factor),
                Layer::BatchNorm { channels } => {
                    let (scale, shift) = (next(), next());
                    let (mean, variance, centred) = if stored.is_empty() {
                        batch_statistics(g, x, *channels, &mut trace.statistics)
                    } else {
                        let at = trace.statistics.len();
                        let (mean, variance) = (stored[at], stored[at + 1]);
                        trace.statistics.extend([mean, variance]);
                        let centred = g.sub(x, mean);
                        (mean, variance, centred)
                    };
                    _ = mean;
                    let away = g.affine(variance, 1.0, BATCH_NORM_EPSILON);
                    let deviation = g.unary(Unary::Sqrt, away);
                    let factor = g.div(scale, deviation);
                    let scaled = g.mul(centred, factor);
                    g.add(scaled, shift)
                }
                Layer::Activation(Activation::Leaky(slope)) => g.unary(Unary::Leaky(*slope), x),
                Layer::Activation(Activation::Tanh) => g.unary(Unary::Tanh, x),
                Layer::Activation(Activation::Sigmoid) => g.unary(Unary::Sigmoid, x),
            };
            trace.values.push(x);
        }
        trace
    }

    /// Numbers that the layers make of one example, all together.
    pub fn values(&self) -> f64 {
        let prefix =
            |n: usize| Self { layers: self.layers[..n].to_vec(), tensors: vec![], statistics: vec![], ..self.clone() };
        (1..=self.layers.len()).map(|n| prefix(n).output().iter().map(|d| *d as f64).product::<f64>()).sum()
    }

    /// Shape of one example of the output.
    pub fn output(&self) -> Vec<usize> {
        let mut dims = self.input.clone();
        for layer in &self.layers {
            dims = match (layer, &dims[..]) {
                (Layer::Dense { to, .. }, _) => to.clone(),
                (Layer::Conv { window, outputs, .. }, &[h, w, _]) => {
                    vec![window.output(h).unwrap_or(0), window.output(w).unwrap_or(0), *outputs]
                }
                (Layer::ConvTranspose { window, outputs, .. }, &[h, w, _]) => {
                    vec![window.transposed(h).unwrap_or(0), window.transposed(w).unwrap_or(0), *outputs]
                }
                (Layer::Upsample(f), &[h, w, c]) => vec![h * f, w * f, c],
                _ => dims,
            };
        }
        dims
    }
}

/// Means and variances per channel over all else, and the centred values.
fn batch_statistics(g: &mut Graph, x: NodeId, channels: usize, kept: &mut Vec<NodeId>) -> (NodeId, NodeId, NodeId) {
    let over = 1.0 / (g.shape(x).len() / channels) as f32;
    let sum = g.sum_to(x, Shape::new(&[channels]));
    let mean = g.affine(sum, over, 0.0);
    let centred = g.sub(x, mean);
    let squares = g.square(centred);
    let sum = g.sum_to(squares, Shape::new(&[channels]));
    let variance = g.affine(sum, over, 0.0);
    kept.extend([mean, variance]);
    (mean, variance, centred)
}

fn views(g: &mut Graph, flat: NodeId, tensors: &[Tensor]) -> Vec<NodeId> {
    let view = |t: &Tensor| {
        let run = g.slice(flat, 0, t.at, t.len());
        g.reshape(run, &t.dims)
    };
    tensors.iter().map(view).collect()
}

/// A network's weights as nodes of a graph.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The flat vector.
    pub flat: NodeId,
    /// Views of it, one a tensor.
    pub tensors: Vec<NodeId>,
}

impl Bound {
    /// The gradient of the scalar `y` by all weights, as one flat vector.
    pub fn grad(&self, g: &mut Graph, y: NodeId) -> NodeId {
        let parts = g.grad(y, &self.tensors);
        let flat: Vec<_> = parts.iter().map(|&p| g.reshape(p, &[g.shape(p).len()])).collect();
        g.concat(&flat, 0)
    }
}
