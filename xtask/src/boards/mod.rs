//! The boards that the firmware is built for: target, chip, panel, and how each is emulated or flashed.

pub(crate) mod build;
pub(crate) mod models;

use crate::failure::Failure;
use crate::flash;
use crate::table::grouped;
use ganlet_runtime::Model;
use ganlet_sim::host::{self, Chip, Device, Fit, ModelFile};
use ganlet_trainer::latent::StoredLatent;
use std::path::Path;

/// A program that writes to chips, and what it calls this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// probe-rs, by the chip's name.
    ProbeRs(&'static str),
    /// probe-rs, by the chip's name, for a boot loader that wants an image of its own form.
    ProbeRsIdf(&'static str),
    /// OpenOCD, by its file for the board.
    OpenOcd(&'static str),
}

/// A board that the emulator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emulated {
    /// The emulator's name for it.
    pub(crate) name: &'static str,
    /// How the panel is read and the buttons are pressed.
    pub(crate) panel: Panel,
    /// The registers that bytes for the panel go through, where it is on a bus.
    pub(crate) bus: Option<Bus>,
}

/// Registers of a chip, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    /// The data register of the panel's port.
    pub(crate) data: u64,
    /// The data register of the serial line.
    pub(crate) line: u64,
    /// The set and clear register of the port with the pin that tells data from commands, and the pin's number.
    pub(crate) select: Option<(u64, u32)>,
}

/// What the emulator has of a board's panel and buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    /// Both: a screen whose pixels are squares, and keys.
    Screen,
    /// Neither: the brightnesses, 0 to 9, lie in the firmware's memory under this name, and the serial line presses buttons.
    Levels(&'static str),
    /// Neither: the panel's controller is emulated here from the bytes on its bus, and the serial line presses buttons.
    Bus,
}

/// A board with its own package in `firmware-sim/boards`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    /// The name for `--board`, and of the package's folder.
    pub(crate) name: &'static str,
    /// The compiler's target.
    pub(crate) target: &'static str,
    /// The simulator's device with the same panel.
    panel: &'static str,
    /// Clocks a second of the panel's bus.
    bus_hertz: u32,
    chip: Chip,
    /// Where flash begins.
    flash_at: usize,
    /// KiB of flash that a program without a model has; the models' region begins behind them, where a unit that is erased as a whole begins.
    program: usize,
    /// KiB of RAM that firmware sets aside for any model, where models have a region of their own; 0 where they cannot have one.
    arena: usize,
    /// What writes programs to the chip over its debug port.
    pub(crate) writer: Writer,
    /// The family in UF2 files, where the board has a boot loader that takes them.
    pub(crate) uf2: Option<u32>,
    /// The board in the emulator, where that has it.
    pub(crate) machine: Option<Emulated>,
}

/// SSI0 and UART0.
const LM3S_BUS: Bus = Bus { data: 0x4000_8008, line: 0x4000_C000, select: None };
/// SPI1, USART1, and pin 4 of port C.
const STM32_BUS: Bus = Bus { data: 0x4001_300C, line: 0x4001_1004, select: Some((0x4002_0818, 4)) };

const BOARDS: &[Board] = &[
    Board {
        name: "esp32c3",
        target: "riscv32imc-unknown-none-elf",
        panel: "badge-160x80",
        bus_hertz: 40_000_000,
        chip: Chip::new("ESP32-C3", ("rv32", 160), [4096, 512], [400, 128]),
        flash_at: 0,
        program: 0,
        arena: 0,
        writer: Writer::ProbeRsIdf("esp32c3"),
        uf2: None,
        machine: None,
    },
    Board {
        name: "lm3s6965evb",
        target: "thumbv7m-none-eabi",
        panel: "oled-128x64",
        bus_hertz: 50_000_000 / 14,
        chip: Chip::new("LM3S6965", ("m3", 50), [256, 64], [64, 16]),
        flash_at: 0,
        program: 80,
        arena: 24,
        writer: Writer::OpenOcd("board/ek-lm3s6965.cfg"),
        uf2: None,
        machine: Some(Emulated { name: "lm3s6965evb", panel: Panel::Screen, bus: Some(LM3S_BUS) }),
    },
    Board {
        name: "microbit",
        target: "thumbv6m-none-eabi",
        panel: "led-5x5",
        bus_hertz: 1,
        chip: Chip::new("nRF51822", ("m0", 16), [256, 72], [16, 11]),
        flash_at: 0,
        program: 80,
        arena: 5,
        writer: Writer::ProbeRs("nRF51822_xxAA"),
        uf2: None,
        machine: Some(Emulated { name: "microbit", panel: Panel::Levels("GANLET_LEDS"), bus: None }),
    },
    Board {
        name: "nrf52840-dk",
        target: "thumbv7em-none-eabihf",
        panel: "oled-mono-128x64",
        bus_hertz: 400_000,
        chip: Chip::new("nRF52840", ("m4", 64), [1024, 72], [256, 16]),
        flash_at: 0,
        program: 80,
        arena: 64,
        writer: Writer::ProbeRs("nRF52840_xxAA"),
        uf2: None,
        machine: None,
    },
    Board {
        name: "pico",
        target: "thumbv6m-none-eabi",
        panel: "st7789-240",
        bus_hertz: 62_500_000,
        chip: Chip::new("RP2040", ("m0", 125), [2048, 72], [256, 16]),
        flash_at: 0x1000_0000,
        program: 80,
        arena: 64,
        writer: Writer::ProbeRs("RP2040"),
        uf2: Some(flash::RP2040),
        machine: None,
    },
    Board {
        name: "pico2",
        target: "thumbv8m.main-none-eabihf",
        panel: "st7789-240",
        bus_hertz: 37_500_000,
        chip: Chip::new("RP2350", ("m33", 150), [4096, 72], [512, 16]),
        flash_at: 0x1000_0000,
        program: 80,
        arena: 128,
        writer: Writer::ProbeRs("RP235x"),
        uf2: Some(flash::RP2350_ARM),
        machine: None,
    },
    Board {
        name: "stm32f405",
        target: "thumbv7em-none-eabihf",
        panel: "st7789-240",
        bus_hertz: 42_000_000,
        chip: Chip::new("STM32F405", ("m4", 168), [1024, 72], [128, 16]),
        flash_at: 0x0800_0000,
        program: 128,
        arena: 64,
        writer: Writer::ProbeRs("STM32F405RG"),
        uf2: None,
        machine: Some(Emulated { name: "netduinoplus2", panel: Panel::Bus, bus: Some(STM32_BUS) }),
    },
];

impl Board {
    /// Every board.
    pub(crate) const fn all() -> &'static [Self] {
        BOARDS
    }

    /// The board of this name; else a failure that lists them.
    pub(crate) fn named(name: &str) -> Result<&'static Self, Failure> {
        BOARDS.iter().find(|board| board.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let lines: String = BOARDS.iter().map(|b| format!("\n  {:<14}{}", b.name, b.chip.name)).collect();
            let having: Vec<&str> =
                BOARDS.iter().filter(|b| b.panel.eq_ignore_ascii_case(name)).map(|b| b.name).collect();
            let hint = if having.is_empty() {
                String::new()
            } else {
                format!("; {name} is a device of `sim`, whose panel {} has", having.join(", "))
            };
            Failure::unusable(format!("no board is named \"{name}\"{hint}; there are:{lines}"))
        })
    }

    /// The board as the simulator knows it: its panel and its chip.
    pub(crate) fn device(&self) -> Result<Device, Failure> {
        let device = Device::named(self.panel)?;
        Ok(Device {
            name: self.name,
            chip: self.chip,
            bus: host::Bus { hertz: self.bus_hertz, ..device.bus },
            ..device
        })
    }

    /// The sums of flash and RAM, if the model fits; else a failure that tells them, and what to do.
    pub(crate) fn check(&self, path: &Path, model: &Model<'_>) -> Result<Fit, Failure> {
        let fit = self.device()?.fit_of(model);
        if fit.fits() {
            return Ok(fit);
        }
        Err(Failure::failed(format!(
            "{}: {fit}\ntrain a smaller one, as by `--set generator.widths=…`, or take a larger board: \
             `cargo xtask inspect` shows layer by layer where the bytes go",
            path.display()
        )))
    }
}

/// A region of flash for models alone, and the RAM that is set aside for any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// The address.
    pub(crate) at: usize,
    /// Bytes of flash.
    pub(crate) bytes: usize,
    /// Bytes of RAM.
    pub(crate) arena: usize,
}

impl Board {
    /// The region for models, if there can be one.
    pub(crate) fn region(&self) -> Result<Region, Failure> {
        if self.arena == 0 {
            return Err(Failure::unusable(format!(
                "{}: models cannot have a region of their own, since its boot loader shows a program no more of the flash than the program",
                self.name
            )));
        }
        let program = self.program << 10;
        Ok(Region { at: self.flash_at + program, bytes: self.chip.flash - program, arena: self.arena << 10 })
    }

    /// Checks that a model fits the region and the RAM beside it, and tells the sums, as the failure does.
    pub(crate) fn check_region(&self, path: &Path, model: &Model<'_>) -> Result<String, Failure> {
        let Region { at, bytes, arena } = self.region()?;
        let needs = [("flash", model.flash_bytes(), bytes), ("RAM", model.arena_len_of(self.chip.family), arena)];
        match needs.into_iter().find(|(_, needed, given)| needed > given) {
            None => {
                let [flash, ram] = needs.map(|(_, needed, given)| {
                    format!("needs {} of {} bytes", grouped(needed as u64), grouped(given as u64))
                });
                let name = self.name;
                Ok(format!(
                    "the model fits the region for models on {name}, at {at:#x}\n  flash  {flash}\n  RAM    {ram}"
                ))
            }
            Some((kind, needed, given)) => Err(Failure::failed(format!(
                "{}: the model needs {} bytes of {kind}, the region for models on {} has {}\n\
                 leave --own-region and --model-only away to build it in, or train a smaller one",
                path.display(),
                grouped(needed as u64),
                self.name,
                grouped(given as u64)
            ))),
        }
    }
}

/// Reads a model file; the bytes are checked.
pub(crate) fn read(path: &Path) -> Result<ModelFile, Failure> {
    let file = ModelFile::read(path).map_err(|e| Failure::unusable(e.to_string()))?;
    Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    Ok(file)
}

/// Reads a file of kept latents; there is one at least.
pub(crate) fn kept(path: &Path) -> Result<Vec<StoredLatent>, Failure> {
    let unusable = |why: String| Failure::unusable(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
    let all = StoredLatent::read(&text).map_err(|e| unusable(e.to_string()))?;
    if all.is_empty() {
        return Err(unusable("found no latents, expected a line for each: `project` and `edit` write them".to_owned()));
    }
    Ok(all)
}

/// Reads a file of kept latents and checks that `model` takes them; gives what lies in flash.
pub(crate) fn latents(path: &Path, model: &Model<'_>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for (number, StoredLatent { values, class }) in (1..).zip(&kept(path)?) {
        ganlet_runtime::Latent::new(model, values, *class).map_err(|e| {
            let path = path.display();
            Failure::unusable(format!("{path}: latent {number}: {e}; it belongs to another model"))
        })?;
        bytes.push(class.map_or(255, |c| c as u8));
        bytes.extend(values.iter().map(|&v| v as u8));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    /// What of a board's flash is erased together, KiB, at the start of the models' region (the chips' data sheets).
    const ERASED: [(&str, usize); 6] =
        [("lm3s6965evb", 1), ("microbit", 1), ("nrf52840-dk", 4), ("pico", 4), ("pico2", 4), ("stm32f405", 128)];

    #[test]
    fn writing_a_model_to_its_region_erases_nothing_of_the_program() {
        for board in Board::all().iter().filter(|board| board.arena > 0) {
            let unit = ERASED.iter().find(|(name, _)| *name == board.name).map(|(_, unit)| unit << 10);
            assert_eq!((board.region().unwrap().at - board.flash_at) % unit.unwrap(), 0, "{}", board.name);
        }
    }

    #[test]
    fn every_board_has_a_package_with_what_a_reader_needs_and_every_package_is_listed() {
        let folder = crate::bench::firmware::root().join("firmware-sim/boards");
        let packages: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let listed: BTreeSet<String> = BOARDS.iter().map(|b| b.name.to_owned()).collect();
        assert_eq!(packages, listed);
        for board in BOARDS {
            for file in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "README.md", "src/main.rs"] {
                assert!(folder.join(board.name).join(file).is_file(), "{}/{file}", board.name);
            }
            let config = fs::read_to_string(folder.join(board.name).join(".cargo/config.toml")).unwrap();
            assert!(config.contains(&format!("target = \"{}\"", board.target)), "{}", board.name);
            let device = board.device().unwrap();
            assert!(device.chip.firmware_flash < device.chip.flash && device.chip.firmware_ram < device.chip.ram);
        }
    }

    #[test]
    fn a_board_that_does_not_exist_is_told_with_those_that_do() {
        let message = Board::named("toaster").unwrap_err().message;
        assert!(message.contains("toaster") && BOARDS.iter().all(|b| message.contains(b.name)), "{message}");
    }
}
