//! Packs the weights of transposed convolutions: one B for each phase of the outputs.
use super::operands::MAX_DOT_COLUMNS;
use super::pack::{pack_rows_transposed, packed_b_len};
use super::padding::phases;
use crate::graph::Window;

/// Number of elements that [`pack_phases`] writes.
pub(super) fn packed_phases_len(w: Window, (ci, co): (usize, usize)) -> usize {
    phases(w).map(|p| packed_b_len(p.taps[0] * p.taps[1] * co, ci)).sum()
}

/// Packs `weight` once for each phase of the transposed convolution, one phase after the other.
pub(super) fn pack_phases(w: Window, (ci, co): (usize, usize), weight: &[f32], packed: &mut [f32]) {
    let mut rest = packed;
    for phase in phases(w) {
        let taps = phase.taps[0] * phase.taps[1];
        let k = taps * co;
        let (packed, others) = rest.split_at_mut(packed_b_len(k, ci));
        rest = others;
        for i in 0..taps {
            let (ky, kx) = phase.tap(w, i);
            let tap = &weight[(ky * w.kernel + kx) * ci * co..][..ci * co];
            if ci <= MAX_DOT_COLUMNS {
                for (column, tap) in packed.chunks_exact_mut(k).zip(tap.chunks_exact(co)) {
                    column[i * co..][..co].copy_from_slice(tap);
                }
            } else {
                pack_rows_transposed(packed, k, ci, i * co, co, tap);
            }
        }
    }
}
