//! Metrics of generated samples, computed on arrays of f64.
//!
//! Rows are items; columns are features or coordinates. Functions panic if the shapes of their arguments do not match.

mod classes;
mod frechet;
mod histogram;
mod interval;
mod kernel;
mod modes;
mod neighbors;
mod patches;
mod psnr;
mod support;
mod texture;
mod wasserstein;

pub use classes::ClassHistogram;
pub use frechet::{FeatureMoments, frechet};
pub use histogram::{histogram, jensen_shannon, kl, kl_to_uniform};
pub use interval::{CONFIDENCE, ConfidenceInterval};
pub use kernel::{kernel_distance, kernel_of_subsets};
pub use modes::{ModeCoverage, modes};
pub use neighbors::{Memorization, PrecisionRecall, memorization, nearest, nearest_others, precision_recall, recalled};
pub use patches::{FloatImage, PATCH, laplacian_pyramid, patches, pyramid_levels, sliced_along};
pub use psnr::{PSNR_CAP, psnr};
pub use support::{SupportEstimate, support_size};
pub use texture::{ContrastHistogram, Texture, texture};
pub use wasserstein::{sliced_w1, w1};

/// Reproducible feature sets for tests. The expected values in the tests were computed by NumPy and SciPy from these formulas.
#[cfg(test)]
pub(crate) mod golden {
    use ndarray::Array2;

    /// `sin(7i + 3j + ij)`, 12 x 3.
    pub(crate) fn a() -> Array2<f64> {
        Array2::from_shape_fn((12, 3), |(i, j)| ((7 * i + 3 * j + i * j) as f64).sin())
    }

    /// `1.5 cos(5i + 2j + 2ij) + 0.3j`, 10 x 3.
    pub(crate) fn b() -> Array2<f64> {
        Array2::from_shape_fn((10, 3), |(i, j)| 1.5 * ((5 * i + 2 * j + 2 * i * j) as f64).cos() + 0.3 * j as f64)
    }
}
