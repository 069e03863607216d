//! Vector kernels of Armv8.1-M (MVE) for rows of doubling and dense layers; the portable kernels compute everything else.
//!
//! Two neighboring pixels are contiguous in memory, and so are the weights of two horizontal taps. Such a pair of pixels contributes to an
//! odd column of the output and to the even column after it. Both contributions are dot products of two runs of bytes.
use super::{
    group,
    row::{Finish, Out, Row, Sums as GroupSums},
};
use crate::{
    format::{WeightLayout, read_i32},
    requant::Table,
    weights::{GROUP, Taps},
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
    fn ganlet_group(values: *const u8, weights: *const u8, eights: usize, sums: *mut GroupSums);
    fn ganlet_words(values: *const u8, words: *const u8, fours: usize, sums: *mut GroupSums);
    fn ganlet_split(words: *const u8, eights: usize, even: *mut u8, odd: *mut u8, channels: usize);
}

/// Pairs of pixels that [`ganlet_windows`] processes at a time.
const BLOCK: usize = 3;
/// Maximum number of columns of a row that these kernels compute.
const MAX_COLUMNS: usize = 256;
/// Number of channels whose fast weights are unpacked to bytes at a time.
const MAX_SPLIT: usize = 512;

/// Computes the row if these kernels support it; returns whether they do.
pub(super) fn write(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    row.layer.doubles() && double(row, out).is_some()
}

/// The accumulators of a row of one channel, column by column.
struct Sums<'a> {
    sums: &'a mut [i32],
    /// Width of the input in pixels.
    w: usize,
    c_in: usize,
}

/// Some channels of an input row, and their weights in one tap row.
struct Part<'a> {
    row: &'a [u8],
    /// The first channel.
    from: usize,
    /// Weights for even and for odd columns; each slice has those of the left pixel, then those of the right one.
    taps: [&'a [u8]; 2],
}

impl Sums<'_> {
    /// Starts with the biases of even columns, the first, odd columns and the last.
    fn start(&mut self, biases: &[i32; 4]) {
        if !self.sums.is_empty() {
            // SAFETY: the kernel writes all sums, and there is at least one.
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
            // SAFETY: every pair of pixels has two sums; the first and the last column are computed below. The last pair
            // consists of the last two pixels. `run` bytes, a multiple of 16, are read from each pair and from both weights.
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
            // Both pixels form one run.
            windows(row, 0, 2 * n);
        } else {
            windows(row, 0, n);
            windows(row.wrapping_add(c), n, n);
        }
        let (a1, w0) = (row.wrapping_add((w - 1) * c), even.as_ptr().wrapping_add(n));
        // SAFETY: the kernel reads n bytes of the first and of the last pixel, and n bytes of each half of the weights.
        unsafe { ganlet_edges(row, w0, a1, odd.as_ptr(), n, sums, sums.wrapping_add(2 * w - 1)) }
    }

    /// Writes the values of channel `o`.
    #[inline(always)]
    fn finish(&self, finish: &Finish<'_>, out: &mut [u8], c: usize, o: usize) {
        if out.len() < self.sums.len() * c || o >= c || self.sums.is_empty() {
            return;
        }
        let (sums, to, count) = (self.sums.as_ptr(), out.as_mut_ptr().wrapping_add(o), self.sums.len());
        // SAFETY: the row has a pixel for each sum, and the kernels write channel `o` of it.
        unsafe {
            match finish.table {
                None => ganlet_finish(sums, to, c, finish.m, finish.zero_point, count),
                Some(table) => ganlet_table(sums, to, c, finish.m, table, count),
            }
        }
    }
}

/// Computes a row of a doubling layer.
#[inline(never)]
fn double(row: &Row<'_>, out: &mut Out<'_>) -> Option<()> {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let w = usize::from(row.input.shape.w);
    let mut all = [0; MAX_COLUMNS];
    let mut sums = Sums { sums: all.get_mut(..2 * w)?, w, c_in };
    if !c_in.is_multiple_of(8) || c_in == 0 || w == 0 {
        return None;
    }
    let fast = row.layer.layout == WeightLayout::Fast;
    if fast && c_in > MAX_SPLIT && !c_in.is_multiple_of(16) {
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
                    for (i, words) in words.chunks(8 * MAX_SPLIT).enumerate() {
                        add_words(&mut sums, row, i * MAX_SPLIT, words);
                    }
                }
            }
        }
        finish.m = read_i32(row.blob, row.layer.scale, o);
        sums.finish(&finish, out.bytes, c_out, o);
    }
    Some(())
}

/// Adds the products of the channels from `from` on and their words.
#[inline(never)]
fn add_words(sums: &mut Sums<'_>, row: &[u8], from: usize, words: &[u8]) {
    let mut split = [MaybeUninit::<u8>::uninit(); 4 * MAX_SPLIT];
    let n = words.len() / 8;
    if !n.is_multiple_of(8) || n == 0 || n > MAX_SPLIT {
        return;
    }
    let even = split.as_mut_ptr().cast::<u8>();
    // SAFETY: the kernel reads eight bytes per channel and writes two bytes per channel to each slice, which fills both.
    let taps = unsafe {
        let odd = even.add(2 * n);
        ganlet_split(words.as_ptr(), n / 8, even, odd, n);
        [slice::from_raw_parts(even, 2 * n), slice::from_raw_parts(odd, 2 * n)]
    };
    sums.add(&Part { row, from, taps });
}

/// Same contract as `group::add_one`.
pub(super) fn add_one(values: &[u8], weights: &[u8], sums: &mut GroupSums) {
    let (eights, rest) = values.split_at(values.len() / 8 * 8);
    let mut weights = weights;
    if let Some((of_eights, remaining)) = weights.split_at_checked(eights.len() * GROUP)
        && !eights.is_empty()
        && weights.as_ptr().addr().is_multiple_of(4)
    {
        // SAFETY: the kernel reads both slices completely, eight values and their weights for eight outputs at a time.
        unsafe { ganlet_group(eights.as_ptr(), of_eights.as_ptr(), eights.len() / 8, sums) }
        weights = remaining;
    } else if !eights.is_empty() {
        return group::add_one(values, weights, sums);
    }
    if !rest.is_empty() {
        group::add_one(rest, weights, sums);
    }
}

/// Same contract as `group::words`.
pub(super) fn words(values: &[u8], words: &[u8], sums: &mut GroupSums) {
    // 512 products of at most 127·128 always fit 24 bits.
    for (values, words) in values.chunks(512).zip(words.chunks(512 * 2 * GROUP)) {
        if values.len().is_multiple_of(4) && words.len() >= values.len() * 2 * GROUP {
            // SAFETY: the number of values is a multiple of four, and each value has four words. The kernel adds to eight sums.
            unsafe { ganlet_words(values.as_ptr(), words.as_ptr(), values.len() / 4, sums) }
        } else {
            group::words(values, words, sums);
        }
    }
}

/// Same contract as `Row::finish_run`, for a plain row. Returns `false`, without writing, for a table or a count that is not a multiple of four.
pub(super) fn finish(sums: &[i32], [biases, multipliers]: [&[u8]; 2], finish: &Finish<'_>, to: &mut [u8]) -> bool {
    let count = sums.len();
    let complete = biases.len().min(multipliers.len()) >= 4 * count && to.len() >= count;
    let supported = finish.table.is_none() && complete && count > 0 && count.is_multiple_of(4);
    if supported {
        let (biases, multipliers, zero_point) = (biases.as_ptr(), multipliers.as_ptr(), finish.zero_point);
        // SAFETY: all four slices have at least `count` elements.
        unsafe { ganlet_finish_each(sums.as_ptr(), biases, multipliers, to.as_mut_ptr(), zero_point, count) }
    }
    supported
}
