//! Images of a whole device on a desk: the panel with enlarged pixels, in a case with buttons.

use embedded_graphics::mono_font::{MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Point, Size};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::{Drawable, Pixel};

use super::device::{ColorDepth, Device};
use super::frame::Frame;

type Rgb = [u8; 3];

/// The shape of a panel's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dot {
    /// Squares without gaps.
    Square,
    /// Squares with a dark line between them.
    Gapped,
    /// Round dots with wide gaps, like LEDs.
    Round,
}

/// Draws a device with its case, at a scale at which single pixels are visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePortrait {
    device: Device,
    scale: u32,
    body: Rgb,
    glass: Rgb,
    dark: Rgb,
    bright: Rgb,
    dot: Dot,
}

/// Space between the panel and the body's edge.
const MARGIN: u32 = 28;
/// Width of the glass around the pixels.
const GLASS: u32 = 8;
/// Space below the panel, for the buttons and the name.
const FOOT: u32 = 52;
/// Radius of the body's corners.
const CORNER: i32 = 16;
/// Color of the desk.
const DESK: Rgb = [214, 212, 206];

impl DevicePortrait {
    /// Creates a portrait about 640 pixels wide.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self::within(device, 640, 480)
    }

    /// Creates a portrait about 400 pixels wide, for animations.
    #[must_use]
    pub fn small(device: &Device) -> Self {
        Self::within(device, 400, 300)
    }

    fn within(device: &Device, width: u32, height: u32) -> Self {
        let scale = (width / device.width).min(height / device.height).clamp(1, 64);
        let look = |body, glass, dark, bright, dot| Self { device: *device, scale, body, glass, dark, bright, dot };
        match device.depth {
            ColorDepth::Mono => look([24, 58, 110], [6, 8, 12], [8, 10, 16], [196, 232, 255], Dot::Gapped),
            ColorDepth::Gray16 => look([26, 92, 60], [8, 8, 8], [10, 10, 8], [255, 246, 214], Dot::Gapped),
            ColorDepth::Led10 => look([30, 30, 34], [22, 22, 25], [52, 20, 22], [255, 56, 40], Dot::Round),
            ColorDepth::Paper => look([238, 238, 236], [206, 205, 198], [34, 34, 38], [224, 222, 212], Dot::Square),
            ColorDepth::Rgb565 => look([38, 40, 46], [6, 6, 8], [0, 0, 0], [255, 255, 255], Dot::Square),
        }
    }

    /// Returns the side of a panel pixel in the portrait.
    #[must_use]
    pub const fn scale(&self) -> u32 {
        self.scale
    }

    /// Returns the size of the whole portrait.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        let panel = (self.device.width * self.scale, self.device.height * self.scale);
        (panel.0 + 2 * (MARGIN + GLASS + DESK_EDGE), panel.1 + MARGIN + 2 * (GLASS + DESK_EDGE) + FOOT)
    }

    /// Returns the position of the panel's first pixel in the portrait.
    #[must_use]
    pub const fn origin(&self) -> (u32, u32) {
        (MARGIN + GLASS + DESK_EDGE, MARGIN + GLASS + DESK_EDGE)
    }

    /// Returns the panel's pixels, enlarged and in the colors that the panel emits.
    #[must_use]
    pub fn enlarge(&self, panel: &Frame) -> Frame {
        let scale = self.scale as i32;
        let mut out = Frame::new(panel.width * self.scale, panel.height * self.scale);
        let radius = scale * 2 / 5;
        for y in 0..out.height as i32 {
            for x in 0..out.width as i32 {
                let color = self.lit(panel.at((x / scale) as u32, (y / scale) as u32));
                let (dx, dy) = (x % scale, y % scale);
                let covered = match self.dot {
                    Dot::Square => true,
                    Dot::Gapped => scale < 4 || (dx + 1 < scale && dy + 1 < scale),
                    Dot::Round => inside_circle(2 * dx + 1 - scale, 2 * dy + 1 - scale, 2 * radius),
                };
                let gap = match self.dot {
                    Dot::Round => self.glass,
                    _ => [0, 1, 2].map(|c| ((u32::from(color[c]) * 5 + u32::from(self.glass[c]) * 3) / 8) as u8),
                };
                out.set(x, y, if covered { color } else { gap });
            }
        }
        out
    }

    /// Returns the device on a desk, showing `panel`.
    #[must_use]
    pub fn portrait(&self, panel: &Frame) -> Frame {
        let mut out = backdrop(*self);
        let (left, top) = self.origin();
        let pixels = self.enlarge(panel);
        for y in 0..pixels.height {
            for x in 0..pixels.width {
                out.set((left + x) as i32, (top + y) as i32, pixels.at(x, y));
            }
        }
        out
    }

    /// Maps a color to the range between the panel's darkest and brightest state.
    fn lit(&self, color: Rgb) -> Rgb {
        let mix = |c: usize| {
            let (dark, bright, at) = (u32::from(self.dark[c]), u32::from(self.bright[c]), u32::from(color[c]));
            ((dark * (255 - at) + bright * at + 127) / 255) as u8
        };
        [mix(0), mix(1), mix(2)]
    }
}

/// Width of the desk around the body.
const DESK_EDGE: u32 = 14;

const fn inside_circle(dx: i32, dy: i32, radius: i32) -> bool {
    dx * dx + dy * dy <= radius * radius
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Frame {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, color) in pixels {
            self.set(at.x, at.y, [color.r(), color.g(), color.b()]);
        }
        Ok(())
    }
}

/// Draws a filled rectangle with round corners.
fn rounded(frame: &mut Frame, corner: (i32, i32), size: (i32, i32), radius: i32, color: Rgb) {
    for y in 0..size.1 {
        for x in 0..size.0 {
            let outside = |at: i32, of: i32| (radius - at).max(at - (of - 1 - radius)).max(0);
            if inside_circle(outside(x, size.0), outside(y, size.1), radius) {
                frame.set(corner.0 + x, corner.1 + y, color);
            }
        }
    }
}

/// Makes a color brighter or darker.
fn shifted(color: Rgb, by: i32) -> Rgb {
    color.map(|v| (i32::from(v) + by).clamp(0, 255) as u8)
}

/// Draws everything except the panel's pixels: desk, body, buttons and label.
fn backdrop(look: DevicePortrait) -> Frame {
    let (width, height) = look.size();
    let mut out = Frame::new(width, height);
    let edge = DESK_EDGE as i32;
    let body = (width as i32 - 2 * edge, height as i32 - 2 * edge);
    out.rgb.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&DESK));
    rounded(&mut out, (edge + 2, edge + 4), body, CORNER, shifted(DESK, -34));
    rounded(&mut out, (edge, edge), body, CORNER, shifted(look.body, -18));
    rounded(&mut out, (edge, edge), (body.0, body.1 - 2), CORNER, look.body);
    let (left, top) = look.origin();
    let glass = GLASS as i32;
    let panel = ((look.device.width * look.scale) as i32, (look.device.height * look.scale) as i32);
    let around = (panel.0 + 2 * glass, panel.1 + 2 * glass);
    let corner = (left as i32 - glass, top as i32 - glass);
    rounded(&mut out, (corner.0 - 1, corner.1 - 1), (around.0 + 2, around.1 + 2), 6, shifted(look.body, -28));
    rounded(&mut out, corner, around, 5, look.glass);

    let light = look.body.iter().map(|&v| u32::from(v)).sum::<u32>() > 380;
    let foot = corner.1 + around.1 + FOOT as i32 / 2;
    for button in 0..2 {
        let center = (corner.0 + 10 + button * 30, foot);
        for (radius, color) in [
            (10, shifted(look.body, if light { -60 } else { -24 })),
            (8, shifted(look.body, if light { -12 } else { 44 })),
        ] {
            rounded(&mut out, (center.0 - radius, center.1 - radius), (2 * radius + 1, 2 * radius + 1), radius, color);
        }
    }
    let ink = if light { Rgb888::new(90, 90, 94) } else { Rgb888::new(198, 202, 206) };
    let at = Point::new(corner.0 + around.0, foot);
    let style = TextStyleBuilder::new().alignment(Alignment::Right).baseline(Baseline::Middle).build();
    // Narrow devices have no room for both names beside the buttons.
    let both = format!("{} {}", look.device.chip.name, look.device.panel);
    let label = if both.len() as i32 * 8 + 60 <= around.0 { &both } else { look.device.chip.name };
    let Ok(_) = Text::with_text_style(label, at, MonoTextStyle::new(&ascii::FONT_8X13, ink), style).draw(&mut out);
    out
}
