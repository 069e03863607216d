//! A scatter plot of real and generated points.

use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;

use super::Image;
use super::axis::Axis;
use super::canvas::{AXIS, BACKGROUND, DARK, GRID, SOFT, SUPERSAMPLING, disc, line, text};

const RED: [u8; 3] = [222, 84, 78];
const BLUE: [u8; 3] = [30, 84, 200];
const SIDE: f64 = 560.0;

/// A scatter plot of points in the plane: real ones are red dots, generated ones blue crosses.
#[derive(Clone, Debug)]
pub struct Scatter<'a> {
    /// Title above the plot.
    pub title: String,
    /// Points of the data set.
    pub real: &'a [(f64, f64)],
    /// Points that the generator drew.
    pub generated: &'a [(f64, f64)],
}

impl Scatter<'_> {
    /// The plot as a PNG file.
    pub fn png(&self) -> Vec<u8> {
        self.image().png()
    }

    /// The plot as an image. Both axes have the same scale; generated points far outside the real ones are drawn at the edge.
    pub fn image(&self) -> Image {
        let (left, top) = (56.0, 76.0);
        let (x, y) = self.axes();
        let at = |&(px, py): &(f64, f64)| {
            let (across, down) = (x.position(px).clamp(0.0, 1.0), y.position(py).clamp(0.0, 1.0));
            (left + across * SIDE, top + (1.0 - down) * SIDE)
        };
        let mut fine = Image::new(
            (left + SIDE + 28.0) as usize * SUPERSAMPLING,
            (top + SIDE + 40.0) as usize * SUPERSAMPLING,
            BACKGROUND,
        );
        let (right, bottom) = (left + SIDE, top + SIDE);
        for (value, _) in &x.ticks {
            let across = (left + x.position(*value) * SIDE).round() + 0.5;
            line(&mut fine, (across, top), (across, bottom), GRID, 1.0);
        }
        for (value, _) in &y.ticks {
            let down = (bottom - y.position(*value) * SIDE).round() + 0.5;
            line(&mut fine, (left, down), (right, down), GRID, 1.0);
        }
        line(&mut fine, (left, bottom + 0.5), (right, bottom + 0.5), AXIS, 1.0);
        line(&mut fine, (left + 0.5, top), (left + 0.5, bottom), AXIS, 1.0);
        // Real and generated points are drawn alternately, in proportion to their numbers. Otherwise one kind would hide the other.
        let finite = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
        let real: Vec<_> = self.real.iter().filter(finite).collect();
        let generated: Vec<_> = self.generated.iter().filter(finite).collect();
        let mut drawn = 0;
        for (i, point) in generated.iter().enumerate() {
            let due = i * real.len() / generated.len();
            real[drawn..due].iter().for_each(|p| disc(&mut fine, at(p), 1.7, RED));
            drawn = due;
            cross(&mut fine, at(point));
        }
        real[drawn..].iter().for_each(|p| disc(&mut fine, at(p), 1.7, RED));
        disc(&mut fine, (left + 6.0, 51.0), 3.5, RED);
        cross(&mut fine, (left + 90.0, 51.0));

        let mut paper = fine.reduced(SUPERSAMPLING);
        text(&mut paper, &self.title, (left, 14.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
        text(&mut paper, "real", (left + 17.0, 45.0), &FONT_7X13, DARK, Alignment::Left);
        text(&mut paper, "generated", (left + 102.0, 45.0), &FONT_7X13, DARK, Alignment::Left);
        for (value, label) in &x.ticks {
            let across = left + x.position(*value) * SIDE;
            text(&mut paper, label, (across, bottom + 9.0), &FONT_7X13, SOFT, Alignment::Center);
        }
        for (value, label) in &y.ticks {
            let down = bottom - y.position(*value) * SIDE;
            text(&mut paper, label, (left - 8.0, down - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        }
        paper
    }

    /// Axes of equal length around the real points, or around the generated ones if there are no real ones.
    fn axes(&self) -> (Axis, Axis) {
        let points = if self.real.is_empty() { self.generated } else { self.real };
        let ends = |value: fn(&(f64, f64)) -> f64| {
            let finite = points.iter().map(value).filter(|v| v.is_finite());
            let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            if low <= high { ((low + high) / 2.0, high - low) } else { (0.0, 2.0) }
        };
        let ((x, wide), (y, tall)) = (ends(|p| p.0), ends(|p| p.1));
        let half = if wide.max(tall) > 0.0 { wide.max(tall) * 0.575 } else { 1.0 };
        (Axis::new(x - half, x + half, 6, false), Axis::new(y - half, y + half, 6, false))
    }
}

fn cross(fine: &mut Image, (x, y): (f64, f64)) {
    line(fine, (x - 2.6, y - 2.6), (x + 2.6, y + 2.6), BLUE, 1.0);
    line(fine, (x - 2.6, y + 2.6), (x + 2.6, y - 2.6), BLUE, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_points_are_visible_and_non_finite_ones_are_skipped() {
        let real = [(0.0, 0.0), (1.0, 3.0)];
        let generated = [(0.5, 0.5), (f64::NAN, 1.0), (1e30, -1e30)];
        let image = Scatter { title: "ring".into(), real: &real, generated: &generated }.image();
        assert!(image.bytes().chunks(3).filter(|p| *p == RED).count() > 10);
        assert!(image.bytes().chunks(3).filter(|p| p[2] > p[0].saturating_add(60)).count() > 10);
        let empty = Scatter { title: String::new(), real: &[], generated: &[] }.image();
        assert_eq!(empty.width(), image.width());
    }
}
