//! The app on the micro:bit of 2015: a Cortex-M0 at 16 MHz, 16 KB of RAM, 25 LEDs, two buttons.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod leds;
#[allow(unsafe_code)]
mod line;
#[allow(unsafe_code)]
#[path = "../../model.rs"]
mod model;
#[allow(unsafe_code)]
#[path = "../../stack.rs"]
mod stack;

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use embedded_hal::digital::InputPin;
use ganlet_runtime::Arena;
use ganlet_sim::{Board, Button, Inputs, RamUse, TwoButtons};
use leds::Leds;
use line::Line;
use microbit::board::Buttons;
use microbit::hal::{Timer, timer::Periodic};
use microbit::pac::TIMER0;

const RAM: usize = 16 << 10;

/// The two buttons and the clock.
struct Controls {
    buttons: Buttons,
    two: TwoButtons,
    timer: Timer<TIMER0, Periodic>,
}

impl Inputs for Controls {
    fn is_held(&mut self, _: Button) -> bool {
        false
    }

    fn event(&mut self) -> Option<Button> {
        let (a, b) = (self.buttons.button_a.is_low(), self.buttons.button_b.is_low());
        self.two.poll(a.unwrap_or(false), b.unwrap_or(false), self.timer.read())
    }

    fn micros(&mut self) -> u32 {
        self.timer.read()
    }
}

struct Microbit {
    leds: Leds,
    controls: Controls,
    line: Line,
}

impl Board for Microbit {
    type Display = Leds;
    type Inputs = Controls;

    fn parts(&mut self) -> (&mut Leds, &mut Controls) {
        (&mut self.leds, &mut self.controls)
    }

    fn flush(&mut self) {
        self.leds.show();
    }

    fn receive(&mut self) -> Option<u8> {
        self.line.receive()
    }

    fn send(&mut self, text: fmt::Arguments<'_>) {
        // The serial line accepts all bytes, whether or not a host is connected.
        let _ = self.line.write_fmt(text);
    }

    fn memory(&self) -> Option<RamUse> {
        Some(stack::memory(RAM))
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ model::ARENA }> = Arena::new();
    let Some(chip) = microbit::Board::take() else { panic!("started twice") };
    let mut timer = Timer::periodic(chip.TIMER0);
    timer.start(u32::MAX);
    let line = Line::start(chip.UART0, chip.uart);
    let leds = Leds::start(chip.TIMER1, chip.display_pins);
    let controls = Controls { buttons: chip.buttons, two: TwoButtons::default(), timer };
    model::show(&mut Microbit { leds, controls, line }, ARENA)
}

/// Stops here, where a debugger can show the reason. The LEDs keep their image.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
