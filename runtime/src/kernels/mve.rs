//! The vector kernels of Armv8.1-M: rows of doubling and dense layers; what they cannot make, the portable ones do.
//!
//! Two neighbouring pixels lie side by side, and so do the weights of two horizontal taps. Every such pair of pixels
//! makes an odd column of the output and the even one behind it, each a product of two runs of bytes.
use super::row::{Finish, Out, Row};
use crate::{
    format::{Layout, Op, read_i32, table_at},
    requant::Table,
    weights::{self, DENSE_GROUP, Taps},
};
use core::{arch::global_asm, mem::MaybeUninit, slice};

global_asm!(include_str!("mve.s"), options(raw));

// SAFETY: the signatures are those of `mve.s`.
unsafe extern "C" {
    fn ganlet_start(sums: *mut i32, biases: *const i32, count: usize);
    fn ganlet_windows(
        even: *const u8,
        odd: *const u8,
        pixels: *const u8,
        sums: *mut i32,
        sums_end: *mut i32,
        pixel: usize,
        steps: usize,
    );
    fn ganlet_window(even: *const u8, odd: *const u8, pixels: *const u8, sums: *mut i32, steps: usize);
    fn ganlet_edges(
        a0: *const u8,
        w0: *const u8,
        a1: *const u8,
        w1: *const u8,
        count: usize,
        first: *mut i32,
        last: *mut i32,
    );
    fn ganlet_finish(sums: *const i32, out: *mut u8, step: usize, m: i32, zero_point: i32, count: usize);
    fn ganlet_table(sums: *const i32, out: *mut u8, step: usize, m: i32, table: *const Table, count: usize);
    fn ganlet_finish_each(
        sums: *const i32,
        biases: *const u8,
        scales: *const u8,
        out: *mut u8,
        zero_point: i32,
        count: usize,
    );
    fn ganlet_dots(values: *const u8, rows: *const u8, count: usize, sums: *mut i32, sums_end: *mut i32);
    fn ganlet_words(values: *const u8, words: *const u8, fours: usize, sums: *mut i32);
    fn ganlet_split(words: *const u8, eights: usize, even: *mut u8, odd: *mut u8, channels: usize);
}

/// Pairs of pixels that [`ganlet_windows`] takes at a time.
const BLOCK: usize = 3;
/// Columns of the widest row made here.
const MOST_COLUMNS: usize = 256;
/// Channels whose fast weights are split at a time.
const MOST_SPLIT: usize = 512;
/// Outputs of a dense layer made at a time.
const MOST_DENSE: usize = 64;

/// Makes the row if it is one for these kernels.
pub(super) fn write(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    match row.layer.op {
        Op::Dense { .. } => dense(row, out).is_some(),
        op if weights::doubles(op) => double(row, out).is_some(),
        _ => false,
    }
}

/// The sums of a row of one channel, column by column.
struct Sums<'a> {
    sums: &'a mut [i32],
    /// Input pixels.
    w: usize,
    c_in: usize,
}

/// A part of the channels of an input row, and their weights of one tap row.
struct Part<'a> {
    row: &'a [u8],
    /// The first channel.
    from: usize,
    /// Of even and of odd columns: those of the left one of two pixels, then those of the right one.
    taps: [&'a [u8]; 2],
}

impl Sums<'_> {
    /// Starts with the biases of even columns, the first, odd columns and the last.
    fn start(&mut self, biases: &[i32; 4]) {
        if !self.sums.is_empty() {
            // SAFETY: all sums are written, of which there is one at least.
            unsafe { ganlet_start(self.sums.as_mut_ptr(), biases.as_ptr(), self.sums.len()) }
        }
    }

    /// Adds the products of a part.
    #[inline(always)]
    fn add(&mut self, part: &Part<'_>) {
        let (c, w) = (self.c_in, self.w);
        let [even, odd] = part.taps;
        let n = even.len() / 2;
        if part.from + n > c || part.row.len() < w * c || odd.len() != 2 * n || self.sums.len() != 2 * w || w == 0 {
            return;
        }
        let row = part.row.as_ptr().wrapping_add(part.from);
        let sums = self.sums.as_mut_ptr();
        let windows = |pixels: *const u8, tap: usize, run: usize| {
            let (even, odd) = (even.as_ptr().wrapping_add(tap), odd.as_ptr().wrapping_add(tap));
            // Whole blocks, then one pair after the other.
            let blocks = (w - 1) / BLOCK * BLOCK;
            let (begin, middle) = (sums.wrapping_add(1), sums.wrapping_add(1 + 2 * blocks));
            // SAFETY: each pair of pixels but the edges has two sums. The last pair is the last pixel and the one before
            // it, of which `run` bytes from here on are read, a multiple of 16, of weights likewise.
            unsafe {
                if blocks > 0 {
                    ganlet_windows(even, odd, pixels, begin, middle, c, run / 16);
                }
                for pair in blocks..w - 1 {
                    let (pixels, sums) = (pixels.wrapping_add(pair * c), begin.wrapping_add(2 * pair));
                    ganlet_window(even, odd, pixels, sums, run / 16);
                }
            }
        };
        if n == c {
            // Both pixels are one run.
            windows(row, 0, 2 * n);
        } else {
            windows(row, 0, n);
            windows(row.wrapping_add(c), n, n);
        }
        let (a1, w0) = (row.wrapping_add((w - 1) * c), even.as_ptr().wrapping_add(n));
        // SAFETY: n bytes of the first and of the last pixel are read, and of the weights' right and left half.
        unsafe { ganlet_edges(row, w0, a1, odd.as_ptr(), n, sums, sums.wrapping_add(2 * w - 1)) }
    }

    /// Writes the values of channel `o`.
    #[inline(always)]
    fn finish(&self, finish: &Finish<'_>, out: &mut [u8], c: usize, o: usize) {
        if out.len() < self.sums.len() * c || o >= c || self.sums.is_empty() {
            return;
        }
        let (sums, to, count) = (self.sums.as_ptr(), out.as_mut_ptr().wrapping_add(o), self.sums.len());
        // SAFETY: the row has a pixel for each sum, whose channel `o` is written.
        unsafe {
            match finish.table {
                None => ganlet_finish(sums, to, c, finish.m, finish.zero_point, count),
                Some(table) => ganlet_table(sums, to, c, finish.m, table, count),
            }
        }
    }
}

/// A row of a doubling layer.
#[inline(never)]
fn double(row: &Row<'_>, out: &mut Out<'_>) -> Option<()> {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let w = usize::from(row.input.shape.w);
    let mut all = [0; MOST_COLUMNS];
    let mut sums = Sums { sums: all.get_mut(..2 * w)?, w, c_in };
    if !c_in.is_multiple_of(8) || c_in == 0 || w == 0 {
        return None;
    }
    let fast = row.layer.layout == Layout::Fast;
    if fast && c_in > MOST_SPLIT && !c_in.is_multiple_of(16) {
        return None;
    }
    let mut finish = row.finish(0);
    let rows = row.tap_rows();
    let weights = Taps::of_phase(row.blob, row.layer, c_in, c_out, rows.phase);
    for o in 0..c_out {
        sums.start(&row.border_biases(o).0);
        let taps = weights.channel(o, c_in);
        for (t, row) in rows.rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            match taps {
                Taps::Compact(columns) => {
                    let taps = columns.map(|block| block.get(2 * t * c_in..).and_then(|b| b.get(..2 * c_in)));
                    if let [Some(even), Some(odd)] = taps {
                        sums.add(&Part { row, from: 0, taps: [even, odd] });
                    }
                }
                Taps::Fast(words) => {
                    let words = words.get(8 * t * c_in..).and_then(|b| b.get(..8 * c_in)).unwrap_or_default();
                    for (i, words) in words.chunks(8 * MOST_SPLIT).enumerate() {
                        add_words(&mut sums, row, i * MOST_SPLIT, words);
                    }
                }
            }
        }
        finish.m = read_i32(row.blob, row.layer.scale, o);
        sums.finish(&finish, out.bytes, c_out, o);
    }
    Some(())
}

/// Adds the products of a row's channels `from` on with their words.
#[inline(never)]
fn add_words(sums: &mut Sums<'_>, row: &[u8], from: usize, words: &[u8]) {
    let mut split = [MaybeUninit::<u8>::uninit(); 4 * MOST_SPLIT];
    let n = words.len() / 8;
    if !n.is_multiple_of(8) || n == 0 || n > MOST_SPLIT {
        return;
    }
    let even = split.as_mut_ptr().cast::<u8>();
    // SAFETY: the kernel reads eight bytes a channel and writes two to either slice: all of both.
    let taps = unsafe {
        let odd = even.add(2 * n);
        ganlet_split(words.as_ptr(), n / 8, even, odd, n);
        [slice::from_raw_parts(even, 2 * n), slice::from_raw_parts(odd, 2 * n)]
    };
    sums.add(&Part { row, from, taps });
}

/// A row of a dense layer without a table.
#[inline(never)]
fn dense(row: &Row<'_>, out: &mut Out<'_>) -> Option<()> {
    let (c, layer, input) = (usize::from(row.shape.c), row.layer, row.input.bytes);
    let n = input.len();
    if table_at(row.blob, layer.activation).is_some()
        || !c.is_multiple_of(DENSE_GROUP)
        || !n.is_multiple_of(4)
        || n == 0
    {
        return None;
    }
    let (row_len, y) = (row.shape.row_len(), usize::from(row.y));
    let per_value = layer.bias.len as usize != 4 * c;
    let fast = layer.layout == Layout::Fast;
    let each = if fast { 2 * n } else { n };
    let mut weights = row.weights().get(y * row_len * each..)?;
    let words = |at: usize, count: usize| row.blob.get(at..).and_then(|b| b.get(..4 * count));
    let mut sums = [0; MOST_DENSE];
    for x in 0..usize::from(row.shape.w) {
        for first in (0..c).step_by(MOST_DENSE) {
            let count = MOST_DENSE.min(c - first);
            let (here, behind) = weights.split_at_checked(count * each)?;
            weights = behind;
            let sums = sums.get_mut(..count)?;
            if fast {
                let groups = here.chunks_exact(each * DENSE_GROUP);
                groups.zip(sums.as_chunks_mut().0).for_each(|(words, sums)| group(input, words, sums));
            } else {
                let all = sums.as_mut_ptr_range();
                // SAFETY: `count` is a multiple of four, and that many rows of n weights are there.
                unsafe { ganlet_dots(input.as_ptr(), here.as_ptr(), n, all.start, all.end) }
            }
            let bias = if per_value { y * row_len + x * c } else { 0 } + first;
            let biases = words(layer.bias.at as usize + 4 * bias, count)?;
            let scales = words(layer.scale.at as usize + 4 * first, count)?;
            let to = out.bytes.get_mut(x * c + first..)?.get_mut(..count)?;
            let zero_point = layer.zero_point.into();
            // SAFETY: `count` sums, biases and multipliers are there, as well as places.
            unsafe {
                ganlet_finish_each(sums.as_ptr(), biases.as_ptr(), scales.as_ptr(), to.as_mut_ptr(), zero_point, count);
            }
        }
    }
    Some(())
}

/// The sums of a group of outputs with fast weights.
fn group(input: &[u8], words: &[u8], sums: &mut [i32; DENSE_GROUP]) {
    sums.fill(0);
    // 512 products of at most 127·128 always fit 24 bits.
    for (input, words) in input.chunks(512).zip(words.chunks(512 * 2 * DENSE_GROUP)) {
        if words.len() < input.len() * 2 * DENSE_GROUP {
            return;
        }
        // SAFETY: the count of values is a multiple of four, and each has four words; eight sums are written.
        unsafe { ganlet_words(input.as_ptr(), words.as_ptr(), input.len() / 4, sums.as_mut_ptr()) }
    }
}
