//! Text around the image: captions, bars and pages, and the single letters that tiny panels show instead.

use core::fmt::Write as _;

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder, ascii};
use embedded_graphics::prelude::{DrawTarget, Point, Size};
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use heapless::String;

use crate::color::PanelColor;
use crate::layout::{CaptionPlace, font_for};

/// Color theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Light text on black, for emissive panels.
    #[default]
    Dark,
    /// Dark text on white, for e-paper.
    Light,
}

/// A line of text; longer text is truncated.
pub(crate) type TextLine = String<40>;

/// The three colors of a theme.
#[derive(Clone, Copy)]
pub(crate) struct ThemeColors<C> {
    pub(crate) background: C,
    pub(crate) foreground: C,
    pub(crate) dim: C,
    accent: C,
}

impl Theme {
    pub(crate) fn colors<C: PanelColor>(self) -> ThemeColors<C> {
        match self {
            Self::Dark => ThemeColors { background: C::BLACK, foreground: C::WHITE, dim: C::DIM, accent: C::ACCENT },
            Self::Light => ThemeColors {
                background: C::WHITE,
                foreground: C::BLACK,
                // On a two-color panel the dim color would equal the background.
                dim: if C::DIM == C::WHITE { C::BLACK } else { C::DIM },
                accent: if C::ACCENT == C::WHITE { C::BLACK } else { C::ACCENT },
            },
        }
    }
}

/// A bar in a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CaptionBar {
    /// Position in 0..=`of`.
    pub(crate) at: u32,
    /// Start of the filled part, in 0..=`of`.
    pub(crate) from: u32,
    /// The full range.
    pub(crate) of: u32,
}

/// Text of a caption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaptionText {
    pub(crate) title: &'static str,
    /// One line, for a strip below the image.
    pub(crate) short: TextLine,
    /// Up to three lines, for the side of the image.
    pub(crate) lines: [TextLine; 3],
    pub(crate) bar: Option<CaptionBar>,
    /// The effect of the left and right buttons.
    pub(crate) hint: &'static str,
}

/// Formats a line and truncates it.
pub(crate) fn line(arguments: core::fmt::Arguments<'_>) -> TextLine {
    struct Cut(TextLine);
    impl core::fmt::Write for Cut {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for c in text.chars() {
                self.0.push(c).map_err(|_| core::fmt::Error)?;
            }
            Ok(())
        }
    }
    let mut cut = Cut(TextLine::new());
    // The only error is that the line is full.
    let _ = cut.write_fmt(arguments);
    cut.0
}

/// Writes `text` padded to exactly `columns` characters, so that it covers earlier text.
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
    let mut padded: TextLine = text.chars().chain(padding).take(columns).collect();
    if text.chars().count() > columns {
        // Mark the truncation: a number without its last digits is a different number.
        let _ = padded.pop();
        let _ = padded.push('~');
    }
    Text::with_baseline(&padded, at, style, Baseline::Top).draw(target).map(drop)
}

fn bar<D>(target: &mut D, room: Rectangle, bar: CaptionBar, colors: ThemeColors<D::Color>) -> Result<(), D::Error>
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
                _ if edge => colors.dim,
                inside if (low..high).contains(&inside) => colors.foreground,
                _ => colors.background,
            }
        })
    });
    target.fill_contiguous(&room, colors)
}

/// Draws a caption at the position that the layout gives it.
pub(crate) fn caption<D>(
    target: &mut D,
    place: CaptionPlace,
    text: &CaptionText,
    colors: ThemeColors<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    match place {
        CaptionPlace::None => Ok(()),
        CaptionPlace::Side(room, font) => side(target, room, font, text, colors),
        CaptionPlace::Strip(room, font) => strip(target, room, font, text, colors),
    }
}

fn side<D>(
    target: &mut D,
    room: Rectangle,
    font: &'static MonoFont<'static>,
    text: &CaptionText,
    colors: ThemeColors<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let cell = font.character_size;
    let columns = room.size.width / cell.width;
    let rows = room.size.height / cell.height;
    let at = |row: u32| room.top_left + Point::new(0, (row * cell.height) as i32);
    put(target, at(0), font, columns, text.title, (colors.background, colors.accent))?;
    let first = if rows > 6 { 2 } else { 1 };
    for (row, line) in (first..).zip(&text.lines) {
        put(target, at(row) + Point::new(0, 2), font, columns, line, (colors.foreground, colors.background))?;
    }
    if let Some(value) = text.bar {
        let corner = at(first + 2) + Point::new(0, 3);
        bar(target, Rectangle::new(corner, Size::new(columns * cell.width, cell.height - 4)), value, colors)?;
    }
    let dim = (colors.dim, colors.background);
    let last = room.top_left + Point::new(0, (room.size.height - cell.height) as i32);
    put(target, last, font, columns, "OK next", dim)?;
    if rows >= 6 {
        put(target, last - Point::new(0, cell.height as i32), font, columns, text.hint, dim)?;
    }
    Ok(())
}

fn strip<D>(
    target: &mut D,
    room: Rectangle,
    font: &'static MonoFont<'static>,
    text: &CaptionText,
    colors: ThemeColors<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let cell = font.character_size;
    let columns = room.size.width / cell.width;
    let aside = columns / 3;
    let used = columns - aside;
    put(target, room.top_left, font, used, &text.short, (colors.foreground, colors.background))?;
    let corner = room.top_left + Point::new((room.size.width - aside * cell.width) as i32, 0);
    if let Some(value) = text.bar {
        let height = cell.height * 2 / 3;
        let corner = corner + Point::new(0, ((cell.height - height) / 2) as i32);
        return bar(target, Rectangle::new(corner, Size::new(aside * cell.width, height)), value, colors);
    }
    let title = text.title.trim();
    let padding = (aside as usize).saturating_sub(title.len());
    put(target, corner, font, aside, &line(format_args!("{:padding$}{title}", "")), (colors.dim, colors.background))
}

/// Draws a page of lines with a title, in the largest font that fits.
pub(crate) fn page<D>(target: &mut D, lines: &[TextLine], colors: ThemeColors<D::Color>) -> Result<(), D::Error>
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
    // The block of lines is centered; within it the lines are left-aligned.
    let left = (panel.size.width - longest * cell.width) / 2;
    for (row, text) in lines.iter().enumerate() {
        let y = top + pitch * row as u32 + pitch.saturating_sub(cell.height) / 2;
        let at = panel.top_left + Point::new(left as i32, y as i32);
        let ink = if row == 0 { colors.accent } else { colors.foreground };
        put(target, at, font, longest, text, (ink, colors.background))?;
    }
    Ok(())
}

/// Draws a message, wrapped at 20 characters; on a panel that is too small for text an exclamation mark.
pub(crate) fn notice<D>(
    target: &mut D,
    message: core::fmt::Arguments<'_>,
    colors: ThemeColors<D::Color>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    const COLUMNS: usize = 20;
    let mut text: String<160> = String::new();
    // Text that does not fit is not shown.
    let _ = text.write_fmt(message);
    let mut lines: heapless::Vec<TextLine, 8> = heapless::Vec::new();
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
    target.clear(colors.background)?;
    let room = target.bounding_box().size;
    if font_for(COLUMNS as u32, lines.len() as u32, room).is_none() {
        return tiny(target, "!", 1, colors);
    }
    page(target, &lines, colors)
}

/// Returns the width in pixels of `text` when it scrolls over a tiny panel.
pub(crate) fn marquee_width(text: &str) -> u32 {
    text.len() as u32 * ascii::FONT_4X6.character_size.width
}

/// Draws `text` in the smallest font with its left edge at `x`: the initial of a screen, or one frame of scrolling text.
pub(crate) fn tiny<D>(target: &mut D, text: &str, x: i32, colors: ThemeColors<D::Color>) -> Result<(), D::Error>
where
    D: DrawTarget<Color: PanelColor>,
{
    let panel = target.bounding_box();
    target.fill_solid(&panel, colors.background)?;
    let style = MonoTextStyleBuilder::new().font(&ascii::FONT_4X6).text_color(colors.foreground).build();
    let y = (panel.size.height.saturating_sub(5) / 2) as i32;
    let mut clipped = embedded_graphics::draw_target::DrawTargetExt::clipped(target, &panel);
    Text::with_baseline(text, panel.top_left + Point::new(x, y), style, Baseline::Top).draw(&mut clipped).map(drop)
}
