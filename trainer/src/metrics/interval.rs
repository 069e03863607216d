//! Confidence intervals of means over repeated measurements, by Student's t distribution.

use serde::{Deserialize, Serialize};

/// Probability with which a [`ConfidenceInterval`] contains the true mean.
pub const CONFIDENCE: f64 = 0.95;

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceInterval {
    /// Mean of the measurements.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Standard deviation of the measurements (divided by n - 1).
    pub spread: f64,
    /// Number of measurements.
    pub n: usize,
}

impl ConfidenceInterval {
    /// The interval of `values` (Student 1908): mean ± t s / √n, where t is the 97.5 % quantile for n - 1 degrees of freedom.
    ///
    /// `None` for fewer than two values, or if one is not finite.
    ///
    /// ```
    /// use ganlet_trainer::metrics::ConfidenceInterval;
    /// let found = ConfidenceInterval::of(&[9.0, 10.0, 11.0]).unwrap();
    /// assert!((found.high - 12.484).abs() < 1e-3 && found.mean == 10.0);
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n < 2 || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt();
        let half = quantile(0.5 + CONFIDENCE / 2.0, n - 1) * spread / (n as f64).sqrt();
        Some(Self { mean, low: mean - half, high: mean + half, spread, n })
    }
}

/// The quantile of Student's distribution with `freedom` degrees of freedom, for `share` > 0.5, by bisection.
fn quantile(share: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1e4);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if cumulative(middle, freedom) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(T ≤ t) for an integer number of degrees of freedom n, as a finite sum of powers of cos θ with tan θ = t / √n (Abramowitz & Stegun
/// 26.7.3 and 26.7.4).
fn cumulative(t: f64, freedom: usize) -> f64 {
    let theta = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    // Successive terms have the ratio cos² θ · k / (k + 1), for odd or even k.
    let sum = |first: f64, from: usize| {
        let (mut term, mut sum) = (first, 0.0);
        let mut k = from;
        while k < freedom {
            sum += term;
            term *= cos * cos * k as f64 / (k + 1) as f64;
            k += 2;
        }
        sum
    };
    let within = if freedom.is_multiple_of(2) {
        sin * sum(1.0, 1)
    } else {
        std::f64::consts::FRAC_2_PI * (theta + if freedom > 1 { sin * sum(cos, 2) } else { 0.0 })
    };
    0.5 + 0.5 * within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, t) in
            [(1, 12.706_205), (2, 4.302_653), (3, 3.182_446), (4, 2.776_445), (9, 2.262_157), (30, 2.042_272)]
        {
            assert!((quantile(0.975, freedom) - t).abs() < 1e-5, "{freedom}: {}", quantile(0.975, freedom));
        }
    }

    #[test]
    fn single_and_non_finite_measurements_have_no_interval() {
        assert_eq!(ConfidenceInterval::of(&[3.0]), None);
        assert_eq!(ConfidenceInterval::of(&[3.0, f64::NAN]), None);
        let same = ConfidenceInterval::of(&[3.0; 4]).unwrap();
        assert_eq!((same.low, same.high, same.n), (3.0, 3.0, 4));
    }
}
