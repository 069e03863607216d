//! Buffers for values: each lives from its step to its last reader, then another takes its place.
use super::fuse::{Action, Fused, Instruction, Operand, Product, Target, Tile};
use super::{Base, ConvShape, Groups, Kind, Plan, Role, Step, View, around};
use crate::graph::{Binary, Graph, NodeId, Op, Unary};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Longest rows that steps walk whole, unless something is given for every channel.
const LONG: usize = 1024;

struct Slots<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    inputs: HashMap<NodeId, usize>,
    /// The stay that each living value has.
    place: HashMap<NodeId, usize>,
    stays: Vec<LiveRange>,
    /// The step that is being planned.
    at: usize,
}

/// Numbers that are needed from one step to another, both included: a value, or several that take each other's place.
#[derive(Clone, Copy)]
struct LiveRange {
    len: usize,
    from: usize,
    to: usize,
}

/// Buffers for all stays, largest first, and the buffer of each: the largest stays choose first, and take the smallest buffer
/// that is free for as long as they need it (Pisarchyk & Lee 2020, "greedy by size").
fn buffers(stays: &[LiveRange]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<_> = (0..stays.len()).collect();
    order.sort_by_key(|&i| (Reverse(stays[i].len), stays[i].from));
    let mut buffers: Vec<Vec<LiveRange>> = Vec::new();
    let mut of = vec![0; stays.len()];
    for i in order {
        let stay = stays[i];
        let free = |b: &Vec<LiveRange>| b.iter().all(|s| s.to < stay.from || stay.to < s.from);
        of[i] = buffers.iter().rposition(free).unwrap_or(buffers.len());
        match buffers.get_mut(of[i]) {
            Some(buffer) => buffer.push(stay),
            None => buffers.push(vec![stay]),
        }
    }
    (buffers.iter().map(|b| b[0].len).collect(), of)
}

/// Turns ordered groups into steps with buffers.
pub(crate) fn assign(graph: &Graph, outputs: &[NodeId], groups: &Groups, order: &[usize]) -> Plan {
    let inputs = graph.inputs().iter().enumerate().map(|(i, (_, id))| (*id, i)).collect();
    let mut slots = Slots { graph, groups, inputs, place: HashMap::new(), stays: Vec::new(), at: 0 };
    let last = last_use(graph, outputs, groups, order);
    let mut dying: HashMap<usize, Vec<NodeId>> = HashMap::new();
    last.iter().for_each(|(&id, &at)| dying.entry(at).or_default().push(id));
    dying.values_mut().for_each(|v| v.sort_unstable());
    let (mut steps, mut copies, mut guarded) = (Vec::new(), Vec::new(), false);
    for (at, &g) in order.iter().enumerate() {
        slots.at = at;
        let writes = groups.members[g].iter().any(|m| groups.direct.contains_key(m));
        if writes && !std::mem::replace(&mut guarded, true) {
            steps.extend(slots.guard());
        }
        let dead = dying.get(&at).map_or(&[][..], Vec::as_slice);
        match slots.step(g, dead) {
            Some(step) if matches!(step.kind, Kind::Copy) => copies.push(step),
            Some(step) => steps.push(step),
            None => {}
        }
        dead.iter().for_each(|&id| slots.release(id));
    }
    if !guarded {
        steps.extend(slots.guard());
    }
    steps.extend(copies);
    let mut outputs: Vec<_> = outputs.iter().map(|&id| slots.view(id)).collect();
    let (sizes, of) = buffers(&slots.stays);
    let views = steps.iter_mut().flat_map(|s: &mut Step| s.inputs.iter_mut().chain(&mut s.outputs));
    for view in views.chain(&mut outputs) {
        if let Base::Slot(stay) = &mut view.base {
            *stay = of[*stay];
        }
    }
    assert!(outputs.iter().all(|o| !matches!(o.base, Base::Input(_))), "an input is no output of a program");
    let inputs = graph.inputs().iter().map(|(name, id)| (name.clone(), graph.shape(*id).len())).collect();
    let guards = graph.guards().iter().map(|g| g.0.clone()).collect();
    let flops = steps.iter().map(|s| s.kind.flops()).sum();
    Plan { steps, slots: sizes, outputs, inputs, guards, flops }
}

/// The step after which each stored value is not read again; program outputs and guards live on.
fn last_use(graph: &Graph, outputs: &[NodeId], groups: &Groups, order: &[usize]) -> HashMap<NodeId, usize> {
    let mut last: HashMap<NodeId, usize> = HashMap::new();
    let mut read = |id: NodeId, at: usize| {
        let entry = last.entry(id).or_default();
        *entry = at.max(*entry);
    };
    for (at, &g) in order.iter().enumerate() {
        for &member in &groups.members[g] {
            read(member, at);
            for &arg in &graph.node(member).args {
                let (mut base, _) = groups.resolve(arg);
                if groups.role[base.index()] == Role::Virtual {
                    let Some(&source) = graph.node(base).args.first() else { continue };
                    base = groups.resolve(source).0;
                }
                read(base, at);
            }
            // Copies to the store run last of all.
            if matches!(graph.node(member).op, Op::Assign(_)) {
                read(groups.resolve(graph.node(member).args[0]).0, usize::MAX);
            }
        }
    }
    for id in outputs.iter().copied().chain(graph.guards().iter().map(|g| g.1)) {
        read(groups.resolve(id).0, usize::MAX);
    }
    last
}

impl Slots<'_> {
    fn view(&self, id: NodeId) -> View {
        let (node, offset) = self.groups.resolve(id);
        let base = match self.graph.node(node).op {
            Op::Param(param) => Base::Param(param),
            Op::Input => Base::Input(self.inputs[&node]),
            _ => match self.groups.direct.get(&node) {
                Some(&param) => Base::Param(param),
                None => Base::Slot(self.place[&node]),
            },
        };
        View { base, offset, len: self.graph.shape(id).len() }
    }

    /// A stay for the value of `id`, from now on.
    fn take(&mut self, id: NodeId) {
        if !self.groups.direct.contains_key(&id) {
            self.place.insert(id, self.stays.len());
            self.stays.push(LiveRange { len: self.graph.shape(id).len(), from: self.at, to: usize::MAX });
        }
    }

    fn release(&mut self, id: NodeId) {
        if let Some(stay) = self.place.get(&id) {
            self.stays[*stay].to = self.at;
        }
    }

    fn guard(&self) -> Option<Step> {
        let node = self.graph.guards().first()?.1;
        let inputs = self.graph.guards().iter().map(|(_, id)| self.view(*id)).collect();
        Some(Step { kind: Kind::Guard, inputs, outputs: Vec::new(), nodes: vec![node] })
    }

    fn step(&mut self, g: usize, dying: &[NodeId]) -> Option<Step> {
        let members = &self.groups.members[g];
        let id = *members.first()?;
        let node = self.graph.node(id);
        let fused = matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Full(_))
            || (matches!(node.op, Op::SumTo | Op::Broadcast) && self.is_fused(id))
            || members.len() > 1;
        if fused {
            return Some(self.fused(g, dying));
        }
        if let Op::Assign(param) = node.op {
            let value = self.groups.resolve(node.args[0]).0;
            if self.groups.direct.contains_key(&value) {
                return None;
            }
            let output = View { base: Base::Param(param), offset: 0, len: node.shape.len() };
            return Some(Step {
                kind: Kind::Copy,
                inputs: vec![self.view(node.args[0])],
                outputs: vec![output],
                nodes: vec![id],
            });
        }
        let kind = self.kind(id);
        let inputs = node.args.iter().map(|&a| self.view(a)).collect();
        self.take(id);
        Some(Step { kind, inputs, outputs: vec![self.view(id)], nodes: vec![id] })
    }

    /// Sums and broadcasts along channels or over everything go through the fused kernel.
    fn is_fused(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let (a, b) = (self.graph.shape(node.args[0]), node.shape);
        let (small, big) = if node.op == Op::SumTo { (b, a) } else { (a, b) };
        small.len() == 1 || (small.len() == small.last() && small.last() == big.last())
    }

    fn kind(&self, id: NodeId) -> Kind {
        let node = self.graph.node(id);
        let shape = |k: usize| self.graph.shape(node.args[k]);
        match node.op {
            Op::MatMul { ta, tb } => {
                let k = shape(0).len() / node.shape.dims()[0];
                Kind::MatMul { size: (node.shape.dims()[0], k, node.shape.dims()[1]), ta, tb }
            }
            Op::Conv(w) => Kind::Conv(w, conv_shape(shape(0).four(), node.shape.four())),
            Op::ConvInput(w) => Kind::ConvInput(w, conv_shape(node.shape.four(), shape(0).four())),
            Op::ConvWeight(w) => Kind::ConvWeight(w, conv_shape(shape(0).four(), shape(1).four())),
            Op::Depthwise(w) => Kind::Depthwise(w, conv_shape(shape(0).four(), node.shape.four())),
            Op::DepthwiseInput(w) => Kind::DepthwiseInput(w, conv_shape(node.shape.four(), shape(0).four())),
            Op::DepthwiseWeight(w) => Kind::DepthwiseWeight(w, conv_shape(shape(0).four(), shape(1).four())),
            Op::Upsample(f) => Kind::Upsample(shape(0).four(), f),
            Op::SumPool(f) => Kind::SumPool(node.shape.four(), f),
            Op::Slice { axis, start } => {
                let ((outer, from), (_, len)) = (around(shape(0), axis), around(node.shape, axis));
                Kind::Slice { outer, from, at: start * (from / shape(0).dims()[axis]), len }
            }
            Op::Pad { axis, before } => {
                let ((outer, len), (_, to)) = (around(shape(0), axis), around(node.shape, axis));
                Kind::Pad { outer, len, at: before * (len / shape(0).dims()[axis]), to }
            }
            Op::Concat { axis } => {
                let runs = (0..node.args.len()).map(|k| around(shape(k), axis).1).collect();
                Kind::Concat { outer: around(node.shape, axis).0, runs }
            }
            Op::Broadcast => Kind::Broadcast(shape(0).four(), node.shape.four()),
            Op::SumTo => Kind::SumTo(shape(0).four(), node.shape.four()),
            Op::Random { stream, distribution } => Kind::Random(stream, distribution),
            op => unreachable!("{op:?} has no step of its own"),
        }
    }

    /// The register program of group `g`; outputs may take the place of inputs that die here.
    fn fused(&mut self, g: usize, dying: &[NodeId]) -> Step {
        let members = self.groups.members[g].clone();
        let graph = self.graph;
        let first = graph.node(members[0]);
        let shape = if first.op == Op::SumTo { graph.shape(first.args[0]) } else { first.shape };
        let row = if shape.last() <= LONG { shape.last() } else { 1 };
        let mut build =
            Build { fused: Fused { len: shape.len(), row, channels: 1, ..Fused::default() }, ..Build::default() };
        build.uses = members.iter().flat_map(|&m| graph.node(m).args.iter().copied()).collect();
        let mut steps: Vec<_> = build.uses.iter().copied().filter(|&u| self.taken_again(u)).collect();
        steps.sort_unstable();
        steps.dedup();
        build.uses.extend(steps.iter().map(|&s| graph.node(s).args[0]));
        let mut sums = Vec::new();
        let mut stores = Vec::new();
        for &m in &members {
            let node = graph.node(m);
            if let Op::MatMul { tb, .. } = node.op {
                let Kind::MatMul { size, .. } = self.kind(m) else { unreachable!("a product is one") };
                build.fused.product = Some(Product { size, tb });
                build.fused.channels = shape.last();
                build.factors = node.args.iter().map(|&a| self.view(a)).collect();
                let to = Target::Register(build.register(m));
                build.fused.instructions.push(Instruction { action: Action::Product, from: [Operand::Tile(0); 3], to });
                if self.groups.stored[m.index()] {
                    build.hold(m);
                    stores.push((m, Operand::Register(build.at[&m])));
                }
                continue;
            }
            let mut from = [Operand::Register(0); 3];
            for (k, &a) in node.args.iter().enumerate() {
                from[k] = self.operand(&mut build, g, a, shape.last());
            }
            let action = match node.op {
                Op::Unary(f) => Action::Unary(f),
                Op::Binary(f) => Action::Binary(f),
                Op::Select => Action::Select,
                Op::SumTo => {
                    let channels = node.shape.len();
                    build.fused.channels = build.fused.channels.max(channels);
                    sums.push((m, from[0], channels));
                    if let (Some(&a), true) = (node.args.first(), matches!(from[0], Operand::Register(_))) {
                        build.hold(a);
                    }
                    continue;
                }
                // A constant or a broadcast that must be stored.
                Op::Full(v) => {
                    stores.push((m, build.tile(Tile::Constant(v))));
                    continue;
                }
                _ => {
                    let input = build.input(self.view(node.args[0]), node.args[0]);
                    if graph.shape(node.args[0]).len() > 1 {
                        build.fused.channels = shape.last();
                    }
                    stores.push((m, build.tile(Tile::Input(input))));
                    continue;
                }
            };
            let to = build.emit(m, action, from, &node.args);
            node.args.iter().for_each(|&a| build.used(a));
            if self.groups.stored[m.index()] {
                build.hold(m);
                stores.push((m, Operand::Register(to)));
            }
        }
        let mut outputs = Vec::new();
        let len = shape.len();
        // A dying input of the same length gives its slot to a stored output: the block is read before it is written.
        let mut heirs: Vec<NodeId> = dying
            .iter()
            .copied()
            .filter(|d| self.place.contains_key(d) && graph.shape(*d).len() == len && build.walked_whole(self, *d))
            .collect();
        for &(m, _) in &stores {
            match heirs.pop().filter(|_| !self.groups.direct.contains_key(&m)) {
                Some(heir) => {
                    let slot = self.place[&heir];
                    self.place.remove(&heir);
                    self.place.insert(m, slot);
                }
                None => self.take(m),
            }
            outputs.push(self.view(m));
        }
        for &(m, _, _) in &sums {
            self.take(m);
            outputs.push(self.view(m));
        }
        build.fused.stores = stores.into_iter().map(|s| s.1).collect();
        build.fused.sums = sums.into_iter().map(|(_, o, c)| (o, c)).collect();
        build.finish(outputs, members)
    }

    /// Whether steps that read `id` compute it anew from its argument.
    fn taken_again(&self, id: NodeId) -> bool {
        self.groups.role[id.index()] == Role::Virtual && matches!(self.graph.node(id).op, Op::Unary(_))
    }

    fn operand(&mut self, build: &mut Build, g: usize, id: NodeId, last: usize) -> Operand {
        if let Some(&r) = build.at.get(&id) {
            return Operand::Register(r);
        }
        let node = self.graph.node(id);
        match (self.groups.role[id.index()], node.op) {
            (Role::Virtual, Op::Full(v)) => build.tile(Tile::Constant(v)),
            (Role::Virtual, Op::Unary(f)) => {
                let from = [self.operand(build, g, node.args[0], last), Operand::Register(0), Operand::Register(0)];
                let to = build.register(id);
                let action = Action::Unary(f);
                build.fused.instructions.push(Instruction { action, from, to: Target::Register(to) });
                build.used(node.args[0]);
                Operand::Register(to)
            }
            (Role::Virtual, _) => {
                let source = node.args[0];
                if self.graph.shape(source).len() > 1 {
                    build.fused.channels = last;
                }
                let input = build.input(self.view(source), source);
                build.tile(Tile::Input(input))
            }
            _ => {
                debug_assert!(self.groups.of[id.index()] != g || self.groups.stored[id.index()]);
                Operand::Input(build.input(self.view(id), id))
            }
        }
    }
}

/// A fused step in the making.
#[derive(Default)]
struct Build {
    fused: Fused,
    inputs: Vec<View>,
    /// Both sides of the product, if there is one.
    factors: Vec<View>,
    bases: Vec<NodeId>,
    /// Registers by node.
    at: HashMap<NodeId, usize>,
    /// One entry for each reading inside the group that has yet to come.
    uses: Vec<NodeId>,
    held: Vec<NodeId>,
    spare: Vec<usize>,
}

impl Build {
    fn input(&mut self, view: View, id: NodeId) -> usize {
        self.inputs.iter().position(|v| *v == view).unwrap_or_else(|| {
            self.inputs.push(view);
            self.bases.push(id);
            self.inputs.len() - 1
        })
    }

    fn tile(&mut self, tile: Tile) -> Operand {
        let tiles = &mut self.fused.tiles;
        Operand::Tile(tiles.iter().position(|t| *t == tile).unwrap_or_else(|| {
            tiles.push(tile);
            tiles.len() - 1
        }))
    }

    fn register(&mut self, id: NodeId) -> usize {
        let r = self.spare.pop().unwrap_or_else(|| {
            self.fused.registers += 1;
            self.fused.registers - 1
        });
        self.at.insert(id, r);
        r
    }

    /// Appends the instruction of node `id`, in one with those right before it where a pass over the block can do both.
    fn emit(&mut self, id: NodeId, action: Action, from: [Operand; 3], args: &[NodeId]) -> usize {
        let single = |a: NodeId| self.uses.iter().filter(|u| **u == a).count() == 1 && !self.held.contains(&a);
        let alone = |k: usize, i: &Instruction| {
            matches!(i.to, Target::Register(r) if from[k] == Operand::Register(r)) && single(args[k])
        };
        let one = match (&self.fused.instructions[..], action) {
            ([.., last], Action::Unary(Unary::Leaky(slope)))
                if last.action == Action::Binary(Binary::Add) && alone(0, last) =>
            {
                Some((1, args[0], Instruction { action: Action::AddLeaky(slope), ..*last }))
            }
            ([.., last], Action::Binary(Binary::Mul)) if args[0] != args[1] => match last.action {
                Action::Unary(Unary::LeakyStep(slope)) => (0..2).find(|&k| alone(k, last)).map(|k| {
                    let from = [from[1 - k], last.from[0], last.from[1]];
                    (1, args[k], Instruction { action: Action::Gate(slope), from, ..*last })
                }),
                _ => None,
            },
            ([.., a, b], Action::Binary(Binary::Add)) if alone(0, a) && alone(1, b) => match (a.action, b.action) {
                (
                    Action::Unary(Unary::Affine { scale: s, offset: 0.0 }),
                    Action::Unary(Unary::Affine { scale: t, offset: 0.0 }),
                ) => {
                    let from = [a.from[0], b.from[0], a.from[1]];
                    Some((2, args[0], Instruction { action: Action::Blend(s, t), from, ..*a }))
                }
                _ => None,
            },
            _ => None,
        };
        let Some((replaced, arg, instruction)) = one else {
            let to = self.register(id);
            self.fused.instructions.push(Instruction { action, from, to: Target::Register(to) });
            return to;
        };
        // The first of those replaced was given a register that none of them reads.
        self.fused.instructions.truncate(self.fused.instructions.len() - replaced);
        self.fused.instructions.push(instruction);
        let to = self.at.remove(&arg).unwrap_or_default();
        self.at.insert(id, to);
        to
    }

    /// Keeps the register of `id` to the end of the block.
    fn hold(&mut self, id: NodeId) {
        self.held.push(id);
    }

    fn used(&mut self, id: NodeId) {
        if let Some(i) = self.uses.iter().position(|u| *u == id) {
            self.uses.swap_remove(i);
        }
        if !self.uses.contains(&id)
            && !self.held.contains(&id)
            && let Some(r) = self.at.get(&id).copied().filter(|r| !self.spare.contains(r))
        {
            self.spare.push(r);
        }
    }

    /// Whether all that the step reads of the buffer of `id` is the whole of it, element by element.
    fn walked_whole(&self, slots: &Slots<'_>, id: NodeId) -> bool {
        let Some(&slot) = slots.place.get(&id) else { return false };
        if self.factors.iter().any(|f| f.base == Base::Slot(slot)) {
            return false;
        }
        let mut views = self.inputs.iter().enumerate().filter(|(_, v)| v.base == Base::Slot(slot));
        let tiled = |i: usize| self.fused.tiles.contains(&Tile::Input(i));
        views.all(|(i, v)| v.offset == 0 && v.len == self.fused.len && !tiled(i))
    }

    /// Replaces readings of what an output overwrites by readings of that output.
    fn finish(mut self, outputs: Vec<View>, nodes: Vec<NodeId>) -> Step {
        let stores = self.fused.stores.len();
        let alias: Vec<_> = self.inputs.iter().map(|i| outputs[..stores].iter().position(|o| o == i)).collect();
        let swap = |operand: &mut Operand| {
            if let Operand::Input(i) = *operand
                && let Some(o) = alias[i]
            {
                *operand = Operand::Output(o);
            }
        };
        self.fused.instructions.iter_mut().for_each(|i| i.from.iter_mut().for_each(swap));
        self.fused.stores.iter_mut().for_each(swap);
        self.fused.sums.iter_mut().for_each(|(o, _)| swap(o));
        self.fused.write_outputs();
        self.fused.reads = self.inputs.len();
        self.inputs.append(&mut self.factors);
        Step { kind: Kind::Fused(self.fused), inputs: self.inputs, outputs, nodes }
    }
}

fn conv_shape(x: [usize; 4], y: [usize; 4]) -> ConvShape {
    ConvShape { batch: x[0], h: x[1], w: x[2], ci: x[3], oh: y[1], ow: y[2], co: y[3] }
}
