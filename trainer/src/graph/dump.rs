//! Prints a graph as text, or as DOT for Graphviz.
use super::{Graph, Op};
use std::fmt::Write;

impl Graph {
    /// One line per node: id, operation, arguments, shape and scope.
    ///
    /// ```
    /// use ganlet_trainer::graph::Graph;
    ///
    /// let mut g = Graph::default();
    /// g.enter("layer 1");
    /// let x = g.input("x", &[2, 3]);
    /// g.sum(x);
    /// assert_eq!(g.to_text(), "%0 = Input() : [2, 3]  layer 1\n%1 = SumTo(%0) : []  layer 1\n");
    /// ```
    #[doc(hidden)]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for id in self.ids() {
            let node = self.node(id);
            let args: Vec<_> = node.args.iter().map(|a| format!("%{}", a.0)).collect();
            let scope = self.scope_of(id);
            _ = writeln!(out, "%{} = {:?}({}) : {:?}  {scope}", id.0, node.op, args.join(", "), node.shape);
        }
        out
    }

    /// The graph in the DOT language of Graphviz. Inputs, parameters and assignments are boxes; products and
    /// convolutions are bold.
    ///
    /// ```
    /// use ganlet_trainer::graph::Graph;
    ///
    /// let mut g = Graph::default();
    /// let x = g.input("x", &[2, 3]);
    /// g.sum(x);
    /// assert!(g.to_dot().contains("n0 -> n1;"));
    /// ```
    #[doc(hidden)]
    pub fn to_dot(&self) -> String {
        let mut out = String::from("digraph {\n  rankdir=TB; node [fontname=\"sans-serif\", shape=ellipse];\n");
        for id in self.ids() {
            let node = self.node(id);
            let style = match node.op {
                Op::Input | Op::Param(_) | Op::Assign(_) => ", shape=box",
                Op::MatMul { .. } | Op::Conv(_) | Op::ConvInput(_) | Op::ConvWeight(_) | Op::Depthwise(_) => {
                    ", style=bold"
                }
                _ => "",
            };
            let label = format!("{:?}\\n{:?}", node.op, node.shape).replace('"', "'");
            _ = writeln!(out, "  n{} [label=\"{label}\"{style}];", id.0);
            for arg in &node.args {
                _ = writeln!(out, "  n{} -> n{};", arg.0, id.0);
            }
        }
        out + "}\n"
    }
}
