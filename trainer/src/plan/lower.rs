//! Lowers ordered groups to kernel calls, and records how long each value is live.
use super::buffers::{LiveRange, assign_buffers, last_uses};
use super::fused_builder::Fusion;
use super::groups::{Groups, is_per_channel, split_at_axis};
use super::{BufferView, ConvShape, Kernel, KernelCall, Plan, Storage};
use crate::graph::{Graph, NodeId, Op};
use std::collections::HashMap;

/// State of the lowering. Until buffers are assigned, `Storage::Slot` holds the index of a live range.
pub(super) struct Lowering<'g> {
    pub(super) graph: &'g Graph,
    pub(super) groups: &'g Groups,
    /// Position of each input node among the inputs.
    inputs: HashMap<NodeId, usize>,
    /// The live range of each stored value.
    pub(super) range_of: HashMap<NodeId, usize>,
    ranges: Vec<LiveRange>,
    /// Position of the group that is being lowered.
    at: usize,
}

/// Lowers `groups`, which run in this `order`.
pub(super) fn lower(graph: &Graph, outputs: &[NodeId], groups: &Groups, order: &[usize]) -> Plan {
    let inputs = graph.inputs().iter().enumerate().map(|(i, (_, id))| (*id, i)).collect();
    let mut lowering = Lowering { graph, groups, inputs, range_of: HashMap::new(), ranges: Vec::new(), at: 0 };
    let mut dying: HashMap<usize, Vec<NodeId>> = HashMap::new();
    last_uses(graph, outputs, groups, order).iter().for_each(|(&id, &at)| dying.entry(at).or_default().push(id));
    dying.values_mut().for_each(|v| v.sort_unstable());
    let (mut calls, mut copies, mut guarded) = (Vec::new(), Vec::new(), false);
    for (at, &g) in order.iter().enumerate() {
        lowering.at = at;
        // Guards come before the first write to the store.
        let writes = groups.members[g].iter().any(|m| groups.direct.contains_key(m));
        if writes && !std::mem::replace(&mut guarded, true) {
            calls.extend(lowering.guard());
        }
        let dead = dying.get(&at).map_or(&[][..], Vec::as_slice);
        match lowering.lower_group(g, dead) {
            Some(call) if matches!(call.kernel, Kernel::Copy) => copies.push(call),
            Some(call) => calls.push(call),
            None => {}
        }
        dead.iter().for_each(|&id| lowering.end_range(id));
    }
    if !guarded {
        calls.extend(lowering.guard());
    }
    calls.extend(copies);
    let mut outputs: Vec<_> = outputs.iter().map(|&id| lowering.view(id)).collect();
    let (slots, slot_of) = assign_buffers(&lowering.ranges);
    let views = calls.iter_mut().flat_map(|c: &mut KernelCall| c.inputs.iter_mut().chain(&mut c.outputs));
    for view in views.chain(&mut outputs) {
        if let Storage::Slot(range) = &mut view.storage {
            *range = slot_of[*range];
        }
    }
    assert!(
        outputs.iter().all(|o| !matches!(o.storage, Storage::Input(_))),
        "a program output must be computed; an input was declared as an output"
    );
    let inputs = graph.inputs().iter().map(|(name, id)| (name.clone(), graph.shape(*id).len())).collect();
    let guards = graph.guards().iter().map(|g| g.0.clone()).collect();
    let flops = calls.iter().map(|c| c.kernel.flops()).sum();
    Plan { calls, slots, outputs, inputs, guards, flops }
}

impl Lowering<'_> {
    /// Where the value of `id` lies.
    pub(super) fn view(&self, id: NodeId) -> BufferView {
        let (node, offset) = self.groups.resolve(id);
        let storage = match self.graph.node(node).op {
            Op::Param(param) => Storage::Param(param),
            Op::Input => Storage::Input(self.inputs[&node]),
            _ => match self.groups.direct.get(&node) {
                Some(&param) => Storage::Param(param),
                None => Storage::Slot(self.range_of[&node]),
            },
        };
        BufferView { storage, offset, len: self.graph.shape(id).len() }
    }

    /// Begins a live range for the value of `id`, unless it is written directly to the store.
    pub(super) fn begin_range(&mut self, id: NodeId) {
        if !self.groups.direct.contains_key(&id) {
            self.range_of.insert(id, self.ranges.len());
            self.ranges.push(LiveRange { len: self.graph.shape(id).len(), from: self.at, to: usize::MAX });
        }
    }

    fn end_range(&mut self, id: NodeId) {
        if let Some(range) = self.range_of.get(&id) {
            self.ranges[*range].to = self.at;
        }
    }

    /// The call that checks all guards, if there are any.
    fn guard(&self) -> Option<KernelCall> {
        let node = self.graph.guards().first()?.1;
        let inputs = self.graph.guards().iter().map(|(_, id)| self.view(*id)).collect();
        Some(KernelCall { kernel: Kernel::Guard, inputs, outputs: Vec::new(), nodes: vec![node] })
    }

    /// The kernel call of group `g`; none for an assignment that another call has already made. `dying` are the values whose last
    /// reader is this group.
    fn lower_group(&mut self, g: usize, dying: &[NodeId]) -> Option<KernelCall> {
        let members = &self.groups.members[g];
        let id = *members.first()?;
        let node = self.graph.node(id);
        let fused = matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Full(_))
            || (matches!(node.op, Op::SumTo | Op::Broadcast) && self.is_fusible(id))
            || members.len() > 1;
        if fused {
            return Some(Fusion::new(self, g).lower(dying));
        }
        if let Op::Assign(param) = node.op {
            let value = self.groups.resolve(node.args[0]).0;
            if self.groups.direct.contains_key(&value) {
                return None;
            }
            let output = BufferView { storage: Storage::Param(param), offset: 0, len: node.shape.len() };
            return Some(KernelCall {
                kernel: Kernel::Copy,
                inputs: vec![self.view(node.args[0])],
                outputs: vec![output],
                nodes: vec![id],
            });
        }
        let kernel = self.kernel(id);
        let inputs = node.args.iter().map(|&a| self.view(a)).collect();
        self.begin_range(id);
        Some(KernelCall { kernel, inputs, outputs: vec![self.view(id)], nodes: vec![id] })
    }

    /// Whether a sum or a broadcast runs in the fused kernel: along channels, or over everything.
    fn is_fusible(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let (a, b) = (self.graph.shape(node.args[0]), node.shape);
        if node.op == Op::SumTo { is_per_channel(b, a) } else { is_per_channel(a, b) }
    }

    /// The kernel that computes node `id` alone.
    pub(super) fn kernel(&self, id: NodeId) -> Kernel {
        let node = self.graph.node(id);
        let shape = |k: usize| self.graph.shape(node.args[k]);
        let conv = ConvShape::new;
        match node.op {
            Op::MatMul { ta, tb } => {
                let k = shape(0).len() / node.shape.dims()[0];
                Kernel::MatMul { size: (node.shape.dims()[0], k, node.shape.dims()[1]), ta, tb }
            }
            Op::Conv(w) => Kernel::Conv(w, conv(shape(0).four(), node.shape.four())),
            Op::ConvInput(w) => Kernel::ConvInput(w, conv(node.shape.four(), shape(0).four())),
            Op::ConvWeight(w) => Kernel::ConvWeight(w, conv(shape(0).four(), shape(1).four())),
            Op::Depthwise(w) => Kernel::Depthwise(w, conv(shape(0).four(), node.shape.four())),
            Op::DepthwiseInput(w) => Kernel::DepthwiseInput(w, conv(node.shape.four(), shape(0).four())),
            Op::DepthwiseWeight(w) => Kernel::DepthwiseWeight(w, conv(shape(0).four(), shape(1).four())),
            Op::Upsample(f) => Kernel::Upsample(shape(0).four(), f),
            Op::SumPool(f) => Kernel::SumPool(node.shape.four(), f),
            Op::Slice { axis, start } => {
                let ((outer, from), (_, len)) = (split_at_axis(shape(0), axis), split_at_axis(node.shape, axis));
                Kernel::Slice { outer, from, at: start * (from / shape(0).dims()[axis]), len }
            }
            Op::Pad { axis, before } => {
                let ((outer, len), (_, to)) = (split_at_axis(shape(0), axis), split_at_axis(node.shape, axis));
                Kernel::Pad { outer, len, at: before * (len / shape(0).dims()[axis]), to }
            }
            Op::Concat { axis } => {
                let runs = (0..node.args.len()).map(|k| split_at_axis(shape(k), axis).1).collect();
                Kernel::Concat { outer: split_at_axis(node.shape, axis).0, runs }
            }
            Op::Broadcast => Kernel::Broadcast(shape(0).four(), node.shape.four()),
            Op::SumTo => Kernel::SumTo(shape(0).four(), node.shape.four()),
            Op::Random { stream, distribution } => Kernel::Random(stream, distribution),
            op => unreachable!("{op:?} has no kernel of its own"),
        }
    }
}
