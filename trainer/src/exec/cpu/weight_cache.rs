//! A cache of packed weights, which stay valid until the next update.
//!
//! Real and generated batches, penalties and gradients read the same weights several times per step. The first kernel
//! call after an update packs them, and later calls reuse the packed copy. Weights that only one call reads go through
//! the pack buffer of its thread, which is still in the cache when the product reads it.
use super::buffer::Buffer;
use super::weights::WeightLayout;
use super::{conv, gemm};
use crate::exec::{Program, Store};
use crate::graph::ParamId;
use crate::plan::{BufferView, Kernel, KernelCall, Storage};

/// Packed weights that several kernel calls read.
struct CacheEntry {
    param: ParamId,
    view: BufferView,
    layout: WeightLayout,
    /// Whether the entry was packed after the last change of the parameter.
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
    /// Allocates entries for weights that at least two kernel calls of `programs` read. Also returns, by program and
    /// kernel call, the entry that the call reads.
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
