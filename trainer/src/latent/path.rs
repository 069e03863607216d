//! Interpolation between latents: linear, spherical, or along a spline.

/// The path between two latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// A straight line. Its middle is closer to the origin than latents usually are, so images there have less detail.
    Linear,
    /// Spherical linear interpolation of the direction, with linear interpolation of the length (White 2016, "Sampling generative networks").
    Spherical,
    /// A smooth curve through all latents: a cubic spline whose slope at each latent is that between its neighbors (Catmull & Rom 1974).
    Spline,
}

/// Interpolates between successive `points` with `steps` steps each; the result includes the points.
///
/// All points have the same length, and `steps` is at least 1. A single point is returned unchanged.
///
/// ```
/// use ganlet_trainer::latent::{Interpolation, interpolate};
/// let latents = interpolate(&[vec![0.0, 2.0], vec![4.0, 0.0]], 4, Interpolation::Linear);
/// assert_eq!(latents.len(), 5);
/// assert_eq!(latents[1], [1.0, 1.5]);
/// ```
#[track_caller]
pub fn interpolate(points: &[Vec<f32>], steps: usize, path: Interpolation) -> Vec<Vec<f32>> {
    assert!(points.windows(2).all(|p| p[0].len() == p[1].len()), "all points need the same length");
    let mut latents = Vec::new();
    for (i, ends) in points.windows(2).enumerate() {
        let (a, b) = (&ends[0], &ends[1]);
        let (before, after) = (&points[i.saturating_sub(1)], points.get(i + 2).unwrap_or(b));
        for step in 0..steps.max(1) {
            let t = step as f32 / steps.max(1) as f32;
            latents.push(match path {
                Interpolation::Linear => mixed(a, b, 1.0 - t, t),
                Interpolation::Spherical => spherical(a, b, t),
                Interpolation::Spline => spline([before, a, b, after], t),
            });
        }
    }
    latents.extend(points.last().cloned());
    latents
}

fn mixed(a: &[f32], b: &[f32], wa: f32, wb: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(x, y)| wa * x + wb * y).collect()
}

fn length(v: &[f32]) -> f32 {
    v.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// A point on the arc from `a` to `b`. Equal or opposite directions have no unique arc and are interpolated linearly.
fn spherical(a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
    let (la, lb) = (length(a), length(b));
    let cosine = a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>() / (la * lb);
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    // NaN if one of them is the origin.
    if sine.is_nan() || sine < 1e-4 {
        return mixed(a, b, 1.0 - t, t);
    }
    let length = (1.0 - t) * la + t * lb;
    let (wa, wb) = (((1.0 - t) * angle).sin() / sine, (t * angle).sin() / sine);
    mixed(a, b, wa * length / la, wb * length / lb)
}

fn spline([before, a, b, after]: [&[f32]; 4], t: f32) -> Vec<f32> {
    let (t2, t3) = (t * t, t * t * t);
    let weights = [-t + 2.0 * t2 - t3, 2.0 - 5.0 * t2 + 3.0 * t3, t + 4.0 * t2 - 3.0 * t3, t3 - t2];
    let sum = |i: usize| weights.iter().zip([before, a, b, after]).map(|(w, p)| w * p[i]).sum::<f32>() / 2.0;
    (0..a.len()).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{latent_of_seed, to_float};

    fn points() -> Vec<Vec<f32>> {
        (1..5).map(|seed| to_float(&latent_of_seed(seed, 48))).collect()
    }

    #[test]
    fn every_path_contains_every_point() {
        for path in [Interpolation::Linear, Interpolation::Spherical, Interpolation::Spline] {
            let (points, latents) = (points(), interpolate(&points(), 7, path));
            assert_eq!(latents.len(), 3 * 7 + 1);
            for (i, point) in points.iter().enumerate() {
                let off = point.iter().zip(&latents[7 * i]).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{path:?} misses point {i} by {off}");
            }
            assert_eq!(interpolate(&points[..1], 7, path), points[..1]);
        }
    }

    #[test]
    fn steps_shrink_with_their_number() {
        let longest = |path, steps| {
            let latents = interpolate(&points(), steps, path);
            latents.windows(2).map(|w| length(&mixed(&w[0], &w[1], 1.0, -1.0))).fold(0.0, f32::max)
        };
        for path in [Interpolation::Linear, Interpolation::Spherical, Interpolation::Spline] {
            let ratio = longest(path, 16) / longest(path, 32);
            assert!((1.9..2.1).contains(&ratio), "{path:?}: {ratio}");
        }
    }

    #[test]
    fn spherical_interpolation_keeps_the_length() {
        let points = points();
        let middle = |path| length(&interpolate(&points[..2], 2, path)[1]);
        let mean = (length(&points[0]) + length(&points[1])) / 2.0;
        assert!((middle(Interpolation::Spherical) / mean - 1.0).abs() < 1e-3);
        assert!(middle(Interpolation::Linear) < 0.85 * mean);
        let (plus, minus) = (vec![1.0, 0.0], vec![-1.0, 0.0]);
        assert_eq!(interpolate(&[plus, minus], 2, Interpolation::Spherical)[1], [0.0, 0.0]);
        assert!(
            interpolate(&[vec![0.0, 0.0], vec![1.0, 0.0]], 2, Interpolation::Spherical)[1]
                .iter()
                .all(|v| v.is_finite())
        );
    }

    #[test]
    fn a_spline_is_smooth() {
        let steps = 200;
        let latents = interpolate(&points(), steps, Interpolation::Spline);
        let turn = |latents: &[Vec<f32>]| {
            let (a, b) = (mixed(&latents[1], &latents[0], 1.0, -1.0), mixed(&latents[2], &latents[1], 1.0, -1.0));
            length(&mixed(&a, &b, 1.0, -1.0)) / length(&a)
        };
        let straight = interpolate(&points(), steps, Interpolation::Linear);
        assert!(turn(&straight[steps - 1..]) > 0.5);
        assert!(turn(&latents[steps - 1..]) < 0.05);
    }
}
