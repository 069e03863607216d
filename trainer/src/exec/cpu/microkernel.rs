//! Blocked matrix product: loops over panels and k-blocks, and the micro-kernels that compute micro-tiles of C.
//!
//! A micro-kernel keeps MR rows by the columns of a panel of C in vector registers. It reads a row of a panel of B and
//! one element of each row of A. Wide panels come from the second-level cache as fast as the multiply-adds need them;
//! narrow ones stay in the first-level cache. `docs/SPEED.md` lists the measured rates.

use super::buffer::Buffer;
#[cfg(target_arch = "aarch64")]
use super::microkernel_neon;
#[cfg(target_arch = "x86_64")]
use super::microkernel_x86;
use super::operands::{MicroTile, OperandA, OperandB, OutputC, RowOffsets, panel_width};
use crate::simd::{InstructionSet, instruction_set};
use std::cell::RefCell;

/// Minimum number of rows of A for which a slice of B is copied before it is read, if its rows are not contiguous: a
/// dozen micro-tiles read the copy, and rows at a power of two apart would share few sets of the first-level cache.
const MIN_COPIED_ROWS: usize = 72;

/// Length of a k-block. With panels of 64 columns, a block stays in the second-level cache while all rows of A use it.
/// With panels of 16 columns, it takes half of a first-level cache of 32 KB.
#[inline]
fn k_block_len(panel_width: usize) -> usize {
    if panel_width == 64 { 1024 } else { 256 }
}

thread_local! {
    /// A copied slice of B.
    static SLICE: RefCell<Buffer> = RefCell::default();
}

/// c = a · b, or c += a · b if `c.accumulate` is set. Does nothing if k is 0.
///
/// # Panics
/// If a row of A, a panel of B or a row of C does not lie within its slice.
pub(super) fn multiply(a: OperandA<'_>, b: OperandB<'_>, c: &mut OutputC<'_>) {
    if a.k() == 0 {
        return;
    }
    let panel_width = panel_width();
    let max_len = k_block_len(panel_width);
    let copied = panel_width == 16 && b.row_stride > 16 && c.m >= MIN_COPIED_ROWS;
    for panel in 0..c.n.div_ceil(panel_width) {
        let j = panel * panel_width;
        let width = panel_width.min(c.n - j);
        let mut done = 0;
        let mut k_block = |segments: &[usize], offset: usize, segment_len: usize| {
            let data = &b.data[panel * b.panel_stride + done * b.row_stride..];
            let b = PanelB { data, row_stride: b.row_stride, width };
            let a = OperandA { data: &a.data[offset..], segments, segment_len, ..a };
            let accumulate = c.accumulate || done > 0;
            if copied {
                b.copied(a.k(), |b| multiply_panel(a, b, c, j, accumulate));
            } else {
                multiply_panel(a, b, c, j, accumulate);
            }
            done += segments.len() * segment_len;
        };
        if a.segment_len <= max_len {
            a.segments.chunks(max_len / a.segment_len).for_each(|segments| k_block(segments, 0, a.segment_len));
        } else {
            for segment in a.segments.chunks(1) {
                for at in (0..a.segment_len).step_by(max_len) {
                    k_block(segment, at * a.col_stride, max_len.min(a.segment_len - at));
                }
            }
        }
    }
}

/// Whether the micro-kernels for this processor use vector instructions.
pub(super) fn vectorized() -> bool {
    instruction_set() != InstructionSet::Portable
}

/// A k-block of one panel of B.
#[derive(Clone, Copy)]
struct PanelB<'a> {
    data: &'a [f32],
    row_stride: usize,
    width: usize,
}

impl PanelB<'_> {
    /// Copies the first `k` rows into rows of 16 columns that follow each other, and lends the copy to `work`.
    fn copied(&self, k: usize, work: impl FnOnce(PanelB<'_>)) {
        SLICE.with_borrow_mut(|slice| {
            slice.grow(16 * k);
            for (to, from) in slice.chunks_exact_mut(16).zip(self.data.chunks(self.row_stride)).take(k) {
                match from.first_chunk::<16>() {
                    Some(from) if self.width == 16 => to.copy_from_slice(from),
                    _ => to[..self.width].copy_from_slice(&from[..self.width]),
                }
            }
            work(PanelB { data: slice, row_stride: 16, width: self.width });
        });
    }
}

/// Computes columns `j..j + b.width` of C with the micro-kernel that suits the panel's width.
fn multiply_panel(a: OperandA<'_>, b: PanelB<'_>, c: &mut OutputC<'_>, j: usize, accumulate: bool) {
    match instruction_set() {
        #[cfg(target_arch = "x86_64")]
        // With one or two rows, taller micro-tiles would be mostly idle.
        InstructionSet::Avx512 if c.m <= 2 => match b.width.div_ceil(16) {
            1 => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx512::<2, 1>),
            2 => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx512::<2, 2>),
            3 => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx512::<2, 3>),
            _ => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx512::<2, 4>),
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => match b.width.div_ceil(16) {
            1 => run_micro_tiles::<12>(a, b, c, j, accumulate, microkernel_x86::avx512::<12, 1>),
            2 => run_micro_tiles::<12>(a, b, c, j, accumulate, microkernel_x86::avx512::<12, 2>),
            3 => run_micro_tiles::<8>(a, b, c, j, accumulate, microkernel_x86::avx512::<8, 3>),
            _ => run_micro_tiles::<6>(a, b, c, j, accumulate, microkernel_x86::avx512::<6, 4>),
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 if c.m <= 2 => match b.width {
            16 => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx2::<2, 2, true>),
            9.. => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx2::<2, 2, false>),
            8 => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx2::<2, 1, true>),
            _ => run_micro_tiles::<2>(a, b, c, j, accumulate, microkernel_x86::avx2::<2, 1, false>),
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => match b.width {
            16 => run_micro_tiles::<6>(a, b, c, j, accumulate, microkernel_x86::avx2::<6, 2, true>),
            9.. => run_micro_tiles::<6>(a, b, c, j, accumulate, microkernel_x86::avx2::<6, 2, false>),
            8 => run_micro_tiles::<8>(a, b, c, j, accumulate, microkernel_x86::avx2::<8, 1, true>),
            _ => run_micro_tiles::<8>(a, b, c, j, accumulate, microkernel_x86::avx2::<8, 1, false>),
        },
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => match (a.col_stride, b.width) {
            (1, 16) => run_micro_tiles::<5>(a, b, c, j, accumulate, microkernel_neon::by_rows::<true>),
            (1, _) => run_micro_tiles::<5>(a, b, c, j, accumulate, microkernel_neon::by_rows::<false>),
            (_, 16) => run_micro_tiles::<6>(a, b, c, j, accumulate, microkernel_neon::by_columns::<true>),
            _ => run_micro_tiles::<6>(a, b, c, j, accumulate, microkernel_neon::by_columns::<false>),
        },
        InstructionSet::Portable => run_micro_tiles::<6>(a, b, c, j, accumulate, portable_6x16),
    }
}

// SAFETY: the caller checks bounds and selects a micro-kernel whose instructions the processor has; see
// `run_micro_tiles`.
#[allow(unsafe_code)]
type MicroKernel<const MR: usize> = unsafe fn(&MicroTile<'_, MR>);

/// Calls `kernel` for every micro-tile of columns `j..j + b.width` of C.
fn run_micro_tiles<const MR: usize>(
    a: OperandA<'_>,
    b: PanelB<'_>,
    c: &mut OutputC<'_>,
    j: usize,
    accumulate: bool,
    kernel: MicroKernel<MR>,
) {
    let reach = a.segments.iter().max().map_or(0, |&s| s + (a.segment_len - 1) * a.col_stride);
    let (a_rows, c_rows) = (a.rows, c.rows);
    assert!((a.k() - 1) * b.row_stride + b.width <= b.data.len(), "a panel of B exceeds its slice");
    assert!(a_rows.max(c.m) + reach < a.data.len(), "a row of A exceeds its slice");
    assert!(c_rows.max(c.m) + j + b.width <= c.data.len(), "a row of C exceeds its slice");
    let mut tile = MicroTile {
        a: a.data.as_ptr(),
        a_rows: [0; MR],
        segments: a.segments,
        segment_len: a.segment_len,
        a_col_stride: a.col_stride,
        b: b.data.as_ptr(),
        b_row_stride: b.row_stride,
        width: b.width,
        c: c.data.as_mut_ptr(),
        c_rows: [0; MR],
        accumulate,
    };
    for first in (0..c.m).step_by(MR) {
        if let (RowOffsets::Strided(a_stride), RowOffsets::Strided(c_stride), true) =
            (a_rows, c_rows, first + MR <= c.m)
        {
            for r in 0..MR {
                tile.a_rows[r] = (first + r) * a_stride;
                tile.c_rows[r] = (first + r) * c_stride + j;
            }
        } else {
            for r in 0..MR {
                // Rows beyond the last one repeat the last one: they compute and store the same values again.
                let row = (first + r).min(c.m - 1);
                tile.a_rows[r] = a_rows.at(row);
                tile.c_rows[r] = c_rows.at(row) + j;
            }
        }
        // SAFETY: every row of A and C and the panel lie within their slices, as asserted above. `instruction_set`
        // selected a micro-kernel whose instructions this processor has, and the panel's width fits it.
        #[allow(unsafe_code)]
        unsafe {
            kernel(&tile);
        }
    }
}

/// Micro-kernel of 6 rows by up to 16 columns without vector instructions: the reference of the vector kernels.
///
/// # Safety
/// The bounds hold that [`run_micro_tiles`] asserts.
// SAFETY: see above; it uses no instructions that a processor might lack.
#[allow(unsafe_code)]
unsafe fn portable_6x16(t: &MicroTile<'_, 6>) {
    let mut sums = [[0.0f32; 16]; 6];
    let mut b = t.b;
    // SAFETY: the caller checked all rows of A and C and the panel of B.
    unsafe {
        for &segment in t.segments {
            for i in 0..t.segment_len {
                let mut b_row = [0.0f32; 16];
                std::ptr::copy_nonoverlapping(b, b_row.as_mut_ptr(), t.width);
                for (sums, row) in sums.iter_mut().zip(t.a_rows) {
                    let a = *t.a.add(row + segment + i * t.a_col_stride);
                    sums.iter_mut().zip(b_row).for_each(|(s, b)| *s += a * b);
                }
                b = b.wrapping_add(t.b_row_stride);
            }
        }
        // All rows are read before any is written, because repeated rows of a tile are the same row of C.
        if t.accumulate {
            for (sums, row) in sums.iter_mut().zip(t.c_rows) {
                (0..t.width).for_each(|j| sums[j] += *t.c.add(row + j));
            }
        }
        for (sums, row) in sums.iter().zip(t.c_rows) {
            std::ptr::copy_nonoverlapping(sums.as_ptr(), t.c.add(row), t.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::{pack_b, packed_b_len};
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 64) as f32 / 16.0 - 2.0).collect()
    }

    /// All values are small multiples of 1/16, so every sum is exact and kernels must agree to the last bit.
    #[test]
    fn blocked_products_equal_naive_sums() {
        for (m, segments, segment_len, n) in [
            (1, 1, 1, 1),
            (6, 1, 9, 16),
            (13, 2, 5, 17),
            (25, 3, 8, 40),
            (7, 1, 33, 64),
            (12, 2, 700, 65),
            (5, 1, 2100, 130),
            (80, 2, 150, 28),
        ] {
            let k = segments * segment_len;
            let (a, b) = (numbers(m * k + 3, m), numbers(k * n, n));
            let starts: Vec<_> = (0..segments).map(|s| s * segment_len).collect();
            for transposed in [false, true] {
                let rows: Vec<_> = (0..m).map(|r| if transposed { r } else { r * k }).collect();
                let starts: Vec<_> = starts.iter().map(|s| if transposed { s * m } else { *s }).collect();
                let col_stride = if transposed { m } else { 1 };
                let rows = RowOffsets::Table(&rows);
                let operand_a = OperandA { data: &a, rows, segments: &starts, segment_len, col_stride };
                let mut packed = vec![0.0; packed_b_len(k, n)];
                pack_b(&mut packed, (k, n), &b);
                for operand_b in [OperandB::row_major(&b, n), OperandB::packed(&packed, k, n)] {
                    let mut c = vec![1.0; m * n];
                    let mut output = OutputC { accumulate: true, ..OutputC::row_major(&mut c, m, n) };
                    multiply(operand_a, operand_b, &mut output);
                    for (e, got) in c.iter().enumerate() {
                        let (i, j) = (e / n, e % n);
                        let element = |l: usize| if transposed { a[l * m + i] } else { a[i * k + l] };
                        let want = 1.0 + (0..k).map(|l| element(l) * b[l * n + j]).sum::<f32>();
                        assert_eq!(*got, want, "{m}x{k}x{n} element {e}");
                    }
                }
            }
        }
    }

    #[test]
    fn vector_kernels_equal_the_portable_kernel() {
        let (m, k, n) = (19, 50, 16);
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let a = OperandA::row_major(&a, k);
        let b = PanelB { data: &b, row_stride: n, width: n };
        let run = |kernel: &dyn Fn(&mut OutputC<'_>)| {
            let mut c = vec![0.5; m * n];
            kernel(&mut OutputC { accumulate: true, ..OutputC::row_major(&mut c, m, n) });
            c
        };
        let want = run(&|c| run_micro_tiles::<6>(a, b, c, 0, true, portable_6x16));
        #[cfg(target_arch = "x86_64")]
        for set in InstructionSet::available() {
            let got = match set {
                InstructionSet::Avx512 => {
                    run(&|c| run_micro_tiles::<12>(a, b, c, 0, true, microkernel_x86::avx512::<12, 1>))
                }
                InstructionSet::Avx2 => {
                    run(&|c| run_micro_tiles::<6>(a, b, c, 0, true, microkernel_x86::avx2::<6, 2, true>))
                }
                InstructionSet::Portable => continue,
            };
            assert_eq!(got, want, "{set}");
        }
        #[cfg(target_arch = "aarch64")]
        {
            assert_eq!(run(&|c| run_micro_tiles::<5>(a, b, c, 0, true, microkernel_neon::by_rows::<true>)), want);
            assert_eq!(run(&|c| run_micro_tiles::<6>(a, b, c, 0, true, microkernel_neon::by_columns::<true>)), want);
        }
        assert_eq!(want.len(), m * n);
    }
}
