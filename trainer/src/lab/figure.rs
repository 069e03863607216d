//! The figure of Goodfellow et al. 2014: densities and discriminator over the line of data, arrows from the line of latents.
use crate::draw::Image;
use crate::draw::canvas::{AXIS, DARK, FINE, GRID, PAPER, SOFT, disc, line, text};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;

const SIZE: (f64, f64) = (720.0, 470.0);
const LEFT: f64 = 48.0;
const RIGHT: f64 = 696.0;
const TOP: f64 = 78.0;
/// The line of data, under the densities, and that of latents.
const DATA: f64 = 330.0;
const LATENTS: f64 = 424.0;
const BLUE: [u8; 3] = [37, 99, 214];
const GREEN: [u8; 3] = [22, 140, 88];
const PALE: [u8; 3] = [150, 182, 236];

/// What is drawn.
pub(super) struct Densities<'a> {
    /// Stands above.
    pub(super) title: &'a str,
    /// A line of numbers below the title.
    pub(super) told: &'a str,
    /// Where the curves are known; from end to end of the figure.
    pub(super) x: &'a [f64],
    /// Density of the data.
    pub(super) data: &'a [f64],
    /// Density of generated numbers.
    pub(super) generated: &'a [f64],
    /// The discriminator, 0 to 1.
    pub(super) discriminator: &'a [f64],
    /// The best discriminator.
    pub(super) best: &'a [f64],
    /// Latents between 0 and 1 and where they are sent.
    pub(super) arrows: &'a [(f64, f64)],
    /// Density at the top of the figure.
    pub(super) highest: f64,
}

#[derive(Clone, Copy)]
enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

impl Densities<'_> {
    pub(super) fn image(&self) -> Image {
        let (width, height) = (SIZE.0 as usize * FINE, SIZE.1 as usize * FINE);
        let mut fine = Image::new(width, height, PAPER);
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
        let density = |v: f64| DATA - (v / self.highest).min(1.0) * (DATA - TOP);
        let judged = |v: f64| DATA - v * (DATA - TOP);
        let place = |values: &[f64], down: &dyn Fn(f64) -> f64| {
            self.x.iter().zip(values).map(|(x, v)| (across(*x), down(*v))).collect::<Vec<_>>()
        };
        stroke(&mut fine, &place(self.best, &judged), PALE, Stroke::Solid);
        stroke(&mut fine, &place(self.data, &density), DARK, Stroke::Dotted);
        stroke(&mut fine, &place(self.generated, &density), GREEN, Stroke::Solid);
        stroke(&mut fine, &place(self.discriminator, &judged), BLUE, Stroke::Dashed);
        let legend = [
            ("data", DARK, Stroke::Dotted),
            ("generated", GREEN, Stroke::Solid),
            ("D", BLUE, Stroke::Dashed),
            ("best D", PALE, Stroke::Solid),
        ];
        let at = |i: usize| LEFT + 130.0 * i as f64;
        for (i, (_, color, kind)) in legend.iter().enumerate() {
            stroke(&mut fine, &[(at(i), 62.0), (at(i) + 34.0, 62.0)], *color, *kind);
        }
        let mut paper = fine.reduced(FINE);
        text(&mut paper, self.title, (LEFT, 12.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
        text(&mut paper, self.told, (LEFT, 34.0), &FONT_7X13, SOFT, Alignment::Left);
        for (i, (name, ..)) in legend.iter().enumerate() {
            text(&mut paper, name, (at(i) + 42.0, 56.0), &FONT_7X13, DARK, Alignment::Left);
        }
        text(&mut paper, "D 1", (LEFT - 8.0, TOP - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        text(&mut paper, "1/2", (LEFT - 8.0, middle - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        text(&mut paper, "x", (LEFT - 8.0, DATA - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        text(&mut paper, "z", (LEFT - 8.0, LATENTS - 6.0), &FONT_7X13, SOFT, Alignment::Right);
        for tick in low.ceil() as i32..=high.floor() as i32 {
            let x = across(f64::from(tick));
            text(&mut paper, &tick.to_string(), (x, DATA + 6.0), &FONT_7X13, SOFT, Alignment::Center);
        }
        text(&mut paper, "0", (LEFT, LATENTS + 8.0), &FONT_7X13, SOFT, Alignment::Center);
        text(&mut paper, "1", (RIGHT, LATENTS + 8.0), &FONT_7X13, SOFT, Alignment::Center);
        paper
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

/// A curve of round dabs, interrupted as its kind says.
fn stroke(fine: &mut Image, points: &[(f64, f64)], color: [u8; 3], kind: Stroke) {
    let mut gone = 0.0;
    for ends in points.windows(2) {
        let (dx, dy) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
        let length = dx.hypot(dy);
        let dabs = (2.0 * length).ceil().max(1.0) as usize;
        for i in 0..dabs {
            let part = i as f64 / dabs as f64;
            let way: f64 = gone + part * length;
            let shown = match kind {
                Stroke::Solid => true,
                Stroke::Dashed => way.rem_euclid(12.0) < 7.5,
                Stroke::Dotted => way.rem_euclid(6.0) < 1.0,
            };
            if shown {
                let radius = if matches!(kind, Stroke::Dotted) { 1.5 } else { 1.1 };
                disc(fine, (ends[0].0 + part * dx, ends[0].1 + part * dy), radius, color);
            }
        }
        gone += length;
    }
}
