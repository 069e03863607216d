//! Figure 1 of Goodfellow et al. 2014: densities and discriminator over the data space, with arrows from the latent space.
use crate::draw::Image;
use crate::draw::canvas::{AXIS, BACKGROUND, DARK, GRID, SOFT, SUPERSAMPLING, disc, line, text};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;

const SIZE: (f64, f64) = (720.0, 470.0);
const LEFT: f64 = 48.0;
const RIGHT: f64 = 696.0;
const TOP: f64 = 78.0;
/// Vertical position of the axis of the data space.
const DATA: f64 = 330.0;
/// Vertical position of the axis of the latent space.
const LATENTS: f64 = 424.0;
const BLUE: [u8; 3] = [37, 99, 214];
const GREEN: [u8; 3] = [22, 140, 88];
const PALE: [u8; 3] = [150, 182, 236];

/// A figure of densities, discriminator and generator.
pub(super) struct DensityFigure<'a> {
    /// Title above the figure.
    pub(super) title: &'a str,
    /// A line of text below the title.
    pub(super) subtitle: &'a str,
    /// x coordinates of the points of all curves; their range is the range of the figure.
    pub(super) x: &'a [f64],
    /// Density of the data.
    pub(super) data: &'a [f64],
    /// Density of the generated samples.
    pub(super) generated: &'a [f64],
    /// D(x), 0 to 1.
    pub(super) discriminator: &'a [f64],
    /// D*(x), the optimal discriminator.
    pub(super) optimal: &'a [f64],
    /// Pairs of a latent, 0 to 1, and the sample that the generator maps it to.
    pub(super) arrows: &'a [(f64, f64)],
    /// Density at the upper edge of the figure.
    pub(super) max_density: f64,
}

#[derive(Clone, Copy)]
enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

const LEGEND: [(&str, [u8; 3], Stroke); 4] = [
    ("data", DARK, Stroke::Dotted),
    ("generated", GREEN, Stroke::Solid),
    ("D", BLUE, Stroke::Dashed),
    ("optimal D", PALE, Stroke::Solid),
];

fn legend_left(entry: usize) -> f64 {
    LEFT + 130.0 * entry as f64
}

impl DensityFigure<'_> {
    pub(super) fn image(&self) -> Image {
        let (width, height) = (SIZE.0 as usize * SUPERSAMPLING, SIZE.1 as usize * SUPERSAMPLING);
        let mut fine = Image::new(width, height, BACKGROUND);
        let (low, high) = (self.x[0], self.x[self.x.len() - 1]);
        let across = |x: f64| LEFT + (x - low) / (high - low) * (RIGHT - LEFT);
        let middle = DATA - 0.5 * (DATA - TOP);
        line(&mut fine, (LEFT, middle), (RIGHT, middle), GRID, 1.0);
        for y in [DATA, LATENTS] {
            line(&mut fine, (LEFT, y), (RIGHT, y), AXIS, 1.0);
        }
        for &(u, x) in self.arrows {
            let (from, to) = ((LEFT + u * (RIGHT - LEFT), LATENTS), (across(x).clamp(LEFT, RIGHT), DATA + 3.0));
            arrow(&mut fine, from, to);
        }
        let density = |v: f64| DATA - (v / self.max_density).min(1.0) * (DATA - TOP);
        let probability = |v: f64| DATA - v * (DATA - TOP);
        let points = |values: &[f64], down: &dyn Fn(f64) -> f64| {
            self.x.iter().zip(values).map(|(x, v)| (across(*x), down(*v))).collect::<Vec<_>>()
        };
        stroke(&mut fine, &points(self.optimal, &probability), PALE, Stroke::Solid);
        stroke(&mut fine, &points(self.data, &density), DARK, Stroke::Dotted);
        stroke(&mut fine, &points(self.generated, &density), GREEN, Stroke::Solid);
        stroke(&mut fine, &points(self.discriminator, &probability), BLUE, Stroke::Dashed);
        for (i, (_, color, kind)) in LEGEND.iter().enumerate() {
            stroke(&mut fine, &[(legend_left(i), 62.0), (legend_left(i) + 34.0, 62.0)], *color, *kind);
        }
        let mut paper = fine.reduced(SUPERSAMPLING);
        self.draw_text(&mut paper, (low, high));
        paper
    }

    fn draw_text(&self, paper: &mut Image, (low, high): (f64, f64)) {
        text(paper, self.title, (LEFT, 12.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
        text(paper, self.subtitle, (LEFT, 34.0), &FONT_7X13, SOFT, Alignment::Left);
        for (i, (name, ..)) in LEGEND.iter().enumerate() {
            text(paper, name, (legend_left(i) + 42.0, 56.0), &FONT_7X13, DARK, Alignment::Left);
        }
        for (label, y) in [("D 1", TOP), ("1/2", DATA - 0.5 * (DATA - TOP)), ("x", DATA), ("z", LATENTS)] {
            text(paper, label, (LEFT - 8.0, y - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        }
        for tick in low.ceil() as i32..=high.floor() as i32 {
            let x = LEFT + (f64::from(tick) - low) / (high - low) * (RIGHT - LEFT);
            text(paper, &tick.to_string(), (x, DATA + 6.0), &FONT_7X13, SOFT, Alignment::Center);
        }
        text(paper, "0", (LEFT, LATENTS + 8.0), &FONT_7X13, SOFT, Alignment::Center);
        text(paper, "1", (RIGHT, LATENTS + 8.0), &FONT_7X13, SOFT, Alignment::Center);
    }
}

fn arrow(fine: &mut Image, from: (f64, f64), to: (f64, f64)) {
    line(fine, from, to, PALE, 1.0);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-9);
    let (ux, uy) = (dx / length, dy / length);
    for side in [-1.0, 1.0] {
        let back = (to.0 - 7.0 * ux + side * 3.0 * uy, to.1 - 7.0 * uy - side * 3.0 * ux);
        line(fine, to, back, PALE, 1.0);
    }
}

/// Draws a curve as closely spaced discs, with gaps for dashed and dotted strokes.
fn stroke(fine: &mut Image, points: &[(f64, f64)], color: [u8; 3], kind: Stroke) {
    let mut length_before = 0.0;
    for ends in points.windows(2) {
        let (dx, dy) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
        let length = dx.hypot(dy);
        let discs = (2.0 * length).ceil().max(1.0) as usize;
        for i in 0..discs {
            let t = i as f64 / discs as f64;
            let along: f64 = length_before + t * length;
            let shown = match kind {
                Stroke::Solid => true,
                Stroke::Dashed => along.rem_euclid(12.0) < 7.5,
                Stroke::Dotted => along.rem_euclid(6.0) < 1.0,
            };
            if shown {
                let radius = if matches!(kind, Stroke::Dotted) { 1.5 } else { 1.1 };
                disc(fine, (ends[0].0 + t * dx, ends[0].1 + t * dy), radius, color);
            }
        }
        length_before += length;
    }
}
