//! Chooses which nodes run in one fused kernel: elementwise nodes of one shape, sums of them, and a product before
//! them.
use super::groups::{Groups, NodeRole, is_per_channel, split_at_axis};
use crate::graph::{Graph, NodeId, Op, ParamId, Shape, Unary};
use std::collections::HashMap;

/// Whether an operation is computed element by element.
pub(super) fn is_elementwise(op: Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Select)
}

/// Maximum number of elements of an operand B that is read once for every few rows of the product.
const MAX_B: usize = 1 << 17;

/// Whether a fused kernel can compute `id` a few rows at a time: a product whose operand A is row-major.
pub(super) fn is_row_product(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    matches!(node.op, Op::MatMul { ta: false, .. }) && graph.shape(node.args[1]).len() <= MAX_B
}

/// Whether `id` sums to a scalar or to channels, which a fused kernel does in the same pass.
fn is_fused_sum(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.op == Op::SumTo && is_per_channel(node.shape, graph.shape(node.args[0]))
}

/// The role of a live node.
fn role(graph: &Graph, id: NodeId) -> NodeRole {
    let node = graph.node(id);
    let Some(&of) = node.args.first() else {
        return if matches!(node.op, Op::Full(_)) { NodeRole::Inlined } else { NodeRole::Computed };
    };
    let same_len = graph.shape(of).len() == node.shape.len();
    match node.op {
        Op::Reshape | Op::Detach => NodeRole::Alias { of, offset: 0 },
        Op::Broadcast | Op::SumTo | Op::Upsample(1) | Op::SumPool(1) if same_len => NodeRole::Alias { of, offset: 0 },
        Op::Slice { axis, start } if split_at_axis(node.shape, axis).0 == 1 => {
            NodeRole::Alias { of, offset: start * node.shape.dims()[axis + 1..].iter().product::<usize>() }
        }
        Op::Broadcast if is_per_channel(graph.shape(of), node.shape) => NodeRole::Inlined,
        // Computing the slope again from the stored value costs less than storing it.
        Op::Unary(Unary::LeakyStep(_)) if matches!(graph.node(of).op, Op::Unary(Unary::Leaky(_))) => NodeRole::Inlined,
        _ => NodeRole::Computed,
    }
}

/// Forms the groups of `graph`: fused groups of at most `max_nodes` nodes, and one group for each other computed node.
pub(crate) fn group(graph: &Graph, outputs: &[NodeId], max_nodes: usize) -> Groups {
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
    let role = graph.ids().map(|id| if live[id.index()] { role(graph, id) } else { NodeRole::Dead }).collect();
    let mut groups = Groups {
        role,
        of: vec![usize::MAX; graph.len()],
        members: Vec::new(),
        stored: vec![false; graph.len()],
        direct: HashMap::new(),
        before: Vec::new(),
    };
    store_constants_that_are_read(graph, &roots, &mut groups);
    for id in graph.ids() {
        if groups.role[id.index()] != NodeRole::Computed || matches!(graph.node(id).op, Op::Input | Op::Param(_)) {
            continue;
        }
        let group = joinable_group(graph, &groups, id, max_nodes).unwrap_or_else(|| {
            groups.members.push(Vec::new());
            groups.members.len() - 1
        });
        groups.members[group].push(id);
        groups.of[id.index()] = group;
    }
    merge(graph, &mut groups, max_nodes);
    mark_stored(graph, &roots, &mut groups);
    assign_directly(graph, &mut groups);
    groups
}

/// Stores constants and broadcasts that a kernel other than the fused one reads.
fn store_constants_that_are_read(graph: &Graph, roots: &[NodeId], groups: &mut Groups) {
    let readers = graph.ids().filter(|&id| match groups.role[id.index()] {
        NodeRole::Computed => !is_elementwise(graph.node(id).op) && !is_fused_sum(graph, id),
        NodeRole::Alias { .. } => true,
        // A broadcast of a constant or of another broadcast needs its source stored.
        NodeRole::Inlined => graph.node(id).op == Op::Broadcast,
        NodeRole::Dead => false,
    });
    let read: Vec<_> =
        readers.flat_map(|id| graph.node(id).args.iter().copied()).chain(roots.iter().copied()).collect();
    for id in read {
        if groups.role[id.index()] == NodeRole::Inlined {
            groups.role[id.index()] = NodeRole::Computed;
        }
    }
}

/// The fused group that `id` can join without a cyclic dependency between groups.
fn joinable_group(graph: &Graph, groups: &Groups, id: NodeId, max_nodes: usize) -> Option<usize> {
    let node = graph.node(id);
    let sum = is_fused_sum(graph, id);
    if !is_elementwise(node.op) && !sum {
        return None;
    }
    let shape = if sum { graph.shape(node.args[0]) } else { node.shape };
    let candidates = node.args.iter().filter(|a| groups.role[a.index()] == NodeRole::Computed);
    for &arg in candidates {
        let g = groups.of[arg.index()];
        if g == usize::MAX
            || !is_elementwise(graph.node(arg).op)
            || graph.shape(arg) != shape
            || groups.members[g].len() >= max_nodes
        {
            continue;
        }
        let outside = node.args.iter().filter_map(|&a| {
            let inside = groups.of[a.index()] == g && is_elementwise(graph.node(a).op);
            if inside { None } else { groups.group_of(graph, a) }
        });
        if outside.into_iter().all(|o| o != g && !groups.depends(graph, o, g)) {
            return Some(g);
        }
    }
    None
}

/// The shape that a fused group iterates over; `None` for other groups.
pub(super) fn walked_shape(graph: &Graph, members: &[NodeId]) -> Option<Shape> {
    let &first = members.first()?;
    let node = graph.node(first);
    let sum = is_fused_sum(graph, first);
    let walked = sum || is_elementwise(node.op) || is_row_product(graph, first);
    walked.then(|| if sum { graph.shape(node.args[0]) } else { node.shape })
}

/// Merges fused groups with groups that they read, if nothing has to run between them. This saves passes over memory.
fn merge(graph: &Graph, groups: &mut Groups, max_nodes: usize) {
    // Values that a guard needs must not wait for values that it guards.
    let guards: Vec<_> = graph.guards().iter().filter_map(|(_, id)| groups.group_of(graph, *id)).collect();
    let guarded = |groups: &Groups, g: usize| guards.iter().any(|&guard| groups.depends(graph, guard, g));
    for g in 0..groups.members.len() {
        let Some(shape) = walked_shape(graph, &groups.members[g]) else { continue };
        if groups.members[g].iter().all(|&m| is_row_product(graph, m)) {
            continue;
        }
        let mut needs = groups.needs(graph, g);
        while let Some(a) = needs.pop() {
            let fits = groups.members[a].len() + groups.members[g].len() <= max_nodes;
            if !fits || walked_shape(graph, &groups.members[a]) != Some(shape) || !can_merge(graph, groups, a, g) {
                continue;
            }
            if guarded(groups, a) && !guarded(groups, g) {
                continue;
            }
            let product = |g: usize| groups.members[g].iter().any(|&m| is_row_product(graph, m));
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

/// Whether group `g` can absorb group `a`: it reads `a` only element by element, and needs no other group that needs
/// `a`.
fn can_merge(graph: &Graph, groups: &Groups, a: usize, g: usize) -> bool {
    let direct = |&m: &NodeId| {
        graph.node(m).args.iter().all(|&x| {
            let in_registers = is_elementwise(graph.node(x).op) || is_row_product(graph, x);
            let elementwise = groups.of[x.index()] == a && in_registers && !is_row_product(graph, m);
            groups.group_of(graph, x) != Some(a) || elementwise
        })
    };
    groups.members[g].iter().all(direct)
        && groups.needs(graph, g).into_iter().all(|o| o == a || !groups.depends(graph, o, a))
}

/// Marks the values that something outside their group reads.
fn mark_stored(graph: &Graph, roots: &[NodeId], groups: &mut Groups) {
    let mut read: Vec<_> = roots.iter().map(|&r| groups.resolve(r).0).collect();
    for id in graph.ids() {
        let role = groups.role[id.index()];
        if !matches!(role, NodeRole::Computed | NodeRole::Inlined) {
            continue;
        }
        let node = graph.node(id);
        for &arg in &node.args {
            let (base, _) = groups.resolve(arg);
            let inside = role == NodeRole::Computed
                && base == arg
                && groups.of[arg.index()] == groups.of[id.index()]
                && (is_elementwise(graph.node(arg).op) || is_row_product(graph, arg));
            if !inside && groups.role[base.index()] == NodeRole::Computed {
                read.push(base);
            }
        }
    }
    read.iter().for_each(|r| groups.stored[r.index()] = true);
    for members in &groups.members {
        // A fused sum is always an output, and so is the value of any other kernel.
        let inside = |m: NodeId| is_elementwise(graph.node(m).op) || (is_row_product(graph, m) && members.len() > 1);
        for &m in members.iter().filter(|&&m| !inside(m)) {
            groups.stored[m.index()] = true;
        }
    }
}

/// Lets fused kernels write to the store directly, if every reader of the old value and every guard can run before.
fn assign_directly(graph: &Graph, groups: &mut Groups) {
    let assigns: Vec<_> = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Assign(_))).collect();
    for id in assigns {
        let (Op::Assign(param), value) = (graph.node(id).op, graph.node(id).args[0]) else { continue };
        let (base, offset) = groups.resolve(value);
        let g = groups.of[base.index()];
        let users = graph.ids().filter(|&u| {
            groups.role[u.index()] != NodeRole::Dead
                && u != id
                && graph.node(u).args.iter().any(|&a| groups.resolve(a).0 == base)
        });
        let only_inside = users.into_iter().all(|u| groups.of[u.index()] == g && is_elementwise(graph.node(u).op));
        let whole = offset == 0 && graph.shape(base).len() == graph.shape(value).len();
        if g == usize::MAX || !is_elementwise(graph.node(base).op) || !only_inside || !whole {
            continue;
        }
        let Some(before) = must_precede(graph, groups, g, param) else { continue };
        groups.before.extend(before.into_iter().map(|b| (b, g)));
        groups.direct.insert(base, param);
    }
}

/// The groups that must run before group `g` may overwrite `param`; `None` if one of them needs `g`.
fn must_precede(graph: &Graph, groups: &Groups, g: usize, param: ParamId) -> Option<Vec<usize>> {
    let mut before = Vec::new();
    for id in graph.ids().filter(|&id| groups.role[id.index()] == NodeRole::Computed) {
        let group = groups.of[id.index()];
        for &arg in &graph.node(id).args {
            let source = match groups.role[groups.resolve(arg).0.index()] {
                NodeRole::Inlined => graph.node(groups.resolve(arg).0).args.first().copied().unwrap_or(arg),
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
    before.iter().all(|&b| b != g && !groups.depends(graph, b, g)).then_some(before)
}
