//! The micro-kernel for AArch64 processors (NEON).
use super::operands::MicroTile;
use std::arch::aarch64::*;

/// Micro-kernel of 6 rows by up to 16 columns: 24 of the 32 vector registers hold sums.
///
/// # Safety
/// The bounds hold that [`super::microkernel::multiply`] asserts, and the width is at most 16. Every AArch64 processor
/// that runs an operating system has NEON.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
#[allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
pub(super) unsafe fn neon_6x16(t: &MicroTile<'_, 6>) {
    // SAFETY: the caller checked all rows of A and C and the panel of B; fewer than 16 columns go through a buffer.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); 4]; 6];
        let mut b = t.b;
        let mut edge = [0.0f32; 16];
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.segment_len {
                let mut from = b;
                if t.width < 16 {
                    std::ptr::copy_nonoverlapping(b, edge.as_mut_ptr(), t.width);
                    from = edge.as_ptr();
                }
                let b_row = [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))];
                for r in 0..6 {
                    let a = *t.a.add(t.a_rows[r] + at);
                    for v in 0..4 {
                        sums[r][v] = vfmaq_n_f32(sums[r][v], b_row[v], a);
                    }
                }
                b = b.wrapping_add(t.b_row_stride);
                at += t.a_col_stride;
            }
        }
        // All rows are read before any is written, because repeated rows of a tile are the same row of C.
        let mut results = [[0.0f32; 16]; 6];
        for r in 0..6 {
            for v in 0..4 {
                vst1q_f32(results[r].as_mut_ptr().add(4 * v), sums[r][v]);
            }
            for j in 0..if t.accumulate { t.width } else { 0 } {
                results[r][j] += *t.c.add(t.c_rows[r] + j);
            }
        }
        for r in 0..6 {
            std::ptr::copy_nonoverlapping(results[r].as_ptr(), t.c.add(t.c_rows[r]), t.width);
        }
    }
}
