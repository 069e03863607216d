//! Less memory for more work: gradients compute values again that would have to be kept for them.
//!
//! Chen et al. 2016, "Training deep nets with sublinear memory cost": of n layers, only what passes between runs of about
//! √n of them stays; the rest is computed from there once more, when the gradients come to it.
use super::{Graph, NodeId, Op};
use std::collections::HashMap;

/// How many times smaller a value is that is kept without counting: channel statistics beside pictures.
const SMALL: usize = 8;

impl Graph {
    /// The same graph in which nodes behind `turn`, the loss, read values before it from copies of their own.
    ///
    /// The operations of a copy are those of the original, so every value stays the same to the last bit.
    pub(crate) fn recomputed(&self, outputs: &[NodeId], turn: NodeId) -> (Self, Vec<NodeId>) {
        let again = self.recomputable(turn);
        let mut rebuilt = Rebuilt {
            from: self,
            to: Self { scopes: self.scopes.clone(), ..Self::default() },
            moved: Vec::with_capacity(self.len()),
            copies: HashMap::new(),
        };
        for id in self.ids() {
            let node = self.node(id);
            let late = id > turn;
            let read = |r: &mut Rebuilt<'_>, a: NodeId| {
                if late && again[a.index()] { r.copy(a, &again) } else { r.moved[a.index()] }
            };
            let args: Vec<_> = node.args.iter().map(|&a| read(&mut rebuilt, a)).collect();
            rebuilt.to.scope = node.scope;
            let new = rebuilt.to.push(node.op, &args, node.shape);
            rebuilt.moved.push(new);
        }
        let Rebuilt { mut to, moved, .. } = rebuilt;
        to.inputs = self.inputs.iter().map(|(name, id)| (name.clone(), moved[id.index()])).collect();
        to.guards = self.guards.iter().map(|(name, id)| (name.clone(), moved[id.index()])).collect();
        (to, outputs.iter().map(|o| moved[o.index()]).collect())
    }

    /// By node: whether it lies within a run of layers before `turn`, and is read by none outside.
    fn recomputable(&self, turn: NodeId) -> Vec<bool> {
        let forward = || self.ids().take_while(|&id| id <= turn);
        // A layer is a stretch of nodes of one scope; constants and views of weights belong to none.
        let mut layer = vec![0; self.len()];
        let (mut layers, mut scope) = (0, usize::MAX);
        for id in forward().filter(|&id| !self.given(id)) {
            layers += usize::from(self.node(id).scope != scope);
            scope = self.node(id).scope;
            layer[id.index()] = layers;
        }
        let run = |id: NodeId| layer[id.index()] / layers.isqrt().max(1);
        let mut again: Vec<_> = self.ids().map(|id| id <= turn && !self.given(id)).collect();
        for id in forward() {
            for &a in self.node(id).args.iter().filter(|&&a| run(a) != run(id)) {
                again[a.index()] = false;
            }
        }
        again
    }

    /// Whether `id` is given to the step, or a view of what is.
    fn given(&self, id: NodeId) -> bool {
        let node = self.node(id);
        match node.op {
            Op::Param(_) | Op::Input | Op::Full(_) => true,
            Op::Slice { .. } | Op::Reshape | Op::Broadcast => self.given(node.args[0]),
            _ => false,
        }
    }

    fn small(&self, a: NodeId, beside: NodeId) -> bool {
        self.shape(a).len() * SMALL <= self.shape(beside).len()
    }
}

/// A graph that is being written anew.
struct Rebuilt<'g> {
    from: &'g Graph,
    to: Graph,
    moved: Vec<NodeId>,
    copies: HashMap<NodeId, NodeId>,
}

impl Rebuilt<'_> {
    /// A copy of `id`, made of copies as far as they go; what is small is not copied.
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
