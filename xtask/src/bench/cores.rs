//! The cores that are measured, and the emulated machines that have them.

use clap::ValueEnum;

/// A processor core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Core {
    M0,
    M3,
    M4,
    M7,
    M33,
    M55,
    Rv32,
}

/// An emulated machine and how the firmware is put into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// What the emulator and `firmware-sim/bench/machines` call it.
    pub(crate) name: &'static str,
    /// The emulator's program.
    pub(crate) emulator: &'static str,
    /// Where the firmware expects the model: `_model` in the machine's memory map.
    model_at: u32,
    /// The largest model that fits there.
    model_bytes: usize,
}

const fn arm(name: &'static str, model_at: u32, model_bytes: usize) -> Machine {
    Machine { name, emulator: "qemu-system-arm", model_at, model_bytes }
}

const MIB: usize = 1 << 20;
const MICROBIT: Machine = arm("microbit", 0x0001_0000, 192 << 10);
const AN385: Machine = arm("mps2-an385", 0x2100_0000, 16 * MIB);
const AN386: Machine = arm("mps2-an386", 0x2100_0000, 16 * MIB);
const AN500: Machine = arm("mps2-an500", 0x6000_0000, 16 * MIB);
const AN505: Machine = arm("mps2-an505", 0x8000_0000, 16 * MIB);
const AN547: Machine = arm("mps3-an547", 0x6000_0000, 16 * MIB);
const VIRT: Machine =
    Machine { name: "virt", emulator: "qemu-system-riscv32", model_at: 0x8100_0000, model_bytes: 64 * MIB };

impl Core {
    /// All of them, as in tables.
    pub(crate) const ALL: [Self; 7] = [Self::M0, Self::M3, Self::M4, Self::M7, Self::M33, Self::M55, Self::Rv32];

    /// The name in tables and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::M0 => "m0",
            Self::M3 => "m3",
            Self::M4 => "m4",
            Self::M7 => "m7",
            Self::M33 => "m33",
            Self::M55 => "m55",
            Self::Rv32 => "rv32",
        }
    }

    /// The compiler's target.
    pub(crate) const fn target(self) -> &'static str {
        match self {
            Self::M0 => "thumbv6m-none-eabi",
            Self::M3 => "thumbv7m-none-eabi",
            Self::M4 | Self::M7 => "thumbv7em-none-eabihf",
            Self::M33 | Self::M55 => "thumbv8m.main-none-eabihf",
            Self::Rv32 => "riscv32imac-unknown-none-elf",
        }
    }

    /// The processor that the compiler is told, where the target alone leaves its DSP or vector instructions unused.
    pub(crate) const fn cpu(self) -> Option<&'static str> {
        match self {
            Self::M33 => Some("cortex-m33"),
            Self::M55 => Some("cortex-m55"),
            _ => None,
        }
    }

    /// The compiler's optimization level for firmware: for size where the loops that count are assembly.
    pub(crate) const fn opt_level(self) -> &'static str {
        match self {
            Self::M3 | Self::M4 | Self::M7 | Self::M33 => "s",
            Self::M0 | Self::M55 | Self::Rv32 => "3",
        }
    }

    /// The machine for a model of `bytes`.
    ///
    /// The emulator has one machine with a Cortex-M0, of 256 KB: larger models run on a Cortex-M3, which executes the
    /// very same instructions of the Cortex-M0's program.
    pub(crate) const fn machine(self, bytes: usize) -> Machine {
        match self {
            Self::M0 if bytes <= MICROBIT.model_bytes => MICROBIT,
            Self::M0 | Self::M3 => AN385,
            Self::M4 => AN386,
            Self::M7 => AN500,
            Self::M33 => AN505,
            Self::M55 => AN547,
            Self::Rv32 => VIRT,
        }
    }
}

impl Machine {
    /// The emulator's arguments: a firmware, and a model beside it.
    pub(crate) fn arguments(&self, firmware: &str, model: &str) -> Vec<String> {
        let words = ["-nographic", "-nic", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"];
        let mut all: Vec<String> = words.map(String::from).into();
        all.extend(["-M".into(), self.name.into()]);
        if self.emulator == "qemu-system-riscv32" {
            all.extend(["-bios".into(), "none".into()]);
        }
        all.extend(["-semihosting-config".into(), "enable=on,target=native".into()]);
        // Commas separate options of one argument; doubled they are part of a file's name.
        let model = model.replace(',', ",,");
        all.extend(["-device".into(), format!("loader,file={model},addr={:#x},force-raw=on", self.model_at)]);
        all.extend(["-kernel".into(), firmware.into()]);
        all
    }
}
