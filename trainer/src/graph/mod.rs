//! A static-shape graph of a closed set of operations; gradients are appended as nodes of the same set.
//!
//! Nodes lie in a `Vec` in topological order and name their arguments by [`NodeId`]. Pictures are NHWC,
//! convolution weights `[kernel, kernel, in, out]`. Builder methods panic on shapes that do not fit: a
//! programmer's error, caught at the caller's line with both shapes.
mod dump;
mod grad;
mod interpret;
mod ops;
mod recompute;
mod shape;
mod simplify;

pub use crate::philox::Distribution;
pub use interpret::{Feeds, interpret};
pub use ops::{Binary, Op, Unary, Window};
pub use shape::Shape;

/// One node of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// One entry of the store that programs share: weights, optimizer state, running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

impl NodeId {
    /// Its place in the graph, and among the values of the interpreter.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation, its arguments and the shape of its value.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From which nodes.
    pub args: Vec<NodeId>,
    /// Shape of the result.
    pub shape: Shape,
    /// Index into the graph's scope names.
    scope: usize,
}

/// Operations in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    scopes: Vec<String>,
    scope: usize,
    inputs: Vec<(String, NodeId)>,
    guards: Vec<(String, NodeId)>,
}

impl Graph {
    /// The node behind `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Shape of the value of `id`.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.node(id).shape
    }

    /// Count of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was built yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All ids, arguments before their users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The inputs by name, in the order in which they were declared.
    pub fn inputs(&self) -> &[(String, NodeId)] {
        &self.inputs
    }

    /// The scalars that must be finite before anything is assigned.
    pub fn guards(&self) -> &[(String, NodeId)] {
        &self.guards
    }

    /// Names the part of the network that the next nodes belong to; messages and dumps show it.
    pub fn enter(&mut self, scope: impl Into<String>) {
        let scope = scope.into();
        self.scope = self.scopes.iter().position(|s| *s == scope).unwrap_or_else(|| {
            self.scopes.push(scope);
            self.scopes.len() - 1
        });
    }

    /// The part of the network that a node belongs to; empty if none was named.
    pub fn scope_of(&self, id: NodeId) -> &str {
        self.scopes.get(self.node(id).scope).map_or("", String::as_str)
    }

    /// A node as a person would name it: scope, operation, shape.
    pub fn describe(&self, id: NodeId) -> String {
        let (node, scope) = (self.node(id), self.scope_of(id));
        format!("node {} ({:?} {:?}{}{scope})", id.0, node.op, node.shape, if scope.is_empty() { "" } else { " in " })
    }

    /// A value given to each run; `name` appears in messages.
    pub fn input(&mut self, name: impl Into<String>, dims: &[usize]) -> NodeId {
        let id = self.push(Op::Input, &[], Shape::new(dims));
        self.inputs.push((name.into(), id));
        id
    }

    /// The stored value of `param`, as it was when the run began.
    pub fn param(&mut self, param: ParamId, dims: &[usize]) -> NodeId {
        self.push(Op::Param(param), &[], Shape::new(dims))
    }

    /// A constant.
    pub fn full(&mut self, value: f32, shape: Shape) -> NodeId {
        self.push(Op::Full(value), &[], shape)
    }

    /// Random numbers that depend on (seed, `stream`, step, index) alone.
    pub fn random(&mut self, stream: u32, distribution: Distribution, dims: &[usize]) -> NodeId {
        self.push(Op::Random { stream, distribution }, &[], Shape::new(dims))
    }

    /// Stores the value of `value` in `param` when the run has finished.
    #[track_caller]
    pub fn assign(&mut self, param: ParamId, value: NodeId) -> NodeId {
        self.push(Op::Assign(param), &[value], self.shape(value))
    }

    /// Makes a run fail, with nothing assigned, if the scalar `value` is not finite.
    #[track_caller]
    pub fn guard(&mut self, name: impl Into<String>, value: NodeId) {
        assert_eq!(self.shape(value), Shape::SCALAR, "a guard watches a scalar");
        self.guards.push((name.into(), value));
    }

    pub(crate) fn push(&mut self, op: Op, args: &[NodeId], shape: Shape) -> NodeId {
        self.nodes.push(Node { op, args: args.to_vec(), shape, scope: self.scope });
        NodeId(self.nodes.len() as u32 - 1)
    }
}
