//! The app on the nRF52840-DK: a Cortex-M4F at 64 MHz, 256 KB of RAM, an SSD1306 OLED of 128x64 pixels, black and white.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[path = "../../handheld.rs"]
mod handheld;
#[allow(unsafe_code)]
#[path = "../../model.rs"]
mod model;
#[allow(unsafe_code)]
#[path = "../../stack.rs"]
mod stack;

use ganlet_runtime::Arena;
use handheld::Handheld;
use nrf52840_hal::gpio::{p0, p1};
use nrf52840_hal::pac;
use nrf52840_hal::twim::{Frequency, Pins, Twim};
use nrf52840_hal::{Clocks, Timer};
use ssd1306::mode::DisplayConfig;
use ssd1306::rotation::DisplayRotation;
use ssd1306::size::DisplaySize128x64;
use ssd1306::{I2CDisplayInterface, Ssd1306};

const RAM: usize = 256 << 10;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ model::ARENA }> = Arena::new();
    let Some(chip) = pac::Peripherals::take() else { panic!("started twice") };
    Clocks::new(chip.CLOCK).enable_ext_hfosc();
    let (port0, port1) = (p0::Parts::new(chip.P0), p1::Parts::new(chip.P1));
    let lines =
        Pins { sda: port0.p0_26.into_floating_input().degrade(), scl: port0.p0_27.into_floating_input().degrade() };
    let bus = I2CDisplayInterface::new(Twim::new(chip.TWIM0, lines, Frequency::K400));
    let mut display = Ssd1306::new(bus, DisplaySize128x64, DisplayRotation::Rotate0).into_buffered_graphics_mode();
    if display.init().is_err() {
        panic!("the panel did not answer");
    }
    let buttons = [
        port0.p0_11.into_pullup_input().degrade(),
        port0.p0_12.into_pullup_input().degrade(),
        port0.p0_24.into_pullup_input().degrade(),
        port0.p0_25.into_pullup_input().degrade(),
        port1.p1_01.into_pullup_input().degrade(),
    ];
    let mut timer = Timer::periodic(chip.TIMER0);
    timer.start(u32::MAX);
    let clock = move || timer.read();
    let flush = |display: &mut _| {
        let _ = Ssd1306::flush(display);
    };
    model::show(
        &mut Handheld {
            display,
            flush,
            inputs: handheld::Pins { buttons, clock },
            line: (),
            memory: || Some(stack::memory(RAM)),
        },
        ARENA,
    )
}
