//! The micro-kernels for x86-64 processors (AVX-512, AVX2).
#![allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
use super::operands::MicroTile;
use std::arch::x86_64::*;

/// Micro-kernel of `MR` rows by `VECTORS` vectors of 16 columns, the last of them masked.
///
/// # Safety
/// The processor has AVX-512F, the bounds hold that [`super::microkernel::multiply`] asserts, and the width takes
/// `VECTORS` vectors.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn avx512<const MR: usize, const VECTORS: usize>(t: &MicroTile<'_, MR>) {
    let mask = ((1u32 << (t.width - 16 * (VECTORS - 1))) - 1) as u16;
    let mut sums = [[_mm512_setzero_ps(); VECTORS]; MR];
    let mut b = t.b;
    let mut rows = [t.a; MR];
    for r in 0..MR {
        rows[r] = t.a.wrapping_add(t.a_rows[r]);
    }
    // SAFETY: the caller checked all rows of A and C and the panel of B; the mask keeps to the width.
    unsafe {
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.segment_len {
                let mut b_row = [_mm512_setzero_ps(); VECTORS];
                for v in 0..VECTORS - 1 {
                    b_row[v] = _mm512_loadu_ps(b.add(16 * v));
                }
                b_row[VECTORS - 1] = _mm512_maskz_loadu_ps(mask, b.add(16 * (VECTORS - 1)));
                for r in 0..MR {
                    let a = _mm512_set1_ps(*rows[r].add(at));
                    for v in 0..VECTORS {
                        sums[r][v] = _mm512_fmadd_ps(a, b_row[v], sums[r][v]);
                    }
                }
                b = b.wrapping_add(t.b_row_stride);
                at = at.wrapping_add(t.a_col_stride);
            }
        }
        if t.accumulate {
            // All rows are read before any is written, because repeated rows of a tile are the same row of C.
            for r in 0..MR {
                let c_row = t.c.add(t.c_rows[r]);
                for v in 0..VECTORS - 1 {
                    sums[r][v] = _mm512_add_ps(sums[r][v], _mm512_loadu_ps(c_row.add(16 * v)));
                }
                let last = _mm512_maskz_loadu_ps(mask, c_row.add(16 * (VECTORS - 1)));
                sums[r][VECTORS - 1] = _mm512_add_ps(sums[r][VECTORS - 1], last);
            }
        }
        for r in 0..MR {
            let c_row = t.c.add(t.c_rows[r]);
            for v in 0..VECTORS - 1 {
                _mm512_storeu_ps(c_row.add(16 * v), sums[r][v]);
            }
            _mm512_mask_storeu_ps(c_row.add(16 * (VECTORS - 1)), mask, sums[r][VECTORS - 1]);
        }
    }
}

/// Masks of a vector of 8 columns: `MASKS[8 - width..]` keeps the first `width` of them.
const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Micro-kernel of `MR` rows by `VECTORS` vectors of 8 columns, the last of them masked unless the tile is `WHOLE`.
///
/// The sums, a row of B, an element of A and the mask take at most the 16 vector registers.
///
/// # Safety
/// The processor has AVX2 and FMA, the bounds hold that [`super::microkernel::multiply`] asserts, and the width takes
/// `VECTORS` vectors.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2<const MR: usize, const VECTORS: usize, const WHOLE: bool>(t: &MicroTile<'_, MR>) {
    let last = VECTORS - 1;
    // SAFETY: the last vector has 1 to 8 columns. The caller checked all rows of A and C and the panel of B; the mask
    // keeps to the width.
    unsafe {
        let mask = _mm256_loadu_si256(MASKS.as_ptr().add(8 * VECTORS - t.width).cast());
        let load = |from: *const f32, v: usize| {
            if WHOLE || v < last { _mm256_loadu_ps(from.add(8 * v)) } else { _mm256_maskload_ps(from.add(8 * v), mask) }
        };
        let mut sums = [[_mm256_setzero_ps(); VECTORS]; MR];
        let mut b = t.b;
        let mut rows = [t.a; MR];
        for r in 0..MR {
            rows[r] = t.a.wrapping_add(t.a_rows[r]);
        }
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.segment_len {
                let mut b_row = [_mm256_setzero_ps(); VECTORS];
                for v in 0..VECTORS {
                    b_row[v] = load(b, v);
                }
                for r in 0..MR {
                    let a = _mm256_broadcast_ss(&*rows[r].add(at));
                    for v in 0..VECTORS {
                        sums[r][v] = _mm256_fmadd_ps(a, b_row[v], sums[r][v]);
                    }
                }
                b = b.wrapping_add(t.b_row_stride);
                at = at.wrapping_add(t.a_col_stride);
            }
        }
        if t.accumulate {
            // All rows are read before any is written, because repeated rows of a tile are the same row of C.
            for r in 0..MR {
                for v in 0..VECTORS {
                    sums[r][v] = _mm256_add_ps(sums[r][v], load(t.c.add(t.c_rows[r]), v));
                }
            }
        }
        for r in 0..MR {
            let c_row = t.c.add(t.c_rows[r]);
            for v in 0..VECTORS {
                if WHOLE || v < last {
                    _mm256_storeu_ps(c_row.add(8 * v), sums[r][v]);
                } else {
                    _mm256_maskstore_ps(c_row.add(8 * v), mask, sums[r][v]);
                }
            }
        }
    }
}
