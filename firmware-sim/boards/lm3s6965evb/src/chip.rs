//! The registers of the LM3S6965 that the app needs: clock, display port, serial line, buttons.
#![allow(unsafe_code)]

use core::fmt;

use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};
use ganlet_sim::Button;

const SYSCTL: usize = 0x400F_E000;
const SSI0: usize = 0x4000_8000;
const UART0: usize = 0x4000_C000;
const PORT_A: usize = 0x4000_4000;
const PORT_C: usize = 0x4000_6000;
const PORT_D: usize = 0x4000_7000;
const PORT_E: usize = 0x4002_4000;
const PORT_F: usize = 0x4002_5000;

/// Bits of the ports that the app uses.
const SERIAL: u32 = 1 << 0 | 1 << 1;
const DISPLAY: u32 = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5;
const DISPLAY_POWER: u32 = 1 << 6;
const DISPLAY_DATA: u32 = 1 << 7;
const CARD_SELECT: u32 = 1 << 0;
const ARROWS: u32 = 0b1111;
const SELECT: u32 = 1 << 1;

const MEGAHERTZ: u32 = 50;
/// Start value of the timer, which counts down.
const TOP: u32 = 0xFF_FFFF;

fn write(address: usize, value: u32) {
    // SAFETY: every address here is a register of this chip, and writing to it changes no memory of the program.
    unsafe { (address as *mut u32).write_volatile(value) }
}

fn read(address: usize) -> u32 {
    // SAFETY: every address here is a register of this chip.
    unsafe { (address as *const u32).read_volatile() }
}

fn set(address: usize, bits: u32) {
    write(address, read(address) | bits);
}

/// Returns the address at which reads and writes affect only the given `pins` of a port.
const fn pins(port: usize, pins: u32) -> usize {
    port + ((pins as usize) << 2)
}

/// The chip after its start.
pub(crate) struct Chip {
    timer: SYST,
    /// Timer value and time at the last read, with the clocks of an incomplete microsecond.
    count: u32,
    micros: u32,
    rest: u32,
}

impl Chip {
    /// Starts clock, ports and timer; `None` on a second call.
    pub(crate) fn take() -> Option<Self> {
        let mut timer = Peripherals::take()?.SYST;
        start_clock();
        start_ports();
        start_display_port();
        start_serial_line();
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TOP);
        timer.clear_current();
        timer.enable_counter();
        Some(Self { timer, count: 0, micros: 0, rest: 0 })
    }

    /// Returns the time. Must be called at least three times per second, because the timer has 24 bits.
    pub(crate) fn micros(&mut self) -> u32 {
        let count = self.timer.cvr.read() & TOP;
        let clocks = (self.count.wrapping_sub(count) & TOP) + self.rest;
        self.count = count;
        self.rest = clocks % MEGAHERTZ;
        self.micros = self.micros.wrapping_add(clocks / MEGAHERTZ);
        self.micros
    }

    /// Returns whether a button is held. Buttons are active low. Emulated buttons are down after reset.
    pub(crate) fn is_held(&self, button: Button) -> bool {
        let pin = match button {
            Button::Up => pins(PORT_E, 1),
            Button::Down => pins(PORT_E, 1 << 1),
            Button::Left => pins(PORT_E, 1 << 2),
            Button::Right => pins(PORT_E, 1 << 3),
            Button::Select => pins(PORT_F, SELECT),
        };
        read(pin) == 0
    }

    pub(crate) fn command(&mut self, bytes: &[u8]) {
        write(pins(PORT_C, DISPLAY_DATA), 0);
        self.shift_out(bytes);
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) {
        write(pins(PORT_C, DISPLAY_DATA), DISPLAY_DATA);
        self.shift_out(bytes);
    }

    /// Sends bytes and waits for the last one, because the data/command pin is sampled at the end of a byte.
    fn shift_out(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            write(SSI0 + 0x08, byte.into());
            while read(SSI0 + 0x0C) & 1 << 4 != 0 {}
            // Discard received bytes, which would fill the FIFO.
            while read(SSI0 + 0x0C) & 1 << 2 != 0 {
                read(SSI0 + 0x08);
            }
        }
    }

    pub(crate) fn receive(&mut self) -> Option<u8> {
        (read(UART0 + 0x18) & 1 << 4 == 0).then(|| read(UART0) as u8)
    }
}

/// The serial line to the host.
pub(crate) struct Line;

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while read(UART0 + 0x18) & 1 << 5 != 0 {}
            write(UART0, byte.into());
        }
        Ok(())
    }
}

/// Starts the 50 MHz clock from the 8 MHz crystal, in the order of the data sheet: bypass the PLL, configure it, wait for its lock, use it.
fn start_clock() {
    const RCC: usize = SYSCTL + 0x60;
    const LOCKED: u32 = 1 << 6;
    let (bypass, use_divider, off, no_output, crystal_off) = (1 << 11, 1 << 22, 1 << 13, 1 << 12, 1);
    let mut rcc = (read(RCC) | bypass) & !use_divider & !crystal_off;
    write(RCC, rcc);
    // The oscillator starts within some thousand iterations.
    for _ in 0..0x8000 {
        cortex_m::asm::nop();
    }
    let crystal_8_mhz = 0xE << 6;
    rcc = rcc & !(0xF << 6 | 0b11 << 4 | off | no_output) | crystal_8_mhz;
    write(RCC, rcc);
    // 200 MHz divided by 4.
    rcc = rcc & !(0xF << 23) | 3 << 23 | use_divider;
    write(RCC, rcc);
    for _ in 0..0x8000 {
        if read(SYSCTL + 0x50) & LOCKED != 0 {
            break;
        }
    }
    write(RCC, rcc & !bypass);
}

/// Configures the pins of panel, memory card, buttons and serial line.
fn start_ports() {
    // Enable the clocks of SSI0 and UART0, then those of the ports. The read gives them time to start.
    set(SYSCTL + 0x104, 1 << 4 | 1);
    set(SYSCTL + 0x108, 0x7F);
    read(SYSCTL + 0x108);
    for (port, outputs) in [(PORT_C, DISPLAY_POWER | DISPLAY_DATA), (PORT_D, CARD_SELECT)] {
        set(port + 0x400, outputs);
        set(port + 0x51C, outputs);
    }
    write(pins(PORT_C, DISPLAY_POWER), DISPLAY_POWER);
    // The memory card is on the same bus.
    write(pins(PORT_D, CARD_SELECT), CARD_SELECT);
    for (port, inputs) in [(PORT_E, ARROWS), (PORT_F, SELECT)] {
        set(port + 0x51C, inputs);
        set(port + 0x510, inputs);
    }
    set(PORT_A + 0x420, SERIAL | DISPLAY);
    set(PORT_A + 0x51C, SERIAL | DISPLAY);
}

/// Starts SSI0: eight bits, clock idle high, 3.6 MHz (the display accepts up to 4 MHz).
fn start_display_port() {
    write(SSI0 + 0x04, 0);
    write(SSI0 + 0x10, 14);
    write(SSI0, 0x7 | 1 << 6 | 1 << 7);
    write(SSI0 + 0x04, 1 << 1);
}

/// Starts UART0: 115,200 baud, 8 bits, no parity, with FIFOs.
fn start_serial_line() {
    write(UART0 + 0x30, 0);
    write(UART0 + 0x24, 27);
    write(UART0 + 0x28, 8);
    write(UART0 + 0x2C, 0x70);
    write(UART0 + 0x30, 0x301);
}
