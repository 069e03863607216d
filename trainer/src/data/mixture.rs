//! Mixtures of Gaussians in one or two dimensions, the classic test data for mode collapse.

use super::Dataset;
use crate::philox::Key;

/// A mixture of equally likely Gaussians with the same standard deviation.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    name: String,
    shape: [usize; 1],
    means: Vec<Vec<f32>>,
    sigma: f32,
}

impl GaussianMixture {
    /// Eight modes on a circle of radius 1, σ 0.01 (the ring of VEEGAN, Srivastava et al. 2017).
    pub fn ring() -> Self {
        let mean = |i| (f64::from(i) / 8.0 * std::f64::consts::TAU).sin_cos();
        let means = (0..8).map(mean).map(|(sin, cos)| vec![cos as f32, sin as f32]).collect();
        Self { name: "ring".into(), shape: [2], means, sigma: 0.01 }
    }

    /// Twenty-five modes on {-4, -2, 0, 2, 4} x {-4, -2, 0, 2, 4}, σ 0.05 (the grid of VEEGAN).
    pub fn grid() -> Self {
        let steps = [-4.0, -2.0, 0.0, 2.0, 4.0];
        let means = steps.iter().flat_map(|&x| steps.iter().map(move |&y| vec![x, y])).collect();
        Self { name: "grid".into(), shape: [2], means, sigma: 0.05 }
    }

    /// Two modes on a line, at -1 and 1, σ 0.2.
    pub fn bimodal() -> Self {
        Self { name: "bimodal".into(), shape: [1], means: vec![vec![-1.0], vec![1.0]], sigma: 0.2 }
    }

    /// One mode on a line, at 0.5, σ 0.5: the data of Goodfellow et al. 2014, figure 1.
    pub fn unimodal() -> Self {
        Self { name: "bell".into(), shape: [1], means: vec![vec![0.5]], sigma: 0.5 }
    }

    /// The probability density at `x` of a one-dimensional mixture.
    pub fn density(&self, x: f64) -> f64 {
        let sigma = f64::from(self.sigma);
        let bell = |mean: &Vec<f32>| (-0.5 * ((x - f64::from(mean[0])) / sigma).powi(2)).exp();
        self.means.iter().map(bell).sum::<f64>() / (self.means.len() as f64 * sigma * std::f64::consts::TAU.sqrt())
    }

    /// Multiplies all means and the standard deviation by `factor`.
    pub fn scaled(mut self, factor: f32) -> Self {
        self.means.iter_mut().flatten().for_each(|v| *v *= factor);
        self.sigma *= factor;
        self
    }

    /// The means of the modes.
    pub fn means(&self) -> &[Vec<f32>] {
        &self.means
    }

    /// The standard deviation of every mode, in each direction.
    pub fn sigma(&self) -> f32 {
        self.sigma
    }

    /// Largest coordinate to expect, in absolute value: four σ beyond the farthest mode, plus a margin of 10 %.
    pub fn max_coordinate(&self) -> f32 {
        let farthest = self.means.iter().flatten().fold(0.0, |most: f32, v| most.max(v.abs()));
        1.1 * (farthest + 4.0 * self.sigma)
    }

    /// Calls `each(point, mode)` for `points` points, in order.
    ///
    /// Modes are drawn from the end of the key's counter range and normals from its start, so the two never overlap.
    fn for_modes(&self, key: Key, points: usize, mut each: impl FnMut(usize, usize)) {
        let mut drawn = [0; 64];
        for from in (0..points).step_by(drawn.len()) {
            let drawn = &mut drawn[..64.min(points - from)];
            key.below_downwards(u32::MAX - from as u32, self.means.len(), drawn);
            drawn.iter().enumerate().for_each(|(i, mode)| each(from + i, *mode as usize));
        }
    }
}

impl Dataset for GaussianMixture {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        key.normal(out);
        let d = self.shape[0];
        self.for_modes(key, out.len() / d, |i, mode| {
            for (v, mean) in out[i * d..][..d].iter_mut().zip(&self.means[mode]) {
                *v = mean + self.sigma * *v;
            }
        });
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        self.for_modes(key, out.len(), |i, mode| out[i] = mode as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn every_mode_has_its_weight_and_standard_deviation() {
        for (mixture, modes) in
            [(GaussianMixture::ring(), 8), (GaussianMixture::grid().scaled(0.5), 25), (GaussianMixture::bimodal(), 2)]
        {
            let (d, n) = (mixture.shape()[0], 20_000);
            let (mut points, mut labels) = (vec![0.0; n * d], vec![0; n]);
            let key = Key { seed: 3, stream: 1, step: 0 };
            mixture.batch(key, &mut points);
            mixture.batch_labels(key, &mut labels);
            let (mut counts, mut square) = (vec![0; modes], 0.0);
            for (point, &label) in points.chunks(d).zip(&labels) {
                counts[usize::from(label)] += 1;
                square += distance(point, &mixture.means()[usize::from(label)]).powi(2);
            }
            assert!(counts.iter().all(|&c| c * modes > n * 8 / 10), "{counts:?}");
            let sigma = (square / (n * d) as f32).sqrt();
            assert!((sigma / mixture.sigma() - 1.0).abs() < 0.02, "{sigma}");
        }
    }

    #[test]
    fn the_ring_has_eight_distinct_modes_and_scaling_scales() {
        let ring = GaussianMixture::ring();
        for (i, a) in ring.means().iter().enumerate() {
            assert!((distance(a, &[0.0, 0.0]) - 1.0).abs() < 1e-6);
            assert!(ring.means()[..i].iter().all(|b| distance(a, b) > 0.7));
        }
        let half = GaussianMixture::grid().scaled(0.5);
        assert_eq!((half.means()[0].as_slice(), half.sigma()), ([-2.0, -2.0].as_slice(), 0.025));
    }
}
