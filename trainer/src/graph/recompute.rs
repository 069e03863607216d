//! Gradient checkpointing: the backward pass computes activations again instead of keeping them in memory.
//!
//! Chen et al. 2016, "Training deep nets with sublinear memory cost": n layers are divided into about √n segments. Only
//! values that pass between segments are kept. The backward pass computes the others again, one segment at a time.
use super::{Graph, NodeId, Op};
use std::collections::HashMap;

/// Values that are this many times smaller than the value computed from them are always kept, such as channel statistics of images.
const SMALL: usize = 8;

impl Graph {
    /// A graph in which the nodes after `loss` read copies of the values before it.
    ///
    /// A copy consists of the operations of the original, so every value stays bitwise equal.
    pub(crate) fn recomputed(&self, outputs: &[NodeId], loss: NodeId) -> (Self, Vec<NodeId>) {
        let again = self.recomputable(loss);
        let mut rebuild = Rebuild {
            from: self,
            to: Self { scopes: self.scopes.clone(), ..Self::default() },
            moved: Vec::with_capacity(self.len()),
            copies: HashMap::new(),
        };
        for id in self.ids() {
            let node = self.node(id);
            let late = id > loss;
            let read = |r: &mut Rebuild<'_>, a: NodeId| {
                if late && again[a.index()] { r.copy(a, &again) } else { r.moved[a.index()] }
            };
            let args: Vec<_> = node.args.iter().map(|&a| read(&mut rebuild, a)).collect();
            rebuild.to.scope = node.scope;
            let new = rebuild.to.push(node.op, &args, node.shape);
            rebuild.moved.push(new);
        }
        let Rebuild { mut to, moved, .. } = rebuild;
        to.inputs = self.inputs.iter().map(|(name, id)| (name.clone(), moved[id.index()])).collect();
        to.guards = self.guards.iter().map(|(name, id)| (name.clone(), moved[id.index()])).collect();
        (to, outputs.iter().map(|o| moved[o.index()]).collect())
    }

    /// For each node: whether it is computed before `loss` and only its own segment of layers reads it.
    fn recomputable(&self, loss: NodeId) -> Vec<bool> {
        let forward = || self.ids().take_while(|&id| id <= loss);
        // A layer is a run of nodes of one scope. Constants and views of weights belong to no layer.
        let mut layer = vec![0; self.len()];
        let (mut layers, mut scope) = (0, usize::MAX);
        for id in forward().filter(|&id| !self.is_given(id)) {
            layers += usize::from(self.node(id).scope != scope);
            scope = self.node(id).scope;
            layer[id.index()] = layers;
        }
        let segment = |id: NodeId| layer[id.index()] / layers.isqrt().max(1);
        let mut again: Vec<_> = self.ids().map(|id| id <= loss && !self.is_given(id)).collect();
        for id in forward() {
            for &a in self.node(id).args.iter().filter(|&&a| segment(a) != segment(id)) {
                again[a.index()] = false;
            }
        }
        again
    }

    /// Whether `id` is an input, a parameter, a constant, or a view of one.
    fn is_given(&self, id: NodeId) -> bool {
        let node = self.node(id);
        match node.op {
            Op::Param(_) | Op::Input | Op::Full(_) => true,
            Op::Slice { .. } | Op::Reshape | Op::Broadcast => self.is_given(node.args[0]),
            _ => false,
        }
    }

    /// Whether `a` is small enough compared with `beside` to be always kept.
    fn small(&self, a: NodeId, beside: NodeId) -> bool {
        self.shape(a).len() * SMALL <= self.shape(beside).len()
    }
}

/// A graph that is being rebuilt.
struct Rebuild<'g> {
    from: &'g Graph,
    to: Graph,
    /// New id of each old node.
    moved: Vec<NodeId>,
    /// Copy of each recomputed node.
    copies: HashMap<NodeId, NodeId>,
}

impl Rebuild<'_> {
    /// A copy of `id`, with copies of its recomputable arguments. Small arguments are not copied.
    fn copy(&mut self, id: NodeId, again: &[bool]) -> NodeId {
        if let Some(&copy) = self.copies.get(&id) {
            return copy;
        }
        let node = self.from.node(id);
        let copied = |&a: &NodeId| again[a.index()] && !self.from.small(a, id);
        let which: Vec<_> = node.args.iter().map(|a| (*a, copied(a))).collect();
        let args: Vec<_> = which
            .into_iter()
            .map(|(a, copied)| if copied { self.copy(a, again) } else { self.moved[a.index()] })
            .collect();
        self.to.scope = node.scope;
        let copy = self.to.push(node.op, &args, node.shape);
        self.copies.insert(id, copy);
        copy
    }
}
