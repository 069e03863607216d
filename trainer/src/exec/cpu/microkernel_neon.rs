//! The micro-kernels for AArch64 processors (NEON).
//!
//! All of them multiply by an element of a vector register, so one load of A serves several multiply-adds.
#![allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
use super::operands::MicroTile;
use std::arch::aarch64::*;

/// Loads a row of B, of which the first `width` elements count.
///
/// # Safety
/// The row lies within its slice.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
#[inline]
unsafe fn row_of_b<const WHOLE: bool>(b: *const f32, width: usize) -> [float32x4_t; 4] {
    let mut edge = [0.0f32; 16];
    // SAFETY: the caller checked the row; fewer than 16 columns go through a buffer.
    unsafe {
        let mut from = b;
        if !WHOLE {
            std::ptr::copy_nonoverlapping(b, edge.as_mut_ptr(), width);
            from = edge.as_ptr();
        }
        [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))]
    }
}

/// Stores the sums of a tile, or adds them to C.
///
/// # Safety
/// The bounds hold that [`super::microkernel::multiply`] asserts.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
#[inline]
unsafe fn store<const MR: usize, const WHOLE: bool>(t: &MicroTile<'_, MR>, mut sums: [[float32x4_t; 4]; MR]) {
    // SAFETY: the caller checked all rows of C. All rows are read before any is written, because repeated rows of a tile
    // are the same row of C.
    unsafe {
        if t.accumulate {
            for r in 0..MR {
                let old = row_of_b::<WHOLE>(t.c.add(t.c_rows[r]), t.width);
                for v in 0..4 {
                    sums[r][v] = vaddq_f32(sums[r][v], old[v]);
                }
            }
        }
        for r in 0..MR {
            let row = t.c.add(t.c_rows[r]);
            if WHOLE {
                for v in 0..4 {
                    vst1q_f32(row.add(4 * v), sums[r][v]);
                }
            } else {
                let mut edge = [0.0f32; 16];
                for v in 0..4 {
                    vst1q_f32(edge.as_mut_ptr().add(4 * v), sums[r][v]);
                }
                std::ptr::copy_nonoverlapping(edge.as_ptr(), row, t.width);
            }
        }
    }
}

/// Micro-kernel of 5 rows by 16 columns, or up to 16 unless the tile is `WHOLE`, for rows of A with adjacent elements.
///
/// Four elements of each row are loaded together: 20 sums, 4 vectors of B and 5 of A fit the 32 registers, and 13 loads
/// serve 80 multiply-adds.
///
/// # Safety
/// The bounds hold that [`super::microkernel::multiply`] asserts, and `a_col_stride` is 1. Every AArch64 processor that
/// runs an operating system has NEON.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn by_rows<const WHOLE: bool>(t: &MicroTile<'_, 5>) {
    // SAFETY: the caller checked all rows of A and C and the panel of B.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); 4]; 5];
        let mut b = t.b;
        for &segment in t.segments {
            let mut rows = [t.a; 5];
            for r in 0..5 {
                rows[r] = t.a.add(t.a_rows[r] + segment);
            }
            for _ in 0..t.segment_len / 4 {
                let mut a = [vdupq_n_f32(0.0); 5];
                for r in 0..5 {
                    a[r] = vld1q_f32(rows[r]);
                    rows[r] = rows[r].wrapping_add(4);
                }
                macro_rules! add_lane {
                    ($lane:literal) => {
                        let b_row = row_of_b::<WHOLE>(b, t.width);
                        for r in 0..5 {
                            for v in 0..4 {
                                sums[r][v] = vfmaq_laneq_f32::<$lane>(sums[r][v], b_row[v], a[r]);
                            }
                        }
                        b = b.wrapping_add(t.b_row_stride);
                    };
                }
                add_lane!(0);
                add_lane!(1);
                add_lane!(2);
                add_lane!(3);
            }
            for i in 0..t.segment_len % 4 {
                let b_row = row_of_b::<WHOLE>(b, t.width);
                for r in 0..5 {
                    let a = *rows[r].add(i);
                    for v in 0..4 {
                        sums[r][v] = vfmaq_n_f32(sums[r][v], b_row[v], a);
                    }
                }
                b = b.wrapping_add(t.b_row_stride);
            }
        }
        store::<5, WHOLE>(t, sums);
    }
}

/// Micro-kernel of 6 rows by 16 columns, or up to 16 unless the tile is `WHOLE`, for columns of A with adjacent elements:
/// 6 loads serve 24 multiply-adds. Rows that are not adjacent are read element by element.
///
/// # Safety
/// As for [`by_rows`], with any `a_col_stride`.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
pub(super) unsafe fn by_columns<const WHOLE: bool>(t: &MicroTile<'_, 6>) {
    let adjacent = (1..6).all(|r| t.a_rows[r] == t.a_rows[0] + r);
    // SAFETY: the caller checked all rows of A and C and the panel of B.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); 4]; 6];
        let mut b = t.b;
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.segment_len {
                let b_row = row_of_b::<WHOLE>(b, t.width);
                let (low, high) = if adjacent {
                    let column = t.a.add(t.a_rows[0] + at);
                    (vld1q_f32(column), vld1_f32(column.add(4)))
                } else {
                    let element = |r: usize| *t.a.add(t.a_rows[r] + at);
                    let (low, high) = ([element(0), element(1), element(2), element(3)], [element(4), element(5)]);
                    (vld1q_f32(low.as_ptr()), vld1_f32(high.as_ptr()))
                };
                for v in 0..4 {
                    sums[0][v] = vfmaq_laneq_f32::<0>(sums[0][v], b_row[v], low);
                    sums[1][v] = vfmaq_laneq_f32::<1>(sums[1][v], b_row[v], low);
                    sums[2][v] = vfmaq_laneq_f32::<2>(sums[2][v], b_row[v], low);
                    sums[3][v] = vfmaq_laneq_f32::<3>(sums[3][v], b_row[v], low);
                    sums[4][v] = vfmaq_lane_f32::<0>(sums[4][v], b_row[v], high);
                    sums[5][v] = vfmaq_lane_f32::<1>(sums[5][v], b_row[v], high);
                }
                b = b.wrapping_add(t.b_row_stride);
                at = at.wrapping_add(t.a_col_stride);
            }
        }
        store::<6, WHOLE>(t, sums);
    }
}
