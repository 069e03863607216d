//! The emulated panel: a frame buffer in the panel's colors that counts pixels drawn outside of it.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::geometry::OriginDimensions;
use embedded_graphics::pixelcolor::{BinaryColor, Gray4, Gray8, GrayColor, Rgb565, Rgb888, RgbColor};
use embedded_graphics::prelude::{Dimensions, DrawTarget, Point, Size};
use embedded_graphics::primitives::{PointsIter, Rectangle};

use super::device::{ColorDepth, Device};
use super::frame::Frame;
use super::frame_cost::DrawnArea;
use crate::color::PanelColor;

/// A frame buffer with one color type.
#[derive(Clone, Debug)]
pub(crate) struct PixelBuffer<C> {
    size: Size,
    colors: Vec<C>,
    pixels_outside: usize,
    /// Areas that were drawn since the last call of [`PanelBuffer::take_drawn`].
    drawn: DrawnArea,
}

impl<C: PanelColor> PixelBuffer<C> {
    fn new(size: Size) -> Self {
        Self {
            size,
            colors: vec![C::BLACK; (size.width * size.height) as usize],
            pixels_outside: 0,
            drawn: DrawnArea::default(),
        }
    }
}

impl<C: Copy> PixelBuffer<C> {
    fn put(&mut self, x: u32, y: u32, color: C) {
        self.colors[(y * self.size.width + x) as usize] = color;
    }

    /// Records an area inside the panel.
    fn add(&mut self, area: &Rectangle) {
        let (x, y) = (area.top_left.x.max(0) as u32, area.top_left.y.max(0) as u32);
        self.drawn.add(x..x + area.size.width, y..y + area.size.height);
    }
}

impl<C> OriginDimensions for PixelBuffer<C> {
    fn size(&self) -> Size {
        self.size
    }
}

impl<C: PanelColor> DrawTarget for PixelBuffer<C> {
    type Color = C;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            let column = u32::try_from(x).ok().filter(|&x| x < self.size.width);
            let row = u32::try_from(y).ok().filter(|&y| y < self.size.height);
            match column.zip(row) {
                Some((x, y)) => {
                    self.put(x, y, color);
                    self.drawn.add(x..x + 1, y..y + 1);
                }
                None => self.pixels_outside += 1,
            }
        }
        Ok(())
    }

    fn fill_contiguous<I: IntoIterator<Item = C>>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible> {
        let seen = area.intersection(&self.bounding_box());
        self.add(&seen);
        for (at, color) in area.points().zip(colors) {
            if seen.contains(at) {
                self.put(at.x as u32, at.y as u32, color);
            } else {
                self.pixels_outside += 1;
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: C) -> Result<(), Infallible> {
        self.fill_contiguous(area, std::iter::repeat(color))
    }
}

/// A frame buffer with one of the emulated color depths.
#[derive(Clone, Debug)]
pub(crate) enum PanelBuffer {
    Mono(PixelBuffer<BinaryColor>),
    Gray16(PixelBuffer<Gray4>),
    Led10(PixelBuffer<Gray8>),
    Rgb565(PixelBuffer<Rgb565>),
}

impl PanelBuffer {
    pub(crate) fn new(device: &Device) -> Self {
        let size = Size::new(device.width, device.height);
        match device.depth {
            ColorDepth::Mono | ColorDepth::Paper => Self::Mono(PixelBuffer::new(size)),
            ColorDepth::Gray16 => Self::Gray16(PixelBuffer::new(size)),
            ColorDepth::Led10 => Self::Led10(PixelBuffer::new(size)),
            ColorDepth::Rgb565 => Self::Rgb565(PixelBuffer::new(size)),
        }
    }

    /// Returns the number of pixels that were drawn outside the panel.
    pub(crate) fn pixels_outside(&self) -> usize {
        match self {
            Self::Mono(pixels) => pixels.pixels_outside,
            Self::Gray16(pixels) => pixels.pixels_outside,
            Self::Led10(pixels) => pixels.pixels_outside,
            Self::Rgb565(pixels) => pixels.pixels_outside,
        }
    }

    /// Returns the areas that were drawn since the last call.
    pub(crate) fn take_drawn(&mut self) -> DrawnArea {
        std::mem::take(match self {
            Self::Mono(pixels) => &mut pixels.drawn,
            Self::Gray16(pixels) => &mut pixels.drawn,
            Self::Led10(pixels) => &mut pixels.drawn,
            Self::Rgb565(pixels) => &mut pixels.drawn,
        })
    }

    /// Returns the panel's content as an RGB image.
    pub(crate) fn frame(&self) -> Frame {
        fn collect<C: Copy>(pixels: &PixelBuffer<C>, rgb: impl Fn(C) -> Rgb888) -> Frame {
            let mut frame = Frame::new(pixels.size.width, pixels.size.height);
            for (out, &color) in frame.rgb.chunks_exact_mut(3).zip(&pixels.colors) {
                let color = rgb(color);
                out.copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
            frame
        }
        match self {
            Self::Mono(pixels) => collect(pixels, Rgb888::from),
            Self::Gray16(pixels) => collect(pixels, Rgb888::from),
            Self::Led10(pixels) => collect(pixels, |color| Rgb888::from(Gray8::new(ten_levels(color.luma())))),
            Self::Rgb565(pixels) => collect(pixels, Rgb888::from),
        }
    }
}

/// Returns the nearest of ten evenly spaced brightness levels.
fn ten_levels(luma: u8) -> u8 {
    let level = (u32::from(luma) * 9 + 127) / 255;
    (level * 255 / 9) as u8
}
