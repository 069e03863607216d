//! Reverse-mode automatic differentiation: gradients are ordinary nodes of the same graph and can be differentiated again.
use super::{Binary, Graph, NodeId, Op, Shape, Unary};

impl Graph {
    /// Appends the gradient of the scalar `y` with respect to each of `wrt`.
    ///
    /// The gradient is zero for nodes that `y` does not depend on. Second-order gradients, for gradient penalties or
    /// unrolled optimizers, are gradients of the result.
    ///
    /// # Panics
    /// If `y` is not a scalar.
    #[track_caller]
    pub fn grad(&mut self, y: NodeId, wrt: &[NodeId]) -> Vec<NodeId> {
        assert_eq!(self.shape(y), Shape::SCALAR, "only a scalar can be differentiated");
        let on_path = self.descendants(wrt, y);
        let mut of: Vec<Option<NodeId>> = vec![None; y.index() + 1];
        of[y.index()] = Some(self.full(1.0, Shape::SCALAR));
        let scope = self.scope;
        for i in (0..=y.index()).rev() {
            let (Some(g), true) = (of[i], on_path[i]) else { continue };
            self.scope = self.nodes[i].scope;
            for (arg, part) in self.pull_back(NodeId(i as u32), g, &on_path) {
                let sum = match of[arg.index()] {
                    Some(old) => self.add(old, part),
                    None => part,
                };
                of[arg.index()] = Some(sum);
            }
        }
        self.scope = scope;
        wrt.iter()
            .map(|&w| of.get(w.index()).copied().flatten().unwrap_or_else(|| self.full(0.0, self.shape(w))))
            .collect()
    }

    /// Marks the nodes up to `y` whose value depends on one of `roots`, and the roots themselves.
    fn descendants(&self, roots: &[NodeId], y: NodeId) -> Vec<bool> {
        let mut marked = vec![false; y.index() + 1];
        for root in roots.iter().filter(|r| **r <= y) {
            marked[root.index()] = true;
        }
        for i in 0..=y.index() {
            let node = &self.nodes[i];
            let flows = !matches!(node.op, Op::Detach | Op::Assign(_));
            marked[i] = marked[i] || (flows && node.args.iter().any(|a| marked[a.index()]));
        }
        marked
    }

    /// Given the gradient `g` of node `id`, its contribution to the gradient of each argument that is `wanted`.
    fn pull_back(&mut self, id: NodeId, g: NodeId, wanted: &[bool]) -> Vec<(NodeId, NodeId)> {
        let node = self.node(id).clone();
        let mut parts = Vec::new();
        let op = node.op;
        for (k, &arg) in node.args.iter().enumerate() {
            if wanted[arg.index()]
                && let Some(part) = self.partial(op, id, g, &node.args, k)
            {
                parts.push((arg, part));
            }
        }
        parts
    }

    /// The contribution to the gradient of argument `k`; `None` if it is zero everywhere.
    fn partial(&mut self, op: Op, id: NodeId, g: NodeId, args: &[NodeId], k: usize) -> Option<NodeId> {
        let arg = args[k];
        let shape = self.shape(arg);
        let other = args.get(1 - k.min(1)).copied().unwrap_or(arg);
        Some(match op {
            Op::Input | Op::Param(_) | Op::Full(_) | Op::Random { .. } | Op::Detach | Op::Assign(_) => return None,
            Op::Unary(f) => return self.unary_partial(f, id, g, arg),
            Op::Binary(f) => match (f, k) {
                (Binary::Add, _) | (Binary::Sub, 0) => g,
                (Binary::Sub, _) => self.affine(g, -1.0, 0.0),
                (Binary::Mul, _) => self.mul(g, other),
                (Binary::Div, 0) => self.div(g, other),
                (Binary::Div, _) => {
                    let ratio = self.div(id, arg);
                    let part = self.mul(g, ratio);
                    self.affine(part, -1.0, 0.0)
                }
            },
            Op::Select => {
                let zero = self.full(0.0, shape);
                match k {
                    0 => return None,
                    1 => self.select(args[0], g, zero),
                    _ => self.select(args[0], zero, g),
                }
            }
            Op::Reshape => self.reshape(g, shape.dims()),
            Op::Slice { axis, start } => self.pad(g, axis, start, shape.dims()[axis]),
            Op::Pad { axis, before } => self.slice(g, axis, before, shape.dims()[axis]),
            Op::Concat { axis } => {
                let start = args[..k].iter().map(|&a| self.shape(a).dims()[axis]).sum();
                self.slice(g, axis, start, shape.dims()[axis])
            }
            Op::Broadcast => self.sum_to(g, shape),
            Op::SumTo => self.broadcast(g, shape),
            Op::MatMul { ta, tb } => match (k, ta, tb) {
                (0, false, _) => self.matmul_t(g, other, false, !tb),
                (0, true, _) => self.matmul_t(other, g, tb, true),
                (_, _, false) => self.matmul_t(other, g, !ta, false),
                (_, _, true) => self.matmul_t(g, other, true, ta),
            },
            Op::Conv(w) if k == 0 => self.conv_input(g, other, w, (shape.dims()[1], shape.dims()[2])),
            Op::Conv(w) => self.conv_weight(other, g, w),
            Op::ConvInput(w) if k == 0 => self.conv(g, other, w),
            Op::ConvInput(w) => self.conv_weight(g, other, w),
            Op::ConvWeight(w) if k == 0 => self.conv_input(other, g, w, (shape.dims()[1], shape.dims()[2])),
            Op::ConvWeight(w) => self.conv(other, g, w),
            Op::Depthwise(w) if k == 0 => self.depthwise_input(g, other, w, (shape.dims()[1], shape.dims()[2])),
            Op::Depthwise(w) => self.depthwise_weight(other, g, w),
            Op::DepthwiseInput(w) if k == 0 => self.depthwise(g, other, w),
            Op::DepthwiseInput(w) => self.depthwise_weight(g, other, w),
            Op::DepthwiseWeight(w) if k == 0 => self.depthwise_input(other, g, w, (shape.dims()[1], shape.dims()[2])),
            Op::DepthwiseWeight(w) => self.depthwise(other, g, w),
            Op::Upsample(f) => self.sum_pool(g, f),
            Op::SumPool(f) => self.upsample(g, f),
        })
    }

    /// [`Graph::partial`] of y = f(x).
    fn unary_partial(&mut self, f: Unary, y: NodeId, g: NodeId, x: NodeId) -> Option<NodeId> {
        let slope = match f {
            Unary::Sign | Unary::LeakyStep(_) => return None,
            Unary::Affine { scale, .. } => return Some(self.affine(g, scale, 0.0)),
            Unary::Log => return Some(self.div(g, x)),
            Unary::Exp => y,
            Unary::Sqrt => {
                let part = self.div(g, y);
                return Some(self.affine(part, 0.5, 0.0));
            }
            Unary::Recip => {
                let sq = self.square(y);
                self.affine(sq, -1.0, 0.0)
            }
            Unary::Tanh => {
                let sq = self.square(y);
                self.affine(sq, -1.0, 1.0)
            }
            Unary::Sigmoid => {
                let rest = self.affine(y, -1.0, 1.0);
                self.mul(y, rest)
            }
            Unary::Softplus => self.unary(Unary::Sigmoid, x),
            Unary::Abs => self.unary(Unary::Sign, x),
            // The value has the same sign as its argument, and it is often stored anyway because a product reads it.
            Unary::Leaky(slope) if slope >= 0.0 => self.unary(Unary::LeakyStep(slope), y),
            Unary::Leaky(slope) => self.unary(Unary::LeakyStep(slope), x),
        };
        Some(self.mul(g, slope))
    }
}
