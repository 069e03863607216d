//! The tile kernels of x86 processors.
#![allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
use super::tile::Tile;
use std::arch::x86_64::*;

/// `ROWS` rows by `WIDE` vectors of 16, the last of them masked.
///
/// # Safety
/// The processor has AVX-512F; bounds as asserted by [`super::tile::multiply`]; the width needs `WIDE` vectors.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn wide<const ROWS: usize, const WIDE: usize>(t: &Tile<'_, ROWS>) {
    let mask = ((1u32 << (t.width - 16 * (WIDE - 1))) - 1) as u16;
    let mut sums = [[_mm512_setzero_ps(); WIDE]; ROWS];
    let mut right = t.right;
    let mut rows = [t.left; ROWS];
    for r in 0..ROWS {
        rows[r] = t.left.wrapping_add(t.rows[r]);
    }
    // SAFETY: the caller checked all rows, the panel and the places; the mask keeps to the width.
    unsafe {
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.len {
                let mut line = [_mm512_setzero_ps(); WIDE];
                for v in 0..WIDE - 1 {
                    line[v] = _mm512_loadu_ps(right.add(16 * v));
                }
                line[WIDE - 1] = _mm512_maskz_loadu_ps(mask, right.add(16 * (WIDE - 1)));
                for r in 0..ROWS {
                    let a = _mm512_set1_ps(*rows[r].add(at));
                    for v in 0..WIDE {
                        sums[r][v] = _mm512_fmadd_ps(a, line[v], sums[r][v]);
                    }
                }
                right = right.wrapping_add(t.right_step);
                at += t.step;
            }
        }
        if t.add {
            // All are read before any is written, because repeated rows share a place.
            for r in 0..ROWS {
                let place = t.result.add(t.places[r]);
                for v in 0..WIDE - 1 {
                    sums[r][v] = _mm512_add_ps(sums[r][v], _mm512_loadu_ps(place.add(16 * v)));
                }
                let last = _mm512_maskz_loadu_ps(mask, place.add(16 * (WIDE - 1)));
                sums[r][WIDE - 1] = _mm512_add_ps(sums[r][WIDE - 1], last);
            }
        }
        for r in 0..ROWS {
            let place = t.result.add(t.places[r]);
            for v in 0..WIDE - 1 {
                _mm512_storeu_ps(place.add(16 * v), sums[r][v]);
            }
            _mm512_mask_storeu_ps(place.add(16 * (WIDE - 1)), mask, sums[r][WIDE - 1]);
        }
    }
}

/// 6 rows by up to 16 columns.
///
/// # Safety
/// The processor has AVX2 and FMA; bounds as asserted by [`super::tile::multiply`]; the width is 16 at most.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn narrow(t: &Tile<'_, 6>) {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let masks = [0, 8].map(|v| _mm256_cmpgt_epi32(_mm256_set1_epi32(t.width as i32 - v), lanes));
    let mut sums = [[_mm256_setzero_ps(); 2]; 6];
    let mut right = t.right;
    let mut rows = [t.left; 6];
    for r in 0..6 {
        rows[r] = t.left.wrapping_add(t.rows[r]);
    }
    // SAFETY: the caller checked all rows, the panel and the places; the masks keep to the width.
    unsafe {
        for &segment in t.segments {
            let mut at = segment;
            for _ in 0..t.len {
                let line = [_mm256_maskload_ps(right, masks[0]), _mm256_maskload_ps(right.wrapping_add(8), masks[1])];
                for r in 0..6 {
                    let a = _mm256_set1_ps(*rows[r].add(at));
                    for v in 0..2 {
                        sums[r][v] = _mm256_fmadd_ps(a, line[v], sums[r][v]);
                    }
                }
                right = right.wrapping_add(t.right_step);
                at += t.step;
            }
        }
        if t.add {
            for (sums, place) in sums.iter_mut().zip(t.places) {
                for v in 0..2 {
                    let old = _mm256_maskload_ps(t.result.wrapping_add(place + 8 * v), masks[v]);
                    sums[v] = _mm256_add_ps(sums[v], old);
                }
            }
        }
        for (sums, place) in sums.iter().zip(t.places) {
            for v in 0..2 {
                _mm256_maskstore_ps(t.result.wrapping_add(place + 8 * v), masks[v], sums[v]);
            }
        }
    }
}
