//! Cycles of instructions with memory that has no wait states, from the technical reference manuals of Arm.
//!
//! - Cortex-M0+ r0p1 (DDI 0484C, table 3-1), with the multiplier that takes one cycle.
//! - Cortex-M3 r2p1 (DDI 0337I, table 3-1 and section 3.3.2), Cortex-M4 r0p1 (DDI 0439D, table 3-1 and section 3.3.2).
//!
//! Where the manuals give a range, so does this model: P, the cycles to refill the pipeline, is 1 to 3, depending on the width and the
//! alignment of the target and on whether its address is known early; long products of the M3 and quotients depend on the operands; an IT
//! instruction may take no cycle of its own; a conditional instruction that is not executed takes one. TBB and TBH take 2 + P in the table
//! and at least 6 in the text; the range covers both.
//!
//! Section 3.3.2 gives the rules for loads and stores of M3 and M4, which apply to neighbors in memory, executed one after the other:
//! - A single load or store that follows a single load takes one cycle less, unless it needs the loaded value for its address, or one of
//!   them updates its base register.
//! - A store to a base and a constant takes one cycle. If it updates its base register, this model takes one or two: the table says 2.
//! - A load or store whose address the instruction before it computed takes one cycle more, because nothing forwards the result.
//! - A load of a literal may take one cycle more, because it competes with the fetch of code.
//! - LDRD, STRD, LDM and STM overlap with no other instruction.

use super::thumb::{Instruction, Kind};
use ganlet_sim::host::{Core, CycleRange};

/// Where an instruction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The instruction before it, executed directly before it, as far as that matters.
    pub(super) after: After,
    /// An IT instruction makes it conditional.
    pub(super) conditional: bool,
}

/// What the instruction directly before a load or store means for its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing.
    #[default]
    Other,
    /// A load that it overlaps with.
    Load,
    /// Arithmetic that computed its address.
    Address,
}

/// What `before`, executed directly before `next`, means for the time of `next`.
pub(super) fn after(before: &Instruction, next: &Instruction) -> After {
    let single = matches!(next.kind, Kind::Load | Kind::Store) && !next.updates;
    if before.computed & next.address != 0 {
        After::Address
    } else if single
        && before.kind == Kind::Load
        && !before.to_pc
        && !before.updates
        && before.loaded & next.address == 0
    {
        After::Load
    } else {
        After::Other
    }
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
        Core::M3 if instruction.kind == Kind::Dsp => None,
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
    let stall = exactly(u64::from(place.after == After::Address));
    let after_load = place.after == After::Load;
    let literal = CycleRange { min: 0, max: u64::from(instruction.address == 1 << 15) };
    match instruction.kind {
        Kind::Simple | Kind::Multiply | Kind::Dsp => exactly(1),
        Kind::Accumulate => exactly(if m4 { 1 } else { 2 }),
        Kind::LongMultiply if m4 => exactly(1),
        Kind::LongMultiply => CycleRange { min: 3, max: 5 },
        Kind::LongAccumulate if m4 => exactly(1),
        Kind::LongAccumulate => CycleRange { min: 4, max: 7 },
        Kind::Divide => CycleRange { min: 2, max: 12 },
        Kind::Load => exactly(if after_load { 1 } else { 2 }) + literal + stall + refill,
        Kind::Store if after_load => exactly(1),
        Kind::Store if instruction.updates => CycleRange { min: 1, max: 2 } + stall,
        Kind::Store => exactly(if instruction.indexed { 2 } else { 1 }) + stall,
        Kind::LoadMultiple(n) => exactly(1 + u64::from(n)) + stall + refill,
        Kind::StoreMultiple(n) => exactly(1 + u64::from(n)) + stall,
        Kind::Branch if !jumps => exactly(1),
        Kind::Jump | Kind::Branch | Kind::Call | Kind::Indirect => exactly(1) + REFILL,
        Kind::TableBranch => CycleRange { min: 3, max: 6 },
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
        let after_load = Place { after: After::Load, conditional: false };
        let computed = Place { after: After::Address, conditional: false };
        // Instruction, cycles on the M3 and on the M4.
        let rows = [
            ([0xFBC0, 0x4501], plain, false, [4, 7], [1, 1]),   // smlal
            ([0xFB80, 0x4501], plain, false, [3, 5], [1, 1]),   // smull
            ([0xFB00, 0x2101], plain, false, [2, 2], [1, 1]),   // mla
            ([0x4348, 0], plain, false, [1, 1], [1, 1]),        // muls
            ([0xFB90, 0xF0F1], plain, false, [2, 12], [2, 12]), // sdiv
            ([0x6808, 0], plain, false, [2, 2], [2, 2]),        // ldr
            ([0x6808, 0], after_load, false, [1, 1], [1, 1]),   // ldr after ldr
            ([0x6808, 0], computed, false, [3, 3], [3, 3]),     // ldr at a computed address
            ([0x4801, 0], plain, false, [2, 3], [2, 3]),        // ldr of a literal
            ([0xF85D, 0xFB04], plain, true, [3, 5], [3, 5]),    // ldr to pc
            ([0x6008, 0], plain, false, [1, 1], [1, 1]),        // str
            ([0x5488, 0], plain, false, [2, 2], [2, 2]),        // strb at a sum of registers
            ([0xF802, 0x1B01], plain, false, [1, 2], [1, 2]),   // strb that updates its base register
            ([0x6008, 0], computed, false, [2, 2], [2, 2]),     // str at a computed address
            ([0xE9D0, 0x2300], plain, false, [3, 3], [3, 3]),   // ldrd
            ([0xC907, 0], plain, false, [4, 4], [4, 4]),        // ldm of three
            ([0xB570, 0], plain, false, [5, 5], [5, 5]),        // push of four
            ([0xBD70, 0], plain, true, [6, 8], [6, 8]),         // pop of four with pc
            ([0xD1FD, 0], plain, false, [1, 1], [1, 1]),        // bne, not taken
            ([0xD1FD, 0], plain, true, [2, 4], [2, 4]),         // bne, taken
            ([0x4770, 0], plain, true, [2, 4], [2, 4]),         // bx lr
            ([0xE8DF, 0xF000], plain, true, [3, 6], [3, 6]),    // tbb
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
            ([0xB570, 0], false, 5),     // push of four
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
        let smlad = decode(0xFB20, 0x2101).unwrap();
        assert_eq!(cycles(Core::M3, &smlad, plain, false), None, "the M3 has no DSP extension");
    }

    #[test]
    fn conditional_instructions_may_take_one_cycle() {
        let conditional = Place { after: After::Other, conditional: true };
        assert_eq!(range(Core::M4, [0x6808, 0], conditional, false), [1, 2], "ldreq");
        assert_eq!(range(Core::M4, [0x4770, 0], conditional, false), [1, 1], "bxeq lr, not taken");
        assert_eq!(range(Core::M4, [0x4770, 0], conditional, true), [2, 4], "bxeq lr, taken");
    }

    #[test]
    fn the_instruction_before_a_load_or_store_matters() {
        let of = |first, second| decode(first, second).unwrap();
        let load = of(0x6808, 0); // ldr r0, [r1]
        assert_eq!(after(&load, &of(0x6813, 0)), After::Load, "ldr r3, [r2]");
        assert_eq!(after(&load, &of(0x6010, 0)), After::Load, "str r0, [r2] stores the loaded value");
        assert_eq!(after(&load, &of(0x6803, 0)), After::Other, "ldr r3, [r0] needs the loaded value");
        assert_eq!(after(&load, &of(0xF852, 0x3B04)), After::Other, "ldr r3, [r2], #4 updates its base register");
        assert_eq!(after(&of(0x6010, 0), &load), After::Other, "a store is no load");
        assert_eq!(after(&load, &of(0xE9D2, 0x3400)), After::Other, "ldrd takes its full time");
        let add = of(0x3104, 0); // adds r1, #4
        assert_eq!(after(&add, &load), After::Address);
        assert_eq!(after(&add, &of(0xE9D1, 0x3400)), After::Address, "ldrd r3, r4, [r1]");
        assert_eq!(after(&add, &of(0x6813, 0)), After::Other, "ldr r3, [r2]");
        assert_eq!(after(&add, &of(0x6011, 0)), After::Other, "str r1, [r2] stores the sum");
    }
}
