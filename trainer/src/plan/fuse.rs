//! Which nodes run together, and the little register programs of fused elementwise steps.
//!
//! A fused step walks its numbers in blocks that stay in the first-level cache and applies every
//! instruction to a block before it goes on. Scalars, channel vectors and constants are never stored in
//! full; sums over everything or over all but the channels are taken on the way.
use super::{Groups, Role, around};
use crate::graph::{Binary, Graph, NodeId, Op, ParamId, Shape, Unary};
use std::collections::HashMap;

/// Most nodes of one fused step; bounds its outputs too.
pub(crate) const MAX_MEMBERS: usize = 40;

/// Where an instruction finds a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operand {
    /// An earlier result.
    Register(usize),
    /// The step's input of that index, walked element by element.
    Input(usize),
    /// The old content of the step's output of that index.
    Output(usize),
    /// A repeated pattern: scalar, channel vector or constant.
    Tile(usize),
}

/// A pattern that every block sees the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tile {
    Constant(f32),
    /// The step's input of that index: one number or one per channel.
    Input(usize),
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    Unary(Unary),
    Binary(Binary),
    Select,
    /// Leaky(a + b), in one pass.
    AddLeaky(f32),
    /// a · LeakyStep(b), in one pass.
    Gate(f32),
    /// The first factor times a plus the second times b, in one pass.
    Blend(f32, f32),
    /// The next rows of the step's matrix product.
    Product,
}

/// A matrix product whose rows a fused step takes on the way; its two sides are the step's last inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// (m, k, n)
    pub(crate) size: (usize, usize, usize),
    /// Read the right side transposed.
    pub(crate) tb: bool,
}

/// Where an instruction leaves its results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Register(usize),
    /// The step's stored output of that index.
    Output(usize),
}

/// One operation on a block; `to` is nothing that `from` reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) action: Action,
    pub(crate) from: [Operand; 3],
    pub(crate) to: Target,
}

/// A fused step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fused {
    /// Elements walked.
    pub(crate) len: usize,
    /// Length of the innermost dimension; 1 where that is long, as in flat vectors.
    pub(crate) row: usize,
    /// Length of the innermost dimension if anything is per channel, else 1.
    pub(crate) channels: usize,
    pub(crate) registers: usize,
    /// Count of inputs, the step's first views.
    pub(crate) reads: usize,
    pub(crate) product: Option<Product>,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) instructions: Vec<Instruction>,
    /// What goes to each stored output.
    pub(crate) stores: Vec<Operand>,
    /// What is summed, and to how many channels (1: to a scalar); these outputs follow the stored ones.
    pub(crate) sums: Vec<(Operand, usize)>,
}

impl Fused {
    /// Lets instructions write outputs themselves where nothing needs the old content any more.
    pub(crate) fn write_outputs(&mut self) {
        for o in 0..self.stores.len() {
            let Operand::Register(r) = self.stores[o] else { continue };
            let Some(at) = self.instructions.iter().rposition(|i| i.to == Target::Register(r)) else { continue };
            let old = Operand::Output(o);
            let late = self.instructions[at..].iter().any(|i| i.from.contains(&old));
            if late || self.sums.iter().any(|s| s.0 == old) || self.stores.contains(&old) {
                continue;
            }
            let moved = |operand: &mut Operand| {
                if *operand == Operand::Register(r) {
                    *operand = old;
                }
            };
            self.instructions[at].to = Target::Output(o);
            self.instructions[at + 1..].iter_mut().for_each(|i| i.from.iter_mut().for_each(moved));
            self.sums.iter_mut().for_each(|s| moved(&mut s.0));
            self.stores.iter_mut().for_each(moved);
        }
    }
}

fn elementwise(op: Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Select)
}

/// Most numbers of a right side that is read again for every few rows.
const WIDE: usize = 1 << 17;

/// Whether a fused step can take the rows of `id` on the way: a product whose left side lies row by row.
fn by_rows(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    matches!(node.op, Op::MatMul { ta: false, .. }) && graph.shape(node.args[1]).len() <= WIDE
}

/// Whether `id` sums to a scalar or to channels, which a fused step can do on the way.
fn sums_on_the_way(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.op == Op::SumTo && per_channel(node.shape, graph.shape(node.args[0]))
}

/// Whether `small` is a scalar or a vector along the innermost dimension of `big`.
fn per_channel(small: Shape, big: Shape) -> bool {
    small.len() == 1 || (small.len() == small.last() && small.last() == big.last())
}

fn role(graph: &Graph, id: NodeId) -> Role {
    let node = graph.node(id);
    let Some(&of) = node.args.first() else {
        return if matches!(node.op, Op::Full(_)) { Role::Virtual } else { Role::Computed };
    };
    let same_len = graph.shape(of).len() == node.shape.len();
    match node.op {
        Op::Reshape | Op::Detach => Role::Alias { of, offset: 0 },
        Op::Broadcast | Op::SumTo | Op::Upsample(1) | Op::SumPool(1) if same_len => Role::Alias { of, offset: 0 },
        Op::Slice { axis, start } if around(node.shape, axis).0 == 1 => {
            Role::Alias { of, offset: start * node.shape.dims()[axis + 1..].iter().product::<usize>() }
        }
        Op::Broadcast if per_channel(graph.shape(of), node.shape) => Role::Virtual,
        // Taken again from the stored value wherever it is read: that costs less than to store it.
        Op::Unary(Unary::LeakyStep(_)) if matches!(graph.node(of).op, Op::Unary(Unary::Leaky(_))) => Role::Virtual,
        _ => Role::Computed,
    }
}

/// Forms the groups of `graph`: fused ones, and one for each other computed node.
pub(crate) fn group(graph: &Graph, outputs: &[NodeId], most: usize) -> Groups {
    let mut live = vec![false; graph.len()];
    let mut roots: Vec<_> = outputs.to_vec();
    roots.extend(graph.guards().iter().map(|g| g.1));
    roots.extend(graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Assign(_))));
    roots.iter().for_each(|r| live[r.index()] = true);
    for id in graph.ids().rev() {
        if live[id.index()] {
            graph.node(id).args.iter().for_each(|a| live[a.index()] = true);
        }
    }
    let role = graph.ids().map(|id| if live[id.index()] { role(graph, id) } else { Role::Dead }).collect();
    let mut groups = Groups {
        role,
        of: vec![usize::MAX; graph.len()],
        members: Vec::new(),
        stored: vec![false; graph.len()],
        direct: HashMap::new(),
        before: Vec::new(),
    };
    materialise_read_constants(graph, &roots, &mut groups);
    for id in graph.ids() {
        if groups.role[id.index()] != Role::Computed || matches!(graph.node(id).op, Op::Input | Op::Param(_)) {
            continue;
        }
        let home = home(graph, &groups, id, most).unwrap_or_else(|| {
            groups.members.push(Vec::new());
            groups.members.len() - 1
        });
        groups.members[home].push(id);
        groups.of[id.index()] = home;
    }
    merge(graph, &mut groups, most);
    mark_stored(graph, &roots, &mut groups);
    assign_directly(graph, &mut groups);
    groups
}

/// Constants and broadcasts that a step other than a fused one reads must be stored after all.
fn materialise_read_constants(graph: &Graph, roots: &[NodeId], groups: &mut Groups) {
    let readers = graph.ids().filter(|&id| match groups.role[id.index()] {
        Role::Computed => !elementwise(graph.node(id).op) && !sums_on_the_way(graph, id),
        Role::Alias { .. } => true,
        // A broadcast of a constant or of another broadcast needs its source stored.
        Role::Virtual => graph.node(id).op == Op::Broadcast,
        Role::Dead => false,
    });
    let read: Vec<_> =
        readers.flat_map(|id| graph.node(id).args.iter().copied()).chain(roots.iter().copied()).collect();
    for id in read {
        if groups.role[id.index()] == Role::Virtual {
            groups.role[id.index()] = Role::Computed;
        }
    }
}

/// The fused group that `id` can join without making groups wait for each other in a circle.
fn home(graph: &Graph, groups: &Groups, id: NodeId, most: usize) -> Option<usize> {
    let node = graph.node(id);
    let sum = sums_on_the_way(graph, id);
    if !elementwise(node.op) && !sum {
        return None;
    }
    let shape = if sum { graph.shape(node.args[0]) } else { node.shape };
    let candidates = node.args.iter().filter(|a| groups.role[a.index()] == Role::Computed);
    for &arg in candidates {
        let g = groups.of[arg.index()];
        if g == usize::MAX
            || !elementwise(graph.node(arg).op)
            || graph.shape(arg) != shape
            || groups.members[g].len() >= most
        {
            continue;
        }
        let outside = node.args.iter().filter_map(|&a| {
            let inside = groups.of[a.index()] == g && elementwise(graph.node(a).op);
            if inside { None } else { groups.group_of(graph, a) }
        });
        if outside.into_iter().all(|o| o != g && !depends(graph, groups, o, g)) {
            return Some(g);
        }
    }
    None
}

/// The shape that a fused group walks; none for other groups.
fn walked(graph: &Graph, members: &[NodeId]) -> Option<Shape> {
    let &first = members.first()?;
    let node = graph.node(first);
    let sum = sums_on_the_way(graph, first);
    let walked = sum || elementwise(node.op) || by_rows(graph, first);
    walked.then(|| if sum { graph.shape(node.args[0]) } else { node.shape })
}

/// Joins fused groups with those that they read, where nothing between them has to run first: fewer passes over memory.
fn merge(graph: &Graph, groups: &mut Groups, most: usize) {
    // What guards need must not wait for what they guard.
    let guards: Vec<_> = graph.guards().iter().filter_map(|(_, id)| groups.group_of(graph, *id)).collect();
    let guarded = |groups: &Groups, g: usize| guards.iter().any(|&guard| depends(graph, groups, guard, g));
    for g in 0..groups.members.len() {
        let Some(shape) = walked(graph, &groups.members[g]) else { continue };
        if groups.members[g].iter().all(|&m| by_rows(graph, m)) {
            continue;
        }
        let mut needs = groups.needs(graph, g);
        while let Some(a) = needs.pop() {
            let small = groups.members[a].len() + groups.members[g].len() <= most;
            if !small || walked(graph, &groups.members[a]) != Some(shape) || !joins(graph, groups, a, g) {
                continue;
            }
            if guarded(groups, a) && !guarded(groups, g) {
                continue;
            }
            let product = |g: usize| groups.members[g].iter().any(|&m| by_rows(graph, m));
            if product(a) && product(g) {
                continue;
            }
            let joined = std::mem::take(&mut groups.members[a]);
            joined.iter().for_each(|m| groups.of[m.index()] = g);
            groups.members[g].extend(joined);
            groups.members[g].sort_unstable();
            needs = groups.needs(graph, g);
        }
    }
}

/// Whether group `g` reads numbers of group `a` one by one alone, and needs nothing else that needs `a`.
fn joins(graph: &Graph, groups: &Groups, a: usize, g: usize) -> bool {
    let direct = |&m: &NodeId| {
        graph.node(m).args.iter().all(|&x| {
            let walked = elementwise(graph.node(x).op) || by_rows(graph, x);
            let alike = groups.of[x.index()] == a && walked && !by_rows(graph, m);
            groups.group_of(graph, x) != Some(a) || alike
        })
    };
    groups.members[g].iter().all(direct)
        && groups.needs(graph, g).into_iter().all(|o| o == a || !depends(graph, groups, o, a))
}

/// Whether group `from` needs group `on`, however indirectly.
fn depends(graph: &Graph, groups: &Groups, from: usize, on: usize) -> bool {
    let mut seen = vec![false; groups.members.len()];
    let mut todo = vec![from];
    while let Some(g) = todo.pop() {
        if g == on {
            return true;
        }
        if !std::mem::replace(&mut seen[g], true) {
            todo.extend(groups.needs(graph, g));
        }
    }
    false
}

/// Finds the values that something outside their group reads.
fn mark_stored(graph: &Graph, roots: &[NodeId], groups: &mut Groups) {
    let mut read: Vec<_> = roots.iter().map(|&r| groups.resolve(r).0).collect();
    for id in graph.ids() {
        let role = groups.role[id.index()];
        if !matches!(role, Role::Computed | Role::Virtual) {
            continue;
        }
        let node = graph.node(id);
        for &arg in &node.args {
            let (base, _) = groups.resolve(arg);
            let inside = role == Role::Computed
                && base == arg
                && groups.of[arg.index()] == groups.of[id.index()]
                && (elementwise(graph.node(arg).op) || by_rows(graph, arg));
            if !inside && groups.role[base.index()] == Role::Computed {
                read.push(base);
            }
        }
    }
    read.iter().for_each(|r| groups.stored[r.index()] = true);
    for members in &groups.members {
        // A fused sum is always an output, and so is the value of any other step.
        let inside = |m: NodeId| elementwise(graph.node(m).op) || (by_rows(graph, m) && members.len() > 1);
        for &m in members.iter().filter(|&&m| !inside(m)) {
            groups.stored[m.index()] = true;
        }
    }
}

/// Lets fused steps write assigned values straight into the store where every reader of the old value, and
/// every guard, runs before them.
fn assign_directly(graph: &Graph, groups: &mut Groups) {
    let assigns: Vec<_> = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Assign(_))).collect();
    for id in assigns {
        let (Op::Assign(param), value) = (graph.node(id).op, graph.node(id).args[0]) else { continue };
        let (base, offset) = groups.resolve(value);
        let g = groups.of[base.index()];
        let users = graph.ids().filter(|&u| {
            groups.role[u.index()] != Role::Dead
                && u != id
                && graph.node(u).args.iter().any(|&a| groups.resolve(a).0 == base)
        });
        let only_inside = users.into_iter().all(|u| groups.of[u.index()] == g && elementwise(graph.node(u).op));
        let whole = offset == 0 && graph.shape(base).len() == graph.shape(value).len();
        if g == usize::MAX || !elementwise(graph.node(base).op) || !only_inside || !whole {
            continue;
        }
        let Some(before) = must_precede(graph, groups, g, param) else { continue };
        groups.before.extend(before.into_iter().map(|b| (b, g)));
        groups.direct.insert(base, param);
    }
}

/// The groups that must run before group `g` may overwrite `param`, or nothing if one of them needs `g`.
fn must_precede(graph: &Graph, groups: &Groups, g: usize, param: ParamId) -> Option<Vec<usize>> {
    let mut before = Vec::new();
    for id in graph.ids().filter(|&id| groups.role[id.index()] == Role::Computed) {
        let group = groups.of[id.index()];
        for &arg in &graph.node(id).args {
            let source = match groups.role[groups.resolve(arg).0.index()] {
                Role::Virtual => graph.node(groups.resolve(arg).0).args.first().copied().unwrap_or(arg),
                _ => arg,
            };
            let (base, offset) = groups.resolve(source);
            if graph.node(base).op == Op::Param(param) {
                if group != g {
                    before.push(group);
                } else if offset != 0 || graph.shape(source).len() != graph.shape(base).len() || source != arg {
                    return None;
                }
            }
        }
    }
    before.extend(graph.guards().iter().filter_map(|(_, id)| groups.group_of(graph, *id)));
    before.sort_unstable();
    before.dedup();
    before.iter().all(|&b| b != g && !depends(graph, groups, b, g)).then_some(before)
}
