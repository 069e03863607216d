//! Draws a plot as an image or a PNG file.

use embedded_graphics::Drawable;
use embedded_graphics::geometry::Point;
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::pixelcolor::RgbColor;
use embedded_graphics::prelude::{Primitive, Size};
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::Alignment;

use super::Image;
use super::canvas::{AXIS, BACKGROUND, DARK, GRID, SOFT, SUPERSAMPLING, disc, line, rgb, text};
use super::image::Darken;
use super::plot::{COLORS, Plot, PlotColumn, PlotLayout};

impl Plot {
    /// The plot as a PNG file of 900 x 420 pixels.
    pub fn png(&self) -> Vec<u8> {
        self.image(900, 420).png()
    }

    /// The plot as an image. Sizes from 320 x 240 pixels are legible.
    pub fn image(&self, width: usize, height: usize) -> Image {
        let layout = PlotLayout::new(self, width, height);
        let mut fine = Image::new(width * SUPERSAMPLING, height * SUPERSAMPLING, BACKGROUND);
        grid_lines(&mut fine, &layout);
        for (i, columns) in layout.columns.iter().enumerate() {
            band(&mut fine, &layout, columns, tint(COLORS[i % COLORS.len()]));
        }
        for (i, columns) in layout.columns.iter().enumerate() {
            curve(&mut fine, &layout, columns, COLORS[i % COLORS.len()]);
        }
        for (i, &(x, y)) in layout.legend.iter().enumerate() {
            line(&mut fine, (x, y + 7.0), (x + 18.0, y + 7.0), COLORS[i % COLORS.len()], 3.0);
        }
        let mut paper = fine.reduced(SUPERSAMPLING);
        self.draw_text(&mut paper, &layout);
        paper
    }

    fn draw_text(&self, paper: &mut Image, layout: &PlotLayout) {
        text(paper, &self.title, (layout.left, 14.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
        for (series, &(x, y)) in self.series.iter().zip(&layout.legend) {
            text(paper, &series.name, (x + 26.0, y), &FONT_7X13, DARK, Alignment::Left);
        }
        text(paper, &self.y_label, (layout.left, layout.y_label_top), &FONT_7X13, SOFT, Alignment::Left);
        text(paper, &self.x_label, (layout.right, layout.bottom + 27.0), &FONT_7X13, SOFT, Alignment::Right);
        for (value, label) in &layout.y.ticks {
            let y = layout.pixel(0.0, *value).1;
            text(paper, label, (layout.left - 8.0, y - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        }
        for (value, label) in &layout.x.ticks {
            let x = layout.pixel(*value, 0.0).0;
            text(paper, label, (x, layout.bottom + 9.0), &FONT_7X13, SOFT, Alignment::Center);
        }
        if layout.is_empty() {
            let middle = ((layout.left + layout.right) / 2.0, (layout.top + layout.bottom) / 2.0 - 7.0);
            text(paper, "nothing recorded yet", middle, &FONT_7X13, SOFT, Alignment::Center);
        }
    }
}

/// Grid lines, the horizontal axis and its ticks.
fn grid_lines(fine: &mut Image, layout: &PlotLayout) {
    for (value, _) in &layout.y.ticks {
        let y = layout.pixel(0.0, *value).1.round() + 0.5;
        line(fine, (layout.left, y), (layout.right, y), GRID, 1.0);
    }
    let y = layout.bottom.round() + 0.5;
    line(fine, (layout.left, y), (layout.right, y), AXIS, 1.0);
    for (value, _) in &layout.x.ticks {
        let x = layout.pixel(*value, 0.0).0.round() + 0.5;
        line(fine, (x, y), (x, y + 5.0), AXIS, 1.0);
    }
}

/// Draws a curve as closely spaced discs, so the joints are smooth at any angle.
fn curve(fine: &mut Image, layout: &PlotLayout, columns: &[PlotColumn], color: [u8; 3]) {
    let at: Vec<(f64, f64)> = columns.iter().map(|c| layout.pixel(c.x, c.mean)).collect();
    let pen = |fine: &mut Image, (x, y): (f64, f64)| disc(fine, (x, y), 1.0, color);
    if let Some(&first) = at.first() {
        if at.len() == 1 { disc(fine, first, 3.0, color) } else { pen(fine, first) }
    }
    for ends in at.windows(2) {
        let (dx, dy) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
        let discs = (dx.hypot(dy) * SUPERSAMPLING as f64).ceil().max(1.0);
        for i in 1..=discs as usize {
            let t = i as f64 / discs;
            pen(fine, (ends[0].0 + t * dx, ends[0].1 + t * dy));
        }
    }
}

/// Fills the area between minimum and maximum.
fn band(fine: &mut Image, layout: &PlotLayout, columns: &[PlotColumn], color: [u8; 3]) {
    for ends in columns.windows(2) {
        if ends.iter().all(|c| c.low == c.high) {
            continue;
        }
        let corners = ends.iter().map(|c| (layout.pixel(c.x, c.high), layout.pixel(c.x, c.low).1)).collect::<Vec<_>>();
        let ((x0, high0), low0) = corners[0];
        let ((x1, high1), low1) = corners[1];
        for column in (x0 * SUPERSAMPLING as f64).round() as i32..(x1 * SUPERSAMPLING as f64).round() as i32 {
            let t = ((f64::from(column) / SUPERSAMPLING as f64 - x0) / (x1 - x0)).clamp(0.0, 1.0);
            let scaled = |a: f64, b: f64| ((a + t * (b - a)) * SUPERSAMPLING as f64).round() as i32;
            let (top, bottom) = (scaled(high0, high1), scaled(low0, low1));
            let part = Rectangle::new(Point::new(column, top), Size::new(1, (bottom - top).max(0) as u32));
            let Ok(()) = part.into_styled(PrimitiveStyle::with_fill(rgb(color))).draw(&mut Darken(fine));
        }
    }
}

/// The color at an opacity of 20 % on the background.
fn tint(color: [u8; 3]) -> [u8; 3] {
    let ink = rgb(color);
    let mix = |c: u8, paper: u8| (u32::from(paper) * 4 / 5 + u32::from(c) / 5) as u8;
    [mix(ink.r(), BACKGROUND[0]), mix(ink.g(), BACKGROUND[1]), mix(ink.b(), BACKGROUND[2])]
}

#[cfg(test)]
mod tests {
    use super::super::plot::tests::losses;
    use super::*;

    #[test]
    fn every_series_is_drawn_in_its_color() {
        let image = losses(3000).image(900, 420);
        for color in &COLORS[..2] {
            assert!(image.bytes().chunks(3).filter(|p| p == color).count() > 200, "{color:?}");
        }
    }

    #[test]
    fn empty_constant_and_single_values_are_drawn() {
        for points in [vec![], vec![(0.0, 5.0)], vec![(0.0, 0.0), (1.0, 0.0)], vec![(f64::NAN, f64::INFINITY)]] {
            let mut plot = losses(1);
            plot.series.truncate(1);
            plot.series[0].points = points;
            assert!(plot.image(320, 240).bytes().iter().any(|&b| b < 100));
        }
        assert_eq!(losses(10).image(1, 1).width(), 1);
    }
}
