//! Networks as lists of layers, with all weights in one flat vector.
mod check;
mod layer;
mod spectral;
mod trace;

use crate::philox::Key;
pub use layer::{Activation, Layer};
use std::fmt;
pub use trace::{Bound, Mode, Trace};

/// ε added to a variance before its square root (Ioffe & Szegedy 2015).
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

/// Initial distribution of a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal distribution with mean 0 and this standard deviation.
    Normal(f32),
    /// This value for every weight.
    Constant(f32),
}

/// Role of a tensor in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorRole {
    /// Weight of a dense or convolutional layer.
    Weight,
    /// Bias of the same layer.
    Bias,
    /// Scale of a batch normalization (γ).
    Scale,
    /// Shift of a batch normalization (β).
    Shift,
    /// Running mean of a batch normalization.
    Mean,
    /// Running variance of a batch normalization.
    Variance,
    /// Kernel of minibatch discrimination.
    Kernel,
    /// Class embeddings of a score layer.
    Embedding,
    /// The k of BEGAN, which belongs to no layer.
    BeganK,
}

impl TensorRole {
    /// Name of the role in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Scale => "scale",
            Self::Shift => "shift",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Kernel => "kernel",
            Self::Embedding => "embedding",
            Self::BeganK => "k",
        }
    }
}

/// Address of a tensor: layer and role. Displayed as `2.weight`, the name that files use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorKey {
    /// Index of the layer.
    pub layer: usize,
    /// Role in the layer.
    pub role: TensorRole,
}

impl fmt::Display for TensorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.role.name())
    }
}

/// One tensor of a network: a contiguous range of its flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its address.
    pub key: TensorKey,
    /// Its shape.
    pub dims: Vec<usize>,
    /// Offset in the flat vector.
    pub at: usize,
    /// Its initial distribution.
    pub init: Init,
}

impl Tensor {
    /// Number of elements.
    #[expect(clippy::len_without_is_empty, reason = "a tensor holds at least one number")]
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A network: its layers and the layout of their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Name in messages: "generator", "discriminator".
    pub name: String,
    /// Input shape of one example.
    pub input: Vec<usize>,
    /// Layers, first to last.
    pub layers: Vec<Layer>,
    /// Tensors of the trained weights.
    #[doc(hidden)]
    pub tensors: Vec<Tensor>,
    /// Running means and variances of batch normalization, for inference.
    #[doc(hidden)]
    pub statistics: Vec<Tensor>,
    /// Vectors of the power iterations that estimate spectral norms; empty without spectral normalization.
    #[doc(hidden)]
    pub vectors: Vec<Tensor>,
}

impl Network {
    /// A network with the weights of `layers` laid out in order, initialized by fan-in (He et al. 2015) with the gain of the activation
    /// that follows; the gain is 1 if none follows.
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
                    push(&mut net.tensors, i, TensorRole::Scale, &[*channels], Init::Constant(1.0));
                    push(&mut net.tensors, i, TensorRole::Shift, &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, i, TensorRole::Mean, &[*channels], Init::Constant(0.0));
                    push(&mut net.statistics, i, TensorRole::Variance, &[*channels], Init::Constant(1.0));
                }
                Layer::MinibatchDiscrimination { inputs, kernels, dimensions } => {
                    let init = Init::Normal(1.0 / (*inputs as f32).sqrt());
                    push(&mut net.tensors, i, TensorRole::Kernel, &[*inputs, kernels * dimensions], init);
                }
                _ => {
                    let Some((dims, fan_in, _, outputs)) = layer.weights() else { continue };
                    let init = Init::Normal(gain(&net.layers[i + 1..]) / (fan_in as f32).sqrt());
                    push(&mut net.tensors, i, TensorRole::Weight, &dims, init);
                    push(&mut net.tensors, i, TensorRole::Bias, &[outputs], Init::Constant(0.0));
                    if let Layer::Score { inputs, classes } = layer
                        && *classes > 0
                    {
                        let init = Init::Normal(1.0 / (*inputs as f32).sqrt());
                        push(&mut net.tensors, i, TensorRole::Embedding, &[*classes, *inputs], init);
                    }
                }
            }
        }
        net
    }

    /// Switches the initialization to variance 2/(fan-in + fan-out) (Glorot & Bengio 2010, eq. 12).
    #[doc(hidden)]
    pub fn glorot(mut self) -> Self {
        for (i, layer) in self.layers.iter().enumerate() {
            let Some((_, fan_in, fan_out, _)) = layer.weights() else { continue };
            let init = Init::Normal((2.0 / (fan_in + fan_out) as f32).sqrt());
            self.tensors
                .iter_mut()
                .filter(|t| t.key == TensorKey { layer: i, role: TensorRole::Weight })
                .for_each(|t| t.init = init);
        }
        self
    }

    /// Switches on spectral normalization: each weight is divided by its largest singular value (Miyato et al. 2018).
    #[doc(hidden)]
    pub fn spectral(mut self) -> Self {
        for tensor in self.tensors.iter().filter(|t| t.key.role == TensorRole::Weight) {
            let columns = tensor.dims[tensor.dims.len() - 1];
            push(&mut self.vectors, tensor.key.layer, TensorRole::Weight, &[columns], Init::Normal(1.0));
        }
        self
    }

    /// Number of weights.
    #[doc(hidden)]
    pub fn len(&self) -> usize {
        end(&self.tensors)
    }

    /// Whether the network has no weights.
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Number of batch-norm statistics.
    #[doc(hidden)]
    pub fn statistics_len(&self) -> usize {
        end(&self.statistics)
    }

    /// Number of elements in all power-iteration vectors.
    #[doc(hidden)]
    pub fn vectors_len(&self) -> usize {
        end(&self.vectors)
    }

    /// Whether the output for one example depends on the other examples of the batch.
    #[doc(hidden)]
    pub fn depends_on_batch(&self) -> bool {
        self.layers.iter().any(Layer::depends_on_batch)
    }

    /// Initial weights, which depend on `seed` and `stream` only.
    #[doc(hidden)]
    pub fn initial_weights(&self, seed: u64, stream: u32) -> Vec<f32> {
        initial(&self.tensors, seed, stream)
    }

    /// Initial vectors of the power iterations.
    pub(crate) fn initial_vectors(&self, seed: u64, stream: u32) -> Vec<f32> {
        initial(&self.vectors, seed, stream)
    }

    /// Output shape of each layer, for one example.
    #[doc(hidden)]
    pub fn shapes(&self) -> Vec<Vec<usize>> {
        let (mut dims, mut stack, mut image) = (self.input.clone(), Vec::new(), Vec::new());
        let shape = |layer: &Layer| {
            dims = layer.output(std::mem::take(&mut dims), &mut stack, &mut image);
            dims.clone()
        };
        self.layers.iter().map(shape).collect()
    }

    /// Number of activations of one example, summed over all layers.
    #[doc(hidden)]
    pub fn activation_count(&self) -> f64 {
        self.shapes().iter().map(|s| s.iter().map(|d| *d as f64).product::<f64>()).sum()
    }

    /// Output shape of one example.
    #[doc(hidden)]
    pub fn output(&self) -> Vec<usize> {
        self.shapes().pop().unwrap_or_else(|| self.input.clone())
    }
}

/// Gain that keeps the variance of activations constant, given the layers that follow: that of the next activation.
fn gain(after: &[Layer]) -> f32 {
    let follows = after.iter().find_map(|l| match l {
        Layer::Activation(a) => Some(Some(*a)),
        Layer::BatchNorm { .. } | Layer::Upsample(_) => None,
        _ => Some(None),
    });
    match follows.flatten() {
        Some(Activation::Leaky(slope)) => (2.0 / (1.0 + slope * slope)).sqrt(),
        _ => 1.0,
    }
}

/// Appends a tensor that begins where the last one ends.
fn push(list: &mut Vec<Tensor>, layer: usize, role: TensorRole, dims: &[usize], init: Init) {
    let at = end(list);
    list.push(Tensor { key: TensorKey { layer, role }, dims: dims.to_vec(), at, init });
}

fn end(tensors: &[Tensor]) -> usize {
    tensors.last().map_or(0, |t| t.at + t.len())
}

fn initial(tensors: &[Tensor], seed: u64, stream: u32) -> Vec<f32> {
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
