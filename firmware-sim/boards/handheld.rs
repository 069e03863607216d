//! Common code of boards with a panel on a bus and five buttons on pins. Each board includes this file as a module.

use core::fmt;
use core::panic::PanicInfo;

use embedded_graphics::prelude::{DrawTarget, OriginDimensions};
use embedded_hal::digital::InputPin;
use ganlet_sim::{Board, Button, Inputs, PanelColor, RamUse};

/// A serial line; `()` for boards without one.
pub(crate) trait Line {
    /// Returns a received byte, if there is one.
    fn receive(&mut self) -> Option<u8> {
        None
    }

    /// Sends text.
    fn send(&mut self, text: fmt::Arguments<'_>) {
        let _ = text;
    }
}

impl Line for () {}

/// Five active-low buttons, and a clock.
pub(crate) struct Pins<P, C> {
    /// Left, right, up, down, select.
    pub(crate) buttons: [P; Button::ALL.len()],
    /// Returns the time in microseconds since an arbitrary start. It wraps around.
    pub(crate) clock: C,
}

impl<P: InputPin, C: FnMut() -> u32> Inputs for Pins<P, C> {
    fn is_held(&mut self, button: Button) -> bool {
        self.buttons.get_mut(button as usize).is_some_and(|pin| pin.is_low().unwrap_or(false))
    }

    fn micros(&mut self) -> u32 {
        (self.clock)()
    }
}

/// A panel, five active-low buttons, a clock, and a serial line.
pub(crate) struct Handheld<D, P, C, L> {
    pub(crate) display: D,
    /// Sends the driver's frame buffer to the panel, if it has one.
    pub(crate) flush: fn(&mut D),
    pub(crate) inputs: Pins<P, C>,
    pub(crate) line: L,
    /// Measures the RAM in use, if the board can.
    pub(crate) memory: fn() -> Option<RamUse>,
}

impl<D, P, C, L> Board for Handheld<D, P, C, L>
where
    D: DrawTarget<Color: PanelColor> + OriginDimensions,
    P: InputPin,
    C: FnMut() -> u32,
    L: Line,
{
    type Display = D;
    type Inputs = Pins<P, C>;

    fn parts(&mut self) -> (&mut D, &mut Pins<P, C>) {
        (&mut self.display, &mut self.inputs)
    }

    fn flush(&mut self) {
        (self.flush)(&mut self.display);
    }

    fn receive(&mut self) -> Option<u8> {
        self.line.receive()
    }

    fn send(&mut self, text: fmt::Arguments<'_>) {
        self.line.send(text);
    }

    fn memory(&self) -> Option<RamUse> {
        (self.memory)()
    }
}

/// Stops here, where a debugger can show the reason. The panel keeps its image.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
