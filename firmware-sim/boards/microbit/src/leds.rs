//! The LEDs: a frame buffer of 5x5 grays, and a timer that lights a third of the LEDs at a time in ten brightnesses.

use core::cell::RefCell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use critical_section::Mutex;
use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Size};
use microbit::display::nonblocking::{Display, GreyscaleImage};
use microbit::gpio::DisplayPins;
use microbit::pac::{Interrupt, NVIC, TIMER1, interrupt};

const SIDE: usize = 5;

/// Brightnesses 0 to 9, row by row. The emulator has no LEDs, so its brightnesses are read here.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
static GANLET_LEDS: [AtomicU8; SIDE * SIDE] = [const { AtomicU8::new(0) }; SIDE * SIDE];

static DRIVER: Mutex<RefCell<Option<Display<TIMER1>>>> = Mutex::new(RefCell::new(None));

/// The frame buffer of the LEDs.
pub(crate) struct Leds {
    grays: [[u8; SIDE]; SIDE],
}

impl Leds {
    /// Starts the timer that lights the LEDs.
    pub(crate) fn start(timer: TIMER1, pins: DisplayPins) -> Self {
        let driver = Display::new(timer, pins);
        critical_section::with(|token| DRIVER.replace(token, Some(driver)));
        // SAFETY: the driver is stored, and no code here relies on this interrupt being off.
        unsafe { NVIC::unmask(Interrupt::TIMER1) };
        Self { grays: [[0; SIDE]; SIDE] }
    }

    /// Shows the frame buffer on the LEDs.
    pub(crate) fn show(&self) {
        let levels = self.grays.map(|row| row.map(|gray| ((u32::from(gray) * 9 + 127) / 255) as u8));
        for (place, level) in GANLET_LEDS.iter().zip(levels.as_flattened()) {
            place.store(*level, Relaxed);
        }
        critical_section::with(|token| {
            if let Some(driver) = DRIVER.borrow_ref_mut(token).as_mut() {
                driver.show(&GreyscaleImage::new(&levels));
            }
        });
    }
}

#[interrupt]
fn TIMER1() {
    critical_section::with(|token| {
        if let Some(driver) = DRIVER.borrow_ref_mut(token).as_mut() {
            driver.handle_display_event();
        }
    });
}

impl OriginDimensions for Leds {
    fn size(&self) -> Size {
        Size::new(SIDE as u32, SIDE as u32)
    }
}

impl DrawTarget for Leds {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let row = usize::try_from(at.y).ok().and_then(|y| self.grays.get_mut(y));
            let place = row.and_then(|row| row.get_mut(usize::try_from(at.x).ok()?));
            if let Some(gray) = place {
                *gray = color.luma();
            }
        }
        Ok(())
    }
}
