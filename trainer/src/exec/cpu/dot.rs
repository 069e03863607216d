//! Matrix products with n of 1 to 4, as dot products along rows of A. With such a small n, a micro-tile would be mostly empty.
#[cfg(target_arch = "x86_64")]
use super::dot_x86;
use super::operands::{DOT_ROWS as MR, DotRows, DotSums, MAX_DOT_COLUMNS as MAX_N, OperandA, OutputC};
#[cfg(target_arch = "x86_64")]
use crate::simd::{InstructionSet, instruction_set};

/// c = a · b, or c += a · b if `c.accumulate` is set. `b` holds the columns of B one after the other. The column stride
/// of `a` must be 1.
///
/// # Panics
/// If a row of A, a column of B or a row of C does not lie within its slice.
pub(super) fn multiply(a: OperandA<'_>, b: &[f32], c: &mut OutputC<'_>) {
    match c.n {
        1 => multiply_n::<1>(a, b, c),
        2 => multiply_n::<2>(a, b, c),
        3 => multiply_n::<3>(a, b, c),
        _ => multiply_n::<4>(a, b, c),
    }
}

fn multiply_n<const N: usize>(a: OperandA<'_>, b: &[f32], c: &mut OutputC<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the processor has the instructions; `for_each_row_block` checked that rows and columns lie within
        // their slices.
        #[target_feature(enable = "avx512f")]
        #[allow(unsafe_code)]
        fn avx512<const N: usize>(a: OperandA<'_>, b: &[f32], c: &mut OutputC<'_>) {
            for_each_row_block::<N>(a, b, c, |block| unsafe { dot_x86::avx512::<N>(block) });
        }
        // SAFETY: see above.
        #[target_feature(enable = "avx2,fma")]
        #[allow(unsafe_code)]
        fn avx2<const N: usize>(a: OperandA<'_>, b: &[f32], c: &mut OutputC<'_>) {
            for_each_row_block::<N>(a, b, c, |block| unsafe { dot_x86::avx2::<N>(block) });
        }
        match instruction_set() {
            InstructionSet::Avx512 => {
                // SAFETY: `instruction_set` reports AVX-512 only if the processor has it.
                #[allow(unsafe_code)]
                return unsafe { avx512::<N>(a, b, c) };
            }
            InstructionSet::Avx2 => {
                // SAFETY: `instruction_set` reports AVX2 only if the processor has it.
                #[allow(unsafe_code)]
                return unsafe { avx2::<N>(a, b, c) };
            }
            InstructionSet::Portable => {}
        }
    }
    for_each_row_block::<N>(a, b, c, dot_portable::<N>);
}

/// Checks the bounds, then calls `dot` for every four rows and stores the sums.
#[inline(always)]
fn for_each_row_block<const N: usize>(
    a: OperandA<'_>,
    b: &[f32],
    c: &mut OutputC<'_>,
    dot: impl Fn(&DotRows<'_>) -> DotSums,
) {
    let (m, k) = (c.m, a.k());
    assert!(a.col_stride == 1 && N == c.n.min(MAX_N), "a dot-product kernel for n = {N} was called with n = {}", c.n);
    assert!(b.len() >= N * k, "a column of B exceeds its slice");
    let reach = a.segments.iter().max().map_or(0, |&s| s + a.segment_len);
    assert!(a.rows.max(m) + reach <= a.data.len(), "a row of A exceeds its slice");
    let mut block = DotRows { a: a.data, a_rows: [0; MR], segments: a.segments, segment_len: a.segment_len, b, k };
    for first in (0..m).step_by(MR) {
        for (r, row) in block.a_rows.iter_mut().enumerate() {
            *row = a.rows.at((first + r).min(m - 1));
        }
        let sums = dot(&block);
        for (r, sums) in sums.iter().enumerate().take(m - first) {
            let row = c.rows.at(first + r);
            for (c_element, sum) in c.data[row..][..N].iter_mut().zip(sums) {
                *c_element = if c.accumulate { *c_element + sum } else { *sum };
            }
        }
    }
}

#[inline(always)]
fn dot_portable<const N: usize>(block: &DotRows<'_>) -> DotSums {
    let mut sums = [[0.0; MAX_N]; MR];
    for (sums, &row) in sums.iter_mut().zip(&block.a_rows) {
        for (j, sum) in sums.iter_mut().enumerate().take(N) {
            let mut lanes = [0.0f32; 16];
            let mut rest = 0.0;
            for (s, &segment) in block.segments.iter().enumerate() {
                let a = block.a[row + segment..][..block.segment_len].chunks_exact(16);
                let b = block.b[j * block.k + s * block.segment_len..][..block.segment_len].chunks_exact(16);
                rest += a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum::<f32>();
                for (a, b) in a.zip(b) {
                    lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(l, (a, b))| *l += a * b);
                }
            }
            *sum = lanes.iter().sum::<f32>() + rest;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::operands::RowOffsets;
    use super::*;

    #[test]
    fn dot_products_equal_naive_sums() {
        for (m, segments, segment_len, n) in [(1, 1, 1, 1), (5, 2, 16, 3), (9, 3, 21, 4), (2, 1, 100, 2)] {
            let k = segments * segment_len;
            // Small multiples of 1/4: sums are exact in any order.
            let numbers = |n: usize| (0..n).map(|i| (i * 7 % 16) as f32 / 4.0 - 2.0).collect::<Vec<_>>();
            let (a, b) = (numbers(m * k), numbers(n * k));
            let starts: Vec<_> = (0..segments).map(|s| s * segment_len).collect();
            let rows = RowOffsets::Strided(k);
            let operand = OperandA { data: &a, rows, segments: &starts, segment_len, col_stride: 1 };
            let mut c = vec![2.0; m * n];
            multiply(operand, &b, &mut OutputC { accumulate: true, ..OutputC::row_major(&mut c, m, n) });
            for (e, got) in c.iter().enumerate() {
                let want = 2.0 + (0..k).map(|l| a[e / n * k + l] * b[e % n * k + l]).sum::<f32>();
                assert_eq!(*got, want, "{m}x{k}x{n} element {e}");
            }
            let block = DotRows { a: &a, a_rows: [0; MR], segments: &starts, segment_len, b: &b, k };
            let mut c = vec![0.0; 4];
            multiply(operand, &b, &mut OutputC::row_major(&mut c, 1, 1));
            assert_eq!(c[0], dot_portable::<1>(&block)[0][0]);
        }
    }
}
