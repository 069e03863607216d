//! The Fréchet distance between Gaussians that are fitted to two feature sets.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// Mean and covariance of a feature set.
#[derive(Clone, Debug)]
pub struct FeatureMoments {
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl FeatureMoments {
    /// Fits `features`, [items, features]; the covariance is the unbiased one (divided by n - 1).
    #[track_caller]
    pub fn of(features: ArrayView2<'_, f64>) -> Self {
        let n = features.nrows();
        assert!(n >= 2, "a covariance needs at least two items, not {n}");
        let mean = features.sum_axis(Axis(0)) / n as f64;
        let centered = &features - &mean;
        let covariance = centered.t().dot(&centered) / (n - 1) as f64;
        Self { mean, covariance }
    }

    /// The squared Fréchet distance: `|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½)`.
    ///
    /// (Dowson & Landau 1982. On Inception features it is the FID of Heusel et al. 2017; on other features it is not an FID.)
    /// The trace of the root is computed from `(C1^½ C2 C1^½)^½`, which is symmetric. Negative eigenvalues, which are rounding
    /// errors, count as zero. Values that are not finite give NaN.
    #[track_caller]
    pub fn distance(&self, other: &Self) -> f64 {
        let d = self.mean.len();
        assert_eq!(d, other.mean.len(), "both sets need the same number of features");
        let apart: f64 = (&self.mean - &other.mean).iter().map(|v| v * v).sum();
        let traces = self.covariance.diag().sum() + other.covariance.diag().sum();
        if !(apart + traces).is_finite() || self.covariance.iter().chain(&other.covariance).any(|v| !v.is_finite()) {
            return f64::NAN;
        }
        let matrix = |c: &Array2<f64>| DMatrix::from_fn(d, d, |i, j| c[(i, j)]);
        let eigen = SymmetricEigen::new(matrix(&self.covariance));
        let roots = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
        let root = &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose();
        let product = &root * matrix(&other.covariance) * &root;
        let symmetric = (&product + product.transpose()) * 0.5;
        let trace: f64 = symmetric.symmetric_eigenvalues().iter().map(|v| v.max(0.0).sqrt()).sum();
        (apart + traces - 2.0 * trace).max(0.0)
    }
}

/// The squared Fréchet distance between two feature sets, [items, features]; see [`FeatureMoments::distance`].
///
/// ```
/// use ganlet_trainer::metrics::frechet;
/// let a = ndarray::array![[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]];
/// assert!((frechet(a.view(), (&a + 3.0).view()) - 18.0).abs() < 1e-9); // shifted by (3, 3)
/// ```
#[track_caller]
pub fn frechet(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    FeatureMoments::of(a).distance(&FeatureMoments::of(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden;
    use ndarray::s;

    #[test]
    fn agrees_with_scipy_sqrtm() {
        let (a, b) = (golden::a(), golden::b());
        assert!((frechet(a.view(), b.view()) - 0.800_743_375_091_241_8).abs() < 1e-9);
        // Three items span a plane: the covariance is singular.
        assert!((frechet(a.slice(s![..3, ..]), b.view()) - 2.596_889_891_482_805).abs() < 1e-6);
    }

    #[test]
    fn agrees_with_the_formula_for_diagonal_gaussians() {
        // One feature each: (m1 - m2)² + (s1 - s2)², with unbiased deviations 2 and 6.
        let a = ndarray::array![[-2.0_f64.sqrt()], [2.0_f64.sqrt()]];
        let distance = frechet(a.view(), (&a * 3.0 + 1.0).view());
        assert!((distance - (1.0 + 16.0)).abs() < 1e-9, "{distance}");
    }

    #[test]
    fn is_symmetric_zero_on_itself_and_nan_on_nan() {
        let (a, b) = (golden::a(), golden::b());
        assert!((frechet(a.view(), b.view()) - frechet(b.view(), a.view())).abs() < 1e-9);
        assert!(frechet(a.view(), a.view()) < 1e-9);
        let mut bad = b.clone();
        bad[(2, 1)] = f64::NAN;
        assert!(frechet(a.view(), bad.view()).is_nan());
        bad[(2, 1)] = f64::INFINITY;
        assert!(frechet(bad.view(), a.view()).is_nan());
    }
}
