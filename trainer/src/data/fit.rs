//! Converts an image to the size of training images: crops, pads or stretches it, and resizes it.

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};

use crate::recipe::Fit;

/// The largest side that [`default_size`] chooses.
const LARGEST: usize = 64;

/// The size of training images, and how images of another aspect ratio get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) fit: Fit,
}

impl Frame {
    /// Converts `bytes` ([height, width, channels]) to the size of the frame.
    ///
    /// Shrinking averages, so that thin lines fade instead of breaking. Enlarging interpolates linearly.
    pub(crate) fn fit(self, bytes: &[u8], (width, height, channels): (usize, usize, usize)) -> Vec<u8> {
        match self.fit {
            Fit::Crop => {
                let (x, y, w, h) = center(width, height, self.width, self.height);
                let rows = (y..y + h).map(|row| &bytes[(row * width + x) * channels..][..w * channels]);
                resize(rows.collect::<Vec<_>>().concat(), (w, h, channels), self.width, self.height)
            }
            Fit::Stretch => resize(bytes.to_vec(), (width, height, channels), self.width, self.height),
            Fit::Pad => {
                // The part of the frame that the image fills is the part of the image that a crop keeps, with the roles exchanged.
                let (x, y, w, h) = center(self.width, self.height, width, height);
                let small = resize(bytes.to_vec(), (width, height, channels), w, h);
                let mut padded = vec![255; self.width * self.height * channels];
                for (row, pixels) in small.chunks_exact(w * channels).enumerate() {
                    padded[((y + row) * self.width + x) * channels..][..pixels.len()].copy_from_slice(pixels);
                }
                padded
            }
        }
    }

    /// What happens to images of other sizes, as the end of a sentence.
    pub(crate) fn describe(self) -> String {
        let Self { width, height, fit } = self;
        match fit {
            Fit::Crop => format!("cropped to the center where needed and resized to {width}x{height}"),
            Fit::Pad => format!("resized to fit into {width}x{height}, with white margins where needed"),
            Fit::Stretch => format!("stretched to {width}x{height}"),
        }
    }
}

fn resize(bytes: Vec<u8>, (w, h, channels): (usize, usize, usize), to_width: usize, to_height: usize) -> Vec<u8> {
    if (w, h) == (to_width, to_height) {
        return bytes;
    }
    let (w, h, to_width, to_height) = (w as u32, h as u32, to_width as u32, to_height as u32);
    if channels == 1 {
        let image = GrayImage::from_raw(w, h, bytes).unwrap_or_default();
        imageops::resize(&image, to_width, to_height, FilterType::Triangle).into_raw()
    } else {
        let image = RgbImage::from_raw(w, h, bytes).unwrap_or_default();
        imageops::resize(&image, to_width, to_height, FilterType::Triangle).into_raw()
    }
}

/// Luma of an RGB pixel by Rec. 601, rounded.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b) + 128) >> 8) as u8
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
        let frame = Frame { width: 2, height: 2, fit: Fit::Crop };
        assert_eq!(frame.fit(&bytes, (4, 2, 3)), [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20]);
    }

    #[test]
    fn shrinking_averages() {
        let bytes: Vec<u8> = (0..64).map(|i| if i % 2 == 0 { 0 } else { 200 }).collect();
        let small = Frame { width: 2, height: 2, fit: Fit::Crop }.fit(&bytes, (8, 8, 1));
        assert!(small.iter().all(|&v| (80..120).contains(&v)), "{small:?}");
    }

    #[test]
    fn padding_keeps_the_whole_image_and_stretching_fills_the_frame() {
        // A column of black between columns of gray; the image is twice as wide as high.
        let bytes = [[9, 9, 0, 9], [9, 9, 0, 9]].concat();
        let padded = Frame { width: 4, height: 4, fit: Fit::Pad }.fit(&bytes, (4, 2, 1));
        assert_eq!(padded, [[255; 4], [9, 9, 0, 9], [9, 9, 0, 9], [255; 4]].concat());
        let stretched = Frame { width: 4, height: 4, fit: Fit::Stretch }.fit(&bytes, (4, 2, 1));
        assert_eq!(stretched, [9, 9, 0, 9].repeat(4));
        let narrow = Frame { width: 3, height: 1, fit: Fit::Pad }.fit(&[[7; 3]; 5000].concat(), (1, 5000, 3));
        assert_eq!(narrow, [255, 255, 255, 7, 7, 7, 255, 255, 255]);
    }
}
