//! Packed kernels of 32-bit RISC-V: the portable algorithms with loads and stores of whole words.
//!
//! These cores trap on unaligned words, so the compiler assembles words from bytes unless it can prove the alignment.
use super::{
    group,
    lanes::{self, Lanes},
    row::Sums,
};
use crate::{
    format::part,
    weights::{self, DENSE_LANE, GROUP, LANE},
};

/// Returns the words in `bytes` if they are aligned.
fn whole_words(bytes: &[u8]) -> Option<&[i32]> {
    // SAFETY: every bit pattern is a valid i32. The cores and the file are little-endian.
    let (before, words, _) = unsafe { bytes.align_to::<i32>() };
    before.is_empty().then_some(words)
}

/// Returns the words in `bytes` for writing if they are aligned.
fn words_mut(bytes: &mut [u8]) -> Option<&mut [i32]> {
    // SAFETY: every bit pattern is a valid i32, and every i32 consists of valid bytes.
    let (before, words, _) = unsafe { bytes.align_to_mut::<i32>() };
    before.is_empty().then_some(words)
}

/// Same contract as `lanes::quad`.
pub(super) fn quad(rows: [&[u8]; 2], taps: &[u8], interval: usize) -> Lanes {
    let [Some(first), Some(second)] = rows.map(whole_words) else { return lanes::quad(rows, taps, interval) };
    let Some(taps) = whole_words(taps) else { return lanes::quad(rows, taps, interval) };
    let mut lanes = [0; 12];
    let mut accs = [0i64; 4];
    let (mut taps, mut room) = (taps.as_chunks::<2>().0, interval);
    for row in [first, second] {
        let mut pixels = row.as_chunks::<2>().0;
        while !pixels.is_empty() && !taps.is_empty() {
            if room == 0 {
                lanes::empty(&mut accs, &mut lanes);
                room = interval.max(1);
            }
            let steps = room.min(pixels.len()).min(taps.len());
            let (now, later) = pixels.split_at_checked(steps).unwrap_or_default();
            let (taps_now, taps_later) = taps.split_at_checked(steps).unwrap_or_default();
            let [mut even0, mut odd0, mut even1, mut odd1] = accs;
            for (&[a0, a1], &[even, odd]) in now.iter().zip(taps_now) {
                even0 = even0.wrapping_add(i64::from(a0) * i64::from(even));
                odd0 = odd0.wrapping_add(i64::from(a0) * i64::from(odd));
                even1 = even1.wrapping_add(i64::from(a1) * i64::from(even));
                odd1 = odd1.wrapping_add(i64::from(a1) * i64::from(odd));
            }
            accs = [even0, odd0, even1, odd1];
            (pixels, taps, room) = (later, taps_later, room - steps);
        }
    }
    lanes::empty(&mut accs, &mut lanes);
    lanes
}

/// Same contract as `lanes::unpack`.
pub(super) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
    let Some(all) = words_mut(scratch) else { return lanes::unpack(columns, c_in, scratch) };
    let mut steps = all.as_chunks_mut::<2>().0;
    for t in 0..2 {
        // For even and for odd columns: the high weights, then the low ones.
        let [[eh, el], [oh, ol]] = columns.map(|block| [0, 1].map(|i| part(block, (2 * t + i) * c_in, c_in)));
        let Some((now, later)) = steps.split_at_mut_checked(c_in) else { break };
        for (((&eh, &el), (&oh, &ol)), step) in eh.iter().zip(el).zip(oh.iter().zip(ol)).zip(now) {
            *step = [(el, eh), (ol, oh)].map(|(low, high)| weights::join(low as i8, high as i8, LANE));
        }
        steps = later;
    }
    scratch
}

/// Same contract as `group::words`.
pub(super) fn words(values: &[u8], bytes: &[u8], sums: &mut Sums) {
    let Some(all) = whole_words(bytes) else { return group::words(values, bytes, sums) };
    // 512 products of at most 127·128 always fit 24 bits.
    for (values, steps) in values.chunks(512).zip(all.as_chunks::<4>().0.chunks(512)) {
        let [mut p, mut q, mut r, mut s] = [0i64; GROUP / 2];
        for (&a, &[wp, wq, wr, ws]) in values.iter().zip(steps) {
            let a = i64::from(a as i8);
            p += a * i64::from(wp);
            q += a * i64::from(wq);
            r += a * i64::from(wr);
            s += a * i64::from(ws);
        }
        for (acc, pair) in [p, q, r, s].into_iter().zip(sums.as_chunks_mut::<2>().0) {
            let low = acc << (64 - DENSE_LANE) >> (64 - DENSE_LANE);
            pair[0] += low as i32;
            pair[1] += ((acc - low) >> DENSE_LANE) as i32;
        }
    }
}

/// Same contract as `group::add_one`. Four values stay in registers while all outputs use them.
pub(super) fn add_one(values: &[u8], weights: &[u8], sums: &mut Sums) {
    let (fours, rest) = values.as_chunks::<4>();
    // SAFETY: every bit pattern is a valid i16. The cores and the file are little-endian.
    let (before, halves, _) = unsafe { weights.align_to::<i16>() };
    if !before.is_empty() {
        return group::add_one(values, weights, sums);
    }
    let (mut both, mut low) = ([0i32; GROUP / 2], [0i32; GROUP / 2]);
    for (values, halves) in fours.iter().zip(halves.as_chunks::<{ 2 * GROUP }>().0) {
        let [a, c, b, d] = values.map(|v| i32::from(v as i8));
        for ((both, low), pair) in both.iter_mut().zip(&mut low).zip(halves.as_chunks::<4>().0) {
            for (value, half) in [a, b, c, d].into_iter().zip(*pair) {
                *both = both.wrapping_add(value.wrapping_mul(half.into()));
                *low = low.wrapping_add(value.wrapping_mul((half as i8).into()));
            }
        }
    }
    for ((both, low), sums) in both.iter().zip(&low).zip(sums.as_chunks_mut::<2>().0) {
        sums[0] += low;
        sums[1] += both.wrapping_sub(*low) >> 8;
    }
    if !rest.is_empty() {
        group::add_one(rest, weights.get(4 * GROUP * fours.len()..).unwrap_or_default(), sums);
    }
}
