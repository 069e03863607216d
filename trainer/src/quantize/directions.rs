//! Directions in latent space that change images most: the knobs of the app on devices.
//!
//! If the latent is read by one dense layer that produces features, its weights say how far each direction moves these features:
//! directions are the right singular vectors of the weights (SeFa: Shen & Zhou 2021, eq. 4 and 5). Other networks, such as
//! those with a mapping network, have no such layer. Their directions are the principal components of the part of images that is
//! linear in the latent, estimated by regression over random latents (in the manner of GANSpace: Härkönen et al. 2020, section 2.2).
use super::{FloatNet, FloatOp, FloatSource, calibrate::parallel, float::Forward};
use nalgebra::{DMatrix, SymmetricEigen};

/// Units of a stored value: 128 means 1.
const UNIT: f64 = 128.0;
/// Latents per task; fixed, so that sums do not depend on the number of threads.
const TASK: u32 = 64;

impl FloatNet {
    /// Returns orthogonal directions of length 1 in latent space, at most `count`, the one that changes images most first.
    ///
    /// Principal components, where they are needed, are estimated from `samples` latents.
    pub(super) fn directions(&self, count: usize, samples: u32) -> Vec<Vec<i8>> {
        let latent = self.inputs - self.classes;
        if count == 0 || latent < 2 {
            return Vec::new();
        }
        let response = self.feature_weights().unwrap_or_else(|| self.linear_response(samples.max(1)));
        let eigen = SymmetricEigen::new(response.transpose() * &response);
        let mut order: Vec<usize> = (0..latent).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let quantized = |column: usize| {
            let direction = eigen.eigenvectors.column(column);
            // The sign of an eigenvector is arbitrary.
            let sign = direction[direction.icamax()].signum();
            direction.iter().map(|v| (v * sign * UNIT).round().clamp(-127.0, 127.0) as i8).collect()
        };
        order.into_iter().take(count).map(quantized).collect()
    }

    /// Returns the weights of the dense layer that produces features from the latent, one row per feature; `None` if there is no such layer.
    fn feature_weights(&self) -> Option<DMatrix<f64>> {
        let latent = self.inputs - self.classes;
        let mut readers = (0..self.layers.len()).filter(|&i| self.layers[i].reads_latent());
        let (first, None) = (readers.next()?, readers.next()) else { return None };
        let FloatOp::Dense { h, w, c, .. } = self.layers[first].op else { return None };
        // A dense layer after it means that this one is part of a mapping network or a perceptron.
        let mixed_again = |l: &super::FloatLayer| l.reads(first) && matches!(l.op, FloatOp::Dense { .. });
        if first <= self.image() && self.layers[..=self.image()].iter().any(mixed_again) {
            return None;
        }
        let outputs = h * w * c;
        Some(DMatrix::from_fn(outputs, latent, |output, input| {
            f64::from(self.layers[first].weight[input * outputs + output])
        }))
    }

    /// Returns the coefficients of the linear regression of pixels on latent values, one row per pixel.
    fn linear_response(&self, samples: u32) -> DMatrix<f64> {
        let latent = self.inputs - self.classes;
        let forward = Forward::new(self);
        let tasks = parallel(samples.div_ceil(TASK) as usize, |task| {
            let first = task as u32 * TASK;
            let seeds = first..samples.min(first + TASK);
            let mut columns: Vec<f64> = Vec::new();
            let mut latents: Vec<f64> = Vec::new();
            for seed in seeds {
                let z = self.inputs_of_seed(seed);
                columns.extend(forward.run(&z, |_, _, _| {}).iter().map(|&v| f64::from(v)));
                latents.extend(z.iter().take(latent).map(|&v| f64::from(v) / 32.0));
            }
            (columns, latents)
        });
        let (images, latents): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let (images, latents) = (images.concat(), latents.concat());
        let count = samples as usize;
        let mut images = DMatrix::from_vec(images.len() / count, count, images);
        let mean = images.column_mean();
        images.column_iter_mut().for_each(|mut image| image -= &mean);
        // Latents are standard normal, so their covariance is the identity.
        images * DMatrix::from_vec(latent, count, latents).transpose() / f64::from(samples)
    }
}

impl super::FloatLayer {
    fn reads_latent(&self) -> bool {
        self.input == FloatSource::Latent || self.op.other() == Some(FloatSource::Latent)
    }
}
