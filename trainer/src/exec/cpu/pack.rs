//! Packing: copies B into contiguous panels, which a micro-kernel reads from start to end.

use super::buffer::Buffer;
use super::operands::panel_width;
use super::tasks::{TaskSlices, for_each_task};
use crate::simd::multiversion;
use std::cell::RefCell;

/// Elements of a packed B of `k` x `n`. The last panel is padded to full width unless it is the only one.
pub(super) fn packed_b_len(k: usize, n: usize) -> usize {
    k * if n <= panel_width() { n } else { n.next_multiple_of(panel_width()) }
}

/// Packs the row-major `k` x `n` matrix `b`.
pub(super) fn pack_b(to: &mut [f32], (k, n): (usize, usize), b: &[f32]) {
    let row_stride = n.min(panel_width());
    for_each_task(0..n.div_ceil(panel_width()), TaskSlices::one(to, k * panel_width()), &|panel, mut slices| {
        let (j, rows) = (panel * panel_width(), slices.first().chunks_mut(row_stride));
        let width = panel_width().min(n - j);
        for (packed, row) in rows.take(k).zip(b.chunks_exact(n)) {
            packed[..width].copy_from_slice(&row[j..][..width]);
        }
    });
}

/// Packs a B of `k` x `n` from its transpose `bt`, in which each of the `n` columns of B is a run of `k` elements.
pub(super) fn pack_b_transposed(to: &mut [f32], k: usize, n: usize, bt: &[f32]) {
    pack_rows_transposed(to, k, n, 0, k, bt);
}

/// Packs rows `first..first + rows` of a B of `k` x `n` from their transpose `bt`.
pub(super) fn pack_rows_transposed(to: &mut [f32], k: usize, n: usize, first: usize, rows: usize, bt: &[f32]) {
    transpose_to_panels(to, panel_width(), k, n, first, rows, bt);
}

/// Writes the row-major `n` x `k` matrix `from` as a row-major `k` x `n` matrix.
pub(super) fn transpose(to: &mut [f32], k: usize, n: usize, from: &[f32]) {
    transpose_to_panels(to, n.next_multiple_of(16), k, n, 0, k, from);
}

multiversion! {
    /// Writes rows `first..first + rows` of a B of `k` x `n` in panels of `panel` columns, a multiple of 16, from its
    /// transpose `bt`, in which each of the `n` columns of B is a run of `rows` elements.
    fn transpose_to_panels(
        to: &mut [f32],
        panel: usize,
        k: usize,
        n: usize,
        first: usize,
        rows: usize,
        bt: &[f32],
    ) {
        let row_stride = n.min(panel);
        for j in (0..n).step_by(16) {
            let panel = &mut to[j / panel * panel * k + first * row_stride + j % panel..];
            let width = 16.min(n - j);
            for i in (0..rows).step_by(16) {
                let height = 16.min(rows - i);
                if (width, height) == (16, 16) {
                    // Arrays of known length let the compiler transpose whole squares without loops or bounds checks.
                    let square: [&[f32; 16]; 16] = std::array::from_fn(|c| {
                        bt[(j + c) * rows + i..].first_chunk().unwrap_or(&[0.0; 16])
                    });
                    for r in 0..16 {
                        if let Some(row) = panel[(i + r) * row_stride..].first_chunk_mut::<16>() {
                            *row = std::array::from_fn(|c| square[c][r]);
                        }
                    }
                    continue;
                }
                for r in 0..height {
                    for c in 0..width {
                        panel[(i + r) * row_stride + c] = bt[(j + c) * rows + i + r];
                    }
                }
            }
        }
    }
}

thread_local! {
    static PACK_BUFFER: RefCell<Buffer> = RefCell::default();
}

/// Lends `len` elements of the calling thread's pack buffer to `work`. The buffer grows once and is kept.
pub(super) fn with_pack_buffer(len: usize, work: impl FnOnce(&mut [f32])) {
    PACK_BUFFER.with_borrow_mut(|buffer| {
        buffer.grow(len);
        work(&mut buffer[..len]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_a_transpose_restores_the_order_of_rows() {
        let bt: Vec<f32> = (0..70 * 20).map(|i| ((i * 37 + 303) % 64) as f32 / 16.0 - 2.0).collect();
        let mut packed = vec![0.0; packed_b_len(20, 70)];
        pack_b_transposed(&mut packed, 20, 70, &bt);
        for (i, j) in (0..20 * 70).map(|e| (e / 70, e % 70)) {
            let at = j / panel_width() * 20 * panel_width() + i * panel_width() + j % panel_width();
            assert_eq!(packed[at], bt[j * 20 + i]);
        }
    }
}
