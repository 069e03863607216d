//! One kernel call of a plan: its computation, and the parts of buffers that it reads and writes.
use super::chain::Chain;
use super::fused::{FusedKernel, FusedProduct};
use super::groups::split_at_axis;
use crate::graph::{Distribution, Graph, NodeId, Op, ParamId, Window};
use std::fmt;

/// A buffer that holds values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Working memory, shared by values that are never live at the same time.
    Slot(usize),
    /// An entry of the store.
    Param(ParamId),
    /// An input that the caller passes to the run.
    Input(usize),
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(i) => write!(f, "slot{i}"),
            Self::Param(ParamId(i)) => write!(f, "param{i}"),
            Self::Input(i) => write!(f, "input{i}"),
        }
    }
}

/// A contiguous part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferView {
    pub(crate) storage: Storage,
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// A kernel with its operands.
#[derive(Clone, Debug)]
pub(crate) struct KernelCall {
    pub(crate) kernel: Kernel,
    pub(crate) inputs: Vec<BufferView>,
    pub(crate) outputs: Vec<BufferView>,
    /// The nodes that it computes, in topological order. Never empty.
    pub(crate) nodes: Vec<NodeId>,
}

impl KernelCall {
    /// The node that messages name the call after.
    pub(crate) fn last_node(&self) -> NodeId {
        self.nodes[self.nodes.len() - 1]
    }
}

/// What a kernel call computes.
#[derive(Clone, Debug)]
pub(crate) enum Kernel {
    /// Elementwise operations, with sums and at most one matrix product.
    Fused(FusedKernel),
    /// Fused kernels and weight gradients over the same rows.
    Chain(Box<Chain>),
    /// Matrix product of `size` (m, k, n); `ta` and `tb` say whether A and B are read transposed.
    MatMul {
        size: (usize, usize, usize),
        ta: bool,
        tb: bool,
    },
    Conv(Window, ConvShape),
    ConvInput(Window, ConvShape),
    ConvWeight(Window, ConvShape),
    Depthwise(Window, ConvShape),
    DepthwiseInput(Window, ConvShape),
    DepthwiseWeight(Window, ConvShape),
    /// (input shape `[b,h,w,c]`, factor)
    Upsample([usize; 4], usize),
    /// (output shape `[b,h,w,c]`, factor)
    SumPool([usize; 4], usize),
    /// Copies `len` elements, beginning at `at`, from each of `outer` runs of `from` elements.
    Slice {
        outer: usize,
        from: usize,
        at: usize,
        len: usize,
    },
    /// Copies each of `outer` runs of `len` elements to position `at` of a run of `to` elements; the rest is 0.
    Pad {
        outer: usize,
        len: usize,
        at: usize,
        to: usize,
    },
    /// Interleaves `outer` runs of each input; `runs` holds the length of a run by input.
    Concat {
        outer: usize,
        runs: Vec<usize>,
    },
    /// From shape to shape, both padded on the left to four dimensions.
    Broadcast([usize; 4], [usize; 4]),
    /// From shape to shape, both padded on the left to four dimensions.
    SumTo([usize; 4], [usize; 4]),
    /// (stream, distribution)
    Random(u32, Distribution),
    /// Copies to the store.
    Copy,
    /// Fails the run unless all inputs, which are scalars, are finite.
    Guard,
}

impl Kernel {
    /// The kernel that computes node `id` alone.
    pub(super) fn of_node(graph: &Graph, id: NodeId) -> Self {
        let node = graph.node(id);
        let shape = |k: usize| graph.shape(node.args[k]);
        let conv = ConvShape::new;
        match node.op {
            Op::MatMul { ta, tb } => {
                let k = shape(0).len() / node.shape.dims()[0];
                Self::MatMul { size: (node.shape.dims()[0], k, node.shape.dims()[1]), ta, tb }
            }
            Op::Conv(w) => Self::Conv(w, conv(shape(0).four(), node.shape.four())),
            Op::ConvInput(w) => Self::ConvInput(w, conv(node.shape.four(), shape(0).four())),
            Op::ConvWeight(w) => Self::ConvWeight(w, conv(shape(0).four(), shape(1).four())),
            Op::Depthwise(w) => Self::Depthwise(w, conv(shape(0).four(), node.shape.four())),
            Op::DepthwiseInput(w) => Self::DepthwiseInput(w, conv(node.shape.four(), shape(0).four())),
            Op::DepthwiseWeight(w) => Self::DepthwiseWeight(w, conv(shape(0).four(), shape(1).four())),
            Op::Upsample(f) => Self::Upsample(shape(0).four(), f),
            Op::SumPool(f) => Self::SumPool(node.shape.four(), f),
            Op::Slice { axis, start } => {
                let ((outer, from), (_, len)) = (split_at_axis(shape(0), axis), split_at_axis(node.shape, axis));
                Self::Slice { outer, from, at: start * (from / shape(0).dims()[axis]), len }
            }
            Op::Pad { axis, before } => {
                let ((outer, len), (_, to)) = (split_at_axis(shape(0), axis), split_at_axis(node.shape, axis));
                Self::Pad { outer, len, at: before * (len / shape(0).dims()[axis]), to }
            }
            Op::Concat { axis } => {
                let runs = (0..node.args.len()).map(|k| split_at_axis(shape(k), axis).1).collect();
                Self::Concat { outer: split_at_axis(node.shape, axis).0, runs }
            }
            Op::Broadcast => Self::Broadcast(shape(0).four(), node.shape.four()),
            Op::SumTo => Self::SumTo(shape(0).four(), node.shape.four()),
            Op::Random { stream, distribution } => Self::Random(stream, distribution),
            op => unreachable!("{op:?} has no kernel of its own"),
        }
    }

    /// Floating-point operations of a product or convolution, not counting zeros that were inserted or padded.
    pub(crate) fn flops(&self) -> f64 {
        match self {
            Self::MatMul { size: (m, k, n), .. }
            | Self::Fused(FusedKernel { product: Some(FusedProduct { size: (m, k, n), .. }), .. }) => {
                2.0 * (*m as f64) * (*k as f64) * (*n as f64)
            }
            Self::Conv(w, s) | Self::ConvInput(w, s) | Self::ConvWeight(w, s) => {
                2.0 * (s.batch * s.oh * s.ow * s.ci * s.co) as f64 * (w.kernel * w.kernel) as f64
            }
            Self::Depthwise(w, s) | Self::DepthwiseInput(w, s) | Self::DepthwiseWeight(w, s) => {
                2.0 * (s.batch * s.oh * s.ow * s.ci) as f64 * (w.kernel * w.kernel) as f64
            }
            Self::Chain(chain) => chain.flops(),
            _ => 0.0,
        }
    }

    /// Name in tables and profiles.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Fused(FusedKernel { product: Some(_), .. }) => "matmul-fused",
            Self::Fused(_) => "fused",
            Self::Chain(_) => "chain",
            Self::MatMul { .. } => "matmul",
            Self::Conv(..) => "conv",
            Self::ConvInput(..) => "conv-input",
            Self::ConvWeight(..) => "conv-weight",
            Self::Depthwise(..) => "depthwise",
            Self::DepthwiseInput(..) => "depthwise-input",
            Self::DepthwiseWeight(..) => "depthwise-weight",
            Self::Upsample(..) => "upsample",
            Self::SumPool(..) => "sum-pool",
            Self::Slice { .. } => "slice",
            Self::Pad { .. } => "pad",
            Self::Concat { .. } => "concat",
            Self::Broadcast(..) => "broadcast",
            Self::SumTo(..) => "sum-to",
            Self::Random(..) => "random",
            Self::Copy => "copy",
            Self::Guard => "guard",
        }
    }
}

/// Sizes of a convolution from an input x `[batch, h, w, ci]` to an output y `[batch, oh, ow, co]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) ci: usize,
    pub(crate) oh: usize,
    pub(crate) ow: usize,
    pub(crate) co: usize,
}

impl ConvShape {
    /// From the shapes of x and y.
    pub(crate) fn new(x: [usize; 4], y: [usize; 4]) -> Self {
        Self { batch: x[0], h: x[1], w: x[2], ci: x[3], oh: y[1], ow: y[2], co: y[3] }
    }
}
