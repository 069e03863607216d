//! The serial line through the debugger's USB: bytes are waited for when they were sent, not before.
//!
//! The hardware layer's own driver waits for a first byte that it sent before it started the port; the emulator drops that byte.

use core::fmt;

use microbit::board::UartPins;
use microbit::hal::uart::Pins;
use microbit::pac::UART0;

/// The line.
pub(crate) struct Line {
    port: UART0,
}

impl Line {
    /// Starts it: 115,200 baud, 8 bits, no parity.
    pub(crate) fn start(port: UART0, pins: UartPins) -> Self {
        let pins = Pins::from(pins);
        // SAFETY: numbers of pins that are this port's alone from here on; any other bit pattern starts a task.
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

    /// A byte that came in.
    pub(crate) fn receive(&mut self) -> Option<u8> {
        if self.port.events_rxdrdy.read().bits() == 0 {
            return None;
        }
        self.port.events_rxdrdy.reset();
        Some(self.port.rxd.read().bits() as u8)
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        for byte in words.bytes() {
            self.port.events_txdrdy.reset();
            // SAFETY: any eight bits may be sent.
            self.port.txd.write(|w| unsafe { w.bits(byte.into()) });
            while self.port.events_txdrdy.read().bits() == 0 {}
        }
        Ok(())
    }
}
