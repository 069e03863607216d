//! A Gaussian fitted by its moments, and a mixture of two Gaussians fitted by expectation maximization.
use super::normals;
use crate::philox::Key;

/// Iterations of expectation maximization (Dempster et al. 1977).
const ITERATIONS: usize = 100;

/// Mean and standard deviation.
fn moments(data: &[f64]) -> (f64, f64) {
    let n = data.len() as f64;
    let mean = data.iter().sum::<f64>() / n;
    (mean, (data.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Draws `n` samples from the maximum likelihood Gaussian.
pub(super) fn single(data: &[f64], n: usize) -> Vec<f64> {
    let (mean, deviation) = moments(data);
    normals(1, n).into_iter().map(|z| mean + deviation * z).collect()
}

/// Draws `n` samples from a fitted mixture of two Gaussians. The fit starts at one standard deviation on either side of the mean.
pub(super) fn mixture(data: &[f64], n: usize) -> Vec<f64> {
    let (mean, deviation) = moments(data);
    // Weight, mean and standard deviation of each component.
    let mut components = [(0.5, mean - deviation, deviation), (0.5, mean + deviation, deviation)];
    for _ in 0..ITERATIONS {
        let mut sums = [(0.0, 0.0, 0.0); 2];
        for x in data {
            let mass = components.map(|(w, m, s)| w / s * (-0.5 * ((x - m) / s).powi(2)).exp());
            let all = (mass[0] + mass[1]).max(1e-300);
            for (sum, mass) in sums.iter_mut().zip(mass) {
                let share = mass / all;
                *sum = (sum.0 + share, sum.1 + share * x, sum.2 + share * x * x);
            }
        }
        for (component, (share, first, second)) in components.iter_mut().zip(sums) {
            let mean = first / share;
            *component = (share / data.len() as f64, mean, (second / share - mean * mean).max(1e-6).sqrt());
        }
    }
    let mut uniform = vec![0.0; n];
    Key { seed: 2, stream: 2, step: 1 }.uniform(&mut uniform);
    let draw = |(z, u): (f64, &f32)| {
        let (_, mean, deviation) = components[usize::from(f64::from(*u) > components[0].0)];
        mean + deviation * z
    };
    normals(3, n).into_iter().zip(&uniform).map(draw).collect()
}
