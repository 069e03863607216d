//! The serial line through the debugger's USB. It starts the port first, and waits for each byte after sending it.
//!
//! The driver of the HAL sends a first byte before it starts the port, and then waits for it. The emulator drops that byte.

use core::fmt;

use microbit::board::UartPins;
use microbit::hal::uart::Pins;
use microbit::pac::UART0;

/// The serial line.
pub(crate) struct Line {
    port: UART0,
}

impl Line {
    /// Starts the line: 115,200 baud, 8 bits, no parity.
    pub(crate) fn start(port: UART0, pins: UartPins) -> Self {
        let pins = Pins::from(pins);
        // SAFETY: the pin numbers belong to this port alone. The other values start tasks.
        unsafe {
            port.pseltxd.write(|w| w.bits(pins.txd.pin().into()));
            port.pselrxd.write(|w| w.bits(pins.rxd.pin().into()));
            port.baudrate.write(|w| w.baudrate().baud115200());
            port.enable.write(|w| w.enable().enabled());
            port.tasks_starttx.write(|w| w.bits(1));
            port.tasks_startrx.write(|w| w.bits(1));
        }
        Self { port }
    }

    /// Returns a received byte, if there is one.
    pub(crate) fn receive(&mut self) -> Option<u8> {
        if self.port.events_rxdrdy.read().bits() == 0 {
            return None;
        }
        self.port.events_rxdrdy.reset();
        Some(self.port.rxd.read().bits() as u8)
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.port.events_txdrdy.reset();
            // SAFETY: any eight bits may be sent.
            self.port.txd.write(|w| unsafe { w.bits(byte.into()) });
            while self.port.events_txdrdy.read().bits() == 0 {}
        }
        Ok(())
    }
}
