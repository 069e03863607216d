//! The app on an ESP32-C3: a RISC-V core at 160 MHz, 400 KB of RAM, an ST7735S panel of 160x80 pixels.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[path = "../../handheld.rs"]
mod handheld;
#[allow(unsafe_code)]
#[path = "../../model.rs"]
mod model;

use embedded_hal_bus::spi::ExclusiveDevice;
use esp_hal::clock::CpuClock;
use esp_hal::delay::Delay;
use esp_hal::gpio::{Input, InputConfig, Level, Output, OutputConfig, Pull};
use esp_hal::spi::Mode;
use esp_hal::spi::master::{Config, Spi};
use esp_hal::time::{Instant, Rate};
use ganlet_runtime::Arena;
use handheld::Handheld;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7735s;
use mipidsi::options::{ColorInversion, ColorOrder, Orientation, Rotation};

// The descriptor that the boot loader looks for.
esp_bootloader_esp_idf::esp_app_desc!();

#[esp_hal::main]
fn main() -> ! {
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    let pulled_up = InputConfig::default().with_pull(Pull::Up);
    let config = Config::default().with_frequency(Rate::from_mhz(40)).with_mode(Mode::_0);
    let Ok(bus) = Spi::new(chip.SPI2, config) else { panic!("the port did not start") };
    let bus = bus.with_sck(chip.GPIO6).with_mosi(chip.GPIO7);
    let (level, setup) = (Level::High, OutputConfig::default());
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, Output::new(chip.GPIO10, level, setup));
    let data = Output::new(chip.GPIO4, level, setup);
    let reset = Output::new(chip.GPIO5, level, setup);
    let mut buffer = [0; 512];
    let panel = mipidsi::Builder::new(ST7735s, SpiInterface::new(device, data, &mut buffer))
        .display_size(80, 160)
        .display_offset(26, 1)
        .orientation(Orientation::new().rotate(Rotation::Deg90))
        .invert_colors(ColorInversion::Inverted)
        .color_order(ColorOrder::Bgr)
        .reset_pin(reset)
        .init(&mut Delay::new());
    let Ok(display) = panel else { panic!("the panel did not start") };
    let buttons = [
        Input::new(chip.GPIO0, pulled_up),
        Input::new(chip.GPIO1, pulled_up),
        Input::new(chip.GPIO3, pulled_up),
        Input::new(chip.GPIO2, pulled_up),
        Input::new(chip.GPIO9, pulled_up),
    ];
    let clock = || Instant::now().duration_since_epoch().as_micros() as u32;
    let mut arena = Arena::<{ model::ARENA }>::new();
    let line = ();
    model::show(
        &mut Handheld { display, flush: |_| {}, inputs: handheld::Pins { buttons, clock }, line, memory: || None },
        &mut arena,
    )
}
