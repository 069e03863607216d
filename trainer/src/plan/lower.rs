//! Lowers ordered groups to kernel calls with buffers.
use super::buffers::{assign_buffers, last_uses};
use super::chain_builder;
use super::chains::ChainRun;
use super::fused_builder::Fusion;
use super::groups::{Groups, is_per_channel};
use super::values::Values;
use super::{BufferView, Kernel, KernelCall, Plan, Storage};
use crate::graph::{Graph, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// Lowers `groups`, which run in this `order`. Each of `chains` becomes one kernel call.
pub(super) fn lower(graph: &Graph, outputs: &[NodeId], groups: &Groups, order: &[usize], chains: &[ChainRun]) -> Plan {
    let mut values = Values::new(graph, groups);
    let mut dying: HashMap<usize, Vec<NodeId>> = HashMap::new();
    last_uses(graph, outputs, groups, order).iter().for_each(|(&id, &at)| dying.entry(at).or_default().push(id));
    dying.values_mut().for_each(|v| v.sort_unstable());
    let (mut calls, mut copies, mut guarded) = (Vec::new(), Vec::new(), false);
    for (at, &g) in order.iter().enumerate() {
        values.at = at;
        values.in_chain = chains.iter().any(|c| c.at.contains(&at));
        // Guards come before the first write to the store.
        let writes = groups.members[g].iter().any(|m| groups.direct.contains_key(m));
        if writes && !std::mem::replace(&mut guarded, true) {
            calls.extend(guard_call(&values).map(|call| (at, call)));
        }
        let dead = dying.get(&at).map_or(&[][..], Vec::as_slice);
        match lower_group(&mut values, g, dead) {
            Some(call) if matches!(call.kernel, Kernel::Copy) => copies.push(call),
            Some(call) => calls.push((at, call)),
            None => {}
        }
        dead.iter().for_each(|&id| values.end_range(id));
    }
    let (mut calls, local) = join_chains(&mut values, calls, chains);
    if !guarded {
        calls.extend(guard_call(&values));
    }
    calls.extend(copies);
    let mut outputs: Vec<_> = outputs.iter().map(|&id| values.view(id)).collect();
    let kept: Vec<_> = (0..values.ranges().len()).filter(|range| !local.contains(range)).collect();
    let (slots, slots_of_kept) = assign_buffers(&kept.iter().map(|&range| values.ranges()[range]).collect::<Vec<_>>());
    let slot_of: HashMap<_, _> = kept.into_iter().zip(slots_of_kept).collect();
    let views = calls.iter_mut().flat_map(|c: &mut KernelCall| c.inputs.iter_mut().chain(&mut c.outputs));
    for view in views.chain(&mut outputs) {
        if let Storage::Slot(range) = &mut view.storage {
            *range = slot_of[range];
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

/// Joins the calls of each chain. Also returns the live ranges that need no slot.
fn join_chains(
    values: &mut Values<'_>,
    calls: Vec<(usize, KernelCall)>,
    chains: &[ChainRun],
) -> (Vec<KernelCall>, HashSet<usize>) {
    let (mut joined, mut local) = (Vec::new(), HashSet::new());
    let mut calls = calls.into_iter().peekable();
    while let Some((at, call)) = calls.next() {
        let Some(chain) = chains.iter().find(|c| c.at.contains(&at)) else {
            joined.push(call);
            continue;
        };
        let mut members = vec![call];
        while let Some((_, call)) = calls.next_if(|c| chain.at.contains(&c.0)) {
            members.push(call);
        }
        joined.push(chain_builder::join(values, chain, members, &mut local));
    }
    (joined, local)
}

/// The call that checks all guards, if there are any.
fn guard_call(values: &Values<'_>) -> Option<KernelCall> {
    let node = values.graph.guards().first()?.1;
    let inputs = values.graph.guards().iter().map(|(_, id)| values.view(*id)).collect();
    Some(KernelCall { kernel: Kernel::Guard, inputs, outputs: Vec::new(), nodes: vec![node] })
}

/// The kernel call of group `g`; `None` for an assignment that another call has already made. `dying` are the values
/// whose last reader is this group. Chains run products by rows, in fused kernels.
fn lower_group(values: &mut Values<'_>, g: usize, dying: &[NodeId]) -> Option<KernelCall> {
    let members = &values.groups.members[g];
    let id = *members.first()?;
    let node = values.graph.node(id);
    let fused = matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Full(_))
        || (matches!(node.op, Op::SumTo | Op::Broadcast) && is_fusible(values.graph, id))
        || members.len() > 1
        || (values.in_chain && matches!(node.op, Op::MatMul { ta: false, .. }));
    if fused {
        return Some(Fusion::new(values, g).lower(dying));
    }
    if let Op::Assign(param) = node.op {
        let value = values.groups.resolve(node.args[0]).0;
        if values.groups.direct.contains_key(&value) {
            return None;
        }
        let output = BufferView { storage: Storage::Param(param), offset: 0, len: node.shape.len() };
        return Some(KernelCall {
            kernel: Kernel::Copy,
            inputs: vec![values.view(node.args[0])],
            outputs: vec![output],
            nodes: vec![id],
        });
    }
    let kernel = Kernel::of_node(values.graph, id);
    let inputs = node.args.iter().map(|&a| values.view(a)).collect();
    values.begin_range(id);
    Some(KernelCall { kernel, inputs, outputs: vec![values.view(id)], nodes: vec![id] })
}

/// Whether a sum or a broadcast runs in the fused kernel: along channels, or over everything.
fn is_fusible(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let (a, b) = (graph.shape(node.args[0]), node.shape);
    if node.op == Op::SumTo { is_per_channel(b, a) } else { is_per_channel(a, b) }
}
