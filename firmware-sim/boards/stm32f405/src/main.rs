//! The app on an STM32F405: a Cortex-M4F at 168 MHz, 128 KB of main RAM, an ST7789 panel of 240x240 pixels.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[path = "../../handheld.rs"]
mod handheld;
#[allow(unsafe_code)]
#[path = "../../stack.rs"]
mod stack;

use embedded_hal::spi::MODE_3;
use embedded_hal_bus::spi::ExclusiveDevice;
use ganlet_runtime::{Arena, arena_len, include_model};
use handheld::Handheld;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;
use mipidsi::options::ColorInversion;
use stm32f4xx_hal::pac::{self, SPI1};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::Config;

const RAM: usize = 128 << 10;
static MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/generator.model"));

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();
    static mut BUFFER: [u8; 512] = [0; 512];
    let Some(chip) = pac::Peripherals::take() else { panic!("started twice") };
    let mut rcc = chip.RCC.freeze(Config::hse(8.MHz()).sysclk(168.MHz()));
    let (port_a, port_b, port_c) = (chip.GPIOA.split(&mut rcc), chip.GPIOB.split(&mut rcc), chip.GPIOC.split(&mut rcc));
    let mut delay = chip.TIM5.delay_us(&mut rcc);
    let mut frames = chip.TIM2.counter_us(&mut rcc);
    let Ok(()) = frames.start(handheld::FRAME_MICROSECONDS.micros()) else { panic!("the timer does not start") };

    let lines = (Some(port_a.pa5), SPI1::NoMiso, Some(port_a.pa7));
    let bus = chip.SPI1.spi(lines, MODE_3, 42.MHz(), &mut rcc);
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, port_a.pa4.into_push_pull_output());
    let panel = mipidsi::Builder::new(ST7789, SpiInterface::new(device, port_c.pc4.into_push_pull_output(), BUFFER))
        .display_size(240, 240)
        .invert_colors(ColorInversion::Inverted)
        .reset_pin(port_c.pc5.into_push_pull_output())
        .init(&mut delay);
    let Ok(display) = panel else { panic!("the panel does not start") };
    let buttons = [
        port_b.pb0.into_pull_up_input().erase(),
        port_b.pb1.into_pull_up_input().erase(),
        port_b.pb12.into_pull_up_input().erase(),
        port_b.pb13.into_pull_up_input().erase(),
        port_b.pb14.into_pull_up_input().erase(),
    ];
    let mut time = 0_u32;
    let clock = move || {
        if frames.wait().is_ok() {
            time = time.wrapping_add(handheld::FRAME_MICROSECONDS);
        }
        time
    };
    handheld::show(&mut Handheld { display, flush: |_| {}, buttons, clock, last: 0, ram: RAM }, MODEL, ARENA)
}
