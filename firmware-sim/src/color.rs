//! Conversion of colors to those of a panel: the nearest level, or ordered dithering on two-color panels.

use embedded_graphics::pixelcolor::{BinaryColor, Gray4, Gray8, Rgb565, Rgb888, RgbColor};
use embedded_graphics::prelude::{GrayColor, PixelColor, Point};

/// A color that the app can draw with.
///
/// `BLACK` is the darkest state of the panel and `WHITE` the brightest. A driver for which "on" means dark must invert.
pub trait PanelColor: PixelColor {
    /// The panel's darkest state.
    const BLACK: Self;
    /// The panel's brightest state.
    const WHITE: Self;
    /// Secondary text, legible on both black and white.
    const DIM: Self;
    /// Bars and titles.
    const ACCENT: Self;

    /// Returns the panel's color for `rgb`. Ordered dithering depends on the position `at`.
    fn shade(rgb: [u8; 3], at: Point) -> Self;
}

/// The 4x4 ordered dithering matrix of Bayer (1973).
const BAYER: [[u8; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// Returns the Rec. 601 luma in 8-bit integers. The luma of a gray is that gray.
#[must_use]
pub const fn luma(rgb: [u8; 3]) -> u8 {
    ((rgb[0] as u32 * 77 + rgb[1] as u32 * 150 + rgb[2] as u32 * 29 + 128) >> 8) as u8
}

impl PanelColor for BinaryColor {
    const BLACK: Self = Self::Off;
    const WHITE: Self = Self::On;
    const DIM: Self = Self::On;
    const ACCENT: Self = Self::On;

    fn shade(rgb: [u8; 3], at: Point) -> Self {
        // The eye averages light, which is about the square of the value. If half of the pixels are lit, they look like value 180, not 128.
        let light = (u32::from(luma(rgb)).pow(2) + 127) / 255;
        // Thresholds of 8, 24, …, 248 keep black and white free of stray pixels.
        let threshold = BAYER[(at.y & 3) as usize][(at.x & 3) as usize] * 16 + 8;
        if light >= u32::from(threshold) { Self::On } else { Self::Off }
    }
}

impl PanelColor for Gray4 {
    const BLACK: Self = <Self as GrayColor>::BLACK;
    const WHITE: Self = <Self as GrayColor>::WHITE;
    const DIM: Self = Self::new(8);
    const ACCENT: Self = Self::new(11);

    fn shade(rgb: [u8; 3], _: Point) -> Self {
        Self::new(((luma(rgb) as u16 * 15 + 127) / 255) as u8)
    }
}

impl PanelColor for Gray8 {
    const BLACK: Self = <Self as GrayColor>::BLACK;
    const WHITE: Self = <Self as GrayColor>::WHITE;
    const DIM: Self = Self::new(128);
    const ACCENT: Self = Self::new(180);

    fn shade(rgb: [u8; 3], _: Point) -> Self {
        Self::new(luma(rgb))
    }
}

impl PanelColor for Rgb565 {
    const BLACK: Self = <Self as RgbColor>::BLACK;
    const WHITE: Self = <Self as RgbColor>::WHITE;
    const DIM: Self = Self::new(17, 34, 17);
    const ACCENT: Self = Self::new(8, 40, 27);

    fn shade(rgb: [u8; 3], _: Point) -> Self {
        let level = |v: u8, top: u16| ((v as u16 * top + 127) / 255) as u8;
        Self::new(level(rgb[0], 31), level(rgb[1], 63), level(rgb[2], 31))
    }
}

impl PanelColor for Rgb888 {
    const BLACK: Self = <Self as RgbColor>::BLACK;
    const WHITE: Self = <Self as RgbColor>::WHITE;
    const DIM: Self = Self::new(136, 136, 136);
    const ACCENT: Self = Self::new(66, 162, 222);

    fn shade(rgb: [u8; 3], _: Point) -> Self {
        Self::new(rgb[0], rgb[1], rgb[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_keeps_grays() {
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
    }

    #[test]
    fn dithering_lights_a_share_of_pixels_proportional_to_the_light() {
        for v in 0..=255u8 {
            let lit =
                (0..16).filter(|i| BinaryColor::shade([v; 3], Point::new(i % 4, i / 4)) == BinaryColor::On).count();
            let light = (f64::from(v) / 255.0).powi(2);
            assert!((lit as f64 / 16.0 - light).abs() <= 1.0 / 30.0, "shade {v}: {lit} of 16 lit");
        }
    }

    #[test]
    fn gray_levels_are_the_nearest_of_sixteen() {
        for v in 0..=255u8 {
            let shown = i32::from(Gray4::shade([v; 3], Point::zero()).luma()) * 17;
            assert!((shown - i32::from(v)).abs() <= 8, "shade {v} shown as {shown}");
        }
    }
}
