//! What boards with a panel on a bus and five buttons on pins have in common; each includes this file as a module.

use core::fmt;
use core::panic::PanicInfo;

use embedded_graphics::prelude::{DrawTarget, OriginDimensions};
use embedded_hal::digital::InputPin;
use ganlet_sim::{Board, Button, Inputs, RamUse, PanelColor};

/// A serial line; `()` where a board has none.
pub(crate) trait Line {
    /// A byte that came in.
    fn receive(&mut self) -> Option<u8> {
        None
    }

    /// Sends words.
    fn send(&mut self, words: fmt::Arguments<'_>) {
        let _ = words;
    }
}

impl Line for () {}

/// Five buttons that pull their pins down, and a clock.
pub(crate) struct Pins<P, C> {
    /// Left, right, up, down, select.
    pub(crate) buttons: [P; Button::ALL.len()],
    /// The time in microseconds, from any start; it wraps around.
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

/// A panel, five buttons that pull their pins down, a clock, and a serial line.
pub(crate) struct Handheld<D, P, C, L> {
    pub(crate) display: D,
    /// Brings what was drawn to the panel, where the driver keeps a frame of its own.
    pub(crate) flush: fn(&mut D),
    pub(crate) inputs: Pins<P, C>,
    pub(crate) line: L,
    /// Measures the RAM in use, where the board can.
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

    fn send(&mut self, words: fmt::Arguments<'_>) {
        self.line.send(words);
    }

    fn memory(&self) -> Option<RamUse> {
        (self.memory)()
    }
}

/// A debugger that stops here sees why; the picture stays as it is.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
