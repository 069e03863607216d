//! Packed weights, kept between two updates for all kernel calls that read them.
//!
//! Real and generated batches, penalties and gradients read the same weights several times per step. The first kernel call after
//! an update packs them, and later calls reuse the packed copy. Weights that only one call reads go through the pack buffer of its
//! thread, which is still in the cache when the product reads it.
use super::buffer::Buffer;
use super::pack::{pack_b, pack_b_transposed, packed_b_len, with_pack_buffer};
use super::{Program, Store, conv, dot, gemm, winograd};
use crate::graph::{ParamId, Window};
use crate::plan::{BufferView, Kernel, KernelCall, Storage};

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
            Self::TransposedConv { window, ci, co } => conv::packed_phases_len(window, (ci, co)),
            Self::Winograd { ci, co, .. } => 16 * packed_b_len(4 * ci, co),
            Self::WinogradTransposed { ci, co, .. } => 64 * packed_b_len(co, ci),
        }
    }

    /// Writes `weights` to `to` in this layout.
    fn fill(&self, weights: &[f32], to: &mut [f32]) {
        match *self {
            Self::Packed { k, n } if n <= dot::MAX_N => {
                for (j, column) in to.chunks_exact_mut(k).enumerate() {
                    column.iter_mut().zip(weights[j..].iter().step_by(n)).for_each(|(to, v)| *to = *v);
                }
            }
            Self::Packed { k, n } => pack_b(to, (k, n), weights),
            Self::PackedTranspose { k, n } => pack_b_transposed(to, k, n, 0, k, weights),
            Self::TransposedConv { window, ci, co } => conv::pack_phases(window, (ci, co), weights, to),
            Self::Winograd { ci, co, size } => winograd::pack_weights((ci, co), size, weights, to),
            Self::WinogradTransposed { window, ci, co } => {
                winograd::pack_transposed_weights(window, (ci, co), weights, to);
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

/// Packed weights that several kernel calls read.
struct CacheEntry {
    param: ParamId,
    view: BufferView,
    layout: WeightLayout,
    /// Packed since the last change of the parameter.
    valid: bool,
    data: Buffer,
}

/// The packed weights of all loaded programs.
#[derive(Default)]
pub(super) struct WeightCache(Vec<CacheEntry>);

/// The parameter that a kernel call reads packed, if there is one.
fn packed_param(call: &KernelCall) -> Option<(ParamId, BufferView, WeightLayout)> {
    let (view, layout) = match &call.kernel {
        Kernel::Conv(w, s) => (call.inputs[1], conv::forward_layout(*w, s)?),
        Kernel::ConvInput(w, s) => (call.inputs[1], conv::input_layout(*w, s)?),
        &Kernel::MatMul { size, ta, tb } => (call.inputs[1], gemm::weight_layout(size, ta, tb)?),
        Kernel::Fused(f) => {
            let product = f.product?;
            (call.inputs[f.reads + 1], gemm::weight_layout(product.size, false, product.tb)?)
        }
        _ => return None,
    };
    match view.storage {
        Storage::Param(param) => Some((param, view, layout)),
        _ => None,
    }
}

impl WeightCache {
    /// Allocates entries for weights that at least two kernel calls of `programs` read. Also returns, by program and kernel call, the
    /// entry that the call reads.
    pub(super) fn new(programs: &[Program]) -> (Self, Vec<Vec<Option<usize>>>) {
        let mut all: Vec<((ParamId, BufferView, WeightLayout), usize)> = Vec::new();
        for key in programs.iter().flat_map(|p| &p.plan.calls).filter_map(packed_param) {
            match all.iter_mut().find(|entry| entry.0 == key) {
                Some(known) => known.1 += 1,
                None => all.push((key, 1)),
            }
        }
        all.retain(|entry| entry.1 > 1);
        let entry_of =
            |call: &KernelCall| packed_param(call).and_then(|key| all.iter().position(|entry| entry.0 == key));
        let entries_read = programs.iter().map(|p| p.plan.calls.iter().map(entry_of).collect()).collect();
        let entries = all.iter().map(|&((param, view, layout), _)| CacheEntry {
            param,
            view,
            layout,
            valid: false,
            data: Buffer::new(layout.len()),
        });
        (Self(entries.collect()), entries_read)
    }

    /// Bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        4 * self.0.iter().map(|entry| entry.data.len()).sum::<usize>()
    }

    /// Moves entry `index` out, packed again if its parameter has changed.
    pub(super) fn take(&mut self, index: usize, store: &Store) -> Buffer {
        let entry = &mut self.0[index];
        if !entry.valid {
            entry.layout.fill(&store.values(entry.param)[entry.view.offset..][..entry.view.len], &mut entry.data);
            entry.valid = true;
        }
        std::mem::take(&mut entry.data)
    }

    /// Puts back an entry that [`WeightCache::take`] moved out.
    pub(super) fn put_back(&mut self, index: usize, data: Buffer) {
        self.0[index].data = data;
    }

    /// Marks the entries of `param`, or all entries, to be packed again.
    pub(super) fn invalidate(&mut self, param: Option<ParamId>) {
        self.0
            .iter_mut()
            .filter(|entry| param.is_none_or(|id| id == entry.param))
            .for_each(|entry| entry.valid = false);
    }
}
