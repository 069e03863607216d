//! Live ranges of values, and the assignment of buffers to them.
use super::groups::{Groups, NodeRole};
use crate::graph::{Graph, NodeId, Op};
use std::cmp::Reverse;
use std::collections::HashMap;

/// A range of kernel calls, both ends inclusive, during which elements are needed. They hold one value, or several values
/// that overwrite each other.
#[derive(Clone, Copy)]
pub(super) struct LiveRange {
    pub(super) len: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Assigns a buffer to every live range. Returns the length of each buffer, and the buffer of each range.
///
/// The largest ranges are assigned first, each to the smallest buffer that is free for its whole duration (Pisarchyk &
/// Lee 2020, "greedy by size").
pub(super) fn assign_buffers(ranges: &[LiveRange]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<_> = (0..ranges.len()).collect();
    order.sort_by_key(|&i| (Reverse(ranges[i].len), ranges[i].from));
    let mut buffers: Vec<Vec<LiveRange>> = Vec::new();
    let mut buffer_of = vec![0; ranges.len()];
    for i in order {
        let range = ranges[i];
        let free = |b: &Vec<LiveRange>| b.iter().all(|other| other.to < range.from || range.to < other.from);
        buffer_of[i] = buffers.iter().rposition(free).unwrap_or(buffers.len());
        match buffers.get_mut(buffer_of[i]) {
            Some(buffer) => buffer.push(range),
            None => buffers.push(vec![range]),
        }
    }
    (buffers.iter().map(|b| b[0].len).collect(), buffer_of)
}

/// For each stored value, the position in `order` of its last reader. Program outputs and guarded values are never
/// released.
pub(super) fn last_uses(graph: &Graph, outputs: &[NodeId], groups: &Groups, order: &[usize]) -> HashMap<NodeId, usize> {
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
                if groups.role[base.index()] == NodeRole::Inlined {
                    let Some(&source) = graph.node(base).args.first() else { continue };
                    base = groups.resolve(source).0;
                }
                read(base, at);
            }
            // Copies to the store run last.
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
