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
use timing::{After, Jumps, Place};

/// The cores with a model of cycles.
pub(crate) const MODELED: [Core; 3] = [Core::M0, Core::M3, Core::M4];

/// Iterations by which the firmware's longer calibration loop exceeds the shorter one: `firmware-sim/bench/src/clock.rs`.
const LOOPS: u64 = 1 << 20;

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
    /// Cycles of a Cortex-M0's program on a Cortex-M3: whether other kernels would be faster there.
    pub(crate) on_m3: Option<CycleRange>,
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
            let place = Place { after: After::Other, conditional: conditional > 0 };
            let jumps = match (timing::jumps(&instruction), place.conditional) {
                (Jumps::Never, _) => 0,
                (Jumps::Always, false) => executed,
                _ => left,
            };
            // How often the instruction before was executed directly before this one, and what that means.
            let (after, following) = match before {
                Some((_, before, followed)) => (timing::after(&before, &instruction), followed.min(executed - jumps)),
                None => (After::Other, 0),
            };
            let of = |place, jumps| {
                timing::cycles(core, &instruction, place, jumps)
                    .ok_or_else(|| unknown(", which this core does not have"))
            };
            let direct = of(Place { after, ..place }, false)? * following;
            let alone = of(place, false)? * (executed - jumps - following);
            let entry = count.classes.entry(class(instruction.kind)).or_default();
            entry.instructions += executed;
            entry.cycles = entry.cycles + of(place, true)? * jumps + direct + alone;
            conditional = match instruction.kind {
                Kind::IfThen(n) => n,
                _ => conditional.saturating_sub(1),
            };
            before = Some((address + u64::from(instruction.size), instruction, executed - left));
        }
        Ok(count)
    }

    /// Checks the counts and the model on the loops that calibrate the clock. An iteration is SUBS and a taken BNE.
    fn check_loops(&self, core: Core, pieces: &Pieces) -> Result<(), Failure> {
        let iteration = CycleRange { min: 3, max: if core == Core::M0 { 3 } else { 5 } };
        let [short, long] = [&pieces.short_loop, &pieces.long_loop].map(|piece| self.cycles(core, piece));
        let (short, long) = (short?.total(), long?.total());
        let expected = short.cycles + iteration * LOOPS;
        if long.instructions == short.instructions + 2 * LOOPS && long.cycles == expected {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "{core}: a loop of {LOOPS} iterations took {long:?}, one without them {short:?}; expected 2 instructions and {iteration:?} cycles for each"
        )))
    }

    /// The cycles of an image, from the pieces that the plugin counted. `rows` is the number of rows.
    pub(crate) fn image(&self, core: Core, pieces: &Pieces, rows: u64) -> Result<CycleCount, Failure> {
        self.check_loops(core, pieces)?;
        let on = |core| {
            let mut image = self.cycles(core, &pieces.image)?;
            // The bounds of each row include an instruction that reads the clock, as an empty piece does.
            image.remove(&self.cycles(core, &pieces.empty)?, rows);
            Ok::<_, Failure>(image)
        };
        let on_m3 = if core == Core::M0 { Some(on(Core::M3)?.total().cycles) } else { None };
        Ok(CycleCount { on_m3, ..on(core)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x100;

    /// The code of a loop, and its executions: 1,000 iterations, entered from before, left at the end.
    fn known_loop(halves: &[u16], sizes: &[u64]) -> (Code, BTreeMap<u64, [u64; 2]>) {
        let bytes = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let mut executions = BTreeMap::new();
        let mut address = START;
        for size in sizes {
            executions.insert(address, [1000, 0]);
            address += size;
        }
        // The branch at the end.
        executions.insert(address - sizes[sizes.len() - 1], [1000, 999]);
        (Code { sections: vec![(START, bytes)] }, executions)
    }

    fn total(core: Core, known: &(Code, BTreeMap<u64, [u64; 2]>)) -> (u64, [u64; 2]) {
        let ClassCount { instructions, cycles } = known.0.cycles(core, &known.1).unwrap().total();
        (instructions, [cycles.min, cycles.max])
    }

    #[test]
    fn loops_of_known_length_take_the_cycles_of_a_hand_count() {
        // ldr r2, [r0]; ldr r3, [r1]; smlal r4, r5, r2, r3; mla r6, r2, r3, r6; str r6, [r0]; subs r7, #1; bne
        let mixed = known_loop(
            &[0x6802, 0x680B, 0xFBC2, 0x4503, 0xFB02, 0x6603, 0x6006, 0x3F01, 0xD1F6],
            &[2, 2, 4, 4, 2, 2, 2],
        );
        // The second load overlaps with the first one: 2 + 1. Then M3: 4 to 7, 2; M4: 1, 1. Then 1, 1, and 2 to 4 for the branch, which
        // takes 1 the last time.
        assert_eq!(total(Core::M3, &mixed), (7000, [12 * 1000 + 999, 15 * 1000 + 3 * 999]));
        assert_eq!(total(Core::M4, &mixed), (7000, [8 * 1000 + 999, 8 * 1000 + 3 * 999]));
        // ldrb r2, [r0, r1]; muls r2, r3; adds r4, r2; subs r1, #1; bne
        let narrow = known_loop(&[0x5C42, 0x435A, 0x18A4, 0x3901, 0xD1FA], &[2; 5]);
        assert_eq!(total(Core::M0, &narrow), (5000, [6 * 1000 + 999; 2]));
        assert_eq!(total(Core::M3, &narrow), (5000, [6 * 1000 + 999, 6 * 1000 + 3 * 999]));
        // adds r0, #4; ldr r2, [r0]; adds r1, #4; str r2, [r0]; subs r3, #1; bne: the load waits for its address, the store does not.
        let stalled = known_loop(&[0x3004, 0x6802, 0x3104, 0x6002, 0x3B01, 0xD1F9], &[2; 6]);
        assert_eq!(total(Core::M0, &stalled), (6000, [8 * 1000 + 999; 2]));
        assert_eq!(total(Core::M4, &stalled), (6000, [8 * 1000 + 999, 8 * 1000 + 3 * 999]));
    }

    #[test]
    fn classes_add_up_to_all_instructions() {
        let (code, executions) = known_loop(&[0x6802, 0xE9D1, 0x2300, 0x3F01, 0xD1FA], &[2, 4, 2, 2]);
        let count = code.cycles(Core::M4, &executions).unwrap();
        let classes: Vec<_> = count.classes.iter().map(|(name, class)| (*name, class.instructions)).collect();
        assert_eq!(classes, [("branch", 1000), ("load", 1000), ("load multiple", 1000), ("simple", 1000)]);
        assert_eq!(count.total().instructions, executions.values().map(|counts| counts[0]).sum::<u64>());
        // LDRD does not overlap with the load before it.
        assert_eq!(count.classes["load multiple"].cycles, CycleRange::exactly(3000));
    }

    #[test]
    fn unknown_instructions_are_errors_that_name_them() {
        let code = Code { sections: vec![(START, vec![0x30, 0xEE, 0x00, 0x0A])] };
        let error = code.cycles(Core::M4, &BTreeMap::from([(START, [1, 0])])).unwrap_err();
        assert!(error.message.contains("ee30 0a00 at 0x100"), "{}", error.message);
        let smlal = Code { sections: vec![(START, vec![0xC2, 0xFB, 0x03, 0x45])] };
        let error = smlal.cycles(Core::M0, &BTreeMap::from([(START, [1, 0])])).unwrap_err();
        assert!(error.message.contains("does not have"), "{}", error.message);
    }
}
