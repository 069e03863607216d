//! The bus between a chip and its panel.

/// The protocol by which a driver sends pixels to its panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// The driver sends each filled area at once, 16 bits per pixel, after eleven bytes for its window (column address, row address, memory
    /// write).
    Windows,
    /// The driver sends all rows from the first to the last changed one, after six bytes for the window. The number is the bytes per row.
    Rows(u32),
    /// The driver sends the changed columns and pages (eight rows each) over I2C, with ten bytes for the window and two for every 16 of data.
    Pages,
    /// The driver sends the whole frame, one bit per pixel, after a command.
    Whole,
    /// There is no bus: a timer lights the LEDs from memory.
    Pins,
}

/// The panel's bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bus {
    /// The protocol.
    pub wiring: Wiring,
    /// Clock frequency.
    pub hertz: u32,
}

impl Bus {
    /// Returns the clock cycles per byte. I2C needs one more for the acknowledgment.
    pub(crate) const fn clocks(&self) -> u32 {
        match self.wiring {
            Wiring::Pages => 9,
            _ => 8,
        }
    }

    /// Returns the name of the bus.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.wiring {
            Wiring::Pages => "I2C",
            Wiring::Pins => "no bus",
            _ => "SPI",
        }
    }
}
