//! Mode coverage on mixtures of Gaussians: number of modes, quality, balance and spread.

use ndarray::ArrayView2;

use super::kl_to_uniform;

/// Mode coverage of a set of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeCoverage {
    /// Number of modes with at least one high-quality sample.
    pub modes: usize,
    /// Share of the samples within 3σ of the nearest mean, 0 to 1. A 2-D Gaussian has 0.989.
    pub high_quality: f64,
    /// KL divergence of the histogram of high-quality samples over the modes from the uniform one, in nats; NaN without such samples.
    pub reverse_kl: f64,
    /// Number of high-quality samples of each mode.
    pub counts: Vec<usize>,
    /// Standard deviation of the high-quality samples of each mode, as a multiple of σ; `None` for fewer than two samples.
    ///
    /// A 2-D Gaussian has 0.974, because samples beyond 3σ do not count.
    pub spread: Vec<Option<f64>>,
}

/// Measures mode coverage as VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018) do. Their protocol uses 2,500 samples.
///
/// `points` is [samples, dimensions]; `means` has the mean of each mode. All modes have the standard deviation `sigma`.
#[track_caller]
pub fn modes(points: ArrayView2<'_, f64>, means: &[Vec<f32>], sigma: f64) -> ModeCoverage {
    let d = points.ncols();
    assert!(means.iter().all(|m| m.len() == d), "means and points need the same dimensions, not {d}");
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); means.len()];
    for (i, point) in points.rows().into_iter().enumerate() {
        let distance = |mean: &[f32]| point.iter().zip(mean).map(|(x, &m)| (x - f64::from(m)).powi(2)).sum::<f64>();
        let nearest = means.iter().map(|m| distance(m)).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((mode, square)) = nearest
            && square <= (3.0 * sigma).powi(2)
        {
            members[mode].push(i);
        }
    }
    let spread = |members: &Vec<usize>| {
        let n = members.len() as f64;
        let variance = |k: usize| {
            let mean = members.iter().map(|&i| points[(i, k)]).sum::<f64>() / n;
            members.iter().map(|&i| (points[(i, k)] - mean).powi(2)).sum::<f64>() / (n - 1.0)
        };
        (members.len() >= 2).then(|| ((0..d).map(variance).sum::<f64>() / d as f64).sqrt() / sigma)
    };
    let counts: Vec<usize> = members.iter().map(Vec::len).collect();
    ModeCoverage {
        modes: counts.iter().filter(|&&c| c > 0).count(),
        high_quality: counts.iter().sum::<usize>() as f64 / points.nrows() as f64,
        reverse_kl: kl_to_uniform(&counts.iter().map(|&c| c as f64).collect::<Vec<_>>()),
        spread: members.iter().map(spread).collect(),
        counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, GaussianMixture};
    use crate::philox::Key;
    use ndarray::{Array2, array};

    #[test]
    fn values_equal_those_computed_by_hand() {
        let means = [vec![0.0, 0.0], vec![10.0, 0.0]];
        let points = array![[1.0, 0.0], [-1.0, 0.0], [0.0, 2.9], [10.0, 3.1], [5.0, 0.0], [10.0, 3.0]];
        let found = modes(points.view(), &means, 1.0);
        assert_eq!((found.modes, &found.counts[..]), (2, [3, 1].as_slice()));
        assert!((found.high_quality - 4.0 / 6.0).abs() < 1e-12);
        // 3/4 ln(3/4 · 2) + 1/4 ln(1/4 · 2)
        assert!((found.reverse_kl - (0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln())).abs() < 1e-12);
        // Variances 1 along x and 2.9²/3 along y.
        let spread = ((1.0 + 2.9 * 2.9 / 3.0) / 2.0_f64).sqrt();
        assert!((found.spread[0].unwrap() - spread).abs() < 1e-12 && found.spread[1].is_none());
    }

    #[test]
    fn the_true_distribution_reaches_the_best_values() {
        for mixture in [GaussianMixture::ring(), GaussianMixture::grid().scaled(0.5)] {
            let mut points = vec![0.0; 2 * 20_000];
            mixture.batch(Key { seed: 1, stream: 0, step: 0 }, &mut points);
            let points = Array2::from_shape_vec((20_000, 2), points).unwrap().mapv(f64::from);
            let found = modes(points.view(), mixture.means(), f64::from(mixture.sigma()));
            assert_eq!(found.modes, mixture.means().len());
            assert!((found.high_quality - 0.989).abs() < 0.003 && found.reverse_kl < 0.002, "{found:?}");
            assert!(found.spread.iter().flatten().all(|s| (s - 0.974).abs() < 0.06), "{:?}", found.spread);
        }
    }

    #[test]
    fn samples_far_from_all_modes_are_not_counted() {
        let found = modes(array![[99.0], [f64::NAN]].view(), &[vec![0.0]], 1.0);
        assert_eq!((found.modes, found.high_quality), (0, 0.0));
        assert!(found.reverse_kl.is_nan());
    }
}
