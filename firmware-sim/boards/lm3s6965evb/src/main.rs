//! The app on the LM3S6965 evaluation board: a Cortex-M3, 64 KB of RAM, an OLED of 128x64 pixels in 16 grays, five buttons.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod chip;
#[allow(unsafe_code)]
#[path = "../../model.rs"]
mod model;
mod oled;
#[allow(unsafe_code)]
#[path = "../../stack.rs"]
mod stack;

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use chip::Chip;
use ganlet_runtime::Arena;
use ganlet_sim::{Board, Button, Inputs, RamUse};
use oled::Frame;

const RAM: usize = 64 << 10;

struct Evb<'f> {
    chip: Chip,
    frame: &'f mut Frame,
}

impl Inputs for Chip {
    fn is_held(&mut self, button: Button) -> bool {
        Self::is_held(self, button)
    }

    fn micros(&mut self) -> u32 {
        Self::micros(self)
    }
}

impl Board for Evb<'_> {
    type Display = Frame;
    type Inputs = Chip;

    fn parts(&mut self) -> (&mut Frame, &mut Chip) {
        (self.frame, &mut self.chip)
    }

    fn flush(&mut self) {
        self.frame.send(&mut self.chip);
    }

    fn receive(&mut self) -> Option<u8> {
        self.chip.receive()
    }

    fn send(&mut self, text: fmt::Arguments<'_>) {
        // The serial line accepts all bytes, whether or not a host is connected.
        let _ = chip::Line.write_fmt(text);
    }

    fn memory(&self) -> Option<RamUse> {
        Some(stack::memory(RAM))
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ model::ARENA }> = Arena::new();
    static mut FRAME: Frame = Frame::new();
    let Some(mut chip) = Chip::take() else { panic!("started twice") };
    oled::init(&mut chip);
    model::show(&mut Evb { chip, frame: FRAME }, ARENA)
}

/// Reports the reason on the serial line. The panel keeps its image.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Nothing else runs now, so the line is free.
    let _ = writeln!(chip::Line, "{}", info.message());
    loop {
        cortex_m::asm::wfi();
    }
}
