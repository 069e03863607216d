//! The tile kernel of 64-bit Arm processors.
use super::tile::Tile;
use std::arch::aarch64::*;

/// 6 rows by up to 16 columns: 24 of the 32 vector registers hold sums.
///
/// # Safety
/// Bounds as asserted by [`super::tile::multiply`]; the width is 16 at most. Every 64-bit Arm processor that runs an
/// operating system has the instructions.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
#[allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
pub(super) unsafe fn tile(t: &Tile<'_, 6>) {
    // SAFETY: the caller checked all rows, the panel and the places; parts of less than 16 columns go through a buffer.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); 4]; 6];
        let mut right = t.right;
        let mut edge = [0.0f32; 16];
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.len {
                let mut from = right;
                if t.width < 16 {
                    std::ptr::copy_nonoverlapping(right, edge.as_mut_ptr(), t.width);
                    from = edge.as_ptr();
                }
                let line = [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))];
                for r in 0..6 {
                    let a = *t.left.add(t.rows[r] + at);
                    for v in 0..4 {
                        sums[r][v] = vfmaq_n_f32(sums[r][v], line[v], a);
                    }
                }
                right = right.wrapping_add(t.right_step);
                at += t.step;
            }
        }
        // All are read before any is written, because repeated rows share a place.
        let mut results = [[0.0f32; 16]; 6];
        for r in 0..6 {
            for v in 0..4 {
                vst1q_f32(results[r].as_mut_ptr().add(4 * v), sums[r][v]);
            }
            for j in 0..if t.add { t.width } else { 0 } {
                results[r][j] += *t.result.add(t.places[r] + j);
            }
        }
        for r in 0..6 {
            std::ptr::copy_nonoverlapping(results[r].as_ptr(), t.result.add(t.places[r]), t.width);
        }
    }
}
