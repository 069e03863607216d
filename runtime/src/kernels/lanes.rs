//! The packed kernels: two values in a word, so that one 32×32+64-bit multiply-accumulate makes four products.
//!
//! `(w0 + w1·2^21)·(a0 + a1·2^21)` adds w0·a0 to the low lane of an accumulator, w1·a0 + w0·a1 to the middle lane and
//! w1·a1 to the high one. With the weights of two horizontal taps and two neighbouring pixels the middle lane is a whole
//! output, and the outer lanes are the halves that the neighbouring pairs of pixels complete.
use super::row::{Finish, Out, Row};
use crate::{
    plan::Form,
    weights::{self, DENSE_GROUP, DENSE_LANE, LANE, Taps},
};

#[cfg(kernels = "lanes-asm")]
pub(super) use super::arm::{dense, quad, unpack};
#[cfg(not(kernels = "lanes-asm"))]
pub(super) use twin::{dense, quad, unpack};

/// Sums of the lanes of two pairs of pixels: for each pair the even, then the odd columns' low, middle and high lane.
pub(super) type Lanes = [i32; 12];

/// Makes a row of a doubling layer from packed rows; `scratch` takes the unpacked weights of one channel.
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>, scratch: &mut [u8]) {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    let interval = row.layer.interval.into();
    // A tap row beyond the picture is left out: the bias has its part.
    let skipped = if rows.rows[0].is_none() { 8 * c_in } else { 0 };
    let [above, below] = rows.rows.map(Option::unwrap_or_default);
    for o in 0..c_out {
        let words = match Taps::new(row.blob, row.layer, c_in, c_out, rows.phase, o) {
            Taps::Fast(words) => words,
            Taps::Compact(columns) => unpack(columns, c_in, scratch),
        };
        let words = words.get(skipped..).unwrap_or_default();
        let biases = row.border_biases(o).0;
        let first = if out.form == Form::Packed { 8 * o } else { o };
        let mut columns = Columns::new(biases, row.finish(o), w, first);
        let each = (8 * c_in).max(1);
        if above.is_empty() || below.is_empty() {
            let rest = if above.is_empty() { below } else { above };
            rest.chunks_exact(each).for_each(|a| columns.put(&quad([a, &[]], words, interval), out));
        } else {
            let quads = above.chunks_exact(each).zip(below.chunks_exact(each));
            quads.for_each(|(a, b)| columns.put(&quad([a, b], words, interval), out));
        }
        columns.end(w, out);
    }
}

/// From lanes to the values of one channel of a row, eight columns at a time.
struct Columns<'a> {
    finish: Finish<'a>,
    /// Biases of even, odd and the last column.
    even: i32,
    odd: i32,
    last: i32,
    /// What the pairs so far add to the next even and the next odd column.
    carry: [i32; 2],
    /// Input pixels that are left.
    left: usize,
    /// The last value, which waits for its neighbour.
    held: i8,
    /// Where the next eight columns lie in the output row.
    at: usize,
}

impl<'a> Columns<'a> {
    fn new([even, first, odd, last]: [i32; 4], finish: Finish<'a>, w: usize, at: usize) -> Self {
        Self { finish, even, odd, last, carry: [first.wrapping_sub(even), 0], left: w, held: 0, at }
    }

    /// Takes the lanes of four pixels: the columns from one before the first pixel's to one before the last one's.
    #[inline(always)]
    fn put(&mut self, lanes: &Lanes, out: &mut Out<'_>) {
        let &[e0, e1, e2, o0, o1, o2, e3, e4, e5, o3, o4, o5] = lanes;
        let (even, odd) = (self.even, self.odd);
        let [carry_even, carry_odd] = self.carry;
        let mut accs = [
            carry_odd + o0 + odd,
            carry_even + e0 + even,
            o1 + odd,
            e1 + even,
            o2 + o3 + odd,
            e2 + e3 + even,
            o4 + odd,
            e4 + even,
        ];
        self.carry = [e5, o5];
        let left = self.left;
        if left < 4
            && let Some(acc) = accs.get_mut(2 * left)
        {
            *acc += self.last - odd;
        }
        let [v0, v1, v2, v3, v4, v5, v6, v7] = accs.map(|acc| self.finish.apply(acc));
        let before = self.held;
        self.held = v7;
        self.left = left.saturating_sub(4);
        let (at, c) = (self.at, out.c);
        match out.form {
            Form::Packed => {
                self.at += 16 * c;
                out.pair((at + 4).wrapping_sub(8 * c), before, v0);
                out.pair(at, v1, v2);
                if left > 1 {
                    out.pair(at + 4, v3, v4);
                }
                if left > 2 {
                    out.pair(at + 8 * c, v5, v6);
                }
            }
            Form::Plain => {
                self.at += 8 * c;
                // The column before these eight is not there in the first four pixels.
                let values = [v0, v1, v2, v3, v4, v5, v6, v7];
                let mut at = at.wrapping_sub(c);
                for value in values.into_iter().take(2 * left + 1) {
                    if let Some(to) = out.bytes.get_mut(at) {
                        *to = value as u8;
                    }
                    at = at.wrapping_add(c);
                }
            }
        }
    }

    /// Writes the last column, if the pixels came in whole fours.
    fn end(&mut self, w: usize, out: &mut Out<'_>) {
        if w.is_multiple_of(4) {
            let [_, carry_odd] = self.carry;
            let (value, at, c) = (self.finish.apply(carry_odd + self.last), self.at, out.c);
            match out.form {
                Form::Packed => out.pair((at + 4).wrapping_sub(8 * c), self.held, value),
                Form::Plain => {
                    if let Some(to) = out.bytes.get_mut(at.wrapping_sub(c)) {
                        *to = value as u8;
                    }
                }
            }
        }
    }
}

/// Dense in fast words, of which each holds the weights of two outputs.
pub(super) fn dense_row(row: &Row<'_>, out: &mut Out<'_>) {
    row.dense_words(out, dense);
}

/// The kernels in portable form: the oracle of the assembly, and what cores with a wide multiplication run.
#[cfg_attr(kernels = "lanes-asm", allow(dead_code))]
pub(super) mod twin {
    use super::*;

    /// Multiplies four packed pixels of up to two rows, every channel, with the words of one output channel.
    ///
    /// The lanes are emptied every `interval` steps, before they can overflow.
    pub(in crate::kernels) fn quad(rows: [&[u8]; 2], words: &[u8], interval: usize) -> Lanes {
        let mut lanes = [0; 12];
        let mut accs = [0i64; 4];
        let mut room = interval;
        let steps = rows.into_iter().flat_map(|r| r.chunks_exact(8)).zip(words.chunks_exact(8));
        for (pixels, words) in steps {
            if room == 0 {
                empty(&mut accs, &mut lanes);
                room = interval;
            }
            room -= 1;
            let halves =
                |bytes: &[u8]| [bytes, bytes.get(4..).unwrap_or_default()].map(|b| i64::from(weights::word(b)));
            let ([a0, a1], [even, odd]) = (halves(pixels), halves(words));
            for (acc, product) in accs.iter_mut().zip([a0 * even, a0 * odd, a1 * even, a1 * odd]) {
                *acc = acc.wrapping_add(product);
            }
        }
        empty(&mut accs, &mut lanes);
        lanes
    }

    /// Adds the lanes of the accumulators to `lanes` and clears them.
    fn empty(accs: &mut [i64; 4], lanes: &mut Lanes) {
        for (acc, sums) in accs.iter_mut().zip(lanes.chunks_exact_mut(3)) {
            let mut rest = *acc;
            for sum in sums {
                let lane = rest << (64 - LANE) >> (64 - LANE);
                // The high lane has the bits that are left.
                *sum += lane as i32;
                rest = (rest - lane) >> LANE;
            }
            *acc = 0;
        }
    }

    /// Unpacks the compact weights of one output channel into `scratch` as words.
    pub(in crate::kernels) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
        let [even, odd] = columns.map(|block| block.chunks_exact((2 * c_in).max(1)));
        for ((even, odd), words) in even.zip(odd).zip(scratch.chunks_exact_mut((8 * c_in).max(1))) {
            let [even, odd] = [even, odd].map(|b| b.split_at_checked(c_in).unwrap_or_default());
            let steps = even.0.iter().zip(even.1).zip(odd.0.iter().zip(odd.1));
            for (((&eh, &el), (&oh, &ol)), words) in steps.zip(words.chunks_exact_mut(8)) {
                let [e, o] = [(el, eh), (ol, oh)].map(|(low, high)| weights::join(low as i8, high as i8, LANE));
                if let Some((to_even, to_odd)) = words.split_first_chunk_mut::<4>() {
                    *to_even = e.to_le_bytes();
                    to_odd.copy_from_slice(&o.to_le_bytes());
                }
            }
        }
        scratch
    }

    /// The products of `input` with a group of outputs.
    pub(in crate::kernels) fn dense(input: &[u8], words: &[u8]) -> [i32; DENSE_GROUP] {
        let mut sums = [0; DENSE_GROUP];
        // 512 products of at most 127·128 always fit 24 bits.
        for (input, words) in input.chunks(512).zip(words.chunks(512 * 2 * DENSE_GROUP)) {
            let mut accs = [0i64; DENSE_GROUP / 2];
            for (&a, words) in input.iter().zip(words.chunks_exact(2 * DENSE_GROUP)) {
                for (acc, word) in accs.iter_mut().zip(words.chunks_exact(4)) {
                    *acc += i64::from(a as i8) * i64::from(weights::word(word));
                }
            }
            for (acc, pair) in accs.into_iter().zip(sums.chunks_exact_mut(2)) {
                let low = acc << (64 - DENSE_LANE) >> (64 - DENSE_LANE);
                if let [even, odd] = pair {
                    *even += low as i32;
                    *odd += ((acc - low) >> DENSE_LANE) as i32;
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{vec, vec::Vec};

    /// Bytes of any size and sign: all least, all greatest, alternating, or random.
    fn values(kind: u32, len: usize, least: i8) -> Vec<i8> {
        let mut state = kind;
        let mut next = |i: usize| match kind % 5 {
            0 => least,
            1 => 127,
            2 if i.is_multiple_of(2) => least,
            2 => 127,
            3 if i.is_multiple_of(2) => 127,
            3 => least,
            _ => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 24) as i8).max(least)
            }
        };
        (0..len).map(&mut next).collect()
    }

    fn words(values: &[i8]) -> Vec<u8> {
        let pairs = values.chunks_exact(2);
        pairs.flat_map(|p| weights::join(p[0], p[1], LANE).to_le_bytes()).collect()
    }

    #[test]
    fn lanes_hold_what_single_products_add_up_to() {
        for (case, channels) in (0..25 * 40u32).map(|i| (i, 1 + i as usize % 67)) {
            let pixels = [0, 1].map(|t| values(case / 5 % 25 + 25 * t, 4 * channels, -128));
            let taps = values(case % 5 + 5 * (case / 25), 8 * channels, -127);
            let rows = [words(&pixels[0]), words(&pixels[1])];
            // 32 steps always fit; a longer run only where the weights allow it.
            let small = taps.iter().all(|w| w.unsigned_abs() < 30);
            for interval in [1, 7, 32, if small { 64 } else { 31 }] {
                let lanes = twin::quad([&rows[0], &rows[1]], &words(&taps), interval);
                let mut sums = [0; 12];
                for step in 0..2 * channels {
                    let at = |v: &[i8], i: usize| i32::from(v[i]);
                    let a: [i32; 4] = core::array::from_fn(|i| at(&pixels[step / channels], step % channels * 4 + i));
                    let w: [i32; 4] = core::array::from_fn(|i| at(&taps, step * 4 + i));
                    for (pair, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                        let ([left, right], [low, high]) =
                            ([a[2 * pair], a[2 * pair + 1]], [w[2 * column], w[2 * column + 1]]);
                        let lanes = &mut sums[6 * pair + 3 * column..][..3];
                        lanes[0] += left * low;
                        lanes[1] += left * high + right * low;
                        lanes[2] += right * high;
                    }
                }
                assert_eq!(lanes, sums, "case {case}, {channels} channels, interval {interval}");
            }
        }
    }

    #[test]
    fn unpacked_weights_are_the_words_of_the_fast_layout() {
        for channels in 1..20 {
            let [even, odd] = [8, 9].map(|seed| values(seed, 4 * channels, -127));
            let mut expected = Vec::new();
            for (t, c) in (0..2).flat_map(|t| (0..channels).map(move |c| (t, c))) {
                for block in [&even, &odd] {
                    let high = 2 * t * channels + c;
                    expected.extend(weights::join(block[high + channels], block[high], LANE).to_le_bytes());
                }
            }
            let bytes = |block: &[i8]| block.iter().map(|&w| w as u8).collect::<Vec<_>>();
            let mut scratch = vec![0xA5; 16 * channels];
            assert_eq!(twin::unpack([&bytes(&even), &bytes(&odd)], channels, &mut scratch), expected);
        }
    }

    #[test]
    fn dense_sums_are_exact_beyond_the_room_of_a_lane() {
        for (case, count) in [(0, 1300), (1, 512), (2, 513), (4, 64), (9, 1024)] {
            for kind in 0..5 {
                let input = values(kind, count, -128);
                let weights = values(case, DENSE_GROUP * count, -127);
                let words: Vec<u8> =
                    weights.chunks_exact(2).flat_map(|p| weights::join(p[0], p[1], DENSE_LANE).to_le_bytes()).collect();
                let bytes: Vec<u8> = input.iter().map(|&v| v as u8).collect();
                let sum = |unit: usize| {
                    let column = weights.iter().skip(unit).step_by(DENSE_GROUP);
                    input.iter().zip(column).map(|(&a, &w)| i32::from(a) * i32::from(w)).sum::<i32>()
                };
                assert_eq!(twin::dense(&bytes, &words), core::array::from_fn(sum));
            }
        }
    }
}
