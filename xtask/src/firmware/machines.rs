//! The compiler settings of each core, and the QEMU machines that emulate it.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ganlet_sim::host::Core;

/// A machine of QEMU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// QEMU's name for it, and the name of its memory map in `firmware-sim/bench/machines`.
    pub(crate) name: &'static str,
    /// The QEMU program that has the machine.
    pub(crate) emulator: &'static str,
    /// Address where the firmware expects the model: `_model` in the memory map.
    model_at: u32,
    /// Size of the largest model that fits there.
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

/// Parses the name of a core on the command line; its help lists all names.
pub(crate) fn core_parser() -> impl TypedValueParser<Value = Core> {
    PossibleValuesParser::new(Core::ALL.map(Core::name)).try_map(|name| name.parse::<Core>())
}

/// The compiler's target for a core.
pub(crate) const fn target(core: Core) -> &'static str {
    match core {
        Core::M0 => "thumbv6m-none-eabi",
        Core::M3 => "thumbv7m-none-eabi",
        Core::M4 | Core::M7 => "thumbv7em-none-eabihf",
        Core::M33 | Core::M55 => "thumbv8m.main-none-eabihf",
        Core::Rv32 => "riscv32imac-unknown-none-elf",
    }
}

/// The processor to compile for, if the target alone does not use the core's DSP or vector instructions.
pub(crate) const fn cpu(core: Core) -> Option<&'static str> {
    match core {
        Core::M33 => Some("cortex-m33"),
        Core::M55 => Some("cortex-m55"),
        _ => None,
    }
}

/// The optimization level of firmware: for size on cores whose inner loops are assembly.
pub(crate) const fn opt_level(core: Core) -> &'static str {
    match core {
        Core::M3 | Core::M4 | Core::M7 | Core::M33 => "s",
        Core::M0 | Core::M55 | Core::Rv32 => "3",
    }
}

/// The machine for a model of `bytes`.
///
/// QEMU's only machine with a Cortex-M0 has 256 KB of flash. Larger models run on a Cortex-M3, which executes the same instructions as
/// the Cortex-M0 would.
pub(crate) const fn machine(core: Core, bytes: usize) -> Machine {
    match core {
        Core::M0 if bytes <= MICROBIT.model_bytes => MICROBIT,
        Core::M0 | Core::M3 => AN385,
        Core::M4 => AN386,
        Core::M7 => AN500,
        Core::M33 => AN505,
        Core::M55 => AN547,
        Core::Rv32 => VIRT,
    }
}

impl Machine {
    /// QEMU's arguments to run firmware with a model at its address in memory, with 2^`shift` nanoseconds for each instruction.
    pub(crate) fn arguments(&self, firmware: &str, model: &str, shift: u32) -> Vec<String> {
        let words = ["-nographic", "-nic", "none", "-monitor", "none", "-serial", "none", "-icount"];
        let mut all: Vec<String> = words.map(String::from).into();
        all.extend([format!("shift={shift}"), "-M".into(), self.name.into()]);
        if self.emulator == "qemu-system-riscv32" {
            all.extend(["-bios".into(), "none".into()]);
        }
        all.extend(["-semihosting-config".into(), "enable=on,target=native".into()]);
        // QEMU separates options by commas; a doubled comma is part of the file name.
        let model = model.replace(',', ",,");
        all.extend(["-device".into(), format!("loader,file={model},addr={:#x},force-raw=on", self.model_at)]);
        all.extend(["-kernel".into(), firmware.into()]);
        all
    }
}
