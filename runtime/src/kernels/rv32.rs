//! The packed kernels of 32-bit RISC-V: the portable ones, but for loads and stores of whole words.
//!
//! These cores trap on words that are not aligned, so the compiler assembles words out of bytes where it cannot know.
use super::lanes::{Lanes, twin};
use crate::weights::{self, DENSE_GROUP, DENSE_LANE, LANE};

/// The words in `bytes`, if they start at a multiple of four.
fn words(bytes: &[u8]) -> Option<&[i32]> {
    // SAFETY: every pattern of bits is a word, and these cores are little-endian as the file is.
    let (before, words, _) = unsafe { bytes.align_to::<i32>() };
    before.is_empty().then_some(words)
}

/// As `words`, to be written.
fn words_mut(bytes: &mut [u8]) -> Option<&mut [i32]> {
    // SAFETY: every pattern of bits is a word, and every word some bytes.
    let (before, words, _) = unsafe { bytes.align_to_mut::<i32>() };
    before.is_empty().then_some(words)
}

/// As `twin::quad`.
pub(super) fn quad(rows: [&[u8]; 2], taps: &[u8], interval: usize) -> Lanes {
    let [Some(first), Some(second)] = rows.map(words) else { return twin::quad(rows, taps, interval) };
    let Some(taps) = words(taps) else { return twin::quad(rows, taps, interval) };
    let mut lanes = [0; 12];
    let mut accs = [0i64; 4];
    let (mut taps, mut room) = (taps.as_chunks::<2>().0, interval);
    for row in [first, second] {
        let mut pixels = row.as_chunks::<2>().0;
        while !pixels.is_empty() && !taps.is_empty() {
            if room == 0 {
                twin::empty(&mut accs, &mut lanes);
                room = interval.max(1);
            }
            let steps = room.min(pixels.len()).min(taps.len());
            let ((now, later), (taps_now, taps_later)) = (pixels.split_at(steps), taps.split_at(steps));
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
    twin::empty(&mut accs, &mut lanes);
    lanes
}

/// As `twin::unpack`.
pub(super) fn unpack<'s>(columns: [&[u8]; 2], c_in: usize, scratch: &'s mut [u8]) -> &'s [u8] {
    let Some(all) = words_mut(scratch) else { return twin::unpack(columns, c_in, scratch) };
    let [even, odd] = columns.map(|block| block.chunks_exact((2 * c_in).max(1)));
    for ((even, odd), steps) in even.zip(odd).zip(all.as_chunks_mut::<2>().0.chunks_exact_mut(c_in.max(1))) {
        let [even, odd] = [even, odd].map(|b| b.split_at_checked(c_in).unwrap_or_default());
        let pairs = even.0.iter().zip(even.1).zip(odd.0.iter().zip(odd.1));
        for (((&eh, &el), (&oh, &ol)), step) in pairs.zip(steps) {
            *step = [(el, eh), (ol, oh)].map(|(low, high)| weights::join(low as i8, high as i8, LANE));
        }
    }
    scratch
}

/// As `twin::dense`.
pub(super) fn dense(input: &[u8], group: &[u8]) -> [i32; DENSE_GROUP] {
    let Some(all) = words(group) else { return twin::dense(input, group) };
    let mut sums = [0; DENSE_GROUP];
    // 512 products of at most 127·128 always fit 24 bits.
    for (input, steps) in input.chunks(512).zip(all.as_chunks::<4>().0.chunks(512)) {
        let [mut p, mut q, mut r, mut s] = [0i64; DENSE_GROUP / 2];
        for (&a, &[wp, wq, wr, ws]) in input.iter().zip(steps) {
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
    sums
}

/// Eight rows of compact weights, four at a time.
pub(super) fn dots(input: &[u8], rows: &[u8]) -> [i32; DENSE_GROUP] {
    let mut sums = [0; DENSE_GROUP];
    let n = input.len().max(1);
    if rows.len() != DENSE_GROUP * n {
        return super::dense::dots(input, rows);
    }
    for (sums, rows) in sums.as_chunks_mut::<4>().0.iter_mut().zip(rows.chunks_exact(4 * n)) {
        let ((p, q), (r, s)) = {
            let (upper, lower) = rows.split_at(2 * n);
            (upper.split_at(n), lower.split_at(n))
        };
        for (((&a, &p), &q), (&r, &s)) in input.iter().zip(p).zip(q).zip(r.iter().zip(s)) {
            let a = i32::from(a as i8);
            sums.iter_mut().zip([p, q, r, s]).for_each(|(sum, w)| *sum += a * i32::from(w as i8));
        }
    }
    sums
}
