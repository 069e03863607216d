//! The dot-product kernels for x86-64 processors (AVX-512, AVX2).
#![allow(clippy::needless_range_loop, reason = "indices say which register an instruction takes")]
use super::operands::{DOT_ROWS as MR, DotRows, DotSums as Sums};
use std::arch::x86_64::*;

/// Four rows by `N` columns, 16 elements at a time.
///
/// # Safety
/// The processor has AVX-512F, and rows and columns lie within their slices.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) unsafe fn avx512<const N: usize>(block: &DotRows<'_>) -> Sums {
    let mut lanes = [[_mm512_setzero_ps(); N]; MR];
    let mut b_segment = block.b.as_ptr();
    let (whole, tail) = (block.segment_len & !15, ((1u32 << (block.segment_len % 16)) - 1) as u16);
    // SAFETY: the caller checked all rows and columns; the mask keeps to the rest of a segment.
    unsafe {
        for &segment in block.segments {
            let rows: [*const f32; MR] = std::array::from_fn(|r| block.a.as_ptr().add(block.a_rows[r] + segment));
            let mut add = |at: usize, mask: u16| {
                let b: [_; N] =
                    std::array::from_fn(|j| _mm512_maskz_loadu_ps(mask, b_segment.wrapping_add(j * block.k + at)));
                for r in 0..MR {
                    let a = _mm512_maskz_loadu_ps(mask, rows[r].wrapping_add(at));
                    for j in 0..N {
                        lanes[r][j] = _mm512_fmadd_ps(a, b[j], lanes[r][j]);
                    }
                }
            };
            for at in (0..whole).step_by(16) {
                add(at, 0xFFFF);
            }
            if tail != 0 {
                add(whole, tail);
            }
            b_segment = b_segment.wrapping_add(block.segment_len);
        }
    }
    let mut sums = Sums::default();
    for j in 0..N {
        let halves = lanes.map(|row| {
            let high = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(row[j]))));
            _mm256_add_ps(_mm512_castps512_ps256(row[j]), _mm512_castps512_ps256(high))
        });
        store_column::<MR>(halves, 0, j, &mut sums);
    }
    sums
}

/// Four rows by `N` columns, 8 elements at a time.
///
/// # Safety
/// The processor has AVX2 and FMA, and rows and columns lie within their slices.
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) unsafe fn avx2<const N: usize>(block: &DotRows<'_>) -> Sums {
    let mut sums = Sums::default();
    // SAFETY: as for the caller.
    unsafe {
        if N < 4 {
            avx2_rows::<N, 4>(block, 0, &mut sums);
        } else {
            // The sums of four rows and four columns would take all registers.
            avx2_rows::<N, 2>(block, 0, &mut sums);
            avx2_rows::<N, 2>(block, 2, &mut sums);
        }
    }
    sums
}

/// `R` rows from row `first` on.
///
/// # Safety
/// As for [`avx2`].
// SAFETY: see above.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn avx2_rows<const N: usize, const R: usize>(block: &DotRows<'_>, first: usize, sums: &mut Sums) {
    let mut lanes = [[_mm256_setzero_ps(); N]; R];
    let mut b_segment = block.b.as_ptr();
    let (whole, tail) = (block.segment_len & !7, block.segment_len % 8);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(tail as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    // SAFETY: the caller checked all rows and columns; the mask keeps to the rest of a segment.
    unsafe {
        for &segment in block.segments {
            let rows: [*const f32; R] =
                std::array::from_fn(|r| block.a.as_ptr().add(block.a_rows[first + r] + segment));
            for at in (0..whole).step_by(8) {
                let b: [_; N] = std::array::from_fn(|j| _mm256_loadu_ps(b_segment.wrapping_add(j * block.k + at)));
                for r in 0..R {
                    let a = _mm256_loadu_ps(rows[r].wrapping_add(at));
                    for j in 0..N {
                        lanes[r][j] = _mm256_fmadd_ps(a, b[j], lanes[r][j]);
                    }
                }
            }
            if tail > 0 {
                for r in 0..R {
                    let a = _mm256_maskload_ps(rows[r].wrapping_add(whole), mask);
                    for j in 0..N {
                        let b = _mm256_maskload_ps(b_segment.wrapping_add(j * block.k + whole), mask);
                        lanes[r][j] = _mm256_fmadd_ps(a, b, lanes[r][j]);
                    }
                }
            }
            b_segment = b_segment.wrapping_add(block.segment_len);
        }
    }
    for j in 0..N {
        store_column::<R>(lanes.map(|row| row[j]), first, j, sums);
    }
}

/// Adds the lanes of each row, and stores the sums of rows `first..first + R` in column `j`.
#[target_feature(enable = "avx2")]
#[inline]
fn store_column<const R: usize>(lanes: [__m256; R], first: usize, j: usize, sums: &mut Sums) {
    let row = |r: usize| lanes[r.min(R - 1)];
    let pairs = (_mm256_hadd_ps(row(0), row(1)), _mm256_hadd_ps(row(2), row(3)));
    let quads = _mm256_hadd_ps(pairs.0, pairs.1);
    let totals = _mm_add_ps(_mm256_castps256_ps128(quads), _mm256_extractf128_ps::<1>(quads));
    // SAFETY: both are 16 bytes.
    #[allow(unsafe_code)]
    let totals: [f32; 4] = unsafe { std::mem::transmute(totals) };
    for r in 0..R {
        sums[first + r][j] = totals[r];
    }
}
