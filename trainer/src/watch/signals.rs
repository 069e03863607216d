//! What a run shows of its health: numbers of the last steps, and of some samples beside real examples.

use super::neighbors::Neighbors;
use crate::data::Dataset;
use crate::philox::Key;
use crate::train::{Report, Trainer};
use rayon::prelude::*;

/// Samples that are looked at.
const SAMPLES: usize = 64;
/// Of sets of thousands fewer samples are compared: each takes its time, and copies of so many come slowly.
const THOUSANDS: usize = 2048;
const FEWER: usize = 16;
/// The seed of the first sample: not one of those that grids show or measurements take.
const FIRST_SEED: u32 = 3 << 20;
const STREAM: u32 = 0x5741_5443;

/// Means over some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    /// Steps so far.
    pub steps: u32,
    /// How real real examples look.
    pub real: f64,
    /// How real generated ones look.
    pub fake: f64,
    /// Length of the generator's gradient.
    pub generator_gradient_norm: f64,
    /// Length of the discriminator's gradient.
    pub discriminator_gradient_norm: f64,
}

impl Means {
    /// Takes in a step.
    pub fn add(&mut self, report: &Report) {
        self.steps += 1;
        let n = f64::from(self.steps);
        let mix = |mean: &mut f64, value: f32| *mean += (f64::from(value) - *mean) / n;
        mix(&mut self.real, report.d_real);
        mix(&mut self.fake, report.d_fake);
        mix(&mut self.generator_gradient_norm, report.generator_gradient_norm);
        mix(&mut self.discriminator_gradient_norm, report.discriminator_gradient_norm);
    }
}

/// Samples beside real examples, by distances of their numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Mean distance between two samples, over that between two real examples: 1 for as much variety, 0 for one sample again and again.
    pub variety: f64,
    /// Mean distance from a sample to the nearest training example, over that from a training example to the nearest other one: 0 for copies.
    pub novelty: f64,
    /// Mean distance from a sample to the nearest training example over that to the second nearest: 1 where it belongs to neither, 0 for copies.
    pub single: f64,
}

/// Real examples to compare with, gone through once.
#[derive(Clone, Debug)]
pub struct Real {
    item: usize,
    apart: f64,
    neighbors: Neighbors,
    nearest: f64,
}

impl Real {
    /// Goes through the training examples, 65,536 of them at most.
    pub fn of(data: &dyn Dataset) -> Self {
        let item: usize = data.shape().iter().product();
        let mut values = vec![0.0; data.len().unwrap_or(SAMPLES).min(SAMPLES) * item];
        data.batch(Key { seed: 0, stream: STREAM, step: 0 }, &mut values);
        let apart = mean_apart(&values, item);
        let neighbors = Neighbors::of(data);
        let (count, mut example) = (neighbors.count().min(SAMPLES), vec![0.0; item]);
        let mut nearest = |i: usize| {
            let number = neighbors.example(i * neighbors.count() / count);
            data.item(number, &mut example);
            neighbors.nearest_two(data, &example, Some(number))[0]
        };
        let near: Vec<f64> = (0..count).map(&mut nearest).filter(|d| d.is_finite()).collect();
        let nearest = near.iter().sum::<f64>() / near.len().max(1) as f64;
        Self { item, apart, neighbors, nearest }
    }

    /// What samples of `trainer` are like.
    pub fn likeness(&self, trainer: &mut Trainer) -> Likeness {
        let samples = trainer.samples(FIRST_SEED, SAMPLES);
        self.likeness_of(trainer.data(), &samples)
    }

    /// What `samples` are like, beside the examples of `data` that this was made of.
    pub fn likeness_of(&self, data: &dyn Dataset, samples: &[f32]) -> Likeness {
        let variety = mean_apart(samples, self.item) / self.apart.max(f64::MIN_POSITIVE);
        if !self.knows_all() {
            return Likeness { variety, novelty: 1.0, single: 1.0 };
        }
        let most = if self.thousands() { FEWER } else { usize::MAX };
        let near: Vec<[f64; 2]> = samples
            .par_chunks_exact(self.item)
            .take(most)
            .map(|row| self.neighbors.nearest_two(data, row, None))
            .collect();
        let count = near.len().max(1);
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| near.iter().map(of).sum::<f64>() / count as f64;
        Likeness {
            variety,
            novelty: mean(&|near| near[0]) / self.nearest.max(f64::MIN_POSITIVE),
            single: mean(&|near| near[0] / near[1].max(f64::MIN_POSITIVE)),
        }
    }

    /// Whether the set is one of thousands, of which fewer samples are compared.
    pub fn thousands(&self) -> bool {
        self.neighbors.count() > THOUSANDS
    }

    /// Whether copies of training examples would be seen: of sets of up to 65,536.
    pub fn knows_all(&self) -> bool {
        self.neighbors.whole()
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()).sqrt()
}

fn mean_apart(values: &[f32], item: usize) -> f64 {
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
    fn held_out_digits_are_never_taken_for_copies() {
        let digits = digits().unwrap();
        let (train, held_out) = digits.usual_split().unwrap();
        let real = Real::of(&train);
        assert!(real.knows_all() && real.thousands());
        let mut some = vec![0.0; 16 * 28 * 28];
        for first in (0..800).step_by(16) {
            some.chunks_exact_mut(28 * 28).enumerate().for_each(|(i, out)| held_out.item(first + i, out));
            let like = real.likeness_of(&train, &some);
            assert!(like.novelty > 0.75 && like.single > 0.86, "{like:?}");
        }
    }

    #[test]
    fn copies_of_a_set_of_thousands_are_known_and_new_pictures_of_its_kind_are_not() {
        let (set, others) = (blobs(12, 12, 3, 6000, 1), blobs(12, 12, 3, 64, 2));
        let real = Real::of(&set);
        assert!(real.knows_all());
        let item = 12 * 12 * 3;
        let (mut copies, mut honest) = (vec![0.0; 64 * item], vec![0.0; 64 * item]);
        copies.chunks_exact_mut(item).enumerate().for_each(|(i, out)| set.item(93 * i, out));
        honest.chunks_exact_mut(item).enumerate().for_each(|(i, out)| others.item(i, out));
        // Copies as networks make them: near, and not equal.
        copies.iter_mut().enumerate().for_each(|(i, v)| *v += 0.01 * ((i * 37 % 11) as f32 - 5.0) / 5.0);
        let (copied, new) = (real.likeness_of(&set, &copies), real.likeness_of(&set, &honest));
        assert!(copied.novelty < 0.5 && copied.single < 0.6, "{copied:?}");
        assert!(new.novelty > 0.9 && new.single > 0.7, "{new:?}");
        assert!((new.variety - 1.0).abs() < 0.2, "{new:?}");
    }
}
