//! Layout of picture and text on panels from 5x5 to 320x240.

use embedded_graphics::mono_font::{MonoFont, ascii};
use embedded_graphics::prelude::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::stream::PicturePlacement;

/// Columns of text beside the picture: enough for a `u32` seed.
const SIDE_COLUMNS: u32 = 10;
/// Columns of text below the picture: the longest caption with a bar after it.
const STRIP_COLUMNS: u32 = 20;
/// Space between the text and the edge or picture.
const GAP: u32 = 2;

/// Fonts, most legible first.
const FONTS: [&MonoFont<'_>; 7] = [
    &ascii::FONT_10X20,
    &ascii::FONT_9X15,
    &ascii::FONT_8X13,
    &ascii::FONT_7X13,
    &ascii::FONT_6X10,
    &ascii::FONT_5X8,
    &ascii::FONT_5X7,
];

/// Position and font of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CaptionPlace {
    /// The panel has no room for text.
    None,
    /// Several lines to the right of the picture.
    Side(Rectangle, &'static MonoFont<'static>),
    /// One line below the picture.
    Strip(Rectangle, &'static MonoFont<'static>),
}

/// Division of a panel into picture and text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenLayout {
    /// The picture.
    pub picture: PicturePlacement,
    /// The text.
    pub caption: CaptionPlace,
}

/// Returns the most legible font for which `columns` by `lines` characters fit `room`.
pub(crate) fn font_for(columns: u32, lines: u32, room: Size) -> Option<&'static MonoFont<'static>> {
    FONTS.into_iter().find(|font| {
        let cell = font.character_size;
        cell.width * columns <= room.width && cell.height * lines <= room.height
    })
}

/// Returns the space that a downscaled picture leaves for text: columns on wide panels, rows on larger square ones.
const fn reserved(panel: Size) -> Option<Size> {
    if panel.width > panel.height && panel.width >= 120 {
        Some(Size::new(SIDE_COLUMNS * 5 + 2 * GAP, 0))
    } else if panel.width >= 104 && panel.height >= 96 {
        Some(Size::new(0, 16))
    } else {
        None
    }
}

impl ScreenLayout {
    /// Divides `panel` for pictures of the size `picture`.
    ///
    /// The picture is as large as possible. If that leaves no room for text, or only for a small font, and a picture that is one scale factor
    /// smaller is nearly as large, the smaller picture is used.
    #[must_use]
    pub fn of(panel: Rectangle, picture: Size) -> Self {
        let full = PicturePlacement::within(picture, panel);
        let factor = full.factor();
        let smaller = match factor {
            0 => reserved(panel.size).map(|words| {
                PicturePlacement::within(picture, Rectangle::new(panel.top_left, panel.size.saturating_sub(words)))
            }),
            1..4 => None,
            _ => Some(PicturePlacement::scaled(picture, panel, factor - 1)),
        };
        let plain = Self { picture: full, caption: CaptionPlace::None };
        let beside = |place: Option<PicturePlacement>| Self::beside(panel, picture, place?);
        match (beside(Some(full)), beside(smaller)) {
            // A larger font is worth a tenth of the picture.
            (Some(large), Some(small)) if factor >= 10 && small.letter() > large.letter() => small,
            (Some(layout), _) | (None, Some(layout)) => layout,
            (None, None) => plain,
        }
    }

    /// Returns the width of a letter; 0 without text.
    const fn letter(&self) -> u32 {
        match self.caption {
            CaptionPlace::None => 0,
            CaptionPlace::Side(_, font) | CaptionPlace::Strip(_, font) => font.character_size.width,
        }
    }

    fn beside(panel: Rectangle, picture: Size, place: PicturePlacement) -> Option<Self> {
        let size = place.area().size;
        let free = panel.size - size;
        let side = Size::new(free.width.saturating_sub(2 * GAP), panel.size.height.saturating_sub(2 * GAP));
        let strip = Size::new(panel.size.width.saturating_sub(2 * GAP), free.height);
        let (room, caption) = if let Some(font) = font_for(SIDE_COLUMNS, 6, side) {
            // The text gets the space that it needs, and the picture is centered in the rest.
            let width = SIDE_COLUMNS * font.character_size.width;
            let corner = panel.top_left + Point::new((panel.size.width - width - GAP) as i32, GAP as i32);
            let words = Rectangle::new(corner, Size::new(width, side.height));
            (Size::new(panel.size.width - width - 2 * GAP, panel.size.height), CaptionPlace::Side(words, font))
        } else {
            let font = font_for(STRIP_COLUMNS, 1, strip)?;
            let height = font.character_size.height;
            let rest = (free.height - height) / 2;
            // Spare rows are divided between both sides of the text and the top.
            let corner = panel.top_left + Point::new(GAP as i32, (panel.size.height - height - rest.min(GAP)) as i32);
            let words = Rectangle::new(corner, Size::new(strip.width, height));
            (Size::new(panel.size.width, panel.size.height - height - rest.min(GAP)), CaptionPlace::Strip(words, font))
        };
        let room = Rectangle::new(panel.top_left, room);
        let picture = match place.factor() {
            0 => PicturePlacement::within(picture, room),
            factor => PicturePlacement::scaled(picture, room, factor),
        };
        Some(Self { picture, caption })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(panel: (u32, u32), picture: (u32, u32)) -> ScreenLayout {
        let size = |(width, height)| Size::new(width, height);
        ScreenLayout::of(Rectangle::new(Point::zero(), size(panel)), size(picture))
    }

    #[test]
    fn picture_and_words_lie_inside_the_panel_and_apart() {
        for panel in [(5, 5), (64, 48), (128, 64), (160, 80), (200, 200), (240, 240), (320, 240)] {
            for picture in [(1, 1), (16, 16), (28, 28), (32, 32), (64, 64), (48, 96), (128, 128), (300, 20)] {
                let ScreenLayout { picture: place, caption } = layout(panel, picture);
                let whole = Rectangle::new(Point::zero(), Size::new(panel.0, panel.1));
                let inside = |area: Rectangle| area.intersection(&whole) == area;
                assert!(inside(place.area()) && !place.area().is_zero_sized(), "{picture:?} on {panel:?}");
                if let CaptionPlace::Side(words, _) | CaptionPlace::Strip(words, _) = caption {
                    assert!(inside(words), "{picture:?} on {panel:?}: words at {words:?}");
                    assert!(words.intersection(&place.area()).is_zero_sized(), "{picture:?} on {panel:?} overlap");
                }
            }
        }
    }

    #[test]
    fn wide_panels_put_words_beside_and_square_ones_below() {
        assert!(
            matches!(layout((128, 64), (16, 16)), ScreenLayout { caption: CaptionPlace::Side(..), picture } if picture.factor() == 4)
        );
        assert!(
            matches!(layout((320, 240), (16, 16)), ScreenLayout { caption: CaptionPlace::Side(..), picture } if picture.factor() == 14)
        );
        assert!(
            matches!(layout((240, 240), (16, 16)), ScreenLayout { caption: CaptionPlace::Strip(..), picture } if picture.factor() == 14)
        );
        assert!(
            matches!(layout((240, 240), (64, 64)), ScreenLayout { caption: CaptionPlace::Strip(..), picture } if picture.factor() == 3)
        );
        assert!(
            matches!(layout((128, 64), (128, 96)), ScreenLayout { caption: CaptionPlace::Side(..), picture } if picture.factor() == 0)
        );
        assert!(
            matches!(layout((200, 200), (100, 256)), ScreenLayout { caption: CaptionPlace::Side(..), picture } if picture.factor() == 0)
        );
        assert_eq!(layout((5, 5), (16, 16)).caption, CaptionPlace::None);
    }
}
