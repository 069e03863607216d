//! Lines, discs and text on an [`Image`], and the colors that all figures share.
//!
//! Shapes are antialiased by supersampling: they are drawn [`SUPERSAMPLING`] times larger and then averaged down. Text is drawn
//! at its final size.

use embedded_graphics::Drawable;
use embedded_graphics::geometry::Point;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{Primitive, Size};
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

use super::Image;

/// Factor by which shapes are enlarged before the image is averaged down.
pub(crate) const SUPERSAMPLING: usize = 3;

pub(crate) const BACKGROUND: [u8; 3] = [252, 252, 251];
pub(crate) const GRID: [u8; 3] = [228, 230, 234];
pub(crate) const AXIS: [u8; 3] = [140, 146, 156];
pub(crate) const DARK: [u8; 3] = [28, 32, 40];
pub(crate) const SOFT: [u8; 3] = [92, 98, 110];

/// Draws a straight line; coordinates and width are in pixels of the final image.
pub(crate) fn line(fine: &mut Image, from: (f64, f64), to: (f64, f64), color: [u8; 3], width: f64) {
    let style = PrimitiveStyle::with_stroke(rgb(color), (width * SUPERSAMPLING as f64).round() as u32);
    let Ok(()) = Line::new(point(from), point(to)).into_styled(style).draw(fine);
}

/// Draws a filled disc; center and radius are in pixels of the final image.
pub(crate) fn disc(fine: &mut Image, (x, y): (f64, f64), radius: f64, color: [u8; 3]) {
    let (x, y, radius) = (x * SUPERSAMPLING as f64, y * SUPERSAMPLING as f64, radius * SUPERSAMPLING as f64);
    for row in (y - radius).floor() as i32..=(y + radius).ceil() as i32 {
        let half = (radius * radius - (f64::from(row) + 0.5 - y).powi(2)).max(0.0).sqrt();
        let (from, to) = ((x - half).round() as i32, (x + half).round() as i32);
        if to > from {
            let part = Rectangle::new(Point::new(from, row), Size::new((to - from) as u32, 1));
            let Ok(()) = part.into_styled(PrimitiveStyle::with_fill(rgb(color))).draw(fine);
        }
    }
}

/// Draws text whose upper edge is at `at`.
pub(crate) fn text(
    paper: &mut Image,
    content: &str,
    at: (f64, f64),
    font: &MonoFont<'_>,
    color: [u8; 3],
    alignment: Alignment,
) {
    let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
    let at = Point::new(at.0.round() as i32, at.1.round() as i32);
    let Ok(_) = Text::with_text_style(content, at, MonoTextStyle::new(font, rgb(color)), style).draw(paper);
}

fn point((x, y): (f64, f64)) -> Point {
    Point::new((x * SUPERSAMPLING as f64).round() as i32, (y * SUPERSAMPLING as f64).round() as i32)
}

pub(crate) fn rgb([r, g, b]: [u8; 3]) -> Rgb888 {
    Rgb888::new(r, g, b)
}
