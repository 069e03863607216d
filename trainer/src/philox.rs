//! Counter-based random numbers: each number is a function of (seed, stream, step, index), equal on every machine.
//!
//! Philox-4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). There is no generator
//! state, so a resumed run has nothing to restore and threads need no locks.

use crate::simd::{math, multiversion};

/// Probability distribution of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Uniform on [0, 1).
    Uniform,
    /// Normal with mean 0 and variance 1.
    Normal,
}

/// Selects one sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Seed of the run.
    pub seed: u64,
    /// Purpose of the numbers. Different streams are independent.
    pub stream: u32,
    /// Training step.
    pub step: u64,
}

impl Key {
    /// Four random words at `index` of this sequence.
    #[doc(hidden)]
    pub fn words(self, index: u32) -> [u32; 4] {
        philox4x32(
            [self.seed as u32, (self.seed >> 32) as u32],
            [index, self.stream, self.step as u32, (self.step >> 32) as u32],
        )
    }

    /// Fills `out` with random numbers.
    #[doc(hidden)]
    pub fn fill(self, distribution: Distribution, out: &mut [f32]) {
        match distribution {
            Distribution::Uniform => self.uniform(out),
            Distribution::Normal => self.normal(out),
        }
    }

    /// A uniform integer in `0..n`, by multiplication (bias below n/2^32). `n` must not be 0.
    pub fn below(self, index: u32, n: usize) -> usize {
        ((u64::from(self.words(index)[0]) * n as u64) >> 32) as usize
    }

    /// The words at [`COUNTERS`] indices from `first` on, word by word. Computing them together costs little more than
    /// computing one.
    fn words_at(self, first: u32) -> [[u32; COUNTERS]; 4] {
        let (seed, step) = ([self.seed as u32, (self.seed >> 32) as u32], [self.step as u32, (self.step >> 32) as u32]);
        let index = std::array::from_fn(|i| first.wrapping_add(i as u32));
        let mut words = [index, [self.stream; COUNTERS], [step[0]; COUNTERS], [step[1]; COUNTERS]];
        philox4x32_many(seed, &mut words);
        words
    }

    /// Fills `out` with uniform numbers in [0, 1).
    pub fn uniform(self, out: &mut [f32]) {
        for (i, run) in out.chunks_mut(4 * COUNTERS).enumerate() {
            let words = self.words_at((i * COUNTERS) as u32);
            for (e, v) in run.iter_mut().enumerate() {
                *v = unit(words[e % 4][e / 4]);
            }
        }
    }

    /// Fills `out` with standard normal numbers (Box-Muller).
    pub fn normal(self, out: &mut [f32]) {
        for (i, run) in out.chunks_mut(4 * COUNTERS).enumerate() {
            let words = self.words_at((i * COUNTERS) as u32);
            let mut normals = [[0.0; COUNTERS]; 4];
            normal_pairs(&words, &mut normals);
            for (e, v) in run.iter_mut().enumerate() {
                *v = normals[e % 4][e / 4];
            }
        }
    }

    /// Fills `out` with uniform integers in `0..n`. Element `i` equals [`Key::below`] at index `first - i`.
    #[doc(hidden)]
    pub fn below_downwards(self, first: u32, n: usize, out: &mut [u32]) {
        for (i, run) in out.chunks_mut(COUNTERS).enumerate() {
            let lowest = first.wrapping_sub((i * COUNTERS + COUNTERS - 1) as u32);
            let words = self.words_at(lowest)[0];
            for (v, w) in run.iter_mut().zip(words.iter().rev()) {
                *v = ((u64::from(*w) * n as u64) >> 32) as u32;
            }
        }
    }
}

/// Number of counters that are computed together, so that their words fill vector registers.
const COUNTERS: usize = 16;

/// The top 24 bits of a word as a number in [0, 1).
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

multiversion! {
    /// Box-Muller transform: words 0 and 1 give normals 0 and 1, and words 2 and 3 give normals 2 and 3.
    fn normal_pairs(words: &[[u32; COUNTERS]; 4], normals: &mut [[f32; COUNTERS]; 4]) {
        for pair in [0, 2] {
            for i in 0..COUNTERS {
                let radius = (-2.0 * math::log(1.0 - unit(words[pair][i]))).sqrt();
                let (sin, cos) = math::sin_cos_turn(unit(words[pair + 1][i]));
                normals[pair][i] = radius * cos;
                normals[pair + 1][i] = radius * sin;
            }
        }
    }
}

multiversion! {
    /// Ten rounds of Philox on [`COUNTERS`] counters of 128 bits, word by word.
    fn philox4x32_many(key: [u32; 2], words: &mut [[u32; COUNTERS]; 4]) {
        rounds(key, words);
    }
}

/// Ten rounds of Philox on a 128-bit counter.
fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let mut words = counter.map(|word| [word]);
    rounds(key, &mut words);
    words.map(|word| word[0])
}

/// Ten rounds of Philox on `N` counters.
#[inline(always)]
fn rounds<const N: usize>(mut key: [u32; 2], c: &mut [[u32; N]; 4]) {
    let [c0, c1, c2, c3] = c;
    for _ in 0..10 {
        for ((c0, c1), (c2, c3)) in c0.iter_mut().zip(c1.iter_mut()).zip(c2.iter_mut().zip(c3.iter_mut())) {
            let a = u64::from(*c0) * 0xD251_1F53;
            let b = u64::from(*c2) * 0xCD9E_8D57;
            [*c0, *c1] = [(b >> 32) as u32 ^ *c1 ^ key[0], b as u32];
            [*c2, *c3] = [(a >> 32) as u32 ^ *c3 ^ key[1], a as u32];
        }
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the authors' Random123 distribution.
    #[test]
    fn philox_equals_the_published_known_answers() {
        assert_eq!(philox4x32([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([!0; 2], [!0; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn numbers_are_equal_whether_drawn_together_or_alone() {
        let key = Key { seed: 5 << 40 | 7, stream: 2, step: 1 << 33 };
        let (mut uniform, mut normal, mut below) = ([0.0; 103], [0.0; 103], [0; 37]);
        key.uniform(&mut uniform);
        key.normal(&mut normal);
        key.below_downwards(9, 25, &mut below);
        for i in 0..103 {
            let words = key.words(i as u32 / 4);
            assert_eq!(uniform[i], unit(words[i % 4]), "uniform {i}");
            let [a, b] = [words[i % 4 / 2 * 2], words[i % 4 / 2 * 2 + 1]].map(|w| f64::from(unit(w)));
            let (sin, cos) = (std::f64::consts::TAU * b).sin_cos();
            let want = (-2.0 * (1.0 - a).ln()).sqrt() * if i % 2 == 0 { cos } else { sin };
            assert!((f64::from(normal[i]) - want).abs() < 1e-6, "normal {i}: {} for {want}", normal[i]);
        }
        for (i, v) in below.iter().enumerate() {
            assert_eq!(*v as usize, key.below(9u32.wrapping_sub(i as u32), 25), "number {i}");
        }
    }

    #[test]
    fn normals_have_unit_variance() {
        let mut v = vec![0.0; 40_000];
        Key { seed: 1, stream: 2, step: 3 }.normal(&mut v);
        let mean = v.iter().sum::<f32>() / v.len() as f32;
        let variance = v.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / v.len() as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
