//! How good generated samples are: pure arithmetic on arrays, in f64.
//!
//! Rows are items, columns are features or coordinates. Functions panic only on arguments of unequal shapes.

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
mod wasserstein;

pub use classes::ClassHistogram;
pub use frechet::{FeatureMoments, frechet};
pub use histogram::{histogram, jensen_shannon, kl, kl_to_uniform};
pub use interval::{CONFIDENCE, ConfidenceInterval};
pub use kernel::{kernel_distance, kernel_of_subsets};
pub use modes::{ModeCoverage, modes};
pub use neighbors::{FeatureManifold, Memorization, memorization, nearest, nearest_others, neighborhoods, recalled};
pub use patches::{FloatImage, PATCH, laplacian, levels, patches, sliced_along};
pub use psnr::{PSNR_CAP, psnr};
pub use support::{SupportEstimate, support};
pub use wasserstein::{sliced_w1, w1};

/// Reproducible feature sets for the tests: the golden numbers beside them come from NumPy and SciPy on these formulas.
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
