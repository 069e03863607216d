//! Computation graphs with static shapes. Gradients are nodes of the same graph.
//!
//! Nodes lie in a `Vec` in topological order and refer to their arguments by [`NodeId`]. Images are NHWC, convolution
//! weights `[kernel, kernel, in, out]`. Mismatched shapes are programmer errors: builder methods panic at the caller's
//! line and print the shapes.
//!
//! ```
//! use ganlet_trainer::graph::{Feeds, Graph, interpret};
//!
//! let mut g = Graph::default();
//! let x = g.input("x", &[3]);
//! let squares = g.square(x);
//! let loss = g.sum(squares);
//! let gradient = g.grad(loss, &[x])[0];
//! let mut feeds = Feeds::default();
//! feeds.values.insert(x, vec![1.0, 2.0, 3.0]);
//! assert_eq!(interpret(&g, &feeds)[gradient.index()], [2.0, 4.0, 6.0]);
//! ```
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

/// Identifies a node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// Identifies an entry of the store that programs share: weights, optimizer state or running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

impl NodeId {
    /// Position in the graph, and in the result of the interpreter.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation with its arguments and the shape of its value.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// The arguments.
    pub args: Vec<NodeId>,
    /// Shape of the value.
    pub shape: Shape,
    /// Index in the graph's list of scopes.
    scope: usize,
}

/// A list of nodes in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    scopes: Vec<String>,
    scope: usize,
    inputs: Vec<(String, NodeId)>,
    guards: Vec<(String, NodeId)>,
}

impl Graph {
    /// The node that `id` identifies.
    #[doc(hidden)]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Shape of the value of `id`.
    #[doc(hidden)]
    pub fn shape(&self, id: NodeId) -> Shape {
        self.node(id).shape
    }

    /// Number of nodes.
    #[doc(hidden)]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the graph has no nodes.
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All ids in topological order.
    #[doc(hidden)]
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Names and nodes of the inputs, in the order of their declaration.
    #[doc(hidden)]
    pub fn inputs(&self) -> &[(String, NodeId)] {
        &self.inputs
    }

    /// Names and nodes of the scalars that must be finite before anything is assigned.
    #[doc(hidden)]
    pub fn guards(&self) -> &[(String, NodeId)] {
        &self.guards
    }

    /// Begins a scope, the part of the network that the following nodes belong to. Messages and dumps show its name.
    #[doc(hidden)]
    pub fn enter(&mut self, scope: impl Into<String>) {
        let scope = scope.into();
        self.scope = self.scopes.iter().position(|s| *s == scope).unwrap_or_else(|| {
            self.scopes.push(scope);
            self.scopes.len() - 1
        });
    }

    /// The scope of a node; empty if none was begun.
    #[doc(hidden)]
    pub fn scope_of(&self, id: NodeId) -> &str {
        self.scopes.get(self.node(id).scope).map_or("", String::as_str)
    }

    /// Description of a node for messages: number, operation, shape and scope.
    #[doc(hidden)]
    pub fn describe(&self, id: NodeId) -> String {
        let (node, scope) = (self.node(id), self.scope_of(id));
        format!("node {} ({:?} {:?}{}{scope})", id.0, node.op, node.shape, if scope.is_empty() { "" } else { " in " })
    }

    /// A tensor that the caller passes to each run. `name` appears in messages.
    #[doc(hidden)]
    pub fn input(&mut self, name: impl Into<String>, dims: &[usize]) -> NodeId {
        let id = self.push(Op::Input, &[], Shape::new(dims));
        self.inputs.push((name.into(), id));
        id
    }

    /// The value that a store entry has before the run.
    #[doc(hidden)]
    pub fn param(&mut self, param: ParamId, dims: &[usize]) -> NodeId {
        self.push(Op::Param(param), &[], Shape::new(dims))
    }

    /// A tensor filled with `value`.
    #[doc(hidden)]
    pub fn full(&mut self, value: f32, shape: Shape) -> NodeId {
        self.push(Op::Full(value), &[], shape)
    }

    /// Random numbers that depend on (seed, `stream`, step, index) only.
    #[doc(hidden)]
    pub fn random(&mut self, stream: u32, distribution: Distribution, dims: &[usize]) -> NodeId {
        self.push(Op::Random { stream, distribution }, &[], Shape::new(dims))
    }

    /// Writes the value of `value` to a store entry. Nodes that read the entry see the old value.
    #[doc(hidden)]
    #[track_caller]
    pub fn assign(&mut self, param: ParamId, value: NodeId) -> NodeId {
        self.push(Op::Assign(param), &[value], self.shape(value))
    }

    /// Adds a guard: a run fails before it assigns anything if the scalar `value` is not finite.
    #[doc(hidden)]
    #[track_caller]
    pub fn guard(&mut self, name: impl Into<String>, value: NodeId) {
        assert_eq!(self.shape(value), Shape::SCALAR, "a guard checks a scalar");
        self.guards.push((name.into(), value));
    }

    /// Appends a node.
    pub(crate) fn push(&mut self, op: Op, args: &[NodeId], shape: Shape) -> NodeId {
        self.nodes.push(Node { op, args: args.to_vec(), shape, scope: self.scope });
        NodeId(self.nodes.len() as u32 - 1)
    }
}
