//! Data of the real images that the slow metrics compare with.
use crate::metrics::{self, ContrastHistogram, FloatImage, PATCH};
use crate::philox::Key;
use ndarray::Array2;
use rayon::prelude::*;

/// Maximum number of images from which patches are cut.
pub(super) const PATCHED_IMAGES: usize = 1024;
/// Number of patches on each pyramid level.
const PATCHES: usize = 8192;
/// Directions of the sliced Wasserstein distance.
const DIRECTIONS: usize = 128;
/// Seed of patches and directions, so that every measurement uses the same ones.
const SEED: u64 = 0x7061_7463;
/// Two images nearer than this are duplicates, in units of the median distance of real images to their nearest neighbor.
pub(super) const DUPLICATE: f64 = 0.5;

/// The data of the real images that the slow metrics are computed from.
pub(super) struct SlowReference {
    /// Patches of the held-out images by pyramid level, finest first.
    pub(super) patches: Vec<Array2<f64>>,
    /// Unit vectors, [dimensions of a patch, directions].
    pub(super) directions: Array2<f64>,
    /// Contrast of the held-out images.
    pub(super) contrast: ContrastHistogram,
    /// Distance of features below which two images are duplicates.
    pub(super) radius: f64,
    /// Features of the training images.
    pub(super) train: Array2<f64>,
    /// Mean distance of a held-out image to its nearest training image.
    pub(super) held_out_distance: f64,
}

/// Returns random unit vectors, uniformly distributed.
pub(super) fn directions(dimensions: usize) -> Array2<f64> {
    let mut values = vec![0.0; dimensions * DIRECTIONS];
    Key { seed: SEED, stream: 0, step: 0 }.normal(&mut values);
    let mut all = Array2::from_shape_fn((dimensions, DIRECTIONS), |(i, k)| f64::from(values[k * dimensions + i]));
    for mut direction in all.columns_mut() {
        let length = direction.dot(&direction).sqrt();
        direction /= length;
    }
    all
}

/// Returns patches of the first of `n` images by pyramid level, finest first.
pub(super) fn cut_patches<'a>(
    shape: [usize; 3],
    n: usize,
    image: impl Fn(usize) -> &'a [u8] + Sync,
) -> Vec<Array2<f64>> {
    let [h, w, _] = shape;
    let levels = metrics::pyramid_levels(h, w);
    if levels == 0 {
        return Vec::new();
    }
    let n = n.min(PATCHED_IMAGES);
    let plane = |i| FloatImage { shape, values: image(i).iter().map(|&b| f32::from(b) / 127.5 - 1.0).collect() };
    let pyramids: Vec<Vec<FloatImage>> =
        (0..n).into_par_iter().map(|i| metrics::laplacian_pyramid(plane(i), levels)).collect();
    let level = |level: usize| {
        let planes: Vec<FloatImage> = pyramids.iter().map(|p| p[level].clone()).collect();
        let [h, w, _] = planes[0].shape;
        let key = Key { seed: SEED, stream: 1, step: level as u64 };
        let corner = |i: usize| {
            let at = key.below(i as u32, (h - PATCH + 1) * (w - PATCH + 1));
            (i % n, at / (w - PATCH + 1), at % (w - PATCH + 1))
        };
        metrics::patches(&planes, &(0..PATCHES).map(corner).collect::<Vec<_>>())
    };
    (0..levels).map(level).collect()
}
