//! Groups of nodes that run as one kernel call, and their dependencies.
use crate::graph::{Graph, NodeId, Op, ParamId, Shape};
use std::collections::HashMap;

/// How a plan treats a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeRole {
    /// No output, guard or assignment needs it.
    Dead,
    /// A view: its elements are those of another node, or a contiguous part of them.
    Alias { of: NodeId, offset: usize },
    /// Never stored: every kernel that reads it computes it again.
    Inlined,
    /// Computed by one kernel call.
    Computed,
}

/// The groups of a graph.
pub(crate) struct Groups {
    /// By node.
    pub(crate) role: Vec<NodeRole>,
    /// By node, for computed nodes: the group.
    pub(crate) of: Vec<usize>,
    /// By group: its nodes in topological order.
    pub(crate) members: Vec<Vec<NodeId>>,
    /// By node: whether it is stored, because something outside its group reads it.
    pub(crate) stored: Vec<bool>,
    /// Value nodes that are written directly to a parameter.
    pub(crate) direct: HashMap<NodeId, ParamId>,
    /// Additional order: the first group runs before the second.
    pub(crate) before: Vec<(usize, usize)>,
}

impl Groups {
    /// The node whose buffer holds `id`, and the offset in it.
    pub(crate) fn resolve(&self, id: NodeId) -> (NodeId, usize) {
        let (mut id, mut at) = (id, 0);
        while let NodeRole::Alias { of, offset } = self.role[id.index()] {
            (id, at) = (of, at + offset);
        }
        (id, at)
    }

    /// The groups that must run before group `g`.
    pub(crate) fn needs(&self, graph: &Graph, g: usize) -> Vec<usize> {
        let args = self.members[g].iter().flat_map(|&m| graph.node(m).args.iter());
        let mut needs: Vec<_> = args.filter_map(|&a| self.group_of(graph, a)).filter(|&o| o != g).collect();
        needs.extend(self.before.iter().filter(|b| b.1 == g).map(|b| b.0));
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Whether group `from` needs group `on`, directly or indirectly.
    pub(crate) fn depends(&self, graph: &Graph, from: usize, on: usize) -> bool {
        let mut seen = vec![false; self.members.len()];
        let mut todo = vec![from];
        while let Some(g) = todo.pop() {
            if g == on {
                return true;
            }
            if !std::mem::replace(&mut seen[g], true) {
                todo.extend(self.needs(graph, g));
            }
        }
        false
    }

    /// The group that computes the elements of `id`; `None` for inputs, parameters and constants.
    pub(crate) fn group_of(&self, graph: &Graph, id: NodeId) -> Option<usize> {
        let (base, _) = self.resolve(id);
        match self.role[base.index()] {
            NodeRole::Inlined => graph.node(base).args.first().and_then(|&a| self.group_of(graph, a)),
            NodeRole::Computed if !matches!(graph.node(base).op, Op::Input | Op::Param(_)) => {
                Some(self.of[base.index()])
            }
            _ => None,
        }
    }
}

/// Product of the dimensions before `axis`, and of those from `axis` on.
pub(crate) fn split_at_axis(shape: Shape, axis: usize) -> (usize, usize) {
    let dims = shape.dims();
    (dims[..axis].iter().product(), dims[axis..].iter().product())
}

/// Whether `small` is a scalar or a vector along the innermost dimension of `big`.
pub(crate) fn is_per_channel(small: Shape, big: Shape) -> bool {
    small.len() == 1 || (small.len() == small.last() && small.last() == big.last())
}
