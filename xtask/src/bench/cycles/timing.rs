//! Cycles of instructions with memory that has no wait states, from the technical reference manuals of Arm.
//!
//! - Cortex-M0+ (DDI 0484C, table 3-1), with the multiplier that takes one cycle.
//! - Cortex-M3 (DDI 0337I, table 3-1 and section 3.3.2), Cortex-M4 (DDI 0439D, table 3-1 and section 3.3.2).
//!
//! Where the manuals give a range, so does this model: P, the cycles to refill the pipeline, is 1 to 3, depending on the width and the
//! alignment of the target; long products of the M3 and quotients depend on the operands; an IT instruction may take no cycle of its own;
//! a conditional instruction that is not executed takes one.
//!
//! A single load or store that follows a single load takes one cycle less, unless it needs the loaded value for its address, or one of
//! them updates its base register. This applies only to neighbors in memory, executed one after the other. A store to a base and a
//! constant takes one cycle. Not in the model: the M3 and M4 stall for a cycle if the instruction before a load or store computed its
//! address, and if a literal is read while the core fetches code.

use super::thumb::{Instruction, Kind};
use ganlet_sim::host::{Core, CycleRange};

/// Where an instruction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// It follows a load that it can overlap with.
    pub(super) after_load: bool,
    /// An IT instruction makes it conditional.
    pub(super) conditional: bool,
}

/// Whether `next`, executed directly after `load`, overlaps with it.
pub(super) fn overlap(load: &Instruction, next: &Instruction) -> bool {
    load.kind == Kind::Load
        && !load.to_pc
        && !load.updates
        && matches!(next.kind, Kind::Load | Kind::Store)
        && !next.updates
        && load.loaded & next.address == 0
}

/// Whether the program continues elsewhere than after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jumps {
    Never,
    Sometimes,
    Always,
}

/// Whether the program continues elsewhere after this instruction, if nothing makes it conditional.
pub(super) const fn jumps(instruction: &Instruction) -> Jumps {
    match instruction.kind {
        Kind::Branch => Jumps::Sometimes,
        Kind::Jump | Kind::Call | Kind::Indirect | Kind::TableBranch => Jumps::Always,
        _ if instruction.to_pc => Jumps::Always,
        _ => Jumps::Never,
    }
}

/// The cycles of one execution; `jumps` is whether the program continues elsewhere. `None` if the core does not have the instruction or
/// is not modeled.
pub(super) fn cycles(core: Core, instruction: &Instruction, place: Place, jumps: bool) -> Option<CycleRange> {
    match core {
        Core::M0 => Some(CycleRange::exactly(m0_plus(instruction, jumps)?)),
        Core::M3 | Core::M4 => {
            let range = m3_m4(core, instruction, place, jumps);
            if !place.conditional || jumps {
                return Some(range);
            }
            // Whether the condition held is counted for jumps only.
            let skipped = self::jumps(instruction) != Jumps::Never;
            Some(CycleRange { min: range.min.min(1), max: if skipped { 1 } else { range.max } })
        }
        _ => None,
    }
}

fn m0_plus(instruction: &Instruction, jumps: bool) -> Option<u64> {
    Some(match instruction.kind {
        Kind::Simple | Kind::Multiply => 1,
        Kind::Load | Kind::Store => 2,
        Kind::LoadMultiple(n) => u64::from(n) + if instruction.to_pc { 3 } else { 1 },
        Kind::StoreMultiple(n) => u64::from(n) + 1,
        Kind::Branch if !jumps => 1,
        Kind::Branch | Kind::Jump | Kind::Indirect => 2,
        Kind::Call | Kind::System => 3,
        Kind::Accumulate
        | Kind::LongMultiply
        | Kind::LongAccumulate
        | Kind::Dsp
        | Kind::Divide
        | Kind::TableBranch
        | Kind::IfThen(_) => return None,
    })
}

fn m3_m4(core: Core, instruction: &Instruction, place: Place, jumps: bool) -> CycleRange {
    const REFILL: CycleRange = CycleRange { min: 1, max: 3 };
    let exactly = CycleRange::exactly;
    let m4 = core == Core::M4;
    let refill = if instruction.to_pc { REFILL } else { exactly(0) };
    match instruction.kind {
        Kind::Simple | Kind::Multiply | Kind::Dsp => exactly(1),
        Kind::Accumulate => exactly(if m4 { 1 } else { 2 }),
        Kind::LongMultiply if m4 => exactly(1),
        Kind::LongMultiply => CycleRange { min: 3, max: 5 },
        Kind::LongAccumulate if m4 => exactly(1),
        Kind::LongAccumulate => CycleRange { min: 4, max: 7 },
        Kind::Divide => CycleRange { min: 2, max: 12 },
        Kind::Load => exactly(if place.after_load { 1 } else { 2 }) + refill,
        Kind::Store => exactly(if instruction.indexed && !place.after_load { 2 } else { 1 }),
        Kind::LoadMultiple(n) => exactly(1 + u64::from(n)) + refill,
        Kind::StoreMultiple(n) => exactly(1 + u64::from(n)),
        Kind::Branch if !jumps => exactly(1),
        Kind::Jump | Kind::Branch | Kind::Call | Kind::Indirect => exactly(1) + REFILL,
        Kind::TableBranch => exactly(2) + REFILL,
        Kind::IfThen(_) => CycleRange { min: 0, max: 1 },
        Kind::System => CycleRange { min: 1, max: 2 },
    }
}

#[cfg(test)]
mod tests {
    use super::super::thumb::decode;
    use super::*;

    fn range(core: Core, code: [u16; 2], place: Place, jumps: bool) -> [u64; 2] {
        let CycleRange { min, max } = cycles(core, &decode(code[0], code[1]).unwrap(), place, jumps).unwrap();
        [min, max]
    }

    #[test]
    fn cycles_are_those_of_the_reference_manuals() {
        let plain = Place::default();
        let after_load = Place { after_load: true, conditional: false };
        // Instruction, cycles on the M3 and on the M4.
        let rows = [
            ([0xFBC0, 0x4501], plain, false, [4, 7], [1, 1]),   // smlal
            ([0xFB80, 0x4501], plain, false, [3, 5], [1, 1]),   // smull
            ([0xFB00, 0x2101], plain, false, [2, 2], [1, 1]),   // mla
            ([0x4348, 0], plain, false, [1, 1], [1, 1]),        // muls
            ([0xFB90, 0xF0F1], plain, false, [2, 12], [2, 12]), // sdiv
            ([0x6808, 0], plain, false, [2, 2], [2, 2]),        // ldr
            ([0x6808, 0], after_load, false, [1, 1], [1, 1]),   // ldr after ldr
            ([0x6008, 0], plain, false, [1, 1], [1, 1]),        // str
            ([0xE9D0, 0x2300], plain, false, [3, 3], [3, 3]),   // ldrd
            ([0xC907, 0], plain, false, [4, 4], [4, 4]),        // ldm of three
            ([0xBD70, 0], plain, true, [6, 8], [6, 8]),         // pop of four with pc
            ([0xD1FD, 0], plain, false, [1, 1], [1, 1]),        // bne, not taken
            ([0xD1FD, 0], plain, true, [2, 4], [2, 4]),         // bne, taken
            ([0x4770, 0], plain, true, [2, 4], [2, 4]),         // bx lr
            ([0xE8DF, 0xF000], plain, true, [3, 5], [3, 5]),    // tbb
            ([0xBF08, 0], plain, false, [0, 1], [0, 1]),        // it eq
        ];
        for (code, place, jumps, m3, m4) in rows {
            assert_eq!(range(Core::M3, code, place, jumps), m3, "{code:04x?}");
            assert_eq!(range(Core::M4, code, place, jumps), m4, "{code:04x?}");
        }
        assert_eq!(range(Core::M4, [0xFB20, 0x2101], plain, false), [1, 1], "smlad");
        let m0 = [
            ([0x4348, 0], false, 1),     // muls
            ([0x6808, 0], false, 2),     // ldr
            ([0x6008, 0], false, 2),     // str
            ([0xC907, 0], false, 4),     // ldm of three
            ([0xBD70, 0], true, 7),      // pop of four with pc
            ([0xD1FD, 0], false, 1),     // bne, not taken
            ([0xD1FD, 0], true, 2),      // bne, taken
            ([0xF000, 0xF801], true, 3), // bl
            ([0x4770, 0], true, 2),      // bx lr
        ];
        for (code, jumps, expected) in m0 {
            assert_eq!(range(Core::M0, code, plain, jumps), [expected; 2], "{code:04x?}");
        }
        let smlal = decode(0xFBC0, 0x4501).unwrap();
        assert_eq!(cycles(Core::M0, &smlal, plain, false), None, "the M0+ has no long product");
    }

    #[test]
    fn conditional_instructions_may_take_one_cycle() {
        let conditional = Place { after_load: false, conditional: true };
        assert_eq!(range(Core::M4, [0x6808, 0], conditional, false), [1, 2], "ldreq");
        assert_eq!(range(Core::M4, [0x4770, 0], conditional, false), [1, 1], "bxeq lr, not taken");
        assert_eq!(range(Core::M4, [0x4770, 0], conditional, true), [2, 4], "bxeq lr, taken");
    }

    #[test]
    fn a_load_overlaps_with_the_next_access_unless_that_needs_its_value() {
        let of = |first, second| decode(first, second).unwrap();
        let load = of(0x6808, 0); // ldr r0, [r1]
        assert!(overlap(&load, &of(0x6813, 0)), "ldr r3, [r2]");
        assert!(overlap(&load, &of(0x6010, 0)), "str r0, [r2] stores the loaded value");
        assert!(!overlap(&load, &of(0x6803, 0)), "ldr r3, [r0] needs the loaded value");
        assert!(!overlap(&load, &of(0xF852, 0x3B04)), "ldr r3, [r2], #4 updates its base register");
        assert!(!overlap(&of(0x6010, 0), &load), "a store is no load");
        assert!(!overlap(&load, &of(0xE9D2, 0x3400)), "ldrd takes its full time");
    }
}
