//! Layout of image and text on panels from 5x5 to 320x240.

use embedded_graphics::mono_font::{MonoFont, ascii};
use embedded_graphics::prelude::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::stream::ImagePlacement;

/// Columns of text beside the image: enough for a `u32` seed.
const SIDE_COLUMNS: u32 = 10;
/// Columns of text below the image: the longest caption with a bar after it.
const STRIP_COLUMNS: u32 = 20;
/// Space between the text and the edge or image.
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
    /// Several lines to the right of the image.
    Side(Rectangle, &'static MonoFont<'static>),
    /// One line below the image.
    Strip(Rectangle, &'static MonoFont<'static>),
}

/// Division of a panel into image and text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenLayout {
    /// The image.
    pub image: ImagePlacement,
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

/// Returns the space that is reserved for text beside a downscaled image: columns on wide panels, rows on larger square ones.
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
    /// Divides `panel` for images of the size `image`.
    ///
    /// The image is as large as possible. If that leaves no room for text, or only for a small font, and an image that is one scale factor
    /// smaller is nearly as large, the smaller image is used.
    #[must_use]
    pub fn of(panel: Rectangle, image: Size) -> Self {
        let full = ImagePlacement::within(image, panel);
        let factor = full.factor();
        let smaller = match factor {
            0 => reserved(panel.size).map(|text| {
                ImagePlacement::within(image, Rectangle::new(panel.top_left, panel.size.saturating_sub(text)))
            }),
            1..4 => None,
            _ => Some(ImagePlacement::scaled(image, panel, factor - 1)),
        };
        let plain = Self { image: full, caption: CaptionPlace::None };
        let beside = |place: Option<ImagePlacement>| Self::beside(panel, image, place?);
        match (beside(Some(full)), beside(smaller)) {
            // A larger font is worth a tenth of the image.
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

    fn beside(panel: Rectangle, image: Size, place: ImagePlacement) -> Option<Self> {
        let size = place.area().size;
        let free = panel.size - size;
        let side = Size::new(free.width.saturating_sub(2 * GAP), panel.size.height.saturating_sub(2 * GAP));
        let strip = Size::new(panel.size.width.saturating_sub(2 * GAP), free.height);
        let (room, caption) = if let Some(font) = font_for(SIDE_COLUMNS, 6, side) {
            // The text gets the space that it needs, and the image is centered in the rest.
            let width = SIDE_COLUMNS * font.character_size.width;
            let corner = panel.top_left + Point::new((panel.size.width - width - GAP) as i32, GAP as i32);
            let text = Rectangle::new(corner, Size::new(width, side.height));
            (Size::new(panel.size.width - width - 2 * GAP, panel.size.height), CaptionPlace::Side(text, font))
        } else {
            let font = font_for(STRIP_COLUMNS, 1, strip)?;
            let height = font.character_size.height;
            let rest = (free.height - height) / 2;
            // Spare rows are divided between both sides of the text and the top.
            let corner = panel.top_left + Point::new(GAP as i32, (panel.size.height - height - rest.min(GAP)) as i32);
            let text = Rectangle::new(corner, Size::new(strip.width, height));
            (Size::new(panel.size.width, panel.size.height - height - rest.min(GAP)), CaptionPlace::Strip(text, font))
        };
        let room = Rectangle::new(panel.top_left, room);
        let image = match place.factor() {
            0 => ImagePlacement::within(image, room),
            factor => ImagePlacement::scaled(image, room, factor),
        };
        Some(Self { image, caption })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(panel: (u32, u32), image: (u32, u32)) -> ScreenLayout {
        let size = |(width, height)| Size::new(width, height);
        ScreenLayout::of(Rectangle::new(Point::zero(), size(panel)), size(image))
    }

    #[test]
    fn image_and_text_are_inside_the_panel_and_do_not_overlap() {
        for panel in [(5, 5), (64, 48), (128, 64), (160, 80), (200, 200), (240, 240), (320, 240)] {
            for image in [(1, 1), (16, 16), (28, 28), (32, 32), (64, 64), (48, 96), (128, 128), (300, 20)] {
                let ScreenLayout { image: place, caption } = layout(panel, image);
                let whole = Rectangle::new(Point::zero(), Size::new(panel.0, panel.1));
                let inside = |area: Rectangle| area.intersection(&whole) == area;
                assert!(inside(place.area()) && !place.area().is_zero_sized(), "{image:?} on {panel:?}");
                if let CaptionPlace::Side(text, _) | CaptionPlace::Strip(text, _) = caption {
                    assert!(inside(text), "{image:?} on {panel:?}: text at {text:?}");
                    assert!(text.intersection(&place.area()).is_zero_sized(), "{image:?} on {panel:?} overlap");
                }
            }
        }
    }

    #[test]
    fn wide_panels_put_text_beside_the_image_and_square_ones_below() {
        assert!(
            matches!(layout((128, 64), (16, 16)), ScreenLayout { caption: CaptionPlace::Side(..), image } if image.factor() == 4)
        );
        assert!(
            matches!(layout((320, 240), (16, 16)), ScreenLayout { caption: CaptionPlace::Side(..), image } if image.factor() == 14)
        );
        assert!(
            matches!(layout((240, 240), (16, 16)), ScreenLayout { caption: CaptionPlace::Strip(..), image } if image.factor() == 14)
        );
        assert!(
            matches!(layout((240, 240), (64, 64)), ScreenLayout { caption: CaptionPlace::Strip(..), image } if image.factor() == 3)
        );
        assert!(
            matches!(layout((128, 64), (128, 96)), ScreenLayout { caption: CaptionPlace::Side(..), image } if image.factor() == 0)
        );
        assert!(
            matches!(layout((200, 200), (100, 256)), ScreenLayout { caption: CaptionPlace::Side(..), image } if image.factor() == 0)
        );
        assert_eq!(layout((5, 5), (16, 16)).caption, CaptionPlace::None);
    }
}
