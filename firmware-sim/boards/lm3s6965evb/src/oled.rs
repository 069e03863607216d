//! The OLED: an SSD0323 on SSI0, and a frame buffer whose changed rows are sent.

use core::convert::Infallible;
use core::ops::Range;

use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::{Gray4, GrayColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Size};

use crate::chip::Chip;

const WIDTH: usize = 128;
const HEIGHT: usize = 64;
/// Bytes per row. A byte has two pixels, the left one in the upper half.
const ROW: usize = WIDTH / 2;

/// Initialization commands of the evaluation board, with another contrast. The emulator implements only windows and remapping.
const START: [&[u8]; 15] = [
    &[0xAE],
    // Columns and rows of the window for data.
    &[0x15, 0, 63],
    &[0x75, 0, 63],
    // Contrast, and half of the current range.
    &[0x81, 0x5F],
    &[0x86],
    // Remapping for the wiring of the panel: COM lines are split and mirrored.
    &[0xA0, 0x52],
    // Start line and offset.
    &[0xA1, 0],
    &[0xA2, 0x40],
    &[0xA4],
    // 64 rows; phases, row period and clock.
    &[0xA8, 63],
    &[0xB1, 0x22],
    &[0xB2, 0x46],
    &[0xB3, 0x40],
    // The DC-DC converter of the controller is off, because the board has one.
    &[0xAD, 2],
    &[0xAF],
];

/// Switches the panel on.
pub(crate) fn init(chip: &mut Chip) {
    for command in START {
        chip.command(command);
    }
}

/// The frame buffer. A byte holds two pixels, so single pixels cannot be sent.
pub(crate) struct Frame {
    bytes: [u8; ROW * HEIGHT],
    changed: Range<usize>,
}

impl Frame {
    /// Creates a black frame. It is all zeros, so it takes no flash.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; ROW * HEIGHT], changed: 0..0 }
    }

    /// Sends the rows that were changed since the last call.
    pub(crate) fn send(&mut self, chip: &mut Chip) {
        let rows = core::mem::take(&mut self.changed);
        if let (Some(last), Some(bytes)) = (rows.end.checked_sub(1), self.bytes.get(rows.start * ROW..rows.end * ROW)) {
            chip.command(&[0x15, 0, 63, 0x75, rows.start as u8, last as u8]);
            chip.data(bytes);
        }
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Frame {
    type Color = Gray4;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray4>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) else { continue };
            if x >= WIDTH || y >= HEIGHT {
                continue;
            }
            if let Some(pair) = self.bytes.get_mut(y * ROW + x / 2) {
                *pair = if x % 2 == 0 { *pair & 0x0F | color.luma() << 4 } else { *pair & 0xF0 | color.luma() };
            }
            self.changed =
                if self.changed.is_empty() { y..y + 1 } else { self.changed.start.min(y)..self.changed.end.max(y + 1) };
        }
        Ok(())
    }
}
