//! Packed kernels: two values per word, so that one 32×32+64-bit multiply-accumulate computes four products.
//!
//! `(w0 + w1·2^21)·(a0 + a1·2^21)` adds w0·a0 to the low lane of an accumulator, w1·a0 + w0·a1 to the middle lane and
//! w1·a1 to the high one. With the weights of two horizontal taps and two neighboring pixels the middle lane is a complete
//! output. Each outer lane is a part of an output, and the neighboring pair of pixels contributes the other part.
use super::row::{Finish, Out, Row};
use crate::{format::read_i32, plan::Form, requant::table_at, weights::Taps};

#[cfg(target_arch = "riscv32")]
use super::rv32::{quad, unpack};
use reference::{Pixels, Products};
#[cfg(not(target_arch = "riscv32"))]
use reference::{quad, unpack};

/// Sums of the lanes of two pairs of pixels. For each pair: low, middle and high lane of the even columns, then of the odd columns.
pub(super) type Lanes = [i32; 12];

/// Computes a row of a doubling layer from packed rows. `scratch` receives the unpacked weights of one channel.
#[inline(never)]
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>, scratch: &mut [u8]) {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    // A tap row in the padding is skipped; the bias includes it.
    let skipped = if rows.rows[0].is_none() { 8 * c_in } else { 0 };
    let [above, below] = rows.rows.map(Option::unwrap_or_default);
    let seen = if above.is_empty() { [below, above] } else { [above, below] };
    let pixels = Pixels::new(seen, c_in, row.layer.interval.into());
    let table = table_at(row.blob, row.layer.activation);
    let zero_point = row.layer.zero_point.into();
    let weights = Taps::of_phase(row.blob, row.layer, c_in, c_out, rows.phase);
    for o in 0..c_out {
        let words = match weights.channel(o, c_in) {
            Taps::Fast(words) => words,
            Taps::Compact(columns) => unpack(columns, c_in, scratch),
        };
        let words = words.get(skipped..).unwrap_or_default();
        let columns = Columns { biases: row.border_biases(o).0, w };
        let finish = Finish { m: read_i32(row.blob, row.layer.scale, o), zero_point, table };
        columns.run(pixels.times(words), &finish, out, o);
    }
}

/// Combines lanes into the values of one channel of a row.
pub(super) struct Columns {
    /// Biases of even, the first, odd and the last column.
    pub(super) biases: [i32; 4],
    /// Width of the input row in pixels.
    pub(super) w: usize,
}

impl Columns {
    /// Processes four input pixels at a time. If the first of them is pixel `p`, these are the output columns `2p - 1` to `2p + 6`.
    fn run(&self, mut products: Products<'_>, finish: &Finish<'_>, out: &mut Out<'_>, o: usize) {
        let [even, first, odd, last] = self.biases;
        // Contribution of earlier pixels to the next odd and even column, biases included.
        let (mut carry_odd, mut carry_even) = (odd, first);
        // `x` is the column of the held value plus two, because the first pair of values lies before the row.
        let (mut left, mut x, mut held) = (self.w, 0, 0);
        while let Some(lanes) = products.next() {
            let &[e0, e1, e2, o0, o1, o2, e3, e4, e5, o3, o4, o5] = lanes;
            // The last column has its own bias. No column follows it.
            let bias = |pixels| if left == pixels { last } else { odd };
            let sums = [
                carry_odd.wrapping_add(o0),
                carry_even.wrapping_add(e0),
                bias(1).wrapping_add(o1),
                even.wrapping_add(e1),
                bias(2).wrapping_add(o2).wrapping_add(o3),
                even.wrapping_add(e2).wrapping_add(e3),
                bias(3).wrapping_add(o4),
                even.wrapping_add(e4),
            ];
            let mut values = [0; 8];
            values.iter_mut().zip(sums).for_each(|(value, sum)| *value = finish.apply(sum));
            match out.form {
                Form::Packed => {
                    let [v0, v1, v2, v3, v4, v5, v6, v7] = values;
                    // In the first iteration the first pair lies before the row and is ignored.
                    out.put_pair(x, o, held, v0);
                    out.put_pair(x + 2, o, v1, v2);
                    if left > 1 {
                        out.put_pair(x + 4, o, v3, v4);
                    }
                    if left > 2 {
                        out.put_pair(x + 6, o, v5, v6);
                    }
                    held = v7;
                }
                Form::Plain => {
                    for (i, value) in values.into_iter().enumerate() {
                        let column = (x + i).wrapping_sub(1);
                        if column < 2 * self.w {
                            out.put(column, o, value);
                        }
                    }
                }
            }
            x += 8;
            carry_odd = bias(4).wrapping_add(o5);
            carry_even = even.wrapping_add(e5);
            left = left.saturating_sub(4);
        }
        if x == 2 * self.w {
            // If the width is a multiple of four, the last column has not been written yet.
            match out.form {
                Form::Packed => out.put_pair(x, o, held, finish.apply(carry_odd)),
                Form::Plain => out.put(x - 1, o, finish.apply(carry_odd)),
            }
        }
    }
}

/// Portable kernels: the reference for the assembly, and the code of cores that have a 64-bit product but no assembly kernels.
pub(super) mod reference {
    use super::Lanes;
    use crate::{
        format::part,
        weights::{self, LANE},
    };

    /// The packed pixels of up to two rows, four at a time.
    pub(in crate::kernels) struct Pixels<'a> {
        rows: [&'a [u8]; 2],
        /// Bytes of four pixels.
        each: usize,
        interval: usize,
    }

    impl<'a> Pixels<'a> {
        /// The first row must not be empty.
        pub(in crate::kernels) fn new(rows: [&'a [u8]; 2], c_in: usize, interval: usize) -> Self {
            Self { rows, each: 8 * c_in, interval }
        }

        /// Multiplies the pixels by the words of one output channel.
        pub(in crate::kernels) fn times<'p>(&'p self, words: &'p [u8]) -> Products<'p> {
            Products { pixels: self, words, at: 0, lanes: [0; 12] }
        }
    }

    /// Iterates over the lanes of the products of pixels and the words of one channel.
    pub(in crate::kernels) struct Products<'p> {
        pixels: &'p Pixels<'p>,
        words: &'p [u8],
        /// Offset of the next four pixels.
        at: usize,
        lanes: Lanes,
    }

    impl Products<'_> {
        /// Returns the lanes of the next four pixels.
        pub(in crate::kernels) fn next(&mut self) -> Option<&Lanes> {
            let Pixels { rows: [first, second], each, interval } = *self.pixels;
            let first = first.get(self.at..)?.get(..each)?;
            let second = second.get(self.at..).and_then(|b| b.get(..each)).unwrap_or_default();
            self.lanes = super::quad([first, second], self.words, interval);
            self.at += each;
            Some(&self.lanes)
        }
    }

    /// Multiplies all channels of four packed pixels, from up to two rows, by the words of one output channel.
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
    pub(in crate::kernels) fn empty(accs: &mut [i64; 4], lanes: &mut Lanes) {
        for (acc, sums) in accs.iter_mut().zip(lanes.chunks_exact_mut(3)) {
            let mut rest = *acc;
            for sum in sums {
                let lane = rest << (64 - LANE) >> (64 - LANE);
                // The high lane is what remains.
                *sum += lane as i32;
                rest = (rest - lane) >> LANE;
            }
            *acc = 0;
        }
    }

    /// Unpacks the compact weights of one output channel into `scratch` as words.
    pub(in crate::kernels) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
        let mut steps = scratch.as_chunks_mut::<8>().0;
        for t in 0..2 {
            // For even and for odd columns: the high weights, then the low ones.
            let [[eh, el], [oh, ol]] = columns.map(|block| [0, 1].map(|i| part(block, (2 * t + i) * c_in, c_in)));
            let Some((now, later)) = steps.split_at_mut_checked(c_in) else { break };
            for (((&eh, &el), (&oh, &ol)), step) in eh.iter().zip(el).zip(oh.iter().zip(ol)).zip(now) {
                let [e, o] = [(el, eh), (ol, oh)].map(|(low, high)| weights::join(low as i8, high as i8, LANE));
                *step = (u64::from(e as u32) | u64::from(o as u32) << 32).to_le_bytes();
            }
            steps = later;
        }
        scratch
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::reference;
    use crate::weights::{self, LANE};
    use std::{vec, vec::Vec};

    /// Test values: all smallest, all largest, alternating, or random.
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
    fn lanes_equal_the_sums_of_single_products() {
        for (case, channels) in (0..25 * 40u32).map(|i| (i, 1 + i as usize % 67)) {
            let pixels = [0, 1].map(|t| values(case / 5 % 25 + 25 * t, 4 * channels, -128));
            let taps = values(case % 5 + 5 * (case / 25), 8 * channels, -127);
            let rows = [words(&pixels[0]), words(&pixels[1])];
            // 32 steps always fit a lane; a longer run fits only with small weights.
            let small = taps.iter().all(|w| w.unsigned_abs() < 30);
            for interval in [1, 7, 32, if small { 64 } else { 31 }] {
                let lanes = reference::quad([&rows[0], &rows[1]], &words(&taps), interval);
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
            assert_eq!(reference::unpack([&bytes(&even), &bytes(&odd)], channels, &mut scratch), expected);
        }
    }
}
