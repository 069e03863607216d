//! Crops the center of an image to an aspect ratio and resizes it.

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};

/// The largest side that [`default_size`] chooses.
const LARGEST: usize = 64;

/// Crops the center of `bytes` ([height, width, channels]) to the aspect ratio of `to_width` x `to_height` and resizes it.
///
/// Shrinking averages, so that thin lines fade instead of breaking. Enlarging interpolates linearly.
pub(crate) fn fit(
    bytes: &[u8],
    (width, height, channels): (usize, usize, usize),
    to_width: usize,
    to_height: usize,
) -> Vec<u8> {
    let (x, y, w, h) = center(width, height, to_width, to_height);
    let cropped: Vec<u8> =
        (y..y + h).flat_map(|row| bytes[(row * width + x) * channels..][..w * channels].iter().copied()).collect();
    if (w, h) == (to_width, to_height) {
        return cropped;
    }
    let (w, h, to_width, to_height) = (w as u32, h as u32, to_width as u32, to_height as u32);
    if channels == 1 {
        let image = GrayImage::from_raw(w, h, cropped).unwrap_or_default();
        imageops::resize(&image, to_width, to_height, FilterType::Triangle).into_raw()
    } else {
        let image = RgbImage::from_raw(w, h, cropped).unwrap_or_default();
        imageops::resize(&image, to_width, to_height, FilterType::Triangle).into_raw()
    }
}

/// The largest centered rectangle (x, y, width, height) with the aspect ratio `to_width` : `to_height`.
fn center(width: usize, height: usize, to_width: usize, to_height: usize) -> (usize, usize, usize, usize) {
    let (mut w, mut h) = (width, height);
    if width as u128 * to_height as u128 > to_width as u128 * height as u128 {
        w = (height as f64 * to_width as f64 / to_height as f64).round().clamp(1.0, width as f64) as usize;
    } else {
        h = (width as f64 * to_height as f64 / to_width as f64).round().clamp(1.0, height as f64) as usize;
    }
    ((width - w) / 2, (height - h) / 2, w, h)
}

/// The default training size for images of this size: at most 64 pixels per side, both sides multiples of four.
pub(crate) fn default_size(width: usize, height: usize) -> (usize, usize) {
    let shrink = (LARGEST as f64 / width.max(height) as f64).min(1.0);
    let side = |pixels: usize| (((pixels as f64 * shrink) / 4.0).round() as usize * 4).max(4);
    (side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_sizes_are_multiples_of_four() {
        assert_eq!(default_size(178, 218), (52, 64));
        assert_eq!(default_size(28, 28), (28, 28));
        assert_eq!(default_size(1920, 1080), (64, 36));
        assert_eq!(default_size(5000, 1), (64, 4));
        assert_eq!(default_size(1, 1), (4, 4));
    }

    #[test]
    fn the_center_is_kept() {
        assert_eq!(center(10, 4, 4, 4), (3, 0, 4, 4));
        assert_eq!(center(4, 10, 2, 2), (0, 3, 4, 4));
        assert_eq!(center(1, 5000, 64, 4), (0, 2499, 1, 1));
    }

    #[test]
    fn a_crop_without_scaling_copies_bytes() {
        let bytes: Vec<u8> = (0..24).collect();
        assert_eq!(fit(&bytes, (4, 2, 3), 2, 2), [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20]);
    }

    #[test]
    fn shrinking_averages() {
        let bytes: Vec<u8> = (0..64).map(|i| if i % 2 == 0 { 0 } else { 200 }).collect();
        let small = fit(&bytes, (8, 8, 1), 2, 2);
        assert!(small.iter().all(|&v| (80..120).contains(&v)), "{small:?}");
    }
}
