//! Decides once, before the first step, what a program does: order, fusion, lifetimes and buffers.
//!
//! Shapes are static, so nothing is left to decide while training. Elementwise nodes of one shape become one
//! fused step (see `fuse`); reshapes and outer slices become views that cost nothing; every other value
//! gets a slot, and a slot is given to the next value as soon as its last reader has run.
pub(crate) mod fuse;
mod schedule;
mod slots;

use crate::graph::{Distribution, Graph, NodeId, Op, ParamId, Shape, Window};
use fuse::{Fused, Product};
use std::collections::HashMap;

/// A buffer that values live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Working memory, shared by values that are never alive together.
    Slot(usize),
    /// The store.
    Param(ParamId),
    /// What the caller passed to the run.
    Input(usize),
}

/// A contiguous part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) base: Base,
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// One kernel call.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<View>,
    pub(crate) outputs: Vec<View>,
    /// The nodes that it computes, in order.
    pub(crate) nodes: Vec<NodeId>,
}

/// What a step computes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Fused(Fused),
    /// (m, k, n)
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
    /// (picture [b,h,w,c], factor)
    Upsample([usize; 4], usize),
    /// (small picture [b,h,w,c], factor)
    SumPool([usize; 4], usize),
    /// Of each of `outer` runs of `from` numbers, `len` from `at` on.
    Slice {
        outer: usize,
        from: usize,
        at: usize,
        len: usize,
    },
    /// Each of `outer` runs of `len` numbers at `at` among zeros, `to` numbers in all.
    Pad {
        outer: usize,
        len: usize,
        at: usize,
        to: usize,
    },
    /// Interleaves runs of these lengths, `outer` times.
    Concat {
        outer: usize,
        runs: Vec<usize>,
    },
    /// From shape to shape, dimensions padded on the left.
    Broadcast([usize; 4], [usize; 4]),
    SumTo([usize; 4], [usize; 4]),
    Random(u32, Distribution),
    /// Copies to the store.
    Copy,
    /// Fails the run unless all inputs, scalars, are finite.
    Guard,
}

impl Kind {
    /// Floating-point operations of a product or convolution, useful taps only.
    pub(crate) fn flops(&self) -> f64 {
        match self {
            Self::MatMul { size: (m, k, n), .. }
            | Self::Fused(Fused { product: Some(Product { size: (m, k, n), .. }), .. }) => {
                2.0 * (*m as f64) * (*k as f64) * (*n as f64)
            }
            Self::Conv(w, s) | Self::ConvInput(w, s) | Self::ConvWeight(w, s) => {
                2.0 * (s.batch * s.oh * s.ow * s.ci * s.co) as f64 * (w.kernel * w.kernel) as f64
            }
            Self::Depthwise(w, s) | Self::DepthwiseInput(w, s) | Self::DepthwiseWeight(w, s) => {
                2.0 * (s.batch * s.oh * s.ow * s.ci) as f64 * (w.kernel * w.kernel) as f64
            }
            _ => 0.0,
        }
    }

    /// A word for tables.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Fused(Fused { product: Some(_), .. }) => "matmul-fused",
            Self::Fused(_) => "fused",
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

/// Sizes of a convolution: picture side x and output side y.
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

/// An order of kernel calls and the memory that they need.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) slots: Vec<usize>,
    pub(crate) outputs: Vec<View>,
    pub(crate) inputs: Vec<(String, usize)>,
    pub(crate) guards: Vec<String>,
    flops: f64,
}

impl Plan {
    /// Plans `graph`, which should be simplified, for reading `outputs` after each run.
    pub fn new(graph: &Graph, outputs: &[NodeId]) -> Self {
        Self::with_members(graph, outputs, fuse::MAX_MEMBERS)
    }

    /// The same with every node a step of its own: slower, but each value can be looked at.
    pub(crate) fn unfused(graph: &Graph) -> Self {
        Self::with_members(graph, &[], 1)
    }

    fn with_members(graph: &Graph, outputs: &[NodeId], most: usize) -> Self {
        let groups = fuse::group(graph, outputs, most);
        let order = schedule::order(graph, &groups);
        slots::assign(graph, outputs, &groups, &order)
    }

    /// Bytes of working memory, the store not counted.
    pub fn bytes(&self) -> usize {
        4 * self.slots.iter().sum::<usize>()
    }

    /// Floating-point operations of the matrix products and convolutions of one run, useful taps only.
    pub fn flops(&self) -> f64 {
        self.flops
    }

    /// Count of kernel calls of one run.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Whether any kernel call reads input `index`.
    pub(crate) fn reads_input(&self, index: usize) -> bool {
        self.steps.iter().flat_map(|s| &s.inputs).any(|v| v.base == Base::Input(index))
    }

    /// Each step in a line: the node it is named after, its kind, and how many values it reads and writes.
    pub fn to_text(&self, graph: &Graph) -> String {
        let line = |s: &Step| {
            let kind = match &s.kind {
                Kind::Fused(f) => format!("fused x{}", f.instructions.len()),
                other => other.name().into(),
            };
            let slots = |views: &[View]| views.iter().map(|v| format!("{:?}", v.base)).collect::<Vec<_>>().join(" ");
            format!(
                "{kind:12} {} <- {}   {}\n",
                slots(&s.outputs),
                slots(&s.inputs),
                graph.describe(s.nodes[s.nodes.len() - 1])
            )
        };
        self.steps.iter().map(line).collect()
    }
}

/// Where a node stands in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Not needed.
    Dead,
    /// The same numbers as another node's, or a run of them.
    Alias { of: NodeId, offset: usize },
    /// Never stored: folded into the steps that read it.
    Virtual,
    /// Computed by a fused step or a step of its own.
    Computed,
}

/// Groups of nodes that run as one step.
pub(crate) struct Groups {
    /// By node.
    pub(crate) role: Vec<Role>,
    /// By node: which group, for computed ones.
    pub(crate) of: Vec<usize>,
    /// Members in topological order.
    pub(crate) members: Vec<Vec<NodeId>>,
    /// By node: read by something outside its group, so stored.
    pub(crate) stored: Vec<bool>,
    /// Assignments that the producing step writes straight to the store: value node to parameter.
    pub(crate) direct: HashMap<NodeId, ParamId>,
    /// Extra order: the first group runs before the second.
    pub(crate) before: Vec<(usize, usize)>,
}

impl Groups {
    /// The node whose buffer `id` lies in, and the offset there.
    pub(crate) fn resolve(&self, id: NodeId) -> (NodeId, usize) {
        let (mut id, mut at) = (id, 0);
        while let Role::Alias { of, offset } = self.role[id.index()] {
            (id, at) = (of, at + offset);
        }
        (id, at)
    }

    /// The groups that group `g` reads from, its extra order included.
    pub(crate) fn needs(&self, graph: &Graph, g: usize) -> Vec<usize> {
        let args = self.members[g].iter().flat_map(|&m| graph.node(m).args.iter());
        let mut needs: Vec<_> = args.filter_map(|&a| self.group_of(graph, a)).filter(|&o| o != g).collect();
        needs.extend(self.before.iter().filter(|b| b.1 == g).map(|b| b.0));
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// The group that computes the numbers of `id`; none for inputs, parameters and constants.
    pub(crate) fn group_of(&self, graph: &Graph, id: NodeId) -> Option<usize> {
        let (base, _) = self.resolve(id);
        match self.role[base.index()] {
            Role::Virtual => graph.node(base).args.first().and_then(|&a| self.group_of(graph, a)),
            Role::Computed if !matches!(graph.node(base).op, Op::Input | Op::Param(_)) => Some(self.of[base.index()]),
            _ => None,
        }
    }
}

/// Product of the dimensions before and from `axis` on.
pub(crate) fn around(shape: Shape, axis: usize) -> (usize, usize) {
    let dims = shape.dims();
    (dims[..axis].iter().product(), dims[axis..].iter().product())
}
