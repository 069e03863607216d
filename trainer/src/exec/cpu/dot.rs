//! Products with one to four columns: sums along contiguous rows, where a tile of columns would be mostly empty.
use super::tile::{Left, NARROW, Out};
#[cfg(target_arch = "x86_64")]
use crate::simd::{InstructionSet, instruction_set};

/// Rows that one call of the vector kernel takes.
const ROWS: usize = 4;

/// What a kernel reads: four rows of the left side, and all columns.
struct Rows<'a> {
    left: &'a [f32],
    rows: [usize; ROWS],
    segments: &'a [usize],
    len: usize,
    /// Columns one after the other, each as long as a row.
    right: &'a [f32],
    depth: usize,
}

/// Sums of each row with each column.
type Sums = [[f32; NARROW]; ROWS];

/// out (+)= left · right for `right` column after column; `left` must be contiguous along its segments.
///
/// # Panics
/// When a row, a column or the result does not lie within its numbers.
pub(super) fn multiply(left: Left<'_>, right: &[f32], out: &mut Out<'_>) {
    match out.columns {
        1 => columns::<1>(left, right, out),
        2 => columns::<2>(left, right, out),
        3 => columns::<3>(left, right, out),
        _ => columns::<4>(left, right, out),
    }
}

fn columns<const COLUMNS: usize>(left: Left<'_>, right: &[f32], out: &mut Out<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512<const COLUMNS: usize>(left: Left<'_>, right: &[f32], out: &mut Out<'_>) {
            // SAFETY: the processor has the instructions; `every` checked that rows and columns lie within their numbers.
            #[allow(unsafe_code)]
            every::<COLUMNS>(left, right, out, |job| unsafe { wide::<COLUMNS>(job) });
        }
        #[target_feature(enable = "avx2")]
        fn avx2<const COLUMNS: usize>(left: Left<'_>, right: &[f32], out: &mut Out<'_>) {
            every::<COLUMNS>(left, right, out, portable::<COLUMNS>);
        }
        match instruction_set() {
            InstructionSet::Avx512 => {
                // SAFETY: `instruction_set` reports AVX-512 only if the processor has it.
                #[allow(unsafe_code)]
                return unsafe { avx512::<COLUMNS>(left, right, out) };
            }
            InstructionSet::Avx2 => {
                // SAFETY: `instruction_set` reports AVX2 only if the processor has it.
                #[allow(unsafe_code)]
                return unsafe { avx2::<COLUMNS>(left, right, out) };
            }
            InstructionSet::Portable => {}
        }
    }
    every::<COLUMNS>(left, right, out, portable::<COLUMNS>);
}

/// Calls `sums` for four rows after the other.
#[inline(always)]
fn every<const COLUMNS: usize>(left: Left<'_>, right: &[f32], out: &mut Out<'_>, sums: impl Fn(&Rows<'_>) -> Sums) {
    let depth = left.segments.len() * left.len;
    let rows = out.rows;
    assert!(left.step == 1 && COLUMNS == out.columns.min(NARROW), "a kernel of {COLUMNS} columns for {}", out.columns);
    assert!(right.len() >= COLUMNS * depth, "columns exceed their numbers");
    let reach = left.segments.iter().max().map_or(0, |&s| s + left.len);
    assert!(left.lines.farthest(rows) + reach <= left.data.len(), "a row exceeds the left numbers");
    let mut job = Rows { left: left.data, rows: [0; ROWS], segments: left.segments, len: left.len, right, depth };
    for first in (0..rows).step_by(ROWS) {
        for (r, line) in job.rows.iter_mut().enumerate() {
            *line = left.lines.at((first + r).min(rows - 1));
        }
        let sums = sums(&job);
        for (r, sums) in sums.iter().enumerate().take(rows - first) {
            let place = out.lines.at(first + r);
            for (o, s) in out.data[place..][..COLUMNS].iter_mut().zip(sums) {
                *o = if out.add { *o + s } else { *s };
            }
        }
    }
}

#[inline(always)]
fn portable<const COLUMNS: usize>(job: &Rows<'_>) -> Sums {
    let mut sums = [[0.0; NARROW]; ROWS];
    for (sums, &row) in sums.iter_mut().zip(&job.rows) {
        for (c, sum) in sums.iter_mut().enumerate().take(COLUMNS) {
            let mut lanes = [0.0f32; 16];
            let mut rest = 0.0;
            for (s, &segment) in job.segments.iter().enumerate() {
                let a = job.left[row + segment..][..job.len].chunks_exact(16);
                let b = job.right[c * job.depth + s * job.len..][..job.len].chunks_exact(16);
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

/// Four rows by up to four columns, sixteen numbers at a time.
///
/// # Safety
/// The processor has AVX-512F; rows and columns lie within their numbers.
// SAFETY: see above.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
unsafe fn wide<const COLUMNS: usize>(job: &Rows<'_>) -> Sums {
    use std::arch::x86_64::*;
    let mut lanes = [[_mm512_setzero_ps(); COLUMNS]; ROWS];
    let mut right = job.right.as_ptr();
    let (whole, tail) = (job.len & !15, ((1u32 << (job.len % 16)) - 1) as u16);
    // SAFETY: the caller checked all rows and columns; the mask keeps to the rest of a segment.
    unsafe {
        for &segment in job.segments {
            let rows: [*const f32; ROWS] = std::array::from_fn(|r| job.left.as_ptr().add(job.rows[r] + segment));
            let mut add = |at: usize, mask: u16| {
                let b: [_; COLUMNS] =
                    std::array::from_fn(|c| _mm512_maskz_loadu_ps(mask, right.wrapping_add(c * job.depth + at)));
                for r in 0..ROWS {
                    let a = _mm512_maskz_loadu_ps(mask, rows[r].wrapping_add(at));
                    for c in 0..COLUMNS {
                        lanes[r][c] = _mm512_fmadd_ps(a, b[c], lanes[r][c]);
                    }
                }
            };
            for at in (0..whole).step_by(16) {
                add(at, 0xFFFF);
            }
            if tail != 0 {
                add(whole, tail);
            }
            right = right.wrapping_add(job.len);
        }
    }
    let mut sums = [[0.0; NARROW]; ROWS];
    for (sums, lanes) in sums.iter_mut().zip(&lanes) {
        sums.iter_mut().zip(lanes).for_each(|(s, l)| *s = _mm512_reduce_add_ps(*l));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::tile::Lines;
    use super::*;

    #[test]
    fn sums_equal_plain_ones() {
        for (m, segments, len, n) in [(1, 1, 1, 1), (5, 2, 16, 3), (9, 3, 21, 4), (2, 1, 100, 2)] {
            let k = segments * len;
            // Small multiples of 1/4: sums are exact in any order.
            let numbers = |n: usize| (0..n).map(|i| (i * 7 % 16) as f32 / 4.0 - 2.0).collect::<Vec<_>>();
            let (a, b) = (numbers(m * k), numbers(n * k));
            let starts: Vec<_> = (0..segments).map(|s| s * len).collect();
            let left = Left { data: &a, lines: Lines::Even(k), segments: &starts, len, step: 1 };
            let mut c = vec![2.0; m * n];
            multiply(left, &b, &mut Out { data: &mut c, lines: Lines::Even(n), rows: m, columns: n, add: true });
            for (e, got) in c.iter().enumerate() {
                let want = 2.0 + (0..k).map(|l| a[e / n * k + l] * b[e % n * k + l]).sum::<f32>();
                assert_eq!(*got, want, "{m}x{k}x{n} element {e}");
            }
            let job = Rows { left: &a, rows: [0; ROWS], segments: &starts, len, right: &b, depth: k };
            let mut c = vec![0.0; 4];
            multiply(left, &b, &mut Out { data: &mut c, lines: Lines::Even(1), rows: 1, columns: 1, add: false });
            assert_eq!(c[0], portable::<1>(&job)[0][0]);
        }
    }
}
