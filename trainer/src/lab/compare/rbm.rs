//! A restricted Boltzmann machine with one real visible unit, by contrastive divergence (Hinton 2002).
use super::normals;
use crate::philox::Key;

const HIDDEN: usize = 8;
const BATCH: usize = 100;
const EPOCHS: usize = 60;
const RATE: f64 = 0.02;
/// Deviation of the visible unit given the hidden ones.
const SIGMA: f64 = 0.25;
/// Steps of the chain before a number is drawn.
const CHAIN: usize = 200;

struct Machine {
    weights: [f64; HIDDEN],
    hidden: [f64; HIDDEN],
    visible: f64,
}

impl Machine {
    /// Probability that each hidden unit is on.
    fn up(&self, v: f64) -> [f64; HIDDEN] {
        std::array::from_fn(|j| 1.0 / (1.0 + (-(self.hidden[j] + self.weights[j] * v / SIGMA)).exp()))
    }

    /// Mean of the visible unit.
    fn down(&self, on: &[f64; HIDDEN]) -> f64 {
        self.visible + SIGMA * self.weights.iter().zip(on).map(|(w, h)| w * h).sum::<f64>()
    }
}

/// On where a die is below the probability.
fn tossed(chances: [f64; HIDDEN], dice: &[f32]) -> [f64; HIDDEN] {
    std::array::from_fn(|j| f64::from(u8::from(f64::from(dice[j]) < chances[j])))
}

/// Fits the machine and draws by Gibbs sampling.
pub(super) fn restricted(data: &[f64], n: usize) -> Vec<f64> {
    let start = normals(4, 2 * HIDDEN);
    let mut m = Machine {
        weights: std::array::from_fn(|j| 0.3 * start[j]),
        hidden: std::array::from_fn(|j| 0.1 * start[HIDDEN + j]),
        visible: 0.0,
    };
    let mut dice = [0.0; HIDDEN];
    for epoch in 0..EPOCHS {
        for (b, batch) in data.chunks(BATCH).enumerate() {
            let (mut weights, mut hidden, mut visible) = ([0.0; HIDDEN], [0.0; HIDDEN], 0.0);
            let key = Key { seed: 2, stream: 5, step: (epoch * data.len() + b) as u64 };
            let noise = {
                let mut noise = vec![0.0; batch.len()];
                Key { stream: 6, ..key }.normal(&mut noise);
                noise
            };
            for (i, &v) in batch.iter().enumerate() {
                Key { stream: 100 + i as u32, ..key }.uniform(&mut dice);
                let up = m.up(v);
                let again = m.down(&tossed(up, &dice)) + SIGMA * f64::from(noise[i]);
                let back = m.up(again);
                for j in 0..HIDDEN {
                    weights[j] += (v * up[j] - again * back[j]) / SIGMA;
                    hidden[j] += up[j] - back[j];
                }
                visible += (v - again) / (SIGMA * SIGMA);
            }
            let rate = RATE / batch.len() as f64;
            for j in 0..HIDDEN {
                m.weights[j] += rate * weights[j];
                m.hidden[j] += rate * hidden[j];
            }
            m.visible += rate * SIGMA * visible;
        }
    }
    // Chains start at data: a chain from anywhere else takes long to cross the valley between bumps.
    let mut drawn: Vec<f64> = (0..n).map(|i| data[i % data.len()]).collect();
    for step in 0..CHAIN {
        let key = Key { seed: 3, stream: 7, step: step as u64 };
        let mut noise = vec![0.0; n];
        key.normal(&mut noise);
        let mut dice = vec![0.0; n * HIDDEN];
        Key { stream: 8, ..key }.uniform(&mut dice);
        for (i, v) in drawn.iter_mut().enumerate() {
            *v = m.down(&tossed(m.up(*v), &dice[i * HIDDEN..])) + SIGMA * f64::from(noise[i]);
        }
    }
    drawn
}
