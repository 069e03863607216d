//! The boards that have firmware: compiler target, chip, panel, and how each board is flashed and emulated.

use std::fmt;

use ganlet_runtime::Model;

use super::device::{Chip, Device, ModelFit};
use super::instructions::Core;
use super::text::grouped;
use super::{bus, uf2};

/// The program that writes firmware to a board over its debug port, with the program's own name for the chip or board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashTool {
    /// probe-rs, with the name of the chip.
    ProbeRs(&'static str),
    /// probe-rs, with the name of the chip, for the boot loader of Espressif chips, which needs its own image format.
    ProbeRsIdf(&'static str),
    /// OpenOCD, with its configuration file for the board.
    OpenOcd(&'static str),
}

/// A board as QEMU emulates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmulatedMachine {
    /// QEMU's name for the machine.
    pub name: &'static str,
    /// How the panel is read and how buttons are pressed.
    pub panel: EmulatedPanel,
    /// The registers that carry bytes to the panel, if it is on a bus.
    pub bus: Option<BusRegisters>,
}

/// Addresses of the chip's registers that an emulated panel watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusRegisters {
    /// The data register of the panel's port.
    pub data: u64,
    /// The data register of the serial line.
    pub line: u64,
    /// The set/reset register of the port with the data/command pin, and the number of that pin.
    pub select: Option<(u64, u32)>,
}

/// How the emulator gives access to a board's panel and buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmulatedPanel {
    /// QEMU draws the panel, with a square for each pixel, and has keys for the buttons.
    Screen,
    /// QEMU has neither panel nor buttons. The firmware stores brightnesses of 0 to 9 in memory at this symbol. Buttons are pressed over
    /// the serial line.
    Memory(&'static str),
    /// QEMU has neither panel nor buttons. The panel's controller is emulated from the bytes on its bus. Buttons are pressed over the
    /// serial line.
    Bus,
}

/// A board with a firmware package in `firmware-sim/boards`.
#[derive(Clone, Copy, Debug)]
pub struct BoardInfo {
    /// The name for `--board`, which is also the folder of the package.
    pub name: &'static str,
    /// The compiler target.
    pub target: &'static str,
    /// The device of the simulator that has the same panel.
    panel: &'static str,
    /// Clock of the panel's bus.
    bus_hertz: u32,
    chip: Chip,
    /// Address of the first byte of flash.
    flash_at: usize,
    /// Flash reserved for a program without a model. The models' region starts after it, at the start of an erase unit.
    program_kib: usize,
    /// RAM reserved for the arena of any model if models have their own region of flash; 0 if they cannot have one.
    arena_kib: usize,
    /// The program that flashes the board.
    pub tool: FlashTool,
    /// The family ID in UF2 files, if the board has a UF2 boot loader.
    pub uf2: Option<u32>,
    /// The machine in QEMU, if QEMU emulates the board.
    pub emulated: Option<EmulatedMachine>,
}

/// SSI0 and UART0.
const LM3S_BUS: BusRegisters = BusRegisters { data: 0x4000_8008, line: 0x4000_C000, select: None };
/// SPI1, USART1, and pin 4 of port C.
const STM32_BUS: BusRegisters = BusRegisters { data: 0x4001_300C, line: 0x4001_1004, select: Some((0x4002_0818, 4)) };

const BOARDS: &[BoardInfo] = &[
    BoardInfo {
        name: "esp32c3",
        target: "riscv32imc-unknown-none-elf",
        panel: "badge-160x80",
        bus_hertz: 40_000_000,
        chip: Chip::new("ESP32-C3", (Core::Rv32, 160), [4096, 512], [400, 128]),
        flash_at: 0,
        program_kib: 0,
        arena_kib: 0,
        tool: FlashTool::ProbeRsIdf("esp32c3"),
        uf2: None,
        emulated: None,
    },
    BoardInfo {
        name: "lm3s6965evb",
        target: "thumbv7m-none-eabi",
        panel: "oled-128x64",
        bus_hertz: 50_000_000 / 14,
        chip: Chip::new("LM3S6965", (Core::M3, 50), [256, 64], [64, 16]),
        flash_at: 0,
        program_kib: 80,
        arena_kib: 24,
        tool: FlashTool::OpenOcd("board/ek-lm3s6965.cfg"),
        uf2: None,
        emulated: Some(EmulatedMachine { name: "lm3s6965evb", panel: EmulatedPanel::Screen, bus: Some(LM3S_BUS) }),
    },
    BoardInfo {
        name: "microbit",
        target: "thumbv6m-none-eabi",
        panel: "led-5x5",
        bus_hertz: 1,
        chip: Chip::new("nRF51822", (Core::M0, 16), [256, 72], [16, 11]),
        flash_at: 0,
        program_kib: 80,
        arena_kib: 5,
        tool: FlashTool::ProbeRs("nRF51822_xxAA"),
        uf2: None,
        emulated: Some(EmulatedMachine { name: "microbit", panel: EmulatedPanel::Memory("GANLET_LEDS"), bus: None }),
    },
    BoardInfo {
        name: "nrf52840-dk",
        target: "thumbv7em-none-eabihf",
        panel: "oled-mono-128x64",
        bus_hertz: 400_000,
        chip: Chip::new("nRF52840", (Core::M4, 64), [1024, 72], [256, 16]),
        flash_at: 0,
        program_kib: 80,
        arena_kib: 64,
        tool: FlashTool::ProbeRs("nRF52840_xxAA"),
        uf2: None,
        emulated: None,
    },
    BoardInfo {
        name: "pico",
        target: "thumbv6m-none-eabi",
        panel: "st7789-240",
        bus_hertz: 62_500_000,
        chip: Chip::new("RP2040", (Core::M0, 125), [2048, 72], [256, 16]),
        flash_at: 0x1000_0000,
        program_kib: 80,
        arena_kib: 64,
        tool: FlashTool::ProbeRs("RP2040"),
        uf2: Some(uf2::RP2040),
        emulated: None,
    },
    BoardInfo {
        name: "pico2",
        target: "thumbv8m.main-none-eabihf",
        panel: "st7789-240",
        bus_hertz: 37_500_000,
        chip: Chip::new("RP2350", (Core::M33, 150), [4096, 72], [512, 16]),
        flash_at: 0x1000_0000,
        program_kib: 80,
        arena_kib: 128,
        tool: FlashTool::ProbeRs("RP235x"),
        uf2: Some(uf2::RP2350_ARM),
        emulated: None,
    },
    BoardInfo {
        name: "stm32f405",
        target: "thumbv7em-none-eabihf",
        panel: "st7789-240",
        bus_hertz: 42_000_000,
        chip: Chip::new("STM32F405", (Core::M4, 168), [1024, 72], [128, 16]),
        flash_at: 0x0800_0000,
        program_kib: 128,
        arena_kib: 64,
        tool: FlashTool::ProbeRs("STM32F405RG"),
        uf2: None,
        emulated: Some(EmulatedMachine { name: "netduinoplus2", panel: EmulatedPanel::Bus, bus: Some(STM32_BUS) }),
    },
];

impl BoardInfo {
    /// Every board, sorted by name.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        BOARDS
    }

    /// Returns the board with this name, in upper or lower case.
    ///
    /// # Errors
    /// [`BoardError::Unknown`], whose message lists the boards.
    pub fn named(name: &str) -> Result<&'static Self, BoardError> {
        let found = BOARDS.iter().find(|board| board.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| BoardError::Unknown { name: name.to_owned() })
    }

    /// The board as a simulated device: its panel, its bus and its chip.
    #[must_use]
    pub fn device(&self) -> Device {
        // A test checks that every board names a device.
        let panel = Device::all().iter().find(|device| device.name == self.panel).unwrap_or(&Device::all()[0]);
        let bus = bus::Bus { hertz: self.bus_hertz, ..panel.bus };
        Device { name: self.name, chip: self.chip, bus, ..*panel }
    }

    /// Checks that firmware with `model` inside fits the board's flash and RAM.
    ///
    /// # Errors
    /// [`BoardError::TooLarge`] with both sums.
    pub fn check(&self, model: &Model<'_>) -> Result<ModelFit, BoardError> {
        let fit = self.device().fit_of(model);
        if fit.fits() { Ok(fit) } else { Err(BoardError::TooLarge(Box::new(fit))) }
    }

    /// The region of flash that is reserved for models, apart from the program.
    ///
    /// # Errors
    /// [`BoardError::NoRegion`] if the boot loader maps no flash except the program's.
    pub fn region(&self) -> Result<ModelRegion, BoardError> {
        if self.arena_kib == 0 {
            return Err(BoardError::NoRegion { board: self.name });
        }
        let program = self.program_kib << 10;
        Ok(ModelRegion { at: self.flash_at + program, bytes: self.chip.flash - program, arena: self.arena_kib << 10 })
    }

    /// Checks that `model` fits the models' region and the RAM reserved for its arena.
    ///
    /// # Errors
    /// [`BoardError::NoRegion`] or [`BoardError::TooLargeForRegion`].
    pub fn check_region(&self, model: &Model<'_>) -> Result<RegionFit, BoardError> {
        let region = self.region()?;
        let fit = RegionFit {
            board: self.name,
            region,
            flash: model.flash_bytes(),
            ram: model.arena_len_of(self.chip.family),
        };
        if fit.flash <= region.bytes && fit.ram <= region.arena {
            Ok(fit)
        } else {
            Err(BoardError::TooLargeForRegion(fit))
        }
    }

    /// The family ID for a UF2 file.
    ///
    /// # Errors
    /// [`BoardError::NoUf2`] if the board has no UF2 boot loader.
    pub fn uf2_family(&self) -> Result<u32, BoardError> {
        self.uf2.ok_or(BoardError::NoUf2 { board: self.name })
    }
}

/// A region of flash reserved for a model, and the RAM reserved for its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelRegion {
    /// Address of the first byte.
    pub at: usize,
    /// Bytes of flash.
    pub bytes: usize,
    /// Bytes of RAM for the arena.
    pub arena: usize,
}

/// The flash and RAM that a model needs, and those of a board's region for models. Displays both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionFit {
    /// The board's name.
    pub board: &'static str,
    /// The region.
    pub region: ModelRegion,
    /// Bytes of flash that the model needs.
    pub flash: usize,
    /// Bytes of RAM that its arena needs.
    pub ram: usize,
}

impl fmt::Display for RegionFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelRegion { at, bytes, arena } = self.region;
        let [flash, bytes, ram, arena] = [self.flash, bytes, self.ram, arena].map(grouped);
        writeln!(f, "the model fits the region for models on {}, at {at:#x}", self.board)?;
        write!(f, "  flash  needs {flash} of {bytes} bytes\n  RAM    needs {ram} of {arena} bytes")
    }
}

/// The reason why a board cannot be used, or cannot be used with this model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoardError {
    /// No board has this name.
    Unknown {
        /// The name that was given.
        name: String,
    },
    /// Firmware with the model inside needs more flash or RAM than the board has.
    TooLarge(Box<ModelFit>),
    /// The model needs more flash or RAM than the region for models has.
    TooLargeForRegion(RegionFit),
    /// Models cannot have their own region of flash on this board.
    NoRegion {
        /// The board's name.
        board: &'static str,
    },
    /// The board has no UF2 boot loader.
    NoUf2 {
        /// The board's name.
        board: &'static str,
    },
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => unknown(f, name),
            Self::TooLarge(fit) => write!(
                f,
                "{fit}\ntrain a model that fits with --fit {}, or use a larger board; `cargo xtask inspect` shows the bytes of each layer",
                fit.device.name
            ),
            Self::TooLargeForRegion(RegionFit { board, region, flash, ram }) => {
                let (kind, needed, available) =
                    if *flash > region.bytes { ("flash", *flash, region.bytes) } else { ("RAM", *ram, region.arena) };
                write!(
                    f,
                    "the model needs {} bytes of {kind}, but the region for models on {board} has {}\n\
                     omit --own-region and --model-only to build the model into the firmware, or train a smaller model",
                    grouped(needed),
                    grouped(available)
                )
            }
            Self::NoRegion { board } => write!(
                f,
                "{board}: models cannot have their own region of flash, because the boot loader maps only the flash of the \
                 program; omit --own-region and --model-only"
            ),
            Self::NoUf2 { board } => {
                let names: Vec<&str> = BOARDS.iter().filter(|b| b.uf2.is_some()).map(|b| b.name).collect();
                write!(
                    f,
                    "{board} has no UF2 boot loader (only {} have one); omit --uf2 to flash it through its debug port",
                    names.join(" and ")
                )
            }
        }
    }
}

fn unknown(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "no board is named \"{name}\"")?;
    let same_panel: Vec<&str> = BOARDS.iter().filter(|b| b.panel.eq_ignore_ascii_case(name)).map(|b| b.name).collect();
    if !same_panel.is_empty() {
        write!(f, "; {name} is a device of `sim`, and these boards have its panel: {}", same_panel.join(", "))?;
    }
    write!(f, "; expected one of:")?;
    BOARDS.iter().try_for_each(|board| write!(f, "\n  {:<14}{}", board.name, board.chip.name))
}

impl std::error::Error for BoardError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Size of the flash erase unit at the start of the models' region, in KiB, from the data sheets.
    const ERASE_UNITS: [(&str, usize); 6] =
        [("lm3s6965evb", 1), ("microbit", 1), ("nrf52840-dk", 4), ("pico", 4), ("pico2", 4), ("stm32f405", 128)];

    #[test]
    fn writing_a_model_to_its_region_does_not_erase_the_program() {
        for board in BoardInfo::all().iter().filter(|board| board.arena_kib > 0) {
            let unit = ERASE_UNITS.iter().find(|(name, _)| *name == board.name).map(|(_, unit)| unit << 10);
            assert_eq!((board.region().unwrap().at - board.flash_at) % unit.unwrap(), 0, "{}", board.name);
        }
    }

    #[test]
    fn every_board_has_a_complete_package_and_every_package_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards");
        let packages: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").is_file())
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
            assert!(Device::named(board.panel).is_ok(), "{}", board.name);
            let chip = board.device().chip;
            assert!(chip.firmware_flash < chip.flash && chip.firmware_ram < chip.ram, "{}", board.name);
        }
    }

    #[test]
    fn the_message_about_an_unknown_board_lists_the_boards() {
        let message = BoardInfo::named("toaster").unwrap_err().to_string();
        assert!(message.contains("toaster") && BOARDS.iter().all(|b| message.contains(b.name)), "{message}");
        assert!(BoardInfo::named("led-5x5").unwrap_err().to_string().contains("these boards have its panel: microbit"));
    }
}
