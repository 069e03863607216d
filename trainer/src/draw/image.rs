//! An RGB image that embedded-graphics can draw into and that encodes as PNG.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Size};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// An RGB image: rows of pixels, three bytes per pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// An image of one color. Sides are at least one pixel.
    pub fn new(width: usize, height: usize, color: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, pixels: color.repeat(width * height) }
    }

    /// Converts RGB bytes, or gray bytes if `channels` is 1.
    #[doc(hidden)]
    #[track_caller]
    pub fn from_bytes(bytes: &[u8], (width, height, channels): (usize, usize, usize)) -> Self {
        assert!(
            width > 0 && height > 0 && matches!(channels, 1 | 3),
            "an image needs positive sides and 1 or 3 channels, not {width}x{height}x{channels}"
        );
        assert_eq!(bytes.len(), width * height * channels, "bytes of an image of {width}x{height}x{channels}");
        let pixels = if channels == 1 { bytes.iter().flat_map(|&v| [v; 3]).collect() } else { bytes.to_vec() };
        Self { width, height, pixels }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The RGB bytes, row by row.
    pub fn bytes(&self) -> &[u8] {
        &self.pixels
    }

    /// Enlarges every pixel to a square of `factor` x `factor` pixels.
    #[doc(hidden)]
    pub fn enlarged(&self, factor: usize) -> Self {
        let mut large = Self::new(self.width * factor.max(1), self.height * factor.max(1), [0; 3]);
        large.place(self, (0, 0), factor);
        large
    }

    /// Copies `other` to (x, y), each pixel enlarged to `factor` x `factor`. Parts beyond the edges are clipped.
    #[doc(hidden)]
    pub fn place(&mut self, other: &Self, (x, y): (usize, usize), factor: usize) {
        let factor = factor.max(1);
        for row in y..self.height.min(y + other.height * factor) {
            for column in x..self.width.min(x + other.width * factor) {
                let from = ((row - y) / factor * other.width + (column - x) / factor) * 3;
                let to = (row * self.width + column) * 3;
                self.pixels[to..to + 3].copy_from_slice(&other.pixels[from..from + 3]);
            }
        }
    }

    /// Shrinks the image to half its width and height.
    #[doc(hidden)]
    pub fn halved(&self) -> Self {
        self.reduced(2)
    }

    /// Averages blocks of `factor` x `factor` pixels: the second half of supersampling.
    pub(crate) fn reduced(&self, factor: usize) -> Self {
        let mut small = Self::new(self.width / factor, self.height / factor, [0; 3]);
        let area = (factor * factor) as u32;
        for y in 0..small.height {
            for x in 0..small.width {
                for channel in 0..3 {
                    let sum: u32 = (0..factor * factor)
                        .map(|i| (y * factor + i / factor) * self.width + x * factor + i % factor)
                        .map(|pixel| u32::from(self.pixels[pixel * 3 + channel]))
                        .sum();
                    small.pixels[(y * small.width + x) * 3 + channel] = ((sum + area / 2) / area) as u8;
                }
            }
        }
        small
    }

    /// The image as a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive)
            .write_image(&self.pixels, self.width as u32, self.height as u32, ExtendedColorType::Rgb8)
            .expect("writing a PNG of matching size to memory cannot fail");
        file
    }

    fn pixel_mut(&mut self, x: i32, y: i32) -> Option<&mut [u8]> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x >= self.width || y >= self.height {
            return None;
        }
        self.pixels.get_mut((y * self.width + x) * 3..)?.get_mut(..3)
    }
}

impl OriginDimensions for Image {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Image {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            if let Some(pixel) = self.pixel_mut(at.x, at.y) {
                pixel.copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

/// A draw target that keeps the darker value of each channel, so overlapping tints stay visible.
pub(crate) struct Darken<'a>(pub(crate) &'a mut Image);

impl OriginDimensions for Darken<'_> {
    fn size(&self) -> Size {
        self.0.size()
    }
}

impl DrawTarget for Darken<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            if let Some(pixel) = self.0.pixel_mut(at.x, at.y) {
                for (v, ink) in pixel.iter_mut().zip([color.r(), color.g(), color.b()]) {
                    *v = (*v).min(ink);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let image = Image::from_bytes(&[0, 100, 200, 255, 7, 9], (3, 2, 1)).enlarged(2);
        let read = image::load_from_memory(&image.png()).unwrap().into_rgb8();
        assert_eq!((read.width(), read.height()), (6, 4));
        assert_eq!(read.as_raw(), image.bytes());
        assert_eq!(image.reduced(2), Image::from_bytes(&[0, 100, 200, 255, 7, 9], (3, 2, 1)));
    }

    #[test]
    fn parts_outside_are_clipped() {
        let mut paper = Image::new(3, 2, [255; 3]);
        paper.place(&Image::new(1, 1, [9; 3]), (2, 1), 5);
        assert_eq!(paper.bytes()[..15], [255; 15]);
        assert_eq!(paper.bytes()[15..], [9; 3]);
        let outside = [(-1, 0), (0, -1), (3, 0), (0, 2)].map(|p| Pixel(p.into(), Rgb888::RED));
        paper.draw_iter(outside).unwrap();
        assert_eq!(paper.bytes()[..15], [255; 15]);
    }
}
