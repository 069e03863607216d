//! The app on an STM32F405: a Cortex-M4F at 168 MHz, 128 KB of main RAM, an ST7789 panel of 240x240 pixels.
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

use core::fmt::{self, Write};

use embedded_hal::spi::MODE_3;
use embedded_hal_bus::spi::ExclusiveDevice;
use ganlet_runtime::Arena;
use handheld::{Handheld, Line};
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;
use mipidsi::options::ColorInversion;
use stm32f4xx_hal::pac::{self, RCC, SPI1, USART1};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::{Config, Rcc};
use stm32f4xx_hal::serial::Serial;

const RAM: usize = 128 << 10;

/// The serial line on PA9 and PA10.
struct Port(Serial<USART1>);

impl Line for Port {
    fn receive(&mut self) -> Option<u8> {
        self.0.read().ok()
    }

    fn send(&mut self, text: fmt::Arguments<'_>) {
        // The serial line accepts all bytes, whether or not a host is connected.
        let _ = self.0.write_fmt(text);
    }
}

/// Sets 168 MHz from the crystal. The emulator has no clock control: its register reads as zero there, but never on the chip.
fn clocks(rcc: RCC) -> Rcc {
    if rcc.cr().read().bits() == 0 { rcc.constrain() } else { rcc.freeze(Config::hse(8.MHz()).sysclk(168.MHz())) }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: Arena<{ model::ARENA }> = Arena::new();
    static mut BUFFER: [u8; 512] = [0; 512];
    let (Some(chip), Some(core)) = (pac::Peripherals::take(), cortex_m::Peripherals::take()) else {
        panic!("started twice")
    };
    let mut rcc = clocks(chip.RCC);
    let (port_a, port_b, port_c) = (chip.GPIOA.split(&mut rcc), chip.GPIOB.split(&mut rcc), chip.GPIOC.split(&mut rcc));
    let mut delay = core.SYST.delay(&rcc.clocks);
    // The timer counts microseconds and wraps around.
    let mut timer = chip.TIM2.counter_us(&mut rcc);
    let Ok(()) = timer.start(u32::MAX.micros()) else { panic!("the timer did not start") };

    let Ok(port) = Serial::new(chip.USART1, (port_a.pa9, port_a.pa10), 115_200.bps(), &mut rcc) else {
        panic!("the serial line did not start")
    };
    let lines = (Some(port_a.pa5), SPI1::NoMiso, Some(port_a.pa7));
    // The port can reach at most half of the bus clock.
    let hertz = rcc.clocks.pclk2().min(42.MHz());
    let bus = chip.SPI1.spi(lines, MODE_3, hertz, &mut rcc);
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, port_a.pa4.into_push_pull_output());
    let panel = mipidsi::Builder::new(ST7789, SpiInterface::new(device, port_c.pc4.into_push_pull_output(), BUFFER))
        .display_size(240, 240)
        .invert_colors(ColorInversion::Inverted)
        .reset_pin(port_c.pc5.into_push_pull_output())
        .init(&mut delay);
    let Ok(display) = panel else { panic!("the panel did not start") };
    let buttons = [
        port_b.pb0.into_pull_up_input().erase(),
        port_b.pb1.into_pull_up_input().erase(),
        port_b.pb12.into_pull_up_input().erase(),
        port_b.pb13.into_pull_up_input().erase(),
        port_b.pb14.into_pull_up_input().erase(),
    ];
    let clock = || timer.now().ticks();
    let line = Port(port);
    model::show(
        &mut Handheld {
            display,
            flush: |_| {},
            inputs: handheld::Pins { buttons, clock },
            line,
            memory: || Some(stack::memory(RAM)),
        },
        ARENA,
    )
}
