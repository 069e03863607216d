//! The packed kernels: two values in a word, so that one 32×32+64-bit multiply-accumulate makes four products.
//!
//! `(w0 + w1·2^21)·(a0 + a1·2^21)` adds w0·a0 to the low lane of an accumulator, w1·a0 + w0·a1 to the middle lane and
//! w1·a1 to the high one. With the weights of two horizontal taps and two neighbouring pixels the middle lane is a whole
//! output, and the outer lanes are the halves that the neighbouring pairs of pixels complete.
use super::row::{Finish, Out, Row};
use crate::{
    format::{read_i32, table_at},
    plan::Form,
    weights::{self, LANE, Taps},
};

#[cfg(kernels = "lanes-asm")]
pub(super) use super::armv7m::{Pixels, Products, dense, dots, packed, unpack};
#[cfg(not(any(kernels = "lanes-asm", target_arch = "riscv32")))]
pub(super) use super::dense::dots;
#[cfg(target_arch = "riscv32")]
pub(super) use super::rv32::{dense, dots, quad, unpack};
#[cfg(not(kernels = "lanes-asm"))]
pub(super) use twin::{Pixels, Products, packed};
#[cfg(not(any(kernels = "lanes-asm", target_arch = "riscv32")))]
pub(super) use twin::{dense, quad, unpack};

/// Sums of the lanes of two pairs of pixels: for each pair the even, then the odd columns' low, middle and high lane.
pub(super) type Lanes = [i32; 12];

/// Makes a row of a doubling layer from packed rows; `scratch` takes the unpacked weights of one channel.
#[inline(never)]
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>, scratch: &mut [u8]) {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    // A tap row beyond the picture is left out: the bias has its part.
    let skipped = if rows.rows[0].is_none() { 8 * c_in } else { 0 };
    let [above, below] = rows.rows.map(Option::unwrap_or_default);
    let seen = if above.is_empty() { [below, above] } else { [above, below] };
    let pixels = Pixels::new(seen, c_in, row.layer.interval.into());
    let (form, c) = (out.form, out.c);
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
        // One loop for each way to finish: nothing is decided between the values.
        match (form, table) {
            (Form::Packed, None) => packed(&pixels, words, &columns, finish, out.bytes, c, o),
            (Form::Packed, Some(table)) => {
                columns.run(
                    &mut pixels.times(words),
                    |acc| finish.looked_up(acc, table),
                    &mut Packed::new(out.bytes, c, o),
                );
            }
            (Form::Plain, None) => {
                columns.run(&mut pixels.times(words), |acc| finish.saturated(acc), &mut Plain::new(out.bytes, c, o))
            }
            (Form::Plain, Some(table)) => {
                columns.run(
                    &mut pixels.times(words),
                    |acc| finish.looked_up(acc, table),
                    &mut Plain::new(out.bytes, c, o),
                );
            }
        }
    }
}

/// From lanes to the values of one channel of a row.
pub(super) struct Columns {
    /// Biases of even, the first, odd and the last column.
    pub(super) biases: [i32; 4],
    /// Input pixels.
    pub(super) w: usize,
}

impl Columns {
    /// Takes pixels by fours: each time the eight columns from one before the first pixel's to one before the last's.
    #[inline(always)]
    fn run(&self, products: &mut Products<'_>, finish: impl Fn(i32) -> i8, to: &mut impl Eight) {
        let [even, first, odd, last] = self.biases;
        // What the pixels so far add to the next odd and the next even column, biases included.
        let (mut carry_odd, mut carry_even) = (odd, first);
        let mut left = self.w;
        while let Some(lanes) = products.next() {
            let &[e0, e1, e2, o0, o1, o2, e3, e4, e5, o3, o4, o5] = lanes;
            // The last column has a bias of its own; behind it is none that the other bias would be wrong for.
            let bias = |pixels| if left == pixels { last } else { odd };
            let v0 = finish(carry_odd.wrapping_add(o0));
            let v1 = finish(carry_even.wrapping_add(e0));
            let v2 = finish(bias(1).wrapping_add(o1));
            let v3 = finish(even.wrapping_add(e1));
            let v4 = finish(bias(2).wrapping_add(o2).wrapping_add(o3));
            let v5 = finish(even.wrapping_add(e2).wrapping_add(e3));
            let v6 = finish(bias(3).wrapping_add(o4));
            let v7 = finish(even.wrapping_add(e4));
            carry_odd = bias(4).wrapping_add(o5);
            carry_even = even.wrapping_add(e5);
            to.put([v0, v1, v2, v3, v4, v5, v6, v7], left);
            left = left.saturating_sub(4);
        }
        to.end(finish(carry_odd), self.w.is_multiple_of(4));
    }
}

/// Takes the values of one channel, eight columns at a time.
trait Eight {
    /// The columns from `8n - 1` to `8n + 6` of the n-th call, of which those of `left` input pixels exist.
    fn put(&mut self, values: [i8; 8], left: usize);
    /// The column behind those, if it exists.
    fn end(&mut self, value: i8, exists: bool);
}

/// A packed row.
struct Packed<'a> {
    bytes: &'a mut [u8],
    /// Bytes of a channel's words of four pixels, all channels.
    each: usize,
    /// Where the pairs from column 8n on lie.
    at: usize,
    /// The last value, which waits for its neighbour.
    held: i8,
}

impl<'a> Packed<'a> {
    fn new(bytes: &'a mut [u8], c: usize, o: usize) -> Self {
        Self { bytes, each: 8 * c, at: 8 * o, held: 0 }
    }

    #[inline(always)]
    fn pair(&mut self, at: usize, low: i8, high: i8) {
        if let Some(to) = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
            *to = weights::join(low, high, LANE).to_le_bytes();
        }
    }
}

impl Eight for Packed<'_> {
    #[inline(always)]
    fn put(&mut self, [v0, v1, v2, v3, v4, v5, v6, v7]: [i8; 8], left: usize) {
        let (at, each, held) = (self.at, self.each, self.held);
        // The first time this lies before the row.
        self.pair((at + 4).wrapping_sub(each), held, v0);
        self.pair(at, v1, v2);
        if left > 1 {
            self.pair(at + 4, v3, v4);
        }
        if left > 2 {
            self.pair(at + each, v5, v6);
        }
        self.held = v7;
        self.at += 2 * each;
    }

    fn end(&mut self, value: i8, exists: bool) {
        if exists {
            self.pair((self.at + 4).wrapping_sub(self.each), self.held, value);
        }
    }
}

/// A row of bytes, pixel by pixel.
struct Plain<'a> {
    bytes: &'a mut [u8],
    c: usize,
    /// Where column 8n - 1 lies.
    at: usize,
}

impl<'a> Plain<'a> {
    fn new(bytes: &'a mut [u8], c: usize, o: usize) -> Self {
        Self { bytes, c, at: o.wrapping_sub(c) }
    }
}

impl Eight for Plain<'_> {
    #[inline(always)]
    fn put(&mut self, values: [i8; 8], left: usize) {
        // The first time the first value lies before the row.
        for value in values.into_iter().take(2 * left + 1) {
            if let Some(to) = self.bytes.get_mut(self.at) {
                *to = value as u8;
            }
            self.at = self.at.wrapping_add(self.c);
        }
    }

    fn end(&mut self, value: i8, exists: bool) {
        if exists && let Some(to) = self.bytes.get_mut(self.at) {
            *to = value as u8;
        }
    }
}

/// Makes a row of a dense layer.
#[inline(never)]
pub(super) fn dense_row(row: &Row<'_>, out: &mut Out<'_>) {
    row.dense(out, dots, dense);
}

/// The kernels in portable form: the oracle of the assembly, and what cores with a wide multiplication run.
#[cfg(not(kernels = "lanes-asm"))]
pub(super) mod twin {
    use super::*;
    use crate::weights::{DENSE_GROUP, DENSE_LANE};

    /// The packed pixels of up to two rows, four by four.
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

        /// Multiplies them with the words of one output channel.
        pub(in crate::kernels) fn times<'p>(&'p self, words: &'p [u8]) -> Products<'p> {
            Products { pixels: self, words, at: 0, lanes: [0; 12] }
        }
    }

    /// A packed row of one channel, without a table.
    pub(in crate::kernels) fn packed(
        pixels: &Pixels<'_>,
        words: &[u8],
        columns: &Columns,
        finish: Finish<'_>,
        bytes: &mut [u8],
        c: usize,
        o: usize,
    ) {
        columns.run(&mut pixels.times(words), |acc| finish.saturated(acc), &mut Packed::new(bytes, c, o));
    }

    /// The lanes of pixels and the words of one channel.
    pub(in crate::kernels) struct Products<'p> {
        pixels: &'p Pixels<'p>,
        words: &'p [u8],
        /// Where the next four pixels lie.
        at: usize,
        lanes: Lanes,
    }

    impl Products<'_> {
        /// The lanes of the next four pixels.
        pub(in crate::kernels) fn next(&mut self) -> Option<&Lanes> {
            let Pixels { rows: [first, second], each, interval } = *self.pixels;
            let first = first.get(self.at..)?.get(..each)?;
            let second = second.get(self.at..).and_then(|b| b.get(..each)).unwrap_or_default();
            self.lanes = super::quad([first, second], self.words, interval);
            self.at += each;
            Some(&self.lanes)
        }
    }

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
    pub(in crate::kernels) fn empty(accs: &mut [i64; 4], lanes: &mut Lanes) {
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
    use crate::weights::{DENSE_GROUP, DENSE_LANE};
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
