//! The emulated devices: panel, color depth, and the flash and RAM that the chip has for a model.
//!
//! | device             | panel               | colors      | chip, core             | flash   | firmware | RAM    | firmware |
//! |--------------------|---------------------|--------------|------------------------|---------|----------|--------|----------|
//! | `oled-128x64`      | SSD0323, 128x64     | 16 grays     | LM3S6965, Cortex-M3    | 256 KiB | 64 KiB   | 64 KiB | 16 KiB   |
//! | `oled-mono-128x64` | SSD1306, 128x64     | 2            | nRF52840, Cortex-M4F   | 1 MiB   | 72 KiB   | 256 KiB| 16 KiB   |
//! | `st7789-240`       | ST7789, 240x240     | 65,536       | RP2040, Cortex-M0+     | 2 MiB   | 72 KiB   | 264 KiB| 16 KiB   |
//! | `tft-320x240`      | ILI9341, 320x240    | 65,536       | STM32F405, Cortex-M4F  | 1 MiB   | 72 KiB   | 128 KiB| 16 KiB   |
//! | `badge-160x80`     | ST7735S, 160x80     | 65,536       | ESP32-C3, RISC-V       | 4 MiB   | 512 KiB  | 400 KiB| 128 KiB  |
//! | `led-5x5`          | micro:bit, 5x5 LEDs | 10 levels    | nRF51822, Cortex-M0    | 256 KiB | 72 KiB   | 16 KiB | 11 KiB   |
//! | `epaper-200`       | SSD1681, 200x200    | 2            | nRF52840, Cortex-M4F   | 1 MiB   | 72 KiB   | 256 KiB| 24 KiB   |
//!
//! The flash and RAM of the firmware are measured for boards in `firmware-sim/boards`: 59 to 67 KiB of flash for the app, its fonts, the
//! HAL and the driver; 8 to 10 KiB of stack, plus the frame buffer if there is one (4 KiB for the SSD0323, 1 KiB for the SSD1306).
//! The same is assumed for the other devices, with a frame buffer of 5,000 bytes for e-paper. The ESP32-C3 adds its boot loader, partition
//! table and ROM glue. The STM32F405 has 192 KiB of RAM. The model uses only the main 128 KiB, because the other 64 KiB are core-coupled and
//! DMA cannot reach them. The clocks of core and bus are those that the boards' firmware sets. For devices without a board, SPI has
//! 42 MHz for the ILI9341, 40 for the ST7735S and 8 for e-paper, whose panel then needs a large part of a second to change its ink.

use std::fmt;

use ganlet_runtime::{KernelFamily, Model};

use super::bus::{Bus, Wiring};
use super::instructions::Core;
use super::text::{budget_bar, grouped};

/// The colors that a panel can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorDepth {
    /// On and off.
    Mono,
    /// On and off, dark on white.
    Paper,
    /// Sixteen grays.
    Gray16,
    /// Single LEDs with ten brightnesses.
    Led10,
    /// 5 bits of red, 6 of green, 5 of blue.
    Rgb565,
}

impl ColorDepth {
    /// Returns the milliseconds that the panel takes for a partial and for a full refresh; `None` if it shows pixels as they arrive.
    ///
    /// The values are typical of e-paper with an SSD1681.
    #[must_use]
    pub const fn refresh_ms(self) -> Option<[u32; 2]> {
        if matches!(self, Self::Paper) { Some([300, 2000]) } else { None }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Mono => "mono",
            Self::Paper => "mono, paper",
            Self::Gray16 => "16 grays",
            Self::Led10 => "10 levels",
            Self::Rgb565 => "65,536 colors",
        }
    }
}

/// The microcontroller of a device, and the flash and RAM that its firmware uses without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Name of the chip.
    pub name: &'static str,
    /// Bytes of flash.
    pub flash: usize,
    /// Bytes of flash that the firmware uses.
    pub firmware_flash: usize,
    /// Bytes of RAM.
    pub ram: usize,
    /// Bytes of RAM for stack, statics and buffers.
    pub firmware_ram: usize,
    /// The core.
    pub core: Core,
    /// Clock frequency that the firmware sets.
    pub hertz: u32,
    /// The runtime's kernel family on this core, which determines the RAM that a model needs.
    pub family: KernelFamily,
}

/// A panel and its chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Name for `--device`.
    pub name: &'static str,
    /// The panel's controller.
    pub panel: &'static str,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Colors.
    pub depth: ColorDepth,
    /// Bus of the panel.
    pub bus: Bus,
    /// The microcontroller.
    pub chip: Chip,
}

const KIB: usize = 1024;

impl Chip {
    /// Creates a chip from its core and clock in MHz, and from KiB of flash and RAM, each with the part that the firmware uses.
    #[must_use]
    pub const fn new(name: &'static str, core: (Core, u32), flash: [usize; 2], ram: [usize; 2]) -> Self {
        // Packed pairs do not help cores without a 64-bit product or with vector instructions.
        let family = if matches!(core.0, Core::M0 | Core::M55) { KernelFamily::Portable } else { KernelFamily::Packed };
        Self {
            name,
            core: core.0,
            hertz: core.1 * 1_000_000,
            flash: flash[0] * KIB,
            firmware_flash: flash[1] * KIB,
            ram: ram[0] * KIB,
            firmware_ram: ram[1] * KIB,
            family,
        }
    }
}

const DEVICES: [Device; 7] = [
    Device {
        name: "oled-128x64",
        panel: "SSD0323",
        width: 128,
        height: 64,
        depth: ColorDepth::Gray16,
        bus: Bus { wiring: Wiring::Rows(64), hertz: 50_000_000 / 14 },
        chip: Chip::new("LM3S6965", (Core::M3, 50), [256, 64], [64, 16]),
    },
    Device {
        name: "oled-mono-128x64",
        panel: "SSD1306",
        width: 128,
        height: 64,
        depth: ColorDepth::Mono,
        bus: Bus { wiring: Wiring::Pages, hertz: 400_000 },
        chip: Chip::new("nRF52840", (Core::M4, 64), [1024, 72], [256, 16]),
    },
    Device {
        name: "st7789-240",
        panel: "ST7789",
        width: 240,
        height: 240,
        depth: ColorDepth::Rgb565,
        bus: Bus { wiring: Wiring::Windows, hertz: 62_500_000 },
        chip: Chip::new("RP2040", (Core::M0, 125), [2048, 72], [264, 16]),
    },
    Device {
        name: "tft-320x240",
        panel: "ILI9341",
        width: 320,
        height: 240,
        depth: ColorDepth::Rgb565,
        bus: Bus { wiring: Wiring::Windows, hertz: 42_000_000 },
        chip: Chip::new("STM32F405", (Core::M4, 168), [1024, 72], [128, 16]),
    },
    Device {
        name: "badge-160x80",
        panel: "ST7735S",
        width: 160,
        height: 80,
        depth: ColorDepth::Rgb565,
        bus: Bus { wiring: Wiring::Windows, hertz: 40_000_000 },
        chip: Chip::new("ESP32-C3", (Core::Rv32, 160), [4096, 512], [400, 128]),
    },
    Device {
        name: "led-5x5",
        panel: "LED matrix",
        width: 5,
        height: 5,
        depth: ColorDepth::Led10,
        bus: Bus { wiring: Wiring::Pins, hertz: 1 },
        chip: Chip::new("nRF51822", (Core::M0, 16), [256, 72], [16, 11]),
    },
    Device {
        name: "epaper-200",
        panel: "SSD1681",
        width: 200,
        height: 200,
        depth: ColorDepth::Paper,
        bus: Bus { wiring: Wiring::Whole, hertz: 8_000_000 },
        chip: Chip::new("nRF52840", (Core::M4, 64), [1024, 72], [256, 24]),
    },
];

impl Device {
    /// The default device.
    pub const DEFAULT: &'static str = "st7789-240";

    /// Returns every device.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        &DEVICES
    }

    /// Returns the device with the given name, ignoring case.
    ///
    /// # Errors
    /// [`UnknownDevice`], whose message lists the names.
    pub fn named(name: &str) -> Result<Self, UnknownDevice> {
        let same = |device: &&Self| device.name.eq_ignore_ascii_case(name);
        DEVICES.iter().find(same).copied().ok_or_else(|| UnknownDevice(name.to_owned()))
    }

    /// Returns a line that describes size, colors, panel and chip.
    #[must_use]
    pub fn describe(&self) -> String {
        let size = format!("{}x{}", self.width, self.height);
        format!("{size:<9}{:<16}{:<12}on {}", self.depth.describe(), self.panel, self.chip.name)
    }

    /// Returns how a model fits this device, with the RAM that the kernels of its core need.
    #[must_use]
    pub fn fit_of(&self, model: &Model<'_>) -> ModelFit {
        self.fit(model.flash_bytes(), model.arena_len_of(self.chip.family))
    }

    /// Returns how a model of `flash` bytes with an arena of `ram` bytes fits this device.
    #[must_use]
    pub const fn fit(&self, flash: usize, ram: usize) -> ModelFit {
        ModelFit { device: *self, flash, ram }
    }
}

/// The text is not the name of a [`Device`]; the message lists the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDevice(String);

impl fmt::Display for UnknownDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no device is named \"{}\"; there are:", self.0)?;
        DEVICES.iter().try_for_each(|device| write!(f, "\n  {:<18}{}", device.name, device.describe()))
    }
}

impl std::error::Error for UnknownDevice {}

/// The flash and RAM that a model needs, and the limits of a device. Displays the sums for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFit {
    /// The device.
    pub device: Device,
    /// Bytes of flash that the model needs.
    pub flash: usize,
    /// Bytes of RAM that its arena needs.
    pub ram: usize,
}

impl ModelFit {
    /// Returns whether both flash and RAM are large enough.
    #[must_use]
    pub const fn fits(&self) -> bool {
        let chip = &self.device.chip;
        self.flash <= chip.flash - chip.firmware_flash && self.ram <= chip.ram - chip.firmware_ram
    }
}

impl ModelFit {
    /// Returns the use of flash and RAM including the firmware, each as a line with a bar.
    #[must_use]
    pub fn budget(&self) -> String {
        let chip = &self.device.chip;
        let rows =
            [("flash", self.flash + chip.firmware_flash, chip.flash), ("RAM", self.ram + chip.firmware_ram, chip.ram)];
        rows.map(|(kind, taken, of)| format!("{kind:<6} {} of {} bytes", budget_bar(taken, of), grouped(of))).join("\n")
    }
}

impl fmt::Display for ModelFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { name, chip, .. } = &self.device;
        let verdict = if self.fits() { "fits" } else { "does not fit" };
        writeln!(f, "the model {verdict} {name} ({})", chip.name)?;
        let rows =
            [("flash", self.flash, chip.firmware_flash, chip.flash), ("RAM", self.ram, chip.firmware_ram, chip.ram)];
        for (i, (kind, model, firmware, limit)) in rows.into_iter().enumerate() {
            let sum = model.saturating_add(firmware);
            let [m, w, s, l] = [model, firmware, sum, limit].map(grouped);
            let verdict = if sum > limit { format!(": {} too many", grouped(sum - limit)) } else { String::new() };
            let end = if i == 0 { "\n" } else { "" };
            write!(f, "  {kind:<6} needs {m} + firmware {w} = {s} of {l} bytes{verdict}{end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_unknown_ones_list_all() {
        assert_eq!(Device::named("OLED-128x64").unwrap().width, 128);
        assert!(Device::named(Device::DEFAULT).is_ok());
        let message = Device::named("oled").unwrap_err().to_string();
        for device in Device::all() {
            assert!(message.contains(device.name), "{message}");
        }
    }

    #[test]
    fn the_last_byte_fits_and_one_more_is_refused_with_the_sums() {
        let device = Device::named("led-5x5").unwrap();
        assert!(device.fit(184 * KIB, 5 * KIB).fits());
        assert!(!device.fit(184 * KIB, 5 * KIB + 1).fits());
        let refusal = device.fit(184 * KIB + 1, 7).to_string();
        assert!(refusal.contains("does not fit led-5x5 (nRF51822)"), "{refusal}");
        assert!(
            refusal.contains("flash  needs 188,417 + firmware 73,728 = 262,145 of 262,144 bytes: 1 too many"),
            "{refusal}"
        );
        assert!(refusal.contains("RAM    needs 7 + firmware 11,264 = 11,271 of 16,384 bytes"), "{refusal}");
    }

    #[test]
    fn every_chip_has_room_for_its_firmware() {
        for Device { chip, .. } in Device::all() {
            assert!(chip.firmware_flash < chip.flash && chip.firmware_ram < chip.ram, "{}", chip.name);
        }
    }
}
