//! Kernels for Armv8.1-M with vectors (Cortex-M55): sixteen products an instruction, straight from compact weights.
use super::{
    dense::{self, Sums},
    row::{Finish, Out, Row},
};
use crate::{
    format::{read_i32, table_at},
    plan::Form,
    weights::{DENSE_GROUP, Taps},
};
use core::{arch::global_asm, ptr};

global_asm!(include_str!("mve.s"), options(raw));

/// A row of one output channel as [`ganlet_columns`] makes it: all but the first and the last column.
#[repr(C)]
struct Columns {
    /// Of up to two tap rows the left pixel of the next window; the second may be null.
    pixels: [*const u8; 2],
    even: [*const u8; 2],
    odd: [*const u8; 2],
    c: usize,
    /// Where the odd column of the next window goes.
    out: *mut u8,
    /// Windows to come.
    left: i32,
    /// Added behind the multiplication.
    offset: i32,
    /// Null saturates.
    table: *const u8,
    /// Channels of an output pixel.
    channels: usize,
    /// Of an even and an odd column, twice.
    biases: [i32; 4],
    multipliers: [i32; 4],
    /// Bytes from `out` to those columns.
    places: [usize; 4],
}

// SAFETY: defined in mve.s with these arguments; each says there what it reads and writes.
unsafe extern "C" {
    fn ganlet_columns(columns: *mut Columns);
    fn ganlet_edges(taps: *const [[*const u8; 4]; 3], c: usize, sums: *mut [i32; 2]);
    fn ganlet_rows(values: *const u8, rows: *const u8, count: usize, sums: *mut i32);
}

/// Windows that are multiplied together.
const TOGETHER: usize = 3;

/// As `Row::double`, for compact weights and at least four pixels a row; otherwise says that nothing was done.
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    let Taps::Compact([even, odd]) = Taps::of_phase(row.blob, row.layer, c_in, c_out, rows.phase) else { return false };
    // A channel's weights: two tap rows of high weights, for left pixels, and low ones.
    let (each, c) = (4 * c_in, out.c);
    let whole = even.len() >= each * c_out && odd.len() >= each * c_out;
    let fits = out.form == Form::Plain && out.bytes.len() >= 2 * w * c && c_out <= c;
    if w <= TOGETHER || c_in == 0 || !whole || !fits {
        return false;
    }
    let mut edges = [[ptr::null(); 4]; 3];
    let seen = rows.rows.iter().enumerate().filter_map(|(t, row)| row.map(|row| (t, row)));
    for ((t, row), edge) in seen.zip(&mut edges) {
        if row.len() < w * c_in {
            return false;
        }
        let [row, even, odd] = [row.as_ptr(), even.as_ptr(), odd.as_ptr()];
        let (high, low) = (2 * t * c_in, (2 * t + 1) * c_in);
        *edge = [row, row.wrapping_add((w - 1) * c_in), even.wrapping_add(low), odd.wrapping_add(high)];
    }
    let table = table_at(row.blob, row.layer.activation);
    for o in 0..c_out {
        let finish =
            Finish { m: read_i32(row.blob, row.layer.scale, o), zero_point: row.layer.zero_point.into(), table };
        let [even, first, odd, last] = row.border_biases(o).0;
        let mut sums = [0; 2];
        // SAFETY: the pixels and weights are c_in values each within the slices checked above, and a null row ends.
        unsafe { ganlet_edges(&raw const edges, c_in, &raw mut sums) };
        let [left, right] = sums;
        out.put(0, o, finish.apply(first.wrapping_add(left)));
        out.put(2 * w - 1, o, finish.apply(last.wrapping_add(right)));
        let [[row, _, low, high], [second, _, second_low, second_high], _] = edges;
        let mut columns = Columns {
            pixels: [row, second],
            // The high weights of even columns lie before the low ones.
            even: [low, second_low].map(|low| low.wrapping_sub(c_in)),
            odd: [high, second_high],
            c: c_in,
            out: out.bytes.as_mut_ptr().wrapping_add(c + o),
            left: (w - 1) as i32,
            offset: if finish.table.is_some() { 0 } else { finish.zero_point },
            table: finish.table.map_or(ptr::null(), |t| t.as_ptr()),
            channels: c,
            biases: [even, odd, even, odd],
            multipliers: [finish.m; 4],
            places: [c, 0, 3 * c, 2 * c],
        };
        // SAFETY: w - 1 windows see the w pixels of each row and 2 c_in weights of each block, which the slices hold;
        // their columns 1 to 2w - 2 of this channel lie within `out`, and a table has an entry behind every index.
        unsafe { ganlet_columns(&raw mut columns) };
        // A row that is left out has no weights to go on from.
        for edge in edges.iter_mut().filter(|edge| !edge[0].is_null()) {
            let [_, _, even, odd] = edge;
            (*even, *odd) = (even.wrapping_add(each), odd.wrapping_add(each));
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
    for (half, sums) in sums.chunks_exact_mut(DENSE_GROUP / 2).enumerate() {
        let Some(rows) = rows.get(half * n * DENSE_GROUP / 2..) else { break };
        // SAFETY: the kernel reads n values, n weights of each of four rows, and writes four sums.
        unsafe { ganlet_rows(input.as_ptr(), rows.as_ptr(), n, sums.as_mut_ptr()) }
    }
    sums
}
