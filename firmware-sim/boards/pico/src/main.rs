//! The app on a Raspberry Pi Pico: two Cortex-M0+ of which one is used, 264 KB of RAM, an ST7789 panel of 240x240 pixels.
#![no_std]
#![no_main]

#[path = "../../handheld.rs"]
mod handheld;
#[path = "../../model.rs"]
mod model;
#[path = "../../stack.rs"]
mod stack;

use embedded_hal::spi::MODE_3;
use embedded_hal_bus::spi::ExclusiveDevice;
use ganlet_runtime::Arena;
use handheld::Handheld;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;
use mipidsi::options::ColorInversion;
use rp2040_hal::clocks::{Clock, init_clocks_and_plls};
use rp2040_hal::fugit::RateExtU32;
use rp2040_hal::gpio::{FunctionSpi, Pins};
use rp2040_hal::{Sio, Spi, Timer, Watchdog, pac};

/// The second-stage boot loader, which the ROM copies from the first page of flash.
// SAFETY: the linker script reserves the section for these bytes.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_GENERIC_03H;

const RAM: usize = 256 << 10;
const CRYSTAL_HERTZ: u32 = 12_000_000;

#[rp2040_hal::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ model::ARENA }> = Arena::new();
    static mut BUFFER: [u8; 512] = [0; 512];
    let Some(mut chip) = pac::Peripherals::take() else { panic!("started twice") };
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let clocks = init_clocks_and_plls(
        CRYSTAL_HERTZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut chip.RESETS,
        &mut watchdog,
    );
    let Ok(clocks) = clocks else { panic!("the oscillator did not start") };
    let mut timer = Timer::new(chip.TIMER, &mut chip.RESETS, &clocks);
    let sio = Sio::new(chip.SIO);
    let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, sio.gpio_bank0, &mut chip.RESETS);

    let lines = (pins.gpio19.into_function::<FunctionSpi>(), pins.gpio18.into_function::<FunctionSpi>());
    let bus = Spi::<_, _, _, 8>::new(chip.SPI0, lines).init(
        &mut chip.RESETS,
        clocks.peripheral_clock.freq(),
        62_500_000.Hz(),
        MODE_3,
    );
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, pins.gpio17.into_push_pull_output());
    let panel = mipidsi::Builder::new(ST7789, SpiInterface::new(device, pins.gpio16.into_push_pull_output(), BUFFER))
        .display_size(240, 240)
        .invert_colors(ColorInversion::Inverted)
        .reset_pin(pins.gpio20.into_push_pull_output())
        .init(&mut timer);
    let Ok(display) = panel else { panic!("the panel did not start") };
    let buttons = [
        pins.gpio10.into_pull_up_input().into_dyn_pin(),
        pins.gpio11.into_pull_up_input().into_dyn_pin(),
        pins.gpio12.into_pull_up_input().into_dyn_pin(),
        pins.gpio13.into_pull_up_input().into_dyn_pin(),
        pins.gpio14.into_pull_up_input().into_dyn_pin(),
    ];
    let clock = || timer.get_counter_low();
    model::show(
        &mut Handheld {
            display,
            flush: |_| {},
            inputs: handheld::Pins { buttons, clock },
            line: (),
            memory: || Some(stack::memory(RAM)),
        },
        ARENA,
    )
}
