//! Prints a graph as text, or as DOT for Graphviz.
use super::{Graph, Op};
use std::fmt::Write;

impl Graph {
    /// One line per node: id, operation, arguments, shape and scope.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for id in self.ids() {
            let node = self.node(id);
            let args: Vec<_> = node.args.iter().map(|a| format!("%{}", a.0)).collect();
            let scope = self.scopes.get(node.scope).map_or("", String::as_str);
            _ = writeln!(out, "%{} = {:?}({}) : {:?}  {scope}", id.0, node.op, args.join(", "), node.shape);
        }
        out
    }

    /// The graph in the DOT language of Graphviz. Inputs, parameters and assignments are boxes; products and convolutions are bold.
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
