//! Kernels for Armv8.1-M with vectors (Cortex-M55): sixteen products an instruction, straight from compact weights.
use super::{
    dense::{self, Sums},
    row::{Out, Row},
};
use crate::weights::{DENSE_GROUP, Taps};
use core::{arch::global_asm, ptr};

global_asm!(include_str!("mve.s"), options(raw));

/// A tap row under windows: the first window's left pixel, and the weights of even and odd columns.
#[repr(C)]
#[derive(Clone, Copy)]
struct Tap {
    pixels: *const u8,
    even: *const u8,
    odd: *const u8,
}

/// A tap row under the first and the last column.
#[repr(C)]
#[derive(Clone, Copy)]
struct Edge {
    first: *const u8,
    last: *const u8,
    even: *const u8,
    odd: *const u8,
}

unsafe extern "C" {
    fn ganlet_windows(taps: *const Tap, c: usize, sums: *mut [i32; 6]);
    fn ganlet_edges(taps: *const Edge, c: usize, sums: *mut [i32; 2]);
    fn ganlet_rows(values: *const u8, rows: *const u8, count: usize, sums: *mut i32);
}

/// Windows that are multiplied together.
const TOGETHER: usize = 3;

/// As `Row::double`, for compact weights and at least four pixels a row; otherwise says that nothing was done.
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    let weights = Taps::of_phase(row.blob, row.layer, c_in, c_out, rows.phase);
    if w <= TOGETHER || c_in == 0 || !matches!(weights, Taps::Compact(_)) {
        return false;
    }
    for o in 0..c_out {
        let Taps::Compact([even, odd]) = weights.channel(o, c_in) else { return false };
        let (mut taps, mut edges) = ([[ptr::null(); 3]; 3], [[ptr::null(); 4]; 3]);
        let seen = rows.rows.iter().enumerate().filter_map(|(t, row)| row.map(|row| (t, row)));
        for (((t, row), tap), edge) in seen.zip(&mut taps).zip(&mut edges) {
            // Each tap row has its high weights, for left pixels, and then its low ones.
            let block = |weights: &[u8]| weights.get(2 * t * c_in..2 * (t + 1) * c_in).map(<[u8]>::as_ptr);
            let (Some(even), Some(odd), true) = (block(even), block(odd), row.len() >= w * c_in) else { return false };
            let row = row.as_ptr();
            *tap = [row, even, odd];
            *edge = [row, row.wrapping_add((w - 1) * c_in), even.wrapping_add(c_in), odd];
        }
        let (finish, bias) = (row.finish(o), row.border_biases(o).0);
        let [even, first, odd, last] = bias;
        let mut sums = [0; 2];
        let edges = edges.map(|[first, last, even, odd]| Edge { first, last, even, odd });
        // SAFETY: the pixels and weights are c_in values each within the slices checked above, and a null row ends.
        unsafe { ganlet_edges(edges.as_ptr(), c_in, &raw mut sums) };
        let [left, right] = sums;
        out.put(0, o, finish.apply(first.wrapping_add(left)));
        out.put(2 * w - 1, o, finish.apply(last.wrapping_add(right)));
        for p in (0..w - 1).step_by(TOGETHER) {
            // The last ones overlap those before where the count does not come out even.
            let p = p.min(w - 1 - TOGETHER);
            let taps = taps.map(|[pixels, even, odd]| {
                let pixels = if pixels.is_null() { pixels } else { pixels.wrapping_add(p * c_in) };
                Tap { pixels, even, odd }
            });
            let mut sums = [0; 6];
            // SAFETY: windows p to p + 2 see the pixels p to p + 3 < w of each row and 2 c_in weights of each block.
            unsafe { ganlet_windows(taps.as_ptr(), c_in, &raw mut sums) };
            for (window, pair) in sums.chunks_exact(2).enumerate() {
                if let &[e, o_sum] = pair {
                    let x = 2 * (p + window) + 1;
                    out.put(x, o, finish.apply(odd.wrapping_add(o_sum)));
                    out.put(x + 1, o, finish.apply(even.wrapping_add(e)));
                }
            }
        }
    }
    true
}

/// As `dense::dots`.
pub(super) fn dots(input: &[u8], rows: &[u8]) -> Sums {
    let n = input.len();
    if n == 0 || rows.len() < n * DENSE_GROUP {
        return dense::dots(input, rows);
    }
    let mut sums = [0; DENSE_GROUP];
    for (sums, rows) in sums.chunks_exact_mut(DENSE_GROUP / 2).zip(rows.chunks_exact(n * DENSE_GROUP / 2)) {
        // SAFETY: the kernel reads n values, n weights of each of four rows, and writes four sums.
        unsafe { ganlet_rows(input.as_ptr(), rows.as_ptr(), n, sums.as_mut_ptr()) }
    }
    sums
}
