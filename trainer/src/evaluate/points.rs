//! Measures generated points against the mixture of Gaussians that the generator was trained on.
use super::{EvaluateError, Metric};
use crate::data::{Dataset, GaussianMixture};
use crate::metrics::{histogram, jensen_shannon, modes, sliced_w1, w1};
use crate::philox::Key;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// Seed of the real points that generated points are compared with.
const FRESH_SEED: u64 = 0x706F_696E;
/// Directions of the sliced Wasserstein distance.
const DIRECTIONS: usize = 64;
/// Bins of the histograms of one-dimensional points.
const BINS: usize = 64;

/// The quality of a set of generated points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointsQuality {
    /// Number of points measured; 2,500 in the protocol of VEEGAN and PacGAN.
    pub samples: usize,
    /// Number of modes with at least one high-quality point.
    pub modes: usize,
    /// Number of modes of the mixture.
    pub of: usize,
    /// Share of points within 3σ of the nearest center, 0 to 1. Real two-dimensional points reach 0.989.
    pub high_quality: f64,
    /// KL divergence from the mode histogram to the uniform one, in nats; absent without high-quality points.
    pub reverse_kl: Option<f64>,
    /// Standard deviation of each mode divided by σ; absent below two points. Real two-dimensional points have 0.974.
    pub spread: Vec<Option<f64>>,
    /// 1-Wasserstein distance to the same number of real points, sliced in two dimensions. Absent if a point is not finite.
    pub wasserstein: Option<f64>,
    /// Wasserstein distance between two sets of real points: the value of a perfect generator.
    pub wasserstein_floor: f64,
    /// Jensen-Shannon divergence to the same number of real points, from histograms of 64 bins, in nats; one-dimensional points only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jensen_shannon: Option<f64>,
    /// Jensen-Shannon divergence between two sets of real points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jensen_shannon_floor: Option<f64>,
}

impl PointsQuality {
    /// Returns the metrics by name; absent ones are omitted.
    pub fn metrics(&self) -> Vec<(Metric, f64)> {
        let spread: Vec<f64> = self.spread.iter().flatten().copied().collect();
        let list = [
            (Metric::Modes, Some(self.modes as f64)),
            (Metric::HighQuality, Some(self.high_quality)),
            (Metric::ReverseKl, self.reverse_kl),
            (Metric::Spread, (!spread.is_empty()).then(|| spread.iter().sum::<f64>() / spread.len() as f64)),
            (Metric::Wasserstein, self.wasserstein),
            (Metric::JensenShannon, self.jensen_shannon),
        ];
        list.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
    }
}

/// Measures `values`, which holds one point after the other, against `mixture`.
///
/// ```
/// use ganlet_trainer::{data::{Dataset, GaussianMixture}, evaluate, philox::Key};
/// let ring = GaussianMixture::ring();
/// let mut points = vec![0.0; 2 * 2500];
/// ring.batch(Key { seed: 1, stream: 0, step: 0 }, &mut points);
/// let quality = evaluate::points(&points, &ring).unwrap();
/// assert_eq!((quality.modes, quality.of), (8, 8));
/// ```
///
/// # Errors
/// If there are fewer than two points for each mode.
pub fn points(values: &[f32], mixture: &GaussianMixture) -> Result<PointsQuality, EvaluateError> {
    let dimensions = mixture.shape()[0];
    let (n, of) = (values.len() / dimensions, mixture.means().len());
    if n < 2 * of {
        let why = format!("two for each of {of} modes");
        return Err(EvaluateError::too_few(
            "generated points",
            n,
            2 * of,
            &why,
            "evaluate more samples: 2,500 are usual",
        ));
    }
    let matrix =
        |values: &[f32]| Array2::from_shape_fn((n, dimensions), |(i, j)| f64::from(values[i * dimensions + j]));
    let fresh = |step| {
        let mut draws = vec![0.0; n * dimensions];
        mixture.batch(Key { seed: FRESH_SEED, stream: 0, step }, &mut draws);
        matrix(&draws)
    };
    let (points, draws) = (matrix(values), fresh(0));
    let found = modes(points.view(), mixture.means(), f64::from(mixture.sigma()));
    let distance = |a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>| match dimensions {
        1 => w1(a.column(0), b.column(0)),
        _ => sliced_w1(a, b, DIRECTIONS),
    };
    let reach = f64::from(mixture.max_coordinate());
    let bins = |points: ArrayView2<'_, f64>| histogram(points.column(0), -reach, reach, BINS);
    let divergence = |a: ArrayView2<'_, f64>| {
        Some(jensen_shannon(&bins(a), &bins(draws.view()))).filter(|js| dimensions == 1 && js.is_finite())
    };
    Ok(PointsQuality {
        samples: n,
        modes: found.modes,
        of,
        high_quality: found.high_quality,
        reverse_kl: Some(found.reverse_kl).filter(|kl| kl.is_finite()),
        spread: found.spread,
        wasserstein: Some(distance(points.view(), draws.view())).filter(|w| w.is_finite()),
        wasserstein_floor: distance(fresh(1).view(), draws.view()),
        jensen_shannon: divergence(points.view()),
        jensen_shannon_floor: divergence(fresh(1).view()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(mixture: &GaussianMixture, n: usize) -> Vec<f32> {
        let mut values = vec![0.0; n * mixture.shape()[0]];
        mixture.batch(Key { seed: 5, stream: 9, step: 2 }, &mut values);
        values
    }

    #[test]
    fn real_points_have_the_best_values_on_every_mixture() {
        for mixture in [GaussianMixture::ring(), GaussianMixture::grid(), GaussianMixture::bimodal()] {
            let quality = points(&draw(&mixture, 2500), &mixture).unwrap();
            assert_eq!((quality.samples, quality.modes), (2500, quality.of));
            assert!(quality.high_quality > 0.98 && quality.reverse_kl.unwrap() < 0.01, "{quality:?}");
            assert!(quality.spread.iter().flatten().all(|s| (0.8..1.2).contains(s)), "{quality:?}");
            assert!(quality.wasserstein.unwrap() < 3.0 * quality.wasserstein_floor, "{quality:?}");
            assert_eq!(quality.jensen_shannon.is_some(), quality.of == 2);
            assert!(quality.jensen_shannon.is_none_or(|js| js < 3.0 * quality.jensen_shannon_floor.unwrap()));
        }
    }

    #[test]
    fn a_lost_mode_changes_every_metric() {
        let ring = GaussianMixture::ring();
        let all = draw(&ring, 2500);
        let right: Vec<f32> = all.chunks(2).filter(|p| p[0] > 0.9).flatten().copied().collect();
        let quality = points(&right, &ring).unwrap();
        assert_eq!(quality.modes, 1);
        assert!(quality.reverse_kl.unwrap() > 2.0 && quality.wasserstein.unwrap() > 0.5, "{quality:?}");
    }

    #[test]
    fn few_points_are_rejected_and_nan_gives_absent_metrics() {
        let error = points(&[0.0; 30], &GaussianMixture::ring()).unwrap_err();
        let EvaluateError::Unsuitable { found, expected, .. } = error else { panic!("{error}") };
        assert_eq!((found.as_str(), expected.as_str()), ("15", "16 or more, two for each of 8 modes"));
        let broken = points(&[f32::NAN; 64], &GaussianMixture::ring()).unwrap();
        assert_eq!((broken.modes, broken.reverse_kl, broken.wasserstein), (0, None, None));
        assert!(serde_json::to_string(&broken).unwrap().contains("\"wasserstein\":null"));
    }
}
