//! Spectral normalization: divides a weight by its largest singular value, estimated by power iteration.
use crate::graph::{Graph, NodeId, Shape, Unary};

/// Returns `weight` divided by its largest singular value, and the next vector of the power iteration (Miyato et al. 2018, algorithm 1).
///
/// The weight is read as a matrix whose number of columns is the length of `vector`. Gradients treat the vectors as constants.
pub(super) fn normalized(g: &mut Graph, weight: NodeId, vector: NodeId) -> (NodeId, NodeId) {
    let (dims, columns) = (g.shape(weight), g.shape(vector).len());
    let rows = dims.len() / columns;
    let matrix = g.reshape(weight, &[rows, columns]);
    let column = g.reshape(vector, &[columns, 1]);
    let frozen = g.detach(matrix);
    let left = g.matmul(frozen, column);
    let left = unit(g, left);
    let right = g.matmul_t(frozen, left, true, false);
    let right = unit(g, right);
    let (left, right) = (g.detach(left), g.detach(right));
    let product = g.matmul(matrix, right);
    let value = g.matmul_t(left, product, true, false);
    let value = g.reshape(value, &[]);
    let norm = g.affine(value, 1.0, 1e-12);
    let normalized = g.div(weight, norm);
    (normalized, g.reshape(right, &[columns]))
}

/// Scales `x` to length 1.
fn unit(g: &mut Graph, x: NodeId) -> NodeId {
    let squares = g.square(x);
    let sum = g.sum_to(squares, Shape::SCALAR);
    let sum = g.affine(sum, 1.0, 1e-12);
    let length = g.unary(Unary::Sqrt, sum);
    g.div(x, length)
}
