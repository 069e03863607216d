//! A restricted Boltzmann machine with one real-valued visible unit, trained by contrastive divergence (Hinton 2002).
use super::normals;
use crate::philox::Key;

const HIDDEN: usize = 8;
const BATCH_SIZE: usize = 100;
const EPOCHS: usize = 60;
const LEARNING_RATE: f64 = 0.02;
/// Standard deviation of the visible unit, given the hidden units.
const SIGMA: f64 = 0.25;
/// Number of steps of each Markov chain; the state after them is a sample.
const CHAIN_STEPS: usize = 200;

struct BoltzmannMachine {
    weights: [f64; HIDDEN],
    hidden_biases: [f64; HIDDEN],
    visible_bias: f64,
}

impl BoltzmannMachine {
    /// Probability that each hidden unit is on, given the visible unit.
    fn hidden_probabilities(&self, v: f64) -> [f64; HIDDEN] {
        std::array::from_fn(|j| 1.0 / (1.0 + (-(self.hidden_biases[j] + self.weights[j] * v / SIGMA)).exp()))
    }

    /// Mean of the visible unit, given the hidden units.
    fn visible_mean(&self, on: &[f64; HIDDEN]) -> f64 {
        self.visible_bias + SIGMA * self.weights.iter().zip(on).map(|(w, h)| w * h).sum::<f64>()
    }
}

/// Samples each hidden unit: 1 where the uniform number is below the probability, else 0.
fn sample(probabilities: [f64; HIDDEN], uniform: &[f32]) -> [f64; HIDDEN] {
    std::array::from_fn(|j| f64::from(u8::from(f64::from(uniform[j]) < probabilities[j])))
}

impl BoltzmannMachine {
    /// One step of contrastive divergence (CD-1) on a batch.
    fn train_batch(&mut self, batch: &[f64], key: Key) {
        let (mut weights, mut hidden_biases, mut visible_bias) = ([0.0; HIDDEN], [0.0; HIDDEN], 0.0);
        let (mut noise, mut uniform) = (vec![0.0; batch.len()], [0.0; HIDDEN]);
        Key { stream: 6, ..key }.normal(&mut noise);
        for (i, &visible) in batch.iter().enumerate() {
            Key { stream: 100 + i as u32, ..key }.uniform(&mut uniform);
            let hidden = self.hidden_probabilities(visible);
            let reconstruction = self.visible_mean(&sample(hidden, &uniform)) + SIGMA * f64::from(noise[i]);
            let hidden_again = self.hidden_probabilities(reconstruction);
            for j in 0..HIDDEN {
                weights[j] += (visible * hidden[j] - reconstruction * hidden_again[j]) / SIGMA;
                hidden_biases[j] += hidden[j] - hidden_again[j];
            }
            visible_bias += (visible - reconstruction) / (SIGMA * SIGMA);
        }
        let rate = LEARNING_RATE / batch.len() as f64;
        for j in 0..HIDDEN {
            self.weights[j] += rate * weights[j];
            self.hidden_biases[j] += rate * hidden_biases[j];
        }
        self.visible_bias += rate * SIGMA * visible_bias;
    }
}

/// Fits a machine to `data` and draws `n` samples by Gibbs sampling.
pub(super) fn restricted(data: &[f64], n: usize) -> Vec<f64> {
    let start = normals(4, 2 * HIDDEN);
    let mut machine = BoltzmannMachine {
        weights: std::array::from_fn(|j| 0.3 * start[j]),
        hidden_biases: std::array::from_fn(|j| 0.1 * start[HIDDEN + j]),
        visible_bias: 0.0,
    };
    for epoch in 0..EPOCHS {
        for (b, batch) in data.chunks(BATCH_SIZE).enumerate() {
            machine.train_batch(batch, Key { seed: 2, stream: 5, step: (epoch * data.len() + b) as u64 });
        }
    }
    // Chains start at data points. Other chains would take a long time to cross the region of low density between the modes.
    let mut samples: Vec<f64> = (0..n).map(|i| data[i % data.len()]).collect();
    for step in 0..CHAIN_STEPS {
        let key = Key { seed: 3, stream: 7, step: step as u64 };
        let (mut noise, mut uniform) = (vec![0.0; n], vec![0.0; n * HIDDEN]);
        key.normal(&mut noise);
        Key { stream: 8, ..key }.uniform(&mut uniform);
        for (i, v) in samples.iter_mut().enumerate() {
            let hidden = sample(machine.hidden_probabilities(*v), &uniform[i * HIDDEN..]);
            *v = machine.visible_mean(&hidden) + SIGMA * f64::from(noise[i]);
        }
    }
    samples
}
