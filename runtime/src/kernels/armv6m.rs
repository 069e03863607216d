//! Kernels of Armv6-M for rows of doubling and dense layers. The portable kernels compute everything else.
//!
//! The core has neither a long multiplication nor a multiply-accumulate. Two byte products can share a 32-bit word for two steps only,
//! and unpacking that word costs more than it saves. Therefore these kernels compute single products, with few loads and inline
//! requantization.
use super::{
    group,
    portable::dot,
    row::{Finish, Out, Row, Sums as GroupSums},
};
use crate::{
    requant,
    weights::{self, DENSE_LANE, GROUP, LANE, Taps},
};
use core::arch::global_asm;

global_asm!(include_str!("armv6m.s"), options(raw));

// SAFETY: the signatures are those of `armv6m.s`.
unsafe extern "C" {
    fn ganlet_pairs(
        first: *const u8,
        second: *const u8,
        even: *const u8,
        odd: *const u8,
        count: usize,
        sums: *mut [i32; 4],
    );
    fn ganlet_group(values: *const u8, weights: *const u8, fours: usize, sums: *mut [i32; 4]);
    fn ganlet_pair(first: *const u8, count: usize, even: *const u8, odd: *const u8, sums: *mut [i32; 2]);
}

/// Maximum number of columns of a row that these kernels compute.
const MAX_COLUMNS: usize = 256;
/// Number of channels whose fast weights are unpacked to bytes at a time.
const MAX_SPLIT: usize = 64;

/// Computes the row if these kernels support it; returns whether they do.
pub(super) fn write(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    row.layer.doubles() && double(row, out)
}

/// Same contract as `group::add_one`.
pub(super) fn add_one(values: &[u8], weights: &[u8], sums: &mut GroupSums) {
    let (fours, rest) = values.split_at(values.len() / 4 * 4);
    let Some((of_fours, remaining)) = weights.split_at_checked(fours.len() * GROUP) else { return };
    if !fours.is_empty() && weights.as_ptr().addr().is_multiple_of(2) {
        for (half, sums) in sums.as_chunks_mut().0.iter_mut().enumerate() {
            let first = of_fours.as_ptr().wrapping_add(16 * half);
            // SAFETY: the kernel reads all values, and 16 of every 32 bytes of weights (those of four outputs).
            unsafe { ganlet_group(fours.as_ptr(), first, fours.len() / 4, sums) }
        }
    }
    if !rest.is_empty() {
        group::add_one(rest, remaining, sums);
    }
}

/// Returns the words in `bytes`; an empty slice if they are not aligned.
fn whole_words(bytes: &[u8]) -> &[i32] {
    // SAFETY: every bit pattern is a valid i32. The cores and the file are little-endian.
    let (before, words, _) = unsafe { bytes.align_to::<i32>() };
    if before.is_empty() { words } else { &[] }
}

/// Same contract as `group::words`.
pub(super) fn words(values: &[u8], words: &[u8], sums: &mut GroupSums) {
    let (mut low, mut high) = ([0; MAX_SPLIT], [0; MAX_SPLIT]);
    let steps = whole_words(words).as_chunks::<4>().0.chunks(MAX_SPLIT);
    for ((values, steps), bytes) in values.chunks(MAX_SPLIT).zip(steps).zip(words.chunks(2 * GROUP * MAX_SPLIT)) {
        let count = values.len().min(steps.len());
        if !count.is_multiple_of(8) || count == 0 {
            group::words(values, bytes, sums);
            continue;
        }
        for (pair, sums) in sums.as_chunks_mut().0.iter_mut().enumerate() {
            let column = steps.as_flattened().iter().skip(pair).step_by(4);
            for ((low, high), &word) in low.iter_mut().zip(&mut high).zip(column) {
                (*low, *high) = (word as u8, weights::high(word, DENSE_LANE) as u8);
            }
            // SAFETY: there are `count` values and weights, and `count` is a multiple of eight above zero.
            unsafe { ganlet_pair(values.as_ptr(), count, high.as_ptr(), low.as_ptr(), sums) }
        }
    }
}

/// The accumulators of a row of one channel, column by column.
struct Sums<'a> {
    sums: &'a mut [i32],
    /// Width of the input row in pixels.
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
    fn start(&mut self, [even, first, odd, last]: [i32; 4]) {
        self.sums.as_chunks_mut().0.fill([even, odd]);
        if let [start, .., end] = self.sums {
            (*start, *end) = (first, last);
        }
    }

    /// Adds the products of a part.
    #[inline(always)]
    fn add(&mut self, part: &Part<'_>) {
        let (c, w) = (self.c_in, self.w);
        let [even, odd] = part.taps;
        let n = even.len() / 2;
        if !n.is_multiple_of(8) || n == 0 || part.from + n > c || odd.len() != 2 * n || part.row.len() < w * c {
            return;
        }
        let ((even_left, even_right), (odd_left, odd_right)) = (even.split_at(n), odd.split_at(n));
        if n == c {
            // Both pixels form one run.
            self.windows(part.row, even, odd);
        } else {
            self.windows(part.row.get(part.from..).unwrap_or_default(), even_left, odd_left);
            self.windows(part.row.get(c + part.from..).unwrap_or_default(), even_right, odd_right);
        }
        let pixel = |x: usize| part.row.get(x * c + part.from..).unwrap_or_default();
        if let [start, .., end] = self.sums {
            *start += dot(pixel(0), even_right);
            *end += dot(pixel(w - 1), odd_left);
        }
    }

    /// Adds the products of the weights and the run that begins at each pixel except the last.
    #[inline(always)]
    fn windows(&mut self, runs: &[u8], even: &[u8], odd: &[u8]) {
        let (c, count) = (self.c_in, even.len().min(odd.len()));
        let mut at = 0;
        let (pairs, rest) = self.sums.get_mut(1..).unwrap_or_default().as_chunks_mut::<4>();
        for sums in pairs {
            if at + c + count > runs.len() {
                return;
            }
            let first = runs.as_ptr().wrapping_add(at);
            // SAFETY: `count` bytes can be read from both pixels and from both slices of weights. `count` is a multiple of eight.
            unsafe { ganlet_pairs(first, first.wrapping_add(c), even.as_ptr(), odd.as_ptr(), count, sums) }
            at += 2 * c;
        }
        if let Some(sums) = rest.first_chunk_mut()
            && at + count <= runs.len()
        {
            // SAFETY: as above.
            unsafe { ganlet_pair(runs.as_ptr().wrapping_add(at), count, even.as_ptr(), odd.as_ptr(), sums) }
        }
    }

    /// Requantizes the sums and writes the values of channel `o`.
    #[inline(always)]
    fn finish(&self, finish: &Finish<'_>, out: &mut [u8], c: usize, o: usize) {
        let to = out.get_mut(o..).unwrap_or_default().iter_mut().step_by(c.max(1));
        let sums = self.sums.iter().zip(to);
        match finish.table {
            None => sums.for_each(|(&sum, to)| {
                *to = requant::saturate(scaled(sum, finish.m) + finish.zero_point) as u8;
            }),
            Some(table) => sums.for_each(|(&sum, to)| *to = requant::look_up(scaled(sum, finish.m), table) as u8),
        }
    }
}

/// Returns `(acc * m + 2^31) >> 32`. It uses four 16-bit products, because a 64-bit product is a library call on this core.
#[inline(always)]
fn scaled(acc: i32, m: i32) -> i32 {
    let (acc_high, acc_low) = (acc >> 16, acc & 0xFFFF);
    let (m_high, m_low) = (m >> 16, m & 0xFFFF);
    let (upper, lower) = (acc_high.wrapping_mul(m_low), acc_low.wrapping_mul(m_high));
    let lowest = (acc_low as u32).wrapping_mul(m_low as u32) >> 16;
    let carried = (upper & 0xFFFF) + (lower & 0xFFFF) + lowest as i32 + 0x8000;
    acc_high.wrapping_mul(m_high) + (upper >> 16) + (lower >> 16) + (carried >> 16)
}

/// Computes a row of a doubling layer.
#[inline(never)]
fn double(row: &Row<'_>, out: &mut Out<'_>) -> bool {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let w = usize::from(row.input.shape.w);
    let mut all = [0; MAX_COLUMNS];
    let Some(sums) = all.get_mut(..2 * w) else { return false };
    if !c_in.is_multiple_of(8) || w == 0 {
        return false;
    }
    let mut sums = Sums { sums, w, c_in };
    let rows = row.tap_rows();
    for o in 0..c_out {
        sums.start(row.border_biases(o).0);
        let taps = Taps::new(row.blob, row.layer, c_in, c_out, rows.phase, o);
        for (t, row) in rows.rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            match taps {
                Taps::Compact(columns) => {
                    let taps = columns.map(|block| block.get(2 * t * c_in..).and_then(|b| b.get(..2 * c_in)));
                    sums.add(&Part { row, from: 0, taps: taps.map(Option::unwrap_or_default) });
                }
                Taps::Fast(words) => {
                    let words = words.get(8 * t * c_in..).and_then(|b| b.get(..8 * c_in)).unwrap_or_default();
                    for (i, words) in words.chunks(8 * MAX_SPLIT).enumerate() {
                        add_words(&mut sums, row, i * MAX_SPLIT, words);
                    }
                }
            }
        }
        sums.finish(&row.finish(o), out.bytes, c_out, o);
    }
    true
}

/// Adds the products of the channels from `from` on and their words.
#[inline(never)]
fn add_words(sums: &mut Sums<'_>, row: &[u8], from: usize, bytes: &[u8]) {
    let mut split = [[0; 2 * MAX_SPLIT]; 2];
    let steps = whole_words(bytes).as_chunks::<2>().0;
    let n = steps.len();
    let taps = split.each_mut().map(|column| {
        let (high, low) = column.split_at_mut_checked(n).unwrap_or_default();
        (high, low.get_mut(..n).unwrap_or_default())
    });
    let [(even_high, even_low), (odd_high, odd_low)] = taps;
    let to = even_high.iter_mut().zip(even_low).zip(odd_high.iter_mut().zip(odd_low));
    for (&[even, odd], ((eh, el), (oh, ol))) in steps.iter().zip(to) {
        (*eh, *el) = (weights::high(even, LANE) as u8, even as u8);
        (*oh, *ol) = (weights::high(odd, LANE) as u8, odd as u8);
    }
    let [even, odd] = split.each_ref().map(|column| column.get(..2 * n).unwrap_or_default());
    sums.add(&Part { row, from, taps: [even, odd] });
}
