//! Counter-based random numbers: the same (seed, stream, step, index) gives the same number everywhere.
//!
//! Philox-4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Nothing is
//! stored between draws, so a resumed run needs no generator state and threads need no locks.

use crate::graph::Distribution;

/// Names one sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// What the numbers are for: two streams never share numbers.
    pub stream: u32,
    /// The training step.
    pub step: u64,
}

impl Key {
    /// Four random words at `index` of this sequence.
    pub fn words(self, index: u32) -> [u32; 4] {
        philox4x32(
            [self.seed as u32, (self.seed >> 32) as u32],
            [index, self.stream, self.step as u32, (self.step >> 32) as u32],
        )
    }

    /// Fills `out` with numbers of the law `distribution`.
    pub fn fill(self, distribution: Distribution, out: &mut [f32]) {
        match distribution {
            Distribution::Uniform => self.uniform(out),
            Distribution::Normal => self.normal(out),
        }
    }

    /// A number in `0..n`, by multiplication (bias below n/2^32). `n` must not be 0.
    pub fn below(self, index: u32, n: usize) -> usize {
        ((u64::from(self.words(index)[0]) * n as u64) >> 32) as usize
    }

    /// Fills `out` with uniform numbers in [0, 1).
    pub fn uniform(self, out: &mut [f32]) {
        for (i, four) in out.chunks_mut(4).enumerate() {
            for (v, w) in four.iter_mut().zip(self.words(i as u32)) {
                *v = unit(w);
            }
        }
    }

    /// Fills `out` with standard normal numbers (Box-Muller).
    pub fn normal(self, out: &mut [f32]) {
        for (i, four) in out.chunks_mut(4).enumerate() {
            let w = self.words(i as u32);
            let (a, b) = (normal_pair(w[0], w[1]), normal_pair(w[2], w[3]));
            for (v, n) in four.iter_mut().zip([a.0, a.1, b.0, b.1]) {
                *v = n;
            }
        }
    }
}

/// The top 24 bits as a number in [0, 1).
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

fn normal_pair(a: u32, b: u32) -> (f32, f32) {
    let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
    let (sin, cos) = (std::f32::consts::TAU * unit(b)).sin_cos();
    (radius * cos, radius * sin)
}

/// Ten rounds of Philox on a 128-bit counter.
fn philox4x32(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 distribution.
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox4x32([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([!0; 2], [!0; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
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
