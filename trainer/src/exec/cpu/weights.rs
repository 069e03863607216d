//! The weights of a kernel call, and the layouts in which kernels read them.
use super::operands::MAX_DOT_COLUMNS;
use super::pack::{pack_b, pack_b_transposed, packed_b_len, with_pack_buffer};
use super::{conv_pack, winograd};
use crate::graph::Window;

/// The order in which a kernel reads weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightLayout {
    /// A row-major B in panels, or in columns if n is small enough for the dot-product kernel.
    Packed { k: usize, n: usize },
    /// The transpose of a row-major n x k matrix in panels.
    PackedTranspose { k: usize, n: usize },
    /// One packed B for each phase of a transposed convolution.
    TransposedConv { window: Window, ci: usize, co: usize },
    /// Winograd-transformed weights of a convolution with outputs of `size` (height, width).
    Winograd { ci: usize, co: usize, size: (usize, usize) },
    /// Winograd-transformed weights of a transposed convolution.
    WinogradTransposed { window: Window, ci: usize, co: usize },
}

impl WeightLayout {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match *self {
            Self::Packed { k, n } | Self::PackedTranspose { k, n } => packed_b_len(k, n),
            Self::TransposedConv { window, ci, co } => conv_pack::packed_phases_len(window, (ci, co)),
            Self::Winograd { ci, co, .. } => 16 * packed_b_len(4 * ci, co),
            Self::WinogradTransposed { ci, co, .. } => 64 * packed_b_len(co, ci),
        }
    }

    /// Writes `weights` to `to` in this layout.
    pub(super) fn fill(&self, weights: &[f32], to: &mut [f32]) {
        match *self {
            Self::Packed { k, n } if n <= MAX_DOT_COLUMNS => {
                for (j, column) in to.chunks_exact_mut(k).enumerate() {
                    column.iter_mut().zip(weights[j..].iter().step_by(n)).for_each(|(to, v)| *to = *v);
                }
            }
            Self::Packed { k, n } => pack_b(to, (k, n), weights),
            Self::PackedTranspose { k, n } => pack_b_transposed(to, k, n, weights),
            Self::TransposedConv { window, ci, co } => conv_pack::pack_phases(window, (ci, co), weights, to),
            Self::Winograd { ci, co, size } => winograd::pack::pack_weights((ci, co), size, weights, to),
            Self::WinogradTransposed { window, ci, co } => {
                winograd::pack::pack_transposed_weights(window, (ci, co), weights, to);
            }
        }
    }
}

/// Weights for a kernel call.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    /// In the order of the store.
    pub(super) plain: &'a [f32],
    /// Packed, if the cache holds them.
    pub(super) packed: Option<&'a [f32]>,
}

impl Weights<'_> {
    /// Lends the weights to `work` in `layout`: from the cache, or packed now.
    pub(super) fn with(&self, layout: WeightLayout, work: impl FnOnce(&[f32])) {
        if let Some(packed) = self.packed {
            return work(&packed[..layout.len()]);
        }
        with_pack_buffer(layout.len(), |packed| {
            layout.fill(self.plain, packed);
            work(packed);
        })
    }
}
