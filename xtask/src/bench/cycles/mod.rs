//! Estimates cycles of emulated firmware from the executions of each of its instructions, which a plugin of QEMU counts.

mod counter;
mod thumb;
mod timing;

pub(crate) use counter::{Pieces, arguments, build_plugin};

use crate::failure::Failure;
use ganlet_sim::host::{Core, CycleRange};
use object::{Object, ObjectSection, SectionKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use thumb::{Instruction, Kind};
use timing::{Jumps, Place};

/// The cores with a model of cycles.
pub(crate) const MODELED: [Core; 3] = [Core::M0, Core::M3, Core::M4];

/// Executed instructions and cycles of a class of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassCount {
    pub(crate) instructions: u64,
    pub(crate) cycles: CycleRange,
}

/// Executed instructions and cycles by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CycleCount {
    pub(crate) classes: BTreeMap<&'static str, ClassCount>,
}

impl CycleCount {
    /// The sums over all classes.
    pub(crate) fn total(&self) -> ClassCount {
        self.classes.values().fold(ClassCount::default(), |a, b| ClassCount {
            instructions: a.instructions + b.instructions,
            cycles: a.cycles + b.cycles,
        })
    }

    /// Removes `times` the instructions and cycles of `other`, which are part of these.
    fn remove(&mut self, other: &Self, times: u64) {
        for (name, part) in &other.classes {
            let class = self.classes.entry(name).or_default();
            class.instructions = class.instructions.saturating_sub(times * part.instructions);
            class.cycles.min = class.cycles.min.saturating_sub(times * part.cycles.min);
            class.cycles.max = class.cycles.max.saturating_sub(times * part.cycles.max);
        }
        self.classes.retain(|_, class| class.instructions > 0);
    }
}

/// Name of the class of an instruction, in tables and in JSON.
const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Simple | Kind::System => "simple",
        Kind::Multiply | Kind::Accumulate => "multiply",
        Kind::LongMultiply | Kind::LongAccumulate => "long multiply",
        Kind::Dsp => "dsp multiply",
        Kind::Divide => "divide",
        Kind::Load => "load",
        Kind::Store => "store",
        Kind::LoadMultiple(_) => "load multiple",
        Kind::StoreMultiple(_) => "store multiple",
        Kind::Jump | Kind::Branch | Kind::Call | Kind::Indirect | Kind::TableBranch => "branch",
        Kind::IfThen(_) => "if-then",
    }
}

/// The code of a linked program.
pub(crate) struct Code {
    sections: Vec<(u64, Vec<u8>)>,
}

impl Code {
    /// Reads the sections of code.
    pub(crate) fn read(program: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(program).map_err(|e| Failure::file(program, e))?;
        let file = object::File::parse(&*bytes).map_err(|e| Failure::file(program, e))?;
        let code = file.sections().filter(|section| section.kind() == SectionKind::Text);
        let read = |section: object::Section<'_, '_>| Ok((section.address(), section.data()?.to_vec()));
        let sections: object::Result<Vec<_>> = code.map(read).collect();
        Ok(Self { sections: sections.map_err(|e| Failure::file(program, e))? })
    }

    /// The half-word at an address.
    fn half(&self, address: u64) -> Option<u16> {
        self.sections.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
        })
    }

    fn instruction(&self, address: u64) -> Option<Instruction> {
        thumb::decode(self.half(address)?, self.half(address + 2).unwrap_or(0))
    }

    /// The instructions and cycles of executions: for each address how often its instruction was executed, and how often the
    /// program continued elsewhere than after it.
    pub(crate) fn cycles(&self, core: Core, executions: &BTreeMap<u64, [u64; 2]>) -> Result<CycleCount, Failure> {
        let mut count = CycleCount::default();
        // Number of the next instructions that are conditional; the instruction before, how often it was followed by this one.
        let mut conditional = 0;
        let mut before: Option<(u64, Instruction, u64)> = None;
        for (&address, &[executed, left]) in executions {
            let unknown = |what: &str| {
                Failure::failed(format!(
                    "{core}: the model of cycles does not know the instruction {:04x} {:04x} at {address:#x}{what}",
                    self.half(address).unwrap_or(0),
                    self.half(address + 2).unwrap_or(0)
                ))
            };
            let instruction = self.instruction(address).ok_or_else(|| unknown(""))?;
            if before.is_some_and(|(next, ..)| next != address) {
                (before, conditional) = (None, 0);
            }
            let place = Place { after_load: false, conditional: conditional > 0 };
            let jumps = match (timing::jumps(&instruction), place.conditional) {
                (Jumps::Never, _) => 0,
                (Jumps::Always, false) => executed,
                _ => left,
            };
            let overlapping = match before {
                Some((_, load, followed)) if timing::overlap(&load, &instruction) => followed.min(executed - jumps),
                _ => 0,
            };
            let of = |place, jumps| {
                timing::cycles(core, &instruction, place, jumps)
                    .ok_or_else(|| unknown(", which this core does not have"))
            };
            let after_load = of(Place { after_load: true, ..place }, false)? * overlapping;
            let alone = of(place, false)? * (executed - jumps - overlapping);
            let entry = count.classes.entry(class(instruction.kind)).or_default();
            entry.instructions += executed;
            entry.cycles = entry.cycles + of(place, true)? * jumps + after_load + alone;
            conditional = match instruction.kind {
                Kind::IfThen(n) => n,
                _ => conditional.saturating_sub(1),
            };
            before = Some((address + u64::from(instruction.size), instruction, executed - left));
        }
        Ok(count)
    }

    /// The cycles of an image, and of the calibration loop, from the pieces that the plugin counted. `rows` is the number of rows.
    pub(crate) fn image(&self, core: Core, pieces: &Pieces, rows: u64) -> Result<CycleCount, Failure> {
        let mut image = self.cycles(core, &pieces.image)?;
        // The bounds of each row include instructions around the measured call, as an empty piece does.
        image.remove(&self.cycles(core, &pieces.empty)?, rows);
        Ok(image)
    }
}
