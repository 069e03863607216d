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

/// Micro-kernel of 6 rows by up to 16 columns.
///
/// # Safety
/// The processor has AVX2 and FMA, the bounds hold that [`super::microkernel::multiply`] asserts, and the width is at
/// most 16.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2_6x16(t: &MicroTile<'_, 6>) {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let masks = [0, 8].map(|v| _mm256_cmpgt_epi32(_mm256_set1_epi32(t.width as i32 - v), lanes));
    let mut sums = [[_mm256_setzero_ps(); 2]; 6];
    let mut b = t.b;
    let mut rows = [t.a; 6];
    for r in 0..6 {
        rows[r] = t.a.wrapping_add(t.a_rows[r]);
    }
    // SAFETY: the caller checked all rows of A and C and the panel of B; the masks keep to the width.
    unsafe {
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.segment_len {
                let b_row = [_mm256_maskload_ps(b, masks[0]), _mm256_maskload_ps(b.wrapping_add(8), masks[1])];
                for r in 0..6 {
                    let a = _mm256_set1_ps(*rows[r].add(at));
                    for v in 0..2 {
                        sums[r][v] = _mm256_fmadd_ps(a, b_row[v], sums[r][v]);
                    }
                }
                b = b.wrapping_add(t.b_row_stride);
                at = at.wrapping_add(t.a_col_stride);
            }
        }
        if t.accumulate {
            for (sums, row) in sums.iter_mut().zip(t.c_rows) {
                for v in 0..2 {
                    let old = _mm256_maskload_ps(t.c.wrapping_add(row + 8 * v), masks[v]);
                    sums[v] = _mm256_add_ps(sums[v], old);
                }
            }
        }
        for (sums, row) in sums.iter().zip(t.c_rows) {
            for v in 0..2 {
                _mm256_maskstore_ps(t.c.wrapping_add(row + 8 * v), masks[v], sums[v]);
            }
        }
    }
}
