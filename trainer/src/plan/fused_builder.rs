//! Builds the register program of one fused group.
use super::fused::{Destination, FusedKernel, FusedProduct, Instruction, Opcode, Partition, Pattern, Source};
use super::groups::NodeRole;
use super::values::Values;

use super::{BufferView, Kernel, KernelCall, Storage};
use crate::graph::{Binary, Graph, NodeId, Op, Unary};
use std::collections::HashMap;

/// Longest innermost dimension that counts as a row, unless something is per channel.
const MAX_ROW: usize = 1024;

/// A fused group that is being lowered.
pub(super) struct Fusion<'v, 'g> {
    values: &'v mut Values<'g>,
    group: usize,
    /// Length of the innermost dimension.
    last: usize,
    registers: Registers,
    fused: FusedKernel,
    /// Inputs that are read element by element or as patterns.
    inputs: Vec<BufferView>,
    /// Operands of the product, if there is one.
    operands: Vec<BufferView>,
    stores: Vec<(NodeId, Source)>,
    sums: Vec<(NodeId, Source, usize)>,
}

impl<'v, 'g> Fusion<'v, 'g> {
    /// Prepares the lowering of `group`.
    pub(super) fn new(values: &'v mut Values<'g>, group: usize) -> Self {
        let graph = values.graph;
        let members = &values.groups.members[group];
        let first = graph.node(members[0]);
        let shape = if first.op == Op::SumTo { graph.shape(first.args[0]) } else { first.shape };
        let row = if shape.last() <= MAX_ROW { shape.last() } else { 1 };
        let fused = FusedKernel { len: shape.len(), row, channels: 1, ..FusedKernel::default() };
        let mut pending: Vec<_> = members.iter().flat_map(|&m| graph.node(m).args.iter().copied()).collect();
        let inlined = |id: NodeId| {
            values.groups.role[id.index()] == NodeRole::Inlined && matches!(graph.node(id).op, Op::Unary(_))
        };
        let mut recomputed: Vec<_> = pending.iter().copied().filter(|&u| inlined(u)).collect();
        recomputed.sort_unstable();
        recomputed.dedup();
        pending.extend(recomputed.iter().map(|&r| graph.node(r).args[0]));
        Self {
            values,
            group,
            last: shape.last(),
            registers: Registers { pending, ..Registers::default() },
            fused,
            inputs: Vec::new(),
            operands: Vec::new(),
            stores: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// The kernel call of the group. Outputs overwrite inputs that are in `dying`, the values without a later reader.
    pub(super) fn lower(mut self, dying: &[NodeId]) -> KernelCall {
        let members = &self.values.groups.members[self.group];
        for &id in members {
            self.add_node(id);
        }
        let outputs = self.place_outputs(dying);
        self.fused.stores = self.stores.iter().map(|s| s.1).collect();
        self.fused.sums = self.sums.iter().map(|&(_, source, channels)| (source, channels)).collect();
        self.finish(outputs, members.clone())
    }

    /// Appends the instructions, the store or the sum of one node.
    fn add_node(&mut self, id: NodeId) {
        let graph: &Graph = self.values.graph;
        let node = graph.node(id);
        if let Op::MatMul { tb, .. } = node.op {
            return self.add_product(id, tb);
        }
        let mut from = [Source::Register(0); 3];
        for (k, &a) in node.args.iter().enumerate() {
            from[k] = self.source(a);
        }
        let opcode = match node.op {
            Op::Unary(f) => Opcode::Unary(f),
            Op::Binary(f) => Opcode::Binary(f),
            Op::Select => Opcode::Select,
            Op::SumTo => {
                let channels = node.shape.len();
                self.fused.channels = self.fused.channels.max(channels);
                self.sums.push((id, from[0], channels));
                if let (Some(&a), true) = (node.args.first(), matches!(from[0], Source::Register(_))) {
                    self.registers.hold(a);
                }
                return;
            }
            // A constant or a broadcast that must be stored.
            Op::Full(v) => {
                let constant = self.pattern(Pattern::Constant(v));
                return self.stores.push((id, constant));
            }
            _ => {
                let repeated = self.repeated(node.args[0]);
                return self.stores.push((id, repeated));
            }
        };
        let to = self.registers.emit(&mut self.fused, id, opcode, from, &node.args);
        node.args.iter().for_each(|&a| self.registers.used(a));
        if self.values.groups.stored[id.index()] {
            self.registers.hold(id);
            self.stores.push((id, Source::Register(to)));
        }
    }

    fn add_product(&mut self, id: NodeId, tb: bool) {
        let Kernel::MatMul { size, .. } = Kernel::of_node(self.values.graph, id) else {
            unreachable!("a matrix product")
        };
        self.fused.product = Some(FusedProduct { size, tb });
        self.fused.channels = self.last;
        self.operands = self.values.graph.node(id).args.iter().map(|&a| self.values.view(a)).collect();
        let register = self.registers.allocate(&mut self.fused, id);
        let to = Destination::Register(register);
        self.fused.instructions.push(Instruction { opcode: Opcode::ProductRows, from: [Source::Pattern(0); 3], to });
        if self.values.groups.stored[id.index()] {
            self.registers.hold(id);
            self.stores.push((id, Source::Register(register)));
        }
    }

    /// Where instructions read the value of `id`. Values that are never stored are computed here.
    fn source(&mut self, id: NodeId) -> Source {
        if let Some(&r) = self.registers.of.get(&id) {
            return Source::Register(r);
        }
        let node = self.values.graph.node(id);
        match (self.values.groups.role[id.index()], node.op) {
            (NodeRole::Inlined, Op::Full(v)) => self.pattern(Pattern::Constant(v)),
            (NodeRole::Inlined, Op::Unary(f)) => {
                let from = [self.source(node.args[0]), Source::Register(0), Source::Register(0)];
                let to = self.registers.allocate(&mut self.fused, id);
                let opcode = Opcode::Unary(f);
                self.fused.instructions.push(Instruction { opcode, from, to: Destination::Register(to) });
                self.registers.used(node.args[0]);
                Source::Register(to)
            }
            (NodeRole::Inlined, _) => self.repeated(node.args[0]),
            _ => {
                let groups = self.values.groups;
                assert!(groups.of[id.index()] != self.group || groups.stored[id.index()]);
                Source::Input(self.input(id))
            }
        }
    }

    /// A scalar or a channel vector, repeated.
    fn repeated(&mut self, id: NodeId) -> Source {
        if self.values.graph.shape(id).len() > 1 {
            self.fused.channels = self.last;
        }
        let input = self.input(id);
        self.pattern(Pattern::Input(input))
    }

    /// Index of the input that holds the value of `id`.
    fn input(&mut self, id: NodeId) -> usize {
        let view = self.values.view(id);
        self.inputs.iter().position(|v| *v == view).unwrap_or_else(|| {
            self.inputs.push(view);
            self.inputs.len() - 1
        })
    }

    fn pattern(&mut self, pattern: Pattern) -> Source {
        let patterns = &mut self.fused.patterns;
        Source::Pattern(patterns.iter().position(|p| *p == pattern).unwrap_or_else(|| {
            patterns.push(pattern);
            patterns.len() - 1
        }))
    }

    /// The views of all outputs. A dying input of the same length passes its live range to a stored output, because
    /// every block is read before it is written.
    fn place_outputs(&mut self, dying: &[NodeId]) -> Vec<BufferView> {
        let mut overwritten: Vec<NodeId> = dying
            .iter()
            .copied()
            .filter(|d| self.values.graph.shape(*d).len() == self.fused.len && self.reads_whole_value(*d))
            .collect();
        let mut outputs = Vec::new();
        for &(id, _) in &self.stores {
            match overwritten.pop().filter(|_| !self.values.groups.direct.contains_key(&id)) {
                Some(dying) => self.values.pass_range(dying, id),
                None => self.values.begin_range(id),
            }
            outputs.push(self.values.view(id));
        }
        for &(id, _, _) in &self.sums {
            self.values.begin_range(id);
            outputs.push(self.values.view(id));
        }
        outputs
    }

    /// Whether `id` is stored in a slot that may be overwritten, and the kernel reads all of it element by element and in no other way.
    fn reads_whole_value(&self, id: NodeId) -> bool {
        let Some(range) = self.values.range(id).filter(|_| !self.values.in_chain) else { return false };
        if self.operands.iter().any(|v| v.storage == Storage::Slot(range)) {
            return false;
        }
        let mut views = self.inputs.iter().enumerate().filter(|(_, v)| v.storage == Storage::Slot(range));
        let repeated = |i: usize| self.fused.patterns.contains(&Pattern::Input(i));
        views.all(|(i, v)| v.offset == 0 && v.len == self.fused.len && !repeated(i))
    }

    /// Replaces reads of an overwritten input by reads of the output that overwrites it, and assembles the kernel call.
    fn finish(mut self, outputs: Vec<BufferView>, nodes: Vec<NodeId>) -> KernelCall {
        let stores = self.fused.stores.len();
        let overwriting: Vec<_> =
            self.inputs.iter().map(|view| outputs[..stores].iter().position(|o| o == view)).collect();
        let redirect = |source: &mut Source| {
            if let Source::Input(i) = *source
                && let Some(o) = overwriting[i]
            {
                *source = Source::Output(o);
            }
        };
        self.fused.instructions.iter_mut().for_each(|i| i.from.iter_mut().for_each(redirect));
        self.fused.stores.iter_mut().for_each(redirect);
        self.fused.sums.iter_mut().for_each(|(source, _)| redirect(source));
        self.fused.write_outputs_directly();
        self.fused.reads = self.inputs.len();
        self.fused.partition = Partition::of(&self.fused);
        self.inputs.append(&mut self.operands);
        KernelCall { kernel: Kernel::Fused(self.fused), inputs: self.inputs, outputs, nodes }
    }
}

/// Allocation of registers. A register is free again after the last read of its value, unless the value is held.
#[derive(Default)]
struct Registers {
    /// Register of each value.
    of: HashMap<NodeId, usize>,
    /// Remaining reads inside the group, one entry each.
    pending: Vec<NodeId>,
    /// Values whose registers are kept to the end of a block.
    held: Vec<NodeId>,
    free: Vec<usize>,
}

impl Registers {
    /// A register for the value of `id`.
    fn allocate(&mut self, fused: &mut FusedKernel, id: NodeId) -> usize {
        let r = self.free.pop().unwrap_or_else(|| {
            fused.registers += 1;
            fused.registers - 1
        });
        self.of.insert(id, r);
        r
    }

    /// Appends the instruction of node `id` and returns its register. If a combined instruction can do the work of this and
    /// the preceding instructions in one pass over the block, it replaces them.
    fn emit(
        &mut self,
        fused: &mut FusedKernel,
        id: NodeId,
        opcode: Opcode,
        from: [Source; 3],
        args: &[NodeId],
    ) -> usize {
        let Some((replaced, arg, instruction)) = self.combined(&fused.instructions, opcode, from, args) else {
            let to = self.allocate(fused, id);
            fused.instructions.push(Instruction { opcode, from, to: Destination::Register(to) });
            return to;
        };
        // The first of the replaced instructions writes a register that none of them reads.
        fused.instructions.truncate(fused.instructions.len() - replaced);
        fused.instructions.push(instruction);
        let to = self.of.remove(&arg).unwrap_or_default();
        self.of.insert(id, to);
        to
    }

    /// A combined instruction, if there is one: the number of instructions that it replaces, and the node whose
    /// register it takes.
    fn combined(
        &self,
        instructions: &[Instruction],
        opcode: Opcode,
        from: [Source; 3],
        args: &[NodeId],
    ) -> Option<(usize, NodeId, Instruction)> {
        let read_once = |a: NodeId| self.pending.iter().filter(|u| **u == a).count() == 1 && !self.held.contains(&a);
        // Whether argument `k` is the result of `i`, and nothing else reads that result.
        let only_reader = |k: usize, i: &Instruction| {
            matches!(i.to, Destination::Register(r) if from[k] == Source::Register(r)) && read_once(args[k])
        };
        match (instructions, opcode) {
            ([.., last], Opcode::Unary(Unary::Leaky(slope)))
                if last.opcode == Opcode::Binary(Binary::Add) && only_reader(0, last) =>
            {
                Some((1, args[0], Instruction { opcode: Opcode::AddLeaky(slope), ..*last }))
            }
            ([.., last], Opcode::Binary(Binary::Mul)) if args[0] != args[1] => match last.opcode {
                Opcode::Unary(Unary::LeakyStep(slope)) => (0..2).find(|&k| only_reader(k, last)).map(|k| {
                    let from = [from[1 - k], last.from[0], last.from[1]];
                    (1, args[k], Instruction { opcode: Opcode::MulLeakyStep(slope), from, ..*last })
                }),
                _ => None,
            },
            ([.., a, b], Opcode::Binary(Binary::Add)) if only_reader(0, a) && only_reader(1, b) => {
                match (a.opcode, b.opcode) {
                    (
                        Opcode::Unary(Unary::Affine { scale: s, offset: 0.0 }),
                        Opcode::Unary(Unary::Affine { scale: t, offset: 0.0 }),
                    ) => {
                        let from = [a.from[0], b.from[0], a.from[1]];
                        Some((2, args[0], Instruction { opcode: Opcode::WeightedSum(s, t), from, ..*a }))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Keeps the register of `id` to the end of the block.
    fn hold(&mut self, id: NodeId) {
        self.held.push(id);
    }

    /// Records one read of `id`, and frees its register after the last.
    fn used(&mut self, id: NodeId) {
        if let Some(i) = self.pending.iter().position(|u| *u == id) {
            self.pending.swap_remove(i);
        }
        if !self.pending.contains(&id)
            && !self.held.contains(&id)
            && let Some(r) = self.of.get(&id).copied().filter(|r| !self.free.contains(r))
        {
            self.free.push(r);
        }
    }
}
