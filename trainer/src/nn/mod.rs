//! Networks as lists of layers, and their weights' layout in one flat vector.
mod layer;
mod spectral;
mod trace;

use crate::philox::Key;
pub use layer::{Activation, Layer};
pub use trace::{Bound, Mode, Trace};

/// Added to a variance before its root is taken (Ioffe & Szegedy 2015).
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

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
    /// "generator" or "discriminator".
    pub name: String,
    /// Shape of one example of the input.
    pub input: Vec<usize>,
    /// First to last.
    pub layers: Vec<Layer>,
    /// Trained weights.
    pub tensors: Vec<Tensor>,
    /// Means and variances of batch normalization, for use outside training.
    pub statistics: Vec<Tensor>,
    /// Vectors of the power iterations that estimate spectral norms; none without spectral normalization.
    pub vectors: Vec<Tensor>,
}

impl Network {
    /// Lays out the weights of `layers`; starting values follow He et al. 2015 by fan-in, with the gain of the
    /// activation behind, and gain 1 where none follows.
    pub fn new(name: impl Into<String>, input: &[usize], layers: Vec<Layer>) -> Self {
        let mut net = Self {
            name: name.into(),
            input: input.to_vec(),
            layers,
            tensors: vec![],
            statistics: vec![],
            vectors: vec![],
        };
        for (i, layer) in net.layers.iter().enumerate() {
            match layer {
                Layer::BatchNorm { channels } => {
                    push(&mut net.tensors, format!("{i}.scale"), &[*channels], Init::Constant(1.0));
                    push(&mut net.tensors, format!("{i}.shift"), &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, format!("{i}.mean"), &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, format!("{i}.variance"), &[*channels], Init::Constant(1.0));
                }
                Layer::MinibatchDiscrimination { inputs, kernels, dimensions } => {
                    let init = Init::Normal(1.0 / (*inputs as f32).sqrt());
                    push(&mut net.tensors, format!("{i}.kernel"), &[*inputs, kernels * dimensions], init);
                }
                _ => {
                    let Some((dims, fan_in, _, outputs)) = layer.weights() else { continue };
                    let init = Init::Normal(gain(&net.layers[i + 1..]) / (fan_in as f32).sqrt());
                    push(&mut net.tensors, format!("{i}.weight"), &dims, init);
                    push(&mut net.tensors, format!("{i}.bias"), &[outputs], Init::Constant(0.0));
                    if let Layer::Score { inputs, classes } = layer
                        && *classes > 0
                    {
                        let init = Init::Normal(1.0 / (*inputs as f32).sqrt());
                        push(&mut net.tensors, format!("{i}.embedding"), &[*classes, *inputs], init);
                    }
                }
            }
        }
        net
    }

    /// The same network with weights that start by both fans, variance 2/(in + out) (Glorot & Bengio 2010, eq. 12).
    pub fn glorot(mut self) -> Self {
        for (i, layer) in self.layers.iter().enumerate() {
            let Some((_, fan_in, fan_out, _)) = layer.weights() else { continue };
            let name = format!("{i}.weight");
            let init = Init::Normal((2.0 / (fan_in + fan_out) as f32).sqrt());
            self.tensors.iter_mut().filter(|t| t.name == name).for_each(|t| t.init = init);
        }
        self
    }

    /// The same network with every weight divided by its largest singular value (Miyato et al. 2018).
    pub fn spectral(mut self) -> Self {
        for tensor in self.tensors.iter().filter(|t| t.name.ends_with(".weight")) {
            let columns = tensor.dims[tensor.dims.len() - 1];
            push(&mut self.vectors, tensor.name.clone(), &[columns], Init::Normal(1.0));
        }
        self
    }

    /// Numbers in all weights.
    pub fn len(&self) -> usize {
        end(&self.tensors)
    }

    /// Whether the network has no weights.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Numbers in all statistics.
    pub fn statistics_len(&self) -> usize {
        end(&self.statistics)
    }

    /// Numbers in all vectors of power iterations.
    pub fn vectors_len(&self) -> usize {
        end(&self.vectors)
    }

    /// Whether the result for one example depends on the others of the batch.
    pub fn mixes(&self) -> bool {
        self.layers.iter().any(Layer::mixes)
    }

    /// Starting weights, from `seed` and `stream` alone.
    pub fn start(&self, seed: u64, stream: u32) -> Vec<f32> {
        started(&self.tensors, seed, stream)
    }

    /// Starting vectors of the power iterations.
    pub(crate) fn start_vectors(&self, seed: u64, stream: u32) -> Vec<f32> {
        started(&self.vectors, seed, stream)
    }

    /// Shape of one example behind each layer.
    pub fn shapes(&self) -> Vec<Vec<usize>> {
        let (mut dims, mut stack, mut picture) = (self.input.clone(), Vec::new(), Vec::new());
        let shape = |layer: &Layer| {
            dims = layer.output(std::mem::take(&mut dims), &mut stack, &mut picture);
            dims.clone()
        };
        self.layers.iter().map(shape).collect()
    }

    /// Numbers that the layers make of one example, all together.
    pub fn values(&self) -> f64 {
        self.shapes().iter().map(|s| s.iter().map(|d| *d as f64).product::<f64>()).sum()
    }

    /// Shape of one example of the output.
    pub fn output(&self) -> Vec<usize> {
        self.shapes().pop().unwrap_or_else(|| self.input.clone())
    }
}

/// What keeps the variance of a layer's result, by the activation that follows it.
fn gain(behind: &[Layer]) -> f32 {
    let follows = behind.iter().find_map(|l| match l {
        Layer::Activation(a) => Some(Some(*a)),
        Layer::BatchNorm { .. } | Layer::Upsample(_) => None,
        _ => Some(None),
    });
    match follows.flatten() {
        Some(Activation::Leaky(slope)) => (2.0 / (1.0 + slope * slope)).sqrt(),
        _ => 1.0,
    }
}

fn push(list: &mut Vec<Tensor>, name: String, dims: &[usize], init: Init) {
    let at = end(list);
    list.push(Tensor { name, dims: dims.to_vec(), at, init });
}

fn end(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |t| t.at + t.len())
}

fn started(tensors: &[Tensor], seed: u64, stream: u32) -> Vec<f32> {
    let mut values = vec![0.0; end(tensors)];
    Key { seed, stream, step: u64::MAX }.normal(&mut values);
    for tensor in tensors {
        let run = &mut values[tensor.at..][..tensor.len()];
        match tensor.init {
            Init::Normal(deviation) => run.iter_mut().for_each(|v| *v *= deviation),
            Init::Constant(c) => run.fill(c),
        }
    }
    values
}
