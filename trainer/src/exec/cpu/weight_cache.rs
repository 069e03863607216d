//! A cache of packed weights, which stay valid until the next update.
//!
//! Real and generated batches, penalties and gradients read the same weights several times per step. The first kernel
//! call after an update packs them, and later calls reuse the packed copy. Weights that only one call reads go through
//! the pack buffer of its thread, which is still in the cache when the product reads it.
use super::buffer::Buffer;
use super::weights::WeightLayout;
use super::{conv, gemm};
use crate::exec::Program;
use crate::graph::ParamId;
use crate::plan::chain::Member;
use crate::plan::{BufferView, Kernel, KernelCall, Storage};

/// Weights in the layout of a kernel.
#[derive(Clone, Copy, PartialEq)]
struct Packed {
    view: BufferView,
    layout: WeightLayout,
}

/// Packed weights that several kernel calls read, or that a chain reads for every block of rows.
struct CacheEntry {
    packed: Packed,
    /// Whether the entry was packed after the last change of the parameter. Never set if the weights are no parameter.
    valid: bool,
    data: Buffer,
}

/// The packed weights of all loaded programs.
#[derive(Default)]
pub(super) struct WeightCache(Vec<CacheEntry>);

/// The weights that a kernel call reads packed: one entry for each member of a chain, or a single entry.
fn packed_weights(call: &KernelCall) -> Vec<Option<Packed>> {
    let packed =
        |input: usize, layout: Option<WeightLayout>| layout.map(|layout| Packed { view: call.inputs[input], layout });
    let param = |p: &Packed| matches!(p.view.storage, Storage::Param(_));
    let single = match &call.kernel {
        Kernel::Conv(w, s) => packed(1, conv::forward_layout(*w, s)),
        Kernel::ConvInput(w, s) => packed(1, conv::input_layout(*w, s)),
        &Kernel::MatMul { size, ta, tb } => packed(1, gemm::weight_layout(size, ta, tb)),
        Kernel::Fused(f) => {
            f.product.and_then(|product| packed(f.reads + 1, gemm::weight_layout(product.size, false, product.tb)))
        }
        Kernel::Chain(chain) => {
            let of_member = |m: &Member| packed(m.b()?, gemm::weight_layout(m.product()?.size, false, m.product()?.tb));
            return chain.members.iter().map(of_member).collect();
        }
        _ => None,
    };
    vec![single.filter(param)]
}

impl WeightCache {
    /// Allocates entries for weights that at least two kernel calls of `programs` read, or a chain. Also returns, by
    /// program and kernel call, the entries that the call reads: one for each member of a chain, or a single one.
    pub(super) fn new(programs: &[Program]) -> (Self, Vec<Vec<Vec<Option<usize>>>>) {
        let mut all: Vec<(Packed, usize)> = Vec::new();
        for call in programs.iter().flat_map(|p| &p.plan.calls) {
            let readers = if matches!(call.kernel, Kernel::Chain(_)) { 2 } else { 1 };
            for packed in packed_weights(call).into_iter().flatten() {
                match all.iter_mut().find(|entry| entry.0 == packed) {
                    Some(known) => known.1 += readers,
                    None => all.push((packed, readers)),
                }
            }
        }
        all.retain(|entry| entry.1 > 1);
        let entry_of = |packed: Option<Packed>| packed.and_then(|p| all.iter().position(|entry| entry.0 == p));
        let entries_of = |call: &KernelCall| packed_weights(call).into_iter().map(entry_of).collect();
        let entries_read = programs.iter().map(|p| p.plan.calls.iter().map(entries_of).collect()).collect();
        let entries =
            all.iter().map(|&(packed, _)| CacheEntry { packed, valid: false, data: Buffer::new(packed.layout.len()) });
        (Self(entries.collect()), entries_read)
    }

    /// Bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        4 * self.0.iter().map(|entry| entry.data.len()).sum::<usize>()
    }

    /// Moves entry `index` out. If it has to be packed again, also returns how.
    pub(super) fn take(&mut self, index: usize) -> (Buffer, Option<(BufferView, WeightLayout)>) {
        let entry = &mut self.0[index];
        let Packed { view, layout } = entry.packed;
        let valid = std::mem::replace(&mut entry.valid, matches!(view.storage, Storage::Param(_)));
        (std::mem::take(&mut entry.data), (!valid).then_some((view, layout)))
    }

    /// Puts back an entry that [`WeightCache::take`] moved out.
    pub(super) fn put_back(&mut self, index: usize, data: Buffer) {
        self.0[index].data = data;
    }

    /// Marks the entries of `param`, or all entries, to be packed again.
    pub(super) fn invalidate(&mut self, param: Option<ParamId>) {
        self.0
            .iter_mut()
            .filter(|entry| param.is_none_or(|id| entry.packed.view.storage == Storage::Param(id)))
            .for_each(|entry| entry.valid = false);
    }
}
