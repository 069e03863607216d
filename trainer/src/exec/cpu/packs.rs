//! Weights in the order in which kernels read them, laid out once for all kernel calls between two updates.
//!
//! Real and fake batches, penalties and gradients read the same weights several times a step. The first kernel call after
//! an update lays them out, the others find them ready. Weights that only one call reads go through a buffer of its
//! thread, which is still in the cache when the products read it.
use super::buffer::Buffer;
use super::tile::{NARROW, pack, pack_columns, packed_len, with_packed};
use super::{Program, Store, conv, gemm, winograd};
use crate::graph::{ParamId, Window};
use crate::plan::{Base, Kind, Step, View};

/// An order of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A right side of (k, n) numbers in panels, or, where it is narrow, in columns.
    Matrix(usize, usize),
    /// The same from its transpose.
    Turned(usize, usize),
    /// (ci, co): a right side for each phase of a transposed convolution.
    Phases(Window, usize, usize),
    /// (ci, co), (outputs down, right): Winograd's transformed weights of a convolution.
    Squares((usize, usize), (usize, usize)),
    /// (ci, co): those of a transposed one.
    Points(Window, usize, usize),
}

impl Layout {
    /// Numbers that it takes.
    pub(super) fn len(&self) -> usize {
        match *self {
            Self::Matrix(k, n) | Self::Turned(k, n) => packed_len(k, n),
            Self::Phases(w, ci, co) => conv::phases_len(w, (ci, co)),
            Self::Squares((ci, co), _) => 16 * packed_len(4 * ci, co),
            Self::Points(_, ci, co) => 64 * packed_len(co, ci),
        }
    }

    /// Lays out `weights`.
    fn fill(&self, weights: &[f32], to: &mut [f32]) {
        match *self {
            Self::Matrix(k, n) if n <= NARROW => {
                for (c, column) in to.chunks_exact_mut(k).enumerate() {
                    column.iter_mut().zip(weights[c..].iter().step_by(n)).for_each(|(to, v)| *to = *v);
                }
            }
            Self::Matrix(k, n) => pack(to, (k, n), weights),
            Self::Turned(k, n) => pack_columns(to, k, n, 0, k, weights),
            Self::Phases(w, ci, co) => conv::pack_phases(w, (ci, co), weights, to),
            Self::Squares(channels, size) => winograd::pack_squares(channels, size, weights, to),
            Self::Points(w, ci, co) => winograd::pack_points(w, (ci, co), weights, to),
        }
    }
}

/// Weights for a kernel call: as they lie, and laid out if they are kept so.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) plain: &'a [f32],
    pub(super) ready: Option<&'a [f32]>,
}

impl Weights<'_> {
    /// Lends them laid out.
    pub(super) fn with(&self, layout: Layout, work: impl FnOnce(&[f32])) {
        if let Some(ready) = self.ready {
            return work(&ready[..layout.len()]);
        }
        with_packed(layout.len(), |packed| {
            layout.fill(self.plain, packed);
            work(packed);
        })
    }
}

/// Laid-out weights that several kernel calls read.
struct Pack {
    param: ParamId,
    at: View,
    layout: Layout,
    /// Laid out since the last update.
    fresh: bool,
    data: Buffer,
}

/// All laid-out weights of the loaded programs.
#[derive(Default)]
pub(super) struct Packs(Vec<Pack>);

/// What a step's kernel wants laid out, if that is part of the store.
fn wanted(step: &Step) -> Option<(ParamId, View, Layout)> {
    let (at, layout) = match &step.kind {
        Kind::Conv(w, s) => (step.inputs[1], conv::forward_layout(*w, s)?),
        Kind::ConvInput(w, s) => (step.inputs[1], conv::input_layout(*w, s)?),
        &Kind::MatMul { size, ta, tb } => (step.inputs[1], gemm::layout(size, ta, tb)?),
        Kind::Fused(f) => {
            let product = f.product?;
            (step.inputs[f.reads + 1], gemm::layout(product.size, false, product.tb)?)
        }
        _ => return None,
    };
    match at.base {
        Base::Param(param) => Some((param, at, layout)),
        _ => None,
    }
}

impl Packs {
    /// Room for what two kernel calls or more of `programs` read; and by program and step, which of these it reads.
    pub(super) fn new(programs: &[Program]) -> (Self, Vec<Vec<Option<usize>>>) {
        let mut all: Vec<((ParamId, View, Layout), usize)> = Vec::new();
        for wanted in programs.iter().flat_map(|p| &p.plan.steps).filter_map(wanted) {
            match all.iter_mut().find(|w| w.0 == wanted) {
                Some(known) => known.1 += 1,
                None => all.push((wanted, 1)),
            }
        }
        all.retain(|w| w.1 > 1);
        let of = |step: &Step| wanted(step).and_then(|w| all.iter().position(|known| known.0 == w));
        let which = programs.iter().map(|p| p.plan.steps.iter().map(of).collect()).collect();
        let packs = all.iter().map(|&((param, at, layout), _)| Pack {
            param,
            at,
            layout,
            fresh: false,
            data: Buffer::new(layout.len()),
        });
        (Self(packs.collect()), which)
    }

    /// Bytes of all.
    pub(super) fn bytes(&self) -> usize {
        4 * self.0.iter().map(|p| p.data.len()).sum::<usize>()
    }

    /// Takes one out, laid out anew if the store has changed.
    pub(super) fn take(&mut self, index: usize, store: &Store) -> Buffer {
        let pack = &mut self.0[index];
        if !pack.fresh {
            pack.layout.fill(&store.values(pack.param)[pack.at.offset..][..pack.at.len], &mut pack.data);
            pack.fresh = true;
        }
        std::mem::take(&mut pack.data)
    }

    /// Puts back what [`Packs::take`] gave.
    pub(super) fn put_back(&mut self, index: usize, data: Buffer) {
        self.0[index].data = data;
    }

    /// The numbers of `param`, or of everything, are no longer what was laid out.
    pub(super) fn outdated(&mut self, param: Option<ParamId>) {
        self.0.iter_mut().filter(|p| param.is_none_or(|id| id == p.param)).for_each(|p| p.fresh = false);
    }
}
