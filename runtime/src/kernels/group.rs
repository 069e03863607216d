//! Products of a run of values and the weights of eight outputs: the inner loop of all layers except doubling ones.
//!
//! Two weights share a half-word, `low + high·2^8`. The products of half-words sum to `low sum + 256·high sum`; the products of the
//! low bytes sum to the low sum. That takes two 16-bit multiplications for two weights, and only the low bytes are
//! unpacked.
use super::row::Sums;
use crate::weights::{self, GROUP};
use core::slice;

/// Maximum length of a run. The high sum then fits the upper 24 bits of a word: 127·128·512 is below 2^23.
pub(super) const MAX_RUN: usize = 512;

/// Adds the products of `values` and `weights` to `sums`. The weights are stored group by group.
#[inline(always)]
pub(super) fn add(values: &[u8], weights: &[u8], sums: &mut [Sums]) {
    if values.len() <= MAX_RUN {
        return super::add_run(values, weights, sums);
    }
    let each = (weights::run(values.len() as u32) as usize).max(1);
    for (sums, weights) in sums.iter_mut().zip(weights.chunks_exact(each)) {
        for (values, weights) in values.chunks(MAX_RUN).zip(weights.chunks(MAX_RUN * GROUP)) {
            super::add_run(values, weights, slice::from_mut(sums));
        }
    }
}

/// Adds the products of at most [`MAX_RUN`] values.
#[cfg(not(kernels = "lanes-asm"))]
pub(super) fn add_run(values: &[u8], weights: &[u8], sums: &mut [Sums]) {
    let each = (weights::run(values.len() as u32) as usize).max(1);
    sums.iter_mut().zip(weights.chunks_exact(each)).for_each(|(sums, weights)| super::add_one(values, weights, sums));
}

/// Adds the products for one group; portable code.
#[cfg(not(kernels = "lanes-asm"))]
pub(super) fn add_one(values: &[u8], weights: &[u8], sums: &mut Sums) {
    let (mut both, mut low) = ([0i32; GROUP / 2], [0i32; GROUP / 2]);
    for (values, weights) in values.chunks(4).zip(weights.as_chunks::<{ 4 * GROUP }>().0) {
        let value = |i: usize| values.get(i).map_or(0, |&v| i32::from(v as i8));
        let values = [value(0), value(2), value(1), value(3)];
        let pairs = weights.as_chunks::<8>().0;
        for ((both, low), pair) in both.iter_mut().zip(&mut low).zip(pairs) {
            for (value, half) in values.iter().zip(pair.as_chunks::<2>().0) {
                let half = i16::from_le_bytes(*half);
                *both = both.wrapping_add(value * i32::from(half));
                *low += value * i32::from(half as i8);
            }
        }
    }
    for ((both, low), sums) in both.iter().zip(&low).zip(sums.as_chunks_mut::<2>().0) {
        sums[0] += low;
        sums[1] += both.wrapping_sub(*low) >> 8;
    }
}

/// Adds the products of `values` and the words of one group in the fast layout of a dense layer.
#[cfg(not(kernels = "lanes-asm"))]
pub(super) fn words(values: &[u8], words: &[u8], sums: &mut Sums) {
    for (&a, words) in values.iter().zip(words.as_chunks::<{ 2 * GROUP }>().0) {
        for (pair, word) in sums.as_chunks_mut::<2>().0.iter_mut().zip(words.as_chunks::<4>().0) {
            let (a, word) = (i32::from(a as i8), i32::from_le_bytes(*word));
            pair[0] += a * i32::from(weights::low(word));
            pair[1] += a * weights::high(word, weights::DENSE_LANE);
        }
    }
}
