//! Patches of images at several scales, for the sliced Wasserstein distance of Karras et al. 2018.

use super::w1;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// Side of a patch, in pixels.
pub const PATCH: usize = 7;
/// The binomial filter of Burt & Adelson, along one axis.
const BINOMIAL: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// An image of f32 values, [height, width, channels].
#[derive(Clone, Debug, PartialEq)]
pub struct FloatImage {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// The values, row by row.
    pub values: Vec<f32>,
}

/// Number of levels of a Laplacian pyramid of `height` x `width`: sides are halved as long as both keep 8 pixels or more.
///
/// ```
/// assert_eq!(ganlet_trainer::metrics::pyramid_levels(64, 64), 4);
/// assert_eq!(ganlet_trainer::metrics::pyramid_levels(28, 28), 2);
/// assert_eq!(ganlet_trainer::metrics::pyramid_levels(6, 40), 0); // too small for a patch
/// ```
pub fn pyramid_levels(height: usize, width: usize) -> usize {
    let (mut side, mut levels) = (height.min(width), usize::from(height.min(width) >= PATCH));
    while side / 2 > PATCH && levels > 0 {
        side /= 2;
        levels += 1;
    }
    levels
}

/// The Laplacian pyramid of an image (Burt & Adelson 1983), finest level first; the last level is the remaining low-pass image.
///
/// The filter is that of Karras et al. (2018): 5x5 binomial, mirrored at the borders without repeating the edge pixels.
pub fn laplacian_pyramid(image: FloatImage, levels: usize) -> Vec<FloatImage> {
    let mut pyramid = vec![image];
    while pyramid.len() < levels {
        let Some(fine) = pyramid.pop() else { break };
        let coarse = halve(&fine);
        let back = double(&coarse, fine.shape);
        let values = fine.values.iter().zip(&back).map(|(a, b)| a - b).collect();
        pyramid.extend([FloatImage { shape: fine.shape, values }, coarse]);
    }
    pyramid
}

fn halve(fine: &FloatImage) -> FloatImage {
    let [h, w, c] = fine.shape;
    let smooth = filter(fine.shape, &fine.values, 1.0);
    let shape = [h.div_ceil(2), w.div_ceil(2), c];
    let values = (0..shape[0] * shape[1]).flat_map(|i| {
        let at = (i / shape[1] * 2 * w + i % shape[1] * 2) * c;
        smooth[at..at + c].iter().copied()
    });
    FloatImage { shape, values: values.collect() }
}

fn double(coarse: &FloatImage, shape: [usize; 3]) -> Vec<f32> {
    let ([_, w, c], [_, cw, _]) = (shape, coarse.shape);
    let mut sparse = vec![0.0; shape.iter().product()];
    for (i, pixel) in coarse.values.chunks_exact(c).enumerate() {
        sparse[(i / cw * 2 * w + i % cw * 2) * c..][..c].copy_from_slice(pixel);
    }
    // Three of four pixels are zero. A gain of 2 along each axis keeps the mean.
    filter(shape, &sparse, 2.0)
}

/// The binomial filter along rows and then along columns, each multiplied by `gain`.
fn filter([h, w, c]: [usize; 3], values: &[f32], gain: f32) -> Vec<f32> {
    // Mirrored: the index -2 becomes 2, and so on. A side of one pixel repeats that pixel.
    let mirror = |i: isize, n: usize| -> usize {
        if n == 1 {
            return 0;
        }
        let i = i.unsigned_abs() % (2 * n - 2);
        if i < n { i } else { 2 * n - 2 - i }
    };
    let pass = |values: &[f32], along: usize| {
        let mut out = vec![0.0; values.len()];
        for (at, v) in out.iter_mut().enumerate() {
            let (y, x, k) = (at / (w * c), at / c % w, at % c);
            *v = BINOMIAL
                .iter()
                .zip(-2_isize..)
                .map(|(b, d)| {
                    let (y, x) =
                        if along == 0 { (y, mirror(x as isize + d, w)) } else { (mirror(y as isize + d, h), x) };
                    b * gain * values[(y * w + x) * c + k]
                })
                .sum();
        }
        out
    };
    pass(&pass(values, 0), 1)
}

/// Cuts out patches of 7x7 pixels as rows of a matrix and normalizes each channel to mean 0 and standard deviation 1 over all patches.
///
/// `corners` has the index of the image and the upper left pixel of each patch: (image, y, x).
#[track_caller]
pub fn patches(images: &[FloatImage], corners: &[(usize, usize, usize)]) -> Array2<f64> {
    let c = images.first().map_or(1, |p| p.shape[2]);
    let width = PATCH * PATCH * c;
    let mut rows = Array2::zeros((corners.len(), width));
    for (mut row, &(image, top, left)) in rows.rows_mut().into_iter().zip(corners) {
        let FloatImage { shape: [h, w, _], values } = &images[image];
        assert!(top + PATCH <= *h && left + PATCH <= *w, "a patch at ({top}, {left}) exceeds an image of {h}x{w}");
        for (i, v) in row.iter_mut().enumerate() {
            let (y, x, k) = (top + i / (PATCH * c), left + i / c % PATCH, i % c);
            *v = f64::from(values[(y * w + x) * c + k]);
        }
    }
    for k in 0..c {
        let mut channel = rows.slice_mut(ndarray::s![.., k..;c]);
        let n = channel.len() as f64;
        let mean = channel.sum() / n;
        let deviation = (channel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        // A constant channel becomes 0.
        channel.mapv_inplace(|v| if deviation > 0.0 { (v - mean) / deviation } else { 0.0 });
    }
    rows
}

/// The mean of [`w1`] along the columns of `directions`, [dimensions, directions] (Rabin et al. 2011).
#[track_caller]
pub fn sliced_along(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, directions: ArrayView2<'_, f64>) -> f64 {
    let n = directions.ncols();
    let distances: Vec<f64> = (0..n)
        .into_par_iter()
        .map(|k| {
            let direction = directions.column(k);
            w1(a.dot(&direction).view(), b.dot(&direction).view())
        })
        .collect();
    distances.iter().sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(h: usize, w: usize, c: usize) -> FloatImage {
        FloatImage {
            shape: [h, w, c],
            values: (0..h * w * c).map(|i| ((i * 37 + i / 5) % 101) as f32 / 50.0 - 1.0).collect(),
        }
    }

    #[test]
    fn levels_add_up_to_the_image() {
        for (h, w, c) in [(16, 16, 3), (28, 20, 1), (17, 33, 1)] {
            let image = plane(h, w, c);
            let pyramid = laplacian_pyramid(image.clone(), 2);
            let back = double(&pyramid[1], image.shape);
            assert_eq!(pyramid[1].shape, [h.div_ceil(2), w.div_ceil(2), c]);
            let sum = pyramid[0].values.iter().zip(&back).map(|(a, b)| a + b);
            assert!(sum.zip(&image.values).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn only_the_last_level_of_a_constant_image_is_nonzero() {
        let wall = FloatImage { shape: [32, 32, 1], values: vec![0.5; 1024] };
        let pyramid = laplacian_pyramid(wall, pyramid_levels(32, 32));
        assert_eq!(pyramid.len(), 3);
        assert!(pyramid[..2].iter().all(|p| p.values.iter().all(|v| v.abs() < 1e-6)));
        assert!(pyramid[2].values.iter().all(|v| (v - 0.5).abs() < 1e-6));
    }

    #[test]
    fn patches_are_cut_at_their_corners_and_normalized() {
        let image = plane(9, 9, 2);
        let rows = patches(std::slice::from_ref(&image), &[(0, 0, 0), (0, 1, 2)]);
        assert_eq!(rows.dim(), (2, 98));
        for k in 0..2 {
            let channel = rows.slice(ndarray::s![.., k..;2]);
            assert!(channel.sum().abs() < 1e-9 && (channel.mapv(|v| v * v).sum() / 98.0 - 1.0).abs() < 1e-9);
        }
        let (a, b) = (rows[(1, 0)] - rows[(0, 0)], rows[(1, 4)] - rows[(0, 4)]);
        let v = |y: usize, x: usize| f64::from(image.values[(y * 9 + x) * 2]);
        assert!((a / b - (v(1, 2) - v(0, 0)) / (v(1, 4) - v(0, 2))).abs() < 1e-6);
    }
}
