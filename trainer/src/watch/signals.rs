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
    /// Mean of the distances from a sample to its nearest and its second nearest training example, one by the other, over the same of a training example
    /// among the others.
    pub single: f64,
    /// Mean distance from a sample to the middle of the data, over that of a real example.
    pub reach: f64,
}

/// Real examples to compare with, drawn once.
#[derive(Clone, Debug)]
pub struct Real {
    item: usize,
    values: Vec<f32>,
    middle: Vec<f32>,
    apart: f64,
    nearest: f64,
    reach: f64,
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
        let mut middle = vec![0.0; item];
        for row in values.chunks_exact(item) {
            middle.iter_mut().zip(row).for_each(|(m, v)| *m += v / count as f32);
        }
        let some = &values[..count.min(SAMPLES) * item];
        let (apart, reach) = (mean_apart(some, item), mean_to(some, &middle, item));
        let rows: Vec<&[f32]> = values.chunks_exact(item).collect();
        let nearest = |i: usize| {
            let others = rows.iter().enumerate().filter(|&(j, other)| j != i && *other != rows[i]);
            others.map(|(_, row)| distance(row, rows[i])).fold(f64::INFINITY, f64::min)
        };
        let near: Vec<f64> = (0..rows.len().min(SAMPLES)).map(nearest).filter(|d| d.is_finite()).collect();
        let nearest = near.iter().sum::<f64>() / near.len().max(1) as f64;
        Self { item, values, middle, apart, nearest, reach, part: data.len().is_none_or(|n| n > COMPARED) }
    }

    /// What samples of `trainer` are like.
    pub fn likeness(&self, trainer: &mut Trainer) -> Likeness {
        let mut samples = trainer.samples(FIRST_SEED, SAMPLES);
        let scale = trainer.recipe().data.scale;
        if scale != 1.0 && self.item > 2 {
            samples.iter_mut().for_each(|v| *v *= scale);
        }
        let nearest = |row: &[f32]| {
            self.values.chunks_exact(self.item).map(|other| distance(row, other)).fold(f64::INFINITY, f64::min)
        };
        let near = samples.chunks_exact(self.item).map(nearest).sum::<f64>() / SAMPLES as f64;
        let two = |row: &[f32]| {
            let mut d: Vec<f64> = self.values.chunks_exact(self.item).map(|other| distance(row, other)).collect();
            d.sort_by(f64::total_cmp);
            d[0] / d[1].max(1e-9)
        };
        let single = samples.chunks_exact(self.item).map(two).sum::<f64>() / SAMPLES as f64;
        Likeness {
            variety: mean_apart(&samples, self.item) / self.apart.max(f64::MIN_POSITIVE),
            single,
            novelty: near / self.nearest.max(f64::MIN_POSITIVE),
            reach: mean_to(&samples, &self.middle, self.item) / self.reach.max(f64::MIN_POSITIVE),
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

fn mean_to(values: &[f32], to: &[f32], item: usize) -> f64 {
    let rows = values.chunks_exact(item);
    let n = rows.len().max(1) as f64;
    rows.map(|row| distance(row, to)).sum::<f64>() / n
}
