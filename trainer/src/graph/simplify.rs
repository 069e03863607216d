//! Simplification: removes dead nodes, merges common subexpressions and folds constants.
use super::{Binary, Graph, NodeId, Op, Unary};
use std::collections::HashMap;

impl Graph {
    /// A simplified graph of everything that `outputs`, guards and assignments need, and the outputs in it.
    ///
    /// Values stay bitwise equal, with one exception: products with a constant zero become zero even if the other
    /// factor is infinite or not a number.
    #[doc(hidden)]
    pub fn simplified(&self, outputs: &[NodeId]) -> (Graph, Vec<NodeId>) {
        let mut live = vec![false; self.len()];
        let effects = self.ids().filter(|&id| matches!(self.node(id).op, Op::Assign(_)));
        for id in outputs.iter().copied().chain(self.guards.iter().map(|g| g.1)).chain(effects) {
            live[id.index()] = true;
        }
        for id in self.ids().rev() {
            if live[id.index()] {
                self.node(id).args.iter().for_each(|a| live[a.index()] = true);
            }
        }
        let mut out = Graph { scopes: self.scopes.clone(), ..Graph::default() };
        let mut seen: HashMap<String, NodeId> = HashMap::new();
        let mut moved = vec![NodeId(0); self.len()];
        for id in self.ids() {
            // Unused inputs stay, so that the inputs of a run keep their positions.
            if !live[id.index()] && self.node(id).op != Op::Input {
                continue;
            }
            let node = self.node(id);
            let args: Vec<_> = node.args.iter().map(|a| moved[a.index()]).collect();
            out.scope = node.scope;
            moved[id.index()] = out.rewritten(node.op, &args, node.shape.dims()).unwrap_or_else(|| {
                if matches!(node.op, Op::Input | Op::Assign(_)) {
                    return out.push(node.op, &args, node.shape);
                }
                let key = format!("{:?}{args:?}{:?}", node.op, node.shape);
                *seen.entry(key).or_insert_with(|| out.push(node.op, &args, node.shape))
            });
        }
        let to = |id: &NodeId| moved[id.index()];
        out.inputs = self.inputs.iter().map(|(name, id)| (name.clone(), to(id))).collect();
        out.guards = self.guards.iter().map(|(name, id)| (name.clone(), to(id))).collect();
        // Rewriting can leave dead nodes, which another pass removes.
        let outputs: Vec<_> = outputs.iter().map(to).collect();
        if out.len() < self.len() { out.simplified(&outputs) } else { (out, outputs) }
    }

    /// The number that a constant node repeats.
    fn constant(&self, id: NodeId) -> Option<f32> {
        match self.node(id).op {
            Op::Full(v) => Some(v),
            _ => None,
        }
    }

    /// A cheaper node of equal value, if there is one.
    fn rewritten(&mut self, op: Op, args: &[NodeId], dims: &[usize]) -> Option<NodeId> {
        let shape = super::Shape::new(dims);
        let first = args.first().copied();
        let c = |g: &Self, k: usize| args.get(k).and_then(|&a| g.constant(a));
        match op {
            Op::Reshape | Op::Broadcast | Op::Slice { .. } if c(self, 0).is_some() => {
                let v = c(self, 0)?;
                Some(self.full(v, shape))
            }
            Op::SumTo if c(self, 0) == Some(0.0) => Some(self.full(0.0, shape)),
            Op::SumTo if c(self, 0).is_some() => {
                let times = self.shape(first?).len() / shape.len();
                Some(self.full(c(self, 0)? * times as f32, shape))
            }
            Op::Pad { .. } | Op::Upsample(_) | Op::SumPool(_) if c(self, 0) == Some(0.0) => Some(self.full(0.0, shape)),
            // A reshape of a reshape, or a broadcast of a broadcast.
            Op::Reshape | Op::Broadcast if self.node(first?).op == op => {
                let inner = self.node(first?).args[0];
                Some(if op == Op::Reshape { self.reshape(inner, dims) } else { self.broadcast(inner, shape) })
            }
            Op::Unary(Unary::Affine { scale: 1.0, offset: 0.0 }) => first,
            Op::Unary(Unary::Affine { scale, offset }) if c(self, 0).is_some() => {
                Some(self.full(c(self, 0)? * scale + offset, shape))
            }
            Op::MatMul { .. } | Op::Conv(_) | Op::ConvInput(_) | Op::ConvWeight(_)
                if c(self, 0) == Some(0.0) || c(self, 1) == Some(0.0) =>
            {
                Some(self.full(0.0, shape))
            }
            Op::Binary(f) => {
                let (a, b) = (c(self, 0), c(self, 1));
                match (f, a, b) {
                    (Binary::Add, Some(0.0), _) => Some(args[1]),
                    (Binary::Add | Binary::Sub, _, Some(0.0)) => first,
                    (Binary::Mul, Some(0.0), _) | (Binary::Mul, _, Some(0.0)) => Some(self.full(0.0, shape)),
                    (Binary::Mul, Some(v), _) => {
                        Some(self.affine(args[1], v, 0.0)).filter(|_| v != 1.0).or(Some(args[1]))
                    }
                    (Binary::Mul | Binary::Div, _, Some(1.0)) => first,
                    (Binary::Mul, _, Some(v)) => Some(self.affine(args[0], v, 0.0)),
                    (Binary::Add, Some(v), _) => Some(self.affine(args[1], 1.0, v)),
                    (Binary::Add, _, Some(v)) => Some(self.affine(args[0], 1.0, v)),
                    (Binary::Sub, _, Some(v)) => Some(self.affine(args[0], 1.0, -v)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
