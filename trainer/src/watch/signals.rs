//! Measurements for alarms: means over steps, and statistics of samples compared with real examples.

use super::neighbors::Neighbors;
use crate::data::Dataset;
use crate::philox::Key;
use crate::train::{StepReport, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Number of samples.
const SAMPLES: usize = 64;
/// Number of examples above which a set is large: fewer samples are compared with it, because each comparison takes longer, and copies
/// appear late in training.
const LARGE_SET: usize = 2048;
const SAMPLES_FOR_LARGE_SETS: usize = 16;
/// Seed of the first sample; sample grids and measurements use other seeds.
const FIRST_SEED: u32 = 3 << 20;
const STREAM: u32 = 0x5741_5443;

/// Means over steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMeans {
    /// Number of steps.
    pub steps: u32,
    /// Mean D(x).
    pub d_real: f64,
    /// Mean D(G(z)).
    pub d_fake: f64,
    /// Mean norm of the generator's gradient.
    pub generator_gradient_norm: f64,
    /// Mean norm of the discriminator's gradient.
    pub discriminator_gradient_norm: f64,
}

impl StepMeans {
    /// Adds a step.
    pub fn add(&mut self, report: &StepReport) {
        self.steps += 1;
        let n = f64::from(self.steps);
        let mix = |mean: &mut f64, value: f32| *mean += (f64::from(value) - *mean) / n;
        mix(&mut self.d_real, report.d_real);
        mix(&mut self.d_fake, report.d_fake);
        mix(&mut self.generator_gradient_norm, report.generator_gradient_norm);
        mix(&mut self.discriminator_gradient_norm, report.discriminator_gradient_norm);
    }
}

/// Samples compared with real examples, by Euclidean distances of pixels or coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleStatistics {
    /// Mean distance between two samples, divided by that between two real examples: 1 for the same diversity as the data, 0 if
    /// all samples are equal.
    pub diversity: f64,
    /// Mean distance from a sample to its nearest training example, divided by that between neighboring training examples: 0 for copies.
    pub novelty: f64,
    /// Mean ratio of the distances to the nearest and the second nearest training example: near 1 for new samples, 0 for copies.
    pub neighbor_ratio: f64,
}

/// Real examples prepared for comparison with samples.
#[derive(Clone, Debug)]
pub struct RealExamples {
    item: usize,
    /// Mean distance between two examples.
    pairwise_distance: f64,
    neighbors: Neighbors,
    /// Mean distance from an example to its nearest neighbor.
    nearest: f64,
}

impl RealExamples {
    /// Reads the training examples, at most 65,536 of them.
    pub fn of(data: &dyn Dataset) -> Self {
        let item: usize = data.shape().iter().product();
        let mut values = vec![0.0; data.len().unwrap_or(SAMPLES).min(SAMPLES) * item];
        data.batch(Key { seed: 0, stream: STREAM, step: 0 }, &mut values);
        let pairwise_distance = mean_pairwise_distance(&values, item);
        let neighbors = Neighbors::of(data);
        let (count, mut example) = (neighbors.count().min(SAMPLES), vec![0.0; item]);
        let mut nearest = |i: usize| {
            let number = neighbors.example(i * neighbors.count() / count);
            data.item(number, &mut example);
            neighbors.nearest_two(data, &example, Some(number))[0]
        };
        let near: Vec<f64> = (0..count).map(&mut nearest).filter(|d| d.is_finite()).collect();
        let nearest = near.iter().sum::<f64>() / near.len().max(1) as f64;
        Self { item, pairwise_distance, neighbors, nearest }
    }

    /// Statistics of samples that `trainer` generates now.
    pub fn compare(&self, trainer: &mut Trainer) -> SampleStatistics {
        let samples = trainer.samples(FIRST_SEED, SAMPLES);
        self.compare_samples(trainer.data(), &samples)
    }

    /// Statistics of `samples`; `data` must be the data set that these examples were read from.
    pub fn compare_samples(&self, data: &dyn Dataset, samples: &[f32]) -> SampleStatistics {
        let diversity = mean_pairwise_distance(samples, self.item) / self.pairwise_distance.max(f64::MIN_POSITIVE);
        if !self.is_complete() {
            return SampleStatistics { diversity, novelty: 1.0, neighbor_ratio: 1.0 };
        }
        let most = if self.is_large() { SAMPLES_FOR_LARGE_SETS } else { usize::MAX };
        let near: Vec<[f64; 2]> = samples
            .par_chunks_exact(self.item)
            .take(most)
            .map(|row| self.neighbors.nearest_two(data, row, None))
            .collect();
        let count = near.len().max(1);
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| near.iter().map(of).sum::<f64>() / count as f64;
        SampleStatistics {
            diversity,
            novelty: mean(&|near| near[0]) / self.nearest.max(f64::MIN_POSITIVE),
            neighbor_ratio: mean(&|near| near[0] / near[1].max(f64::MIN_POSITIVE)),
        }
    }

    /// Whether the set is large, so that fewer samples are compared with it.
    pub fn is_large(&self) -> bool {
        self.neighbors.count() > LARGE_SET
    }

    /// Whether all training examples were read, so that copies are detected; true for sets of up to 65,536.
    pub fn is_complete(&self) -> bool {
        self.neighbors.is_complete()
    }
}

/// Euclidean distance.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()).sqrt()
}

/// Mean distance between two rows of `item` numbers.
fn mean_pairwise_distance(values: &[f32], item: usize) -> f64 {
    let rows: Vec<&[f32]> = values.chunks_exact(item).collect();
    let pairs = (0..rows.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let (mut sum, mut n) = (0.0, 0.0);
    for (i, j) in pairs {
        sum += distance(rows[i], rows[j]);
        n += 1.0;
    }
    sum / f64::max(n, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{blobs, digits};

    #[test]
    fn held_out_digits_do_not_count_as_copies() {
        let digits = digits().unwrap();
        let (train, held_out) = digits.default_split().unwrap();
        let real = RealExamples::of(&train);
        assert!(real.is_complete() && real.is_large());
        let mut some = vec![0.0; 16 * 28 * 28];
        for first in (0..800).step_by(16) {
            some.chunks_exact_mut(28 * 28).enumerate().for_each(|(i, out)| held_out.item(first + i, out));
            let like = real.compare_samples(&train, &some);
            assert!(like.novelty > 0.75 && like.neighbor_ratio > 0.86, "{like:?}");
        }
    }

    #[test]
    fn copies_of_a_large_set_are_detected_and_new_images_are_not() {
        let (set, others) = (blobs(12, 12, 3, 6000, 1), blobs(12, 12, 3, 64, 2));
        let real = RealExamples::of(&set);
        assert!(real.is_complete());
        let item = 12 * 12 * 3;
        let (mut copies, mut new) = (vec![0.0; 64 * item], vec![0.0; 64 * item]);
        copies.chunks_exact_mut(item).enumerate().for_each(|(i, out)| set.item(93 * i, out));
        new.chunks_exact_mut(item).enumerate().for_each(|(i, out)| others.item(i, out));
        // Networks copy approximately: the copies are near, but not equal.
        copies.iter_mut().enumerate().for_each(|(i, v)| *v += 0.01 * ((i * 37 % 11) as f32 - 5.0) / 5.0);
        let (copied, new) = (real.compare_samples(&set, &copies), real.compare_samples(&set, &new));
        assert!(copied.novelty < 0.5 && copied.neighbor_ratio < 0.6, "{copied:?}");
        assert!(new.novelty > 0.9 && new.neighbor_ratio > 0.7, "{new:?}");
        assert!((new.diversity - 1.0).abs() < 0.2, "{new:?}");
    }
}
