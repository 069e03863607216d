//! The words around the picture: captions, bars, the about page and what tiny panels show instead.

use core::fmt::Write as _;

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder, ascii};
use embedded_graphics::prelude::{DrawTarget, Point, Size};
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use heapless::String;

use crate::color::PanelColor;
use crate::layout::{Caption, font_for};

/// What is black and what is white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Light words on black, for panels that shine.
    #[default]
    Dark,
    /// Dark words on white, for paper.
    Light,
}

/// A line of text; what does not fit is cut.
pub(crate) type Line = String<40>;

/// The three colors of a theme.
#[derive(Clone, Copy)]
pub(crate) struct Inks<C> {
    pub(crate) paper: C,
    pub(crate) ink: C,
    pub(crate) dim: C,
    accent: C,
}

impl Theme {
    pub(crate) fn inks<C: PanelColor>(self) -> Inks<C> {
        match self {
            Self::Dark => Inks { paper: C::BLACK, ink: C::WHITE, dim: C::DIM, accent: C::ACCENT },
            Self::Light => Inks {
                paper: C::WHITE,
                ink: C::BLACK,
                // On a panel with two colors the dim one would be the paper itself.
                dim: if C::DIM == C::WHITE { C::BLACK } else { C::DIM },
                accent: if C::ACCENT == C::WHITE { C::BLACK } else { C::ACCENT },
            },
        }
    }
}

/// A bar in a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Position in 0..=`of`.
    pub(crate) at: u32,
    /// Where the bar starts to be filled from, in 0..=`of`.
    pub(crate) from: u32,
    /// The full range.
    pub(crate) of: u32,
}

/// What a caption says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    /// The essence in one line, for a strip.
    pub(crate) short: Line,
    /// The same in up to three lines, for the side.
    pub(crate) lines: [Line; 3],
    pub(crate) bar: Option<Bar>,
    /// What left and right do here.
    pub(crate) hint: &'static str,
}

/// Formats into a line, cutting what does not fit.
pub(crate) fn line(arguments: core::fmt::Arguments<'_>) -> Line {
    struct Cut(Line);
    impl core::fmt::Write for Cut {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for c in text.chars() {
                self.0.push(c).map_err(|_| core::fmt::Error)?;
            }
            Ok(())
        }
    }
    let mut cut = Cut(Line::new());
    // The only error is that the line is full.
    let _ = cut.write_fmt(arguments);
    cut.0
}

/// Writes `text` over exactly `columns` characters, so that nothing of an earlier text stays.
fn put<D: DrawTarget>(
    target: &mut D,
    at: Point,
    font: &'static MonoFont<'static>,
    columns: u32,
    text: &str,
    (ink, paper): (D::Color, D::Color),
) -> Result<(), D::Error> {
    let style = MonoTextStyleBuilder::new().font(font).text_color(ink).background_color(paper).build();
    let columns = columns.min(40) as usize;
    let padding = core::iter::repeat(' ');
    let mut padded: Line = text.chars().chain(padding).take(columns).collect();
    if text.chars().count() > columns {
        // A number that lacks digits is another number.
        let _ = padded.pop();
        let _ = padded.push('~');
    }
    Text::with_baseline(&padded, at, style, Baseline::Top).draw(target).map(drop)
}

fn bar<D>(target: &mut D, room: Rectangle, bar: Bar, inks: Inks<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let inner = Rectangle::new(room.top_left + Point::new(1, 1), room.size.saturating_sub(Size::new(2, 2)));
    let x = |value: u32| inner.size.width * value.min(bar.of) / bar.of.max(1);
    let (low, high) = (x(bar.at.min(bar.from)), x(bar.at.max(bar.from)));
    let high = high.max(low + 1).min(inner.size.width);
    let low = low.min(high - 1);
    let colors = (0..room.size.height).flat_map(|row| {
        (0..room.size.width).map(move |column| {
            let edge = row == 0 || column == 0 || row + 1 == room.size.height || column + 1 == room.size.width;
            match column.wrapping_sub(1) {
                _ if edge => inks.dim,
                inside if (low..high).contains(&inside) => inks.ink,
                _ => inks.paper,
            }
        })
    });
    target.fill_contiguous(&room, colors)
}

/// Draws a caption where the layout has room for it.
pub(crate) fn caption<D>(target: &mut D, place: Caption, words: &Words, inks: Inks<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    match place {
        Caption::None => Ok(()),
        Caption::Side(room, font) => side(target, room, font, words, inks),
        Caption::Strip(room, font) => strip(target, room, font, words, inks),
    }
}

fn side<D>(
    target: &mut D,
    room: Rectangle,
    font: &'static MonoFont<'static>,
    words: &Words,
    inks: Inks<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let cell = font.character_size;
    let columns = room.size.width / cell.width;
    let rows = room.size.height / cell.height;
    let at = |row: u32| room.top_left + Point::new(0, (row * cell.height) as i32);
    put(target, at(0), font, columns, words.title, (inks.paper, inks.accent))?;
    let first = if rows > 6 { 2 } else { 1 };
    for (row, text) in (first..).zip(&words.lines) {
        put(target, at(row) + Point::new(0, 2), font, columns, text, (inks.ink, inks.paper))?;
    }
    if let Some(value) = words.bar {
        let corner = at(first + 2) + Point::new(0, 3);
        bar(target, Rectangle::new(corner, Size::new(columns * cell.width, cell.height - 4)), value, inks)?;
    }
    let dim = (inks.dim, inks.paper);
    let last = room.top_left + Point::new(0, (room.size.height - cell.height) as i32);
    put(target, last, font, columns, "OK next", dim)?;
    if rows >= 6 {
        put(target, last - Point::new(0, cell.height as i32), font, columns, words.hint, dim)?;
    }
    Ok(())
}

fn strip<D>(
    target: &mut D,
    room: Rectangle,
    font: &'static MonoFont<'static>,
    words: &Words,
    inks: Inks<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let cell = font.character_size;
    let columns = room.size.width / cell.width;
    let aside = columns / 3;
    let used = columns - aside;
    put(target, room.top_left, font, used, &words.short, (inks.ink, inks.paper))?;
    let corner = room.top_left + Point::new((room.size.width - aside * cell.width) as i32, 0);
    if let Some(value) = words.bar {
        let height = cell.height * 2 / 3;
        let corner = corner + Point::new(0, ((cell.height - height) / 2) as i32);
        return bar(target, Rectangle::new(corner, Size::new(aside * cell.width, height)), value, inks);
    }
    let title = words.title.trim();
    let padding = (aside as usize).saturating_sub(title.len());
    put(target, corner, font, aside, &line(format_args!("{:padding$}{title}", "")), (inks.dim, inks.paper))
}

/// Draws a page of lines with a title, in the largest font that fits.
pub(crate) fn page<D>(target: &mut D, lines: &[Line], inks: Inks<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let panel = target.bounding_box();
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0) as u32;
    let font = font_for(longest + 1, lines.len() as u32, panel.size).unwrap_or(&ascii::FONT_5X7);
    let cell = font.character_size;
    let longest = longest.min(panel.size.width / cell.width);
    let pitch = (panel.size.height / lines.len().max(1) as u32).min(cell.height * 5 / 4);
    let top = (panel.size.height - pitch * lines.len() as u32) / 2;
    // The block of lines is centered, the lines in it start together.
    let left = (panel.size.width - longest * cell.width) / 2;
    for (row, text) in lines.iter().enumerate() {
        let y = top + pitch * row as u32 + pitch.saturating_sub(cell.height) / 2;
        let at = panel.top_left + Point::new(left as i32, y as i32);
        let ink = if row == 0 { inks.accent } else { inks.ink };
        put(target, at, font, longest, text, (ink, inks.paper))?;
    }
    Ok(())
}

/// A page of `words`, cut into lines of up to 20 characters at their spaces; on a panel too small for words an exclamation mark.
pub(crate) fn notice<D>(target: &mut D, words: core::fmt::Arguments<'_>, inks: Inks<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    const COLUMNS: usize = 20;
    let mut text: String<160> = String::new();
    // What does not fit is not shown.
    let _ = text.write_fmt(words);
    let mut lines: heapless::Vec<Line, 8> = heapless::Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= COLUMNS => {
                let _ = write!(line, " {word}");
            }
            _ => {
                let _ = lines.push(line(format_args!("{word}")));
            }
        }
    }
    target.clear(inks.paper)?;
    let room = target.bounding_box().size;
    if font_for(COLUMNS as u32, lines.len() as u32, room).is_none() {
        return tiny(target, "!", 1, inks);
    }
    page(target, &lines, inks)
}

/// The width of a marquee of `text` on tiny panels, in pixels.
pub(crate) fn marquee_width(text: &str) -> u32 {
    text.len() as u32 * ascii::FONT_4X6.character_size.width
}

/// Draws `text` in the smallest font with its left edge at `x`: a letter for a mode, or one frame of a running text.
pub(crate) fn tiny<D>(target: &mut D, text: &str, x: i32, inks: Inks<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let panel = target.bounding_box();
    target.fill_solid(&panel, inks.paper)?;
    let style = MonoTextStyleBuilder::new().font(&ascii::FONT_4X6).text_color(inks.ink).build();
    let y = (panel.size.height.saturating_sub(5) / 2) as i32;
    let mut clipped = embedded_graphics::draw_target::DrawTargetExt::clipped(target, &panel);
    Text::with_baseline(text, panel.top_left + Point::new(x, y), style, Baseline::Top).draw(&mut clipped).map(drop)
}
