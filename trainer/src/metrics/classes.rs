//! The distribution of samples over the classes that a classifier predicts.

use super::kl;

/// A histogram of predicted classes and its divergence from the expected one.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassHistogram {
    /// Share of each class, 0 to 1.
    pub shares: Vec<f64>,
    /// KL divergence of the shares from the expected ones, in nats.
    pub kl: f64,
    /// Number of classes with at least one sample.
    pub present: usize,
}

impl ClassHistogram {
    /// Counts the `predicted` classes. `expected` has the weight of each class in the real data; equal weights mean a uniform distribution.
    #[track_caller]
    pub fn of(predicted: &[u8], expected: &[f64]) -> Self {
        let mut counts = vec![0.0; expected.len()];
        for &class in predicted {
            assert!(usize::from(class) < counts.len(), "class {class} of {} classes", counts.len());
            counts[usize::from(class)] += 1.0;
        }
        let n = predicted.len() as f64;
        Self {
            kl: kl(&counts, expected),
            present: counts.iter().filter(|&&c| c > 0.0).count(),
            shares: counts.into_iter().map(|c| c / n).collect(),
        }
    }

    /// Share of the rarest class.
    pub fn rarest(&self) -> f64 {
        self.shares.iter().copied().fold(f64::NAN, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_equal_those_computed_by_hand() {
        let classes = ClassHistogram::of(&[0, 0, 2, 0], &[1.0, 1.0, 1.0, 1.0]);
        assert_eq!((classes.shares.as_slice(), classes.present), ([0.75, 0.0, 0.25, 0.0].as_slice(), 2));
        assert!((classes.kl - (0.75 * 3.0_f64.ln())).abs() < 1e-12); // 0.75 ln 3 + 0.25 ln 1
        assert_eq!(classes.rarest(), 0.0);
    }

    #[test]
    fn expected_shares_have_no_divergence() {
        let classes = ClassHistogram::of(&[0, 1, 1, 1], &[10.0, 30.0]);
        assert!(classes.kl < 1e-12 && classes.rarest() == 0.25);
    }
}
