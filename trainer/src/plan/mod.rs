//! Plans a program before its first run: which nodes run together, in which order, and in which buffers.
//!
//! Shapes are static, so all decisions are made before training. Elementwise nodes of one shape become one fused kernel
//! (`fuse`). Layers of a dense network become one kernel that runs them on a block of the batch (`chains`). Reshapes and outer slices become views, which cost nothing. Every other value gets a slot, which is reused
//! for another value as soon as the last reader has run (`buffers`).
mod buffers;
pub(crate) mod chain;
mod chain_builder;
mod chains;
mod fuse;
pub(crate) mod fused;
mod fused_builder;
mod groups;
mod kernel;
mod lower;
mod schedule;
mod values;

use crate::graph::{Graph, NodeId};
use fused::MAX_FUSED_NODES;
pub(crate) use kernel::{BufferView, ConvShape, Kernel, KernelCall, Storage};

/// A sequence of kernel calls and the memory that they need.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) calls: Vec<KernelCall>,
    /// Elements of each slot.
    pub(crate) slots: Vec<usize>,
    pub(crate) outputs: Vec<BufferView>,
    /// Name and number of elements of each input.
    pub(crate) inputs: Vec<(String, usize)>,
    /// Names of the guards.
    pub(crate) guards: Vec<String>,
    flops: f64,
}

impl Plan {
    /// Plans `graph`, which should be simplified. The values of `outputs` can be read after each run.
    pub fn new(graph: &Graph, outputs: &[NodeId]) -> Self {
        Self::with_fusion(graph, outputs, MAX_FUSED_NODES, true)
    }

    /// A plan with one kernel call per node: slower, but every value can be inspected.
    pub(crate) fn unfused(graph: &Graph) -> Self {
        Self::with_fusion(graph, &[], 1, false)
    }

    fn with_fusion(graph: &Graph, outputs: &[NodeId], max_fused_nodes: usize, chains: bool) -> Self {
        let groups = fuse::group(graph, outputs, max_fused_nodes);
        let order = schedule::order(graph, &groups);
        let (order, runs) = if chains { chains::chained(graph, outputs, &groups, order) } else { (order, Vec::new()) };
        lower::lower(graph, outputs, &groups, &order, &runs)
    }

    /// Bytes of working memory, without the store.
    pub fn bytes(&self) -> usize {
        4 * self.slots.iter().sum::<usize>()
    }

    /// Floating-point operations of the matrix products and convolutions of one run, not counting zeros that were
    /// inserted or padded.
    pub fn flops(&self) -> f64 {
        self.flops
    }

    /// Number of kernel calls per run.
    pub fn kernel_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether layers run on a block of the batch at a time.
    pub(crate) fn has_chains(&self) -> bool {
        self.calls.iter().any(|c| matches!(c.kernel, Kernel::Chain(_)))
    }

    /// Whether any kernel call reads input `index`.
    pub(crate) fn reads_input(&self, index: usize) -> bool {
        self.calls.iter().flat_map(|c| &c.inputs).any(|v| v.storage == Storage::Input(index))
    }

    /// A readable listing, one line per kernel call: kernel, outputs, inputs, and the node that the call is named after.
    pub fn to_text(&self, graph: &Graph) -> String {
        let line = |call: &KernelCall| {
            let kernel = match &call.kernel {
                Kernel::Fused(f) => format!("fused x{}", f.instructions.len()),
                Kernel::Chain(c) => format!("chain x{}", c.members.len()),
                other => other.name().into(),
            };
            let buffers =
                |views: &[BufferView]| views.iter().map(|v| v.storage.to_string()).collect::<Vec<_>>().join(" ");
            let (outputs, inputs) = (buffers(&call.outputs), buffers(&call.inputs));
            format!("{kernel:12} {outputs} <- {inputs}   {}\n", graph.describe(call.last_node()))
        };
        self.calls.iter().map(line).collect()
    }
}
