//! What a run shows of its health: numbers of the last steps, and of some samples beside real examples.

use crate::data::Dataset;
use crate::philox::Key;
use crate::train::{Report, Trainer};

/// Samples that are looked at.
const SAMPLES: usize = 64;
/// Most training examples that samples are compared with.
const COMPARED: usize = 2048;
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
    pub generator_gradient: f64,
    /// Length of the critic's gradient.
    pub critic_gradient: f64,
}

impl Means {
    /// Takes in a step.
    pub fn add(&mut self, report: &Report) {
        self.steps += 1;
        let n = f64::from(self.steps);
        let mix = |mean: &mut f64, value: f32| *mean += (f64::from(value) - *mean) / n;
        mix(&mut self.real, report.judged_real);
        mix(&mut self.fake, report.judged_fake);
        mix(&mut self.generator_gradient, report.generator_gradient);
        mix(&mut self.critic_gradient, report.critic_gradient);
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

/// Real examples to compare with, drawn once.
#[derive(Clone, Debug)]
pub struct Real {
    item: usize,
    values: Vec<f32>,
    apart: f64,
    nearest: f64,
    /// Whether the training set is larger than what is compared: then nothing is known of copies.
    part: bool,
}

impl Real {
    /// Draws up to 2,048 training examples.
    pub fn of(data: &dyn Dataset) -> Self {
        let item: usize = data.shape().iter().product();
        let count = data.len().unwrap_or(COMPARED).min(COMPARED);
        let mut values = vec![0.0; count * item];
        if data.len().is_some_and(|n| n > COMPARED) || data.len().is_none() {
            data.batch(Key { seed: 0, stream: STREAM, step: 0 }, &mut values);
        } else {
            values.chunks_exact_mut(item).enumerate().for_each(|(i, out)| data.item(i, out));
        }
        let apart = mean_apart(&values[..count.min(SAMPLES) * item], item);
        let rows: Vec<&[f32]> = values.chunks_exact(item).collect();
        let nearest = |i: usize| {
            let others = rows.iter().enumerate().filter(|&(j, other)| j != i && *other != rows[i]);
            others.map(|(_, row)| distance(row, rows[i])).fold(f64::INFINITY, f64::min)
        };
        let near: Vec<f64> = (0..rows.len().min(SAMPLES)).map(nearest).filter(|d| d.is_finite()).collect();
        let nearest = near.iter().sum::<f64>() / near.len().max(1) as f64;
        Self { item, values, apart, nearest, part: data.len().is_none_or(|n| n > COMPARED) }
    }

    /// What samples of `trainer` are like.
    pub fn likeness(&self, trainer: &mut Trainer) -> Likeness {
        let samples = trainer.samples(FIRST_SEED, SAMPLES);
        let (mut near, mut single) = (0.0, 0.0);
        for row in samples.chunks_exact(self.item) {
            let (mut first, mut second) = (f64::INFINITY, f64::INFINITY);
            for other in self.values.chunks_exact(self.item) {
                let d = distance(row, other);
                if d < first {
                    (first, second) = (d, first);
                } else {
                    second = second.min(d);
                }
            }
            near += first / SAMPLES as f64;
            single += first / second.max(f64::MIN_POSITIVE) / SAMPLES as f64;
        }
        Likeness {
            variety: mean_apart(&samples, self.item) / self.apart.max(f64::MIN_POSITIVE),
            single,
            novelty: near / self.nearest.max(f64::MIN_POSITIVE),
        }
    }

    /// Whether copies of training examples would be seen.
    pub fn knows_all(&self) -> bool {
        !self.part
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
