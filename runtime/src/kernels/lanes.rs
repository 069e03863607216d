//! Packed arithmetic: two values per word, so that one 32×32+64-bit multiply-accumulate computes four products.
//!
//! `(w0 + w1·2^21)·(a0 + a1·2^21)` adds w0·a0 to the low lane of an accumulator, w1·a0 + w0·a1 to the middle lane and
//! w1·a1 to the high one. With the weights of two horizontal taps and two neighboring pixels the middle lane is a complete
//! output. Each outer lane is a part of an output, and the neighboring pair of pixels contributes the other part.
//!
//! These functions are the reference for assembly, and the code of cores that have a 64-bit product but no assembly kernels.
use crate::{
    format::part,
    weights::{self, LANE},
};

/// Sums of the lanes of two pairs of pixels. For each pair: low, middle and high lane of the even columns, then of the odd columns.
pub(super) type Lanes = [i32; 12];

/// Multiplies all channels of four packed pixels, from up to two rows, by the words of one output channel.
///
/// The lanes are emptied every `interval` steps, before they can overflow.
pub(super) fn quad(rows: [&[u8]; 2], words: &[u8], interval: usize) -> Lanes {
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
        let halves = |bytes: &[u8]| [bytes, bytes.get(4..).unwrap_or_default()].map(|b| i64::from(weights::word(b)));
        let ([a0, a1], [even, odd]) = (halves(pixels), halves(words));
        for (acc, product) in accs.iter_mut().zip([a0 * even, a0 * odd, a1 * even, a1 * odd]) {
            *acc = acc.wrapping_add(product);
        }
    }
    empty(&mut accs, &mut lanes);
    lanes
}

/// Adds the lanes of the accumulators to `lanes` and clears them.
pub(super) fn empty(accs: &mut [i64; 4], lanes: &mut Lanes) {
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
pub(super) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{quad, unpack};
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
                let lanes = quad([&rows[0], &rows[1]], &words(&taps), interval);
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
            assert_eq!(unpack([&bytes(&even), &bytes(&odd)], channels, &mut scratch), expected);
        }
    }
}
