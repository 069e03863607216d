//! Classifies Thumb instructions of Armv6-M and Armv7E-M by what determines their time.

/// What an instruction does, as far as its time depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Arithmetic, logic, shifts, moves, extensions, bit fields, saturation, hints.
    Simple,
    /// 32-bit product: MUL.
    Multiply,
    /// 32-bit product and sum: MLA, MLS.
    Accumulate,
    /// 64-bit product: SMULL, UMULL.
    LongMultiply,
    /// 64-bit product and sum: SMLAL, UMLAL.
    LongAccumulate,
    /// Product of the DSP extension: SMLAD, SMMUL, SMLABB and so on.
    Dsp,
    Divide,
    /// LDR of a byte, a half-word or a word.
    Load,
    /// STR of a byte, a half-word or a word.
    Store,
    /// LDM and POP of some registers, LDRD of two.
    LoadMultiple(u8),
    /// STM and PUSH of some registers, STRD of two.
    StoreMultiple(u8),
    /// B.
    Jump,
    /// B with a condition, CBZ, CBNZ.
    Branch,
    /// BL.
    Call,
    /// BX and BLX of a register, MOV and ADD to the program counter.
    Indirect,
    /// TBB, TBH.
    TableBranch,
    /// IT; the number of instructions that it makes conditional.
    IfThen(u8),
    /// MRS, MSR, CPS, barriers, exceptions.
    System,
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) kind: Kind,
    /// Length in bytes.
    pub(super) size: u32,
    /// Whether a load writes the program counter.
    pub(super) to_pc: bool,
    /// Register that a single load writes; registers of the address of a load or store; registers that arithmetic writes. Bit n stands for
    /// register n.
    pub(super) loaded: u16,
    pub(super) address: u16,
    pub(super) computed: u16,
    /// Whether the address adds two registers.
    pub(super) indexed: bool,
    /// Whether the base register is updated.
    pub(super) updates: bool,
}

/// Decodes the instruction that begins with the half-word `first`; `second` is read only if the instruction has 32 bits.
///
/// Returns `None` for floating-point, coprocessor and vector instructions.
pub(super) fn decode(first: u16, second: u16) -> Option<Instruction> {
    if first >= 0xE800 { wide(first, second) } else { Some(narrow(first)) }
}

const fn of(kind: Kind, size: u32) -> Instruction {
    Instruction { kind, size, to_pc: false, loaded: 0, address: 0, computed: 0, indexed: false, updates: false }
}

/// A register number from four bits.
const fn register(bits: u16, shift: u32) -> u16 {
    bits >> shift & 15
}

/// A single load or store of the register `rt` at the registers of the mask `address`.
const fn single(load: bool, size: u32, rt: u16, address: u16) -> Instruction {
    let kind = if load { Kind::Load } else { Kind::Store };
    let loaded = if load { 1 << rt } else { 0 };
    Instruction { loaded, address, indexed: address.count_ones() > 1, ..of(kind, size) }
}

/// A load or store of the registers of a mask at the register `base`.
const fn multiple(load: bool, size: u32, registers: u16, base: u16) -> Instruction {
    let count = registers.count_ones() as u8;
    let kind = if load { Kind::LoadMultiple(count) } else { Kind::StoreMultiple(count) };
    Instruction { to_pc: load && registers & 0x8000 != 0, address: 1 << base, ..of(kind, size) }
}

fn narrow(op: u16) -> Instruction {
    let low = |shift: u32| op >> shift & 7;
    let high = op >> 4 & 8 | low(0);
    let kind = match op >> 8 {
        0x43 if op & 0xFFC0 == 0x4340 => Kind::Multiply,
        0x00..0x44 | 0x45 | 0xA0..=0xB0 | 0xB2 | 0xBA => Kind::Simple,
        0x44 | 0x46 if high == 15 => Kind::Indirect,
        0x44 | 0x46 => Kind::Simple,
        0x47 => Kind::Indirect,
        0x48..0x50 => return single(true, 2, low(8), 1 << 15),
        0x50..0x60 => return single(low(9) >= 3, 2, low(0), 1 << low(3) | 1 << low(6)),
        0x60..0x90 => return single(op & 0x0800 != 0, 2, low(0), 1 << low(3)),
        0x90..0xA0 => return single(op & 0x0800 != 0, 2, low(8), 1 << 13),
        0xB1 | 0xB3 | 0xB9 | 0xBB => Kind::Branch,
        // The ninth bit of the list is LR or PC.
        0xB4 | 0xB5 => return multiple(false, 2, op & 0xFF | (op & 0x0100) << 6, 13),
        0xBC | 0xBD => return multiple(true, 2, op & 0xFF | (op & 0x0100) << 7, 13),
        0xBF if op & 15 == 0 => Kind::Simple,
        0xBF => Kind::IfThen(4 - (op & 15).trailing_zeros() as u8),
        0xC0..0xD0 => return multiple(op & 0x0800 != 0, 2, op & 0xFF, low(8)),
        0xD0..0xDE => Kind::Branch,
        0xE0..0xE8 => Kind::Jump,
        _ => Kind::System,
    };
    // CMP, CMN and TST write flags only.
    let target = match op >> 8 {
        0x28..0x30 | 0x45 => None,
        0x42 if op & 0xFFC0 != 0x4240 => None,
        0x00..0x20 | 0x40..0x44 | 0xB2 | 0xBA => Some(low(0)),
        0x20..0x40 | 0xA0..0xB0 => Some(low(8)),
        0x44 | 0x46 => Some(high),
        0xB0 => Some(13),
        _ => None,
    };
    Instruction { computed: target.map_or(0, |register| 1 << register), ..of(kind, 2) }
}

fn wide(first: u16, second: u16) -> Option<Instruction> {
    let load = first & 0x0010 != 0;
    let kind = match first >> 8 {
        0xE8 | 0xE9 if first & 0x0040 == 0 => return Some(multiple(load, 4, second, register(first, 0))),
        // Neither indexed nor updating: exclusive accesses and table branches.
        0xE8 | 0xE9 if first & 0x0120 == 0 => {
            let table = first & 0xFFF0 == 0xE8D0 && second & 0xFFE0 == 0xF000;
            if table {
                Kind::TableBranch
            } else {
                return Some(single(load, 4, register(second, 12), 1 << register(first, 0)));
            }
        }
        0xE8 | 0xE9 => {
            let two = 1 << register(second, 12) | 1 << register(second, 8);
            return Some(multiple(load, 4, two, register(first, 0)));
        }
        0xEA | 0xEB => Kind::Simple,
        0xF0..0xF8 if second & 0x8000 == 0 => Kind::Simple,
        0xF0..0xF8 => match second & 0xD000 {
            0xD000 => Kind::Call,
            0x9000 => Kind::Jump,
            0x8000 if first & 0x0380 == 0x0380 => {
                if first == 0xF3AF {
                    Kind::Simple
                } else {
                    Kind::System
                }
            }
            0x8000 => Kind::Branch,
            _ => return None,
        },
        0xF8 | 0xF9 => return Some(wide_single(first, second)),
        0xFA => Kind::Simple,
        0xFB => product(first, second),
        _ => return None,
    };
    // A long product writes two registers. CMP, CMN, TST and TEQ name register 15.
    let computed = match kind {
        Kind::Simple => 1 << register(second, 8),
        Kind::LongMultiply | Kind::LongAccumulate => 1 << register(second, 12) | 1 << register(second, 8),
        Kind::Multiply | Kind::Accumulate | Kind::Dsp | Kind::Divide => 1 << register(second, 8),
        _ => 0,
    };
    Some(Instruction { computed: computed & 0x7FFF, ..of(kind, 4) })
}

/// A load or store with a 12-bit offset, an 8-bit offset that may update the base register, or a shifted register.
fn wide_single(first: u16, second: u16) -> Instruction {
    let (load, word, rt, base) =
        (first & 0x0010 != 0, first & 0x0060 == 0x0040, register(second, 12), register(first, 0));
    if load && rt == 15 && !word {
        // A preload.
        return of(Kind::Simple, 4);
    }
    let short = first & 0x0080 == 0 && base != 15;
    let by_register = short && second & 0x0800 == 0;
    let index = if by_register { 1 << register(second, 0) } else { 0 };
    Instruction {
        to_pc: load && rt == 15,
        indexed: by_register,
        updates: short && !by_register && second & 0x0100 != 0,
        ..single(load, 4, rt, 1 << base | index)
    }
}

/// Products, sums of products and quotients.
const fn product(first: u16, second: u16) -> Kind {
    let (op, detail) = (first >> 4 & 7, second >> 4 & 15);
    match (first & 0x0080 != 0, op, detail) {
        (false, 0, 0) if register(second, 12) == 15 => Kind::Multiply,
        (false, 0, 0 | 1) => Kind::Accumulate,
        (true, 0 | 2, 0) => Kind::LongMultiply,
        (true, 1 | 3, 15) => Kind::Divide,
        (true, 4 | 6, 0) => Kind::LongAccumulate,
        _ => Kind::Dsp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(first: u16, second: u16) -> Kind {
        decode(first, second).unwrap().kind
    }

    #[test]
    fn instructions_are_classified_by_their_encoding() {
        // As an assembler encodes them.
        let narrow = [
            (0x1E40, Kind::Simple),           // subs r0, r0, #1
            (0x4348, Kind::Multiply),         // muls r0, r1, r0
            (0x4388, Kind::Simple),           // bics r0, r1
            (0x6808, Kind::Load),             // ldr r0, [r1]
            (0x5C88, Kind::Load),             // ldrb r0, [r1, r2]
            (0x5488, Kind::Store),            // strb r0, [r1, r2]
            (0x4801, Kind::Load),             // ldr r0, [pc, #4]
            (0x9001, Kind::Store),            // str r0, [sp, #4]
            (0xA801, Kind::Simple),           // add r0, sp, #4
            (0xB570, Kind::StoreMultiple(4)), // push {r4, r5, r6, lr}
            (0xBD70, Kind::LoadMultiple(4)),  // pop {r4, r5, r6, pc}
            (0xC907, Kind::LoadMultiple(3)),  // ldm r1!, {r0, r1, r2}
            (0xB108, Kind::Branch),           // cbz r0
            (0xD1FD, Kind::Branch),           // bne
            (0xE7FE, Kind::Jump),             // b
            (0x4770, Kind::Indirect),         // bx lr
            (0x469F, Kind::Indirect),         // mov pc, r3
            (0x4618, Kind::Simple),           // mov r0, r3
            (0xBF00, Kind::Simple),           // nop
            (0xBF08, Kind::IfThen(1)),        // it eq
            (0xBF8C, Kind::IfThen(2)),        // ite hi
            (0xBF01, Kind::IfThen(4)),        // itttt eq
            (0xBEAB, Kind::System),           // bkpt
        ];
        for (code, expected) in narrow {
            assert_eq!(kind(code, 0), expected, "{code:04x}");
            assert_eq!(decode(code, 0).unwrap().size, 2);
        }
        let wide = [
            ([0xFBC0, 0x4501], Kind::LongAccumulate),   // smlal r4, r5, r0, r1
            ([0xFBE0, 0x4501], Kind::LongAccumulate),   // umlal r4, r5, r0, r1
            ([0xFB80, 0x4501], Kind::LongMultiply),     // smull r4, r5, r0, r1
            ([0xFB00, 0x2101], Kind::Accumulate),       // mla r1, r0, r1, r2
            ([0xFB00, 0x2111], Kind::Accumulate),       // mls r1, r0, r1, r2
            ([0xFB00, 0xF101], Kind::Multiply),         // mul r1, r0, r1
            ([0xFB20, 0x2101], Kind::Dsp),              // smlad r1, r0, r1, r2
            ([0xFB50, 0xF111], Kind::Dsp),              // smmulr r1, r0, r1
            ([0xFB90, 0xF0F1], Kind::Divide),           // sdiv r0, r0, r1
            ([0xFBB0, 0xF0F1], Kind::Divide),           // udiv r0, r0, r1
            ([0xE8F0, 0x2302], Kind::LoadMultiple(2)),  // ldrd r2, r3, [r0], #8
            ([0xE9D0, 0x2300], Kind::LoadMultiple(2)),  // ldrd r2, r3, [r0]
            ([0xE9CD, 0x2301], Kind::StoreMultiple(2)), // strd r2, r3, [sp, #4]
            ([0xE92D, 0x4FF0], Kind::StoreMultiple(9)), // push {r4-r11, lr}
            ([0xE8BD, 0x8FF0], Kind::LoadMultiple(9)),  // pop {r4-r11, pc}
            ([0xE8DF, 0xF000], Kind::TableBranch),      // tbb [pc, r0]
            ([0xF850, 0xAB04], Kind::Load),             // ldr r10, [r0], #4
            ([0xF8C0, 0x1064], Kind::Store),            // str r1, [r0, #100]
            ([0xF340, 0x0014], Kind::Simple),           // sbfx r0, r0, #0, #21
            ([0xF000, 0xF801], Kind::Call),             // bl
            ([0xF000, 0xB801], Kind::Jump),             // b.w
            ([0xF47F, 0xAFFE], Kind::Branch),           // bne.w
            ([0xF3BF, 0x8F4F], Kind::System),           // dsb
            ([0xFA91, 0xF081], Kind::Simple),           // rev.w
            ([0xEB00, 0x0081], Kind::Simple),           // add.w r0, r0, r1, lsl #2
        ];
        for ([first, second], expected) in wide {
            assert_eq!(kind(first, second), expected, "{first:04x} {second:04x}");
            assert_eq!(decode(first, second).unwrap().size, 4);
        }
        assert!(decode(0xEE30, 0x0A00).is_none(), "vadd.f32 is no integer instruction");
    }

    #[test]
    fn loads_name_their_registers() {
        let plain = decode(0x6808, 0).unwrap();
        assert_eq!((plain.loaded, plain.address, plain.indexed), (1, 2, false));
        let indexed = decode(0x5C88, 0).unwrap();
        assert_eq!((indexed.loaded, indexed.address, indexed.indexed), (1, 0b110, true));
        let updating = decode(0xF850, 0xAB04).unwrap();
        assert!(updating.updates && updating.loaded == 1 << 10 && updating.address == 1);
        assert!(decode(0xE8BD, 0x8FF0).unwrap().to_pc && decode(0xBD70, 0).unwrap().to_pc);
        assert!(!decode(0xB570, 0).unwrap().to_pc && !decode(0xE92D, 0x4FF0).unwrap().to_pc);
        assert!(decode(0xF85D, 0xFB04).unwrap().to_pc, "pop.w {{pc}}");
        // push, ldm r1!, ldrd r2, r3, [r0].
        let address = |first, second| decode(first, second).unwrap().address;
        assert_eq!([address(0xB570, 0), address(0xC907, 0), address(0xE9D0, 0x2300)], [1 << 13, 1 << 1, 1 << 0]);
    }

    #[test]
    fn arithmetic_names_the_registers_that_it_writes() {
        let cases = [
            ([0x1E41, 0], 1 << 1),               // subs r1, r0, #1
            ([0x3604, 0], 1 << 6),               // adds r6, #4
            ([0x2E04, 0], 0),                    // cmp r6, #4
            ([0x4288, 0], 0),                    // cmp r0, r1
            ([0x4248, 0], 1 << 0),               // rsbs r0, r1, #0
            ([0x4348, 0], 1 << 0),               // muls r0, r1, r0
            ([0x44C8, 0], 1 << 8),               // add r8, r9
            ([0xAE01, 0], 1 << 6),               // add r6, sp, #4
            ([0xB082, 0], 1 << 13),              // sub sp, #8
            ([0xB2C8, 0], 1 << 0),               // uxtb r0, r1
            ([0xEB00, 0x0281], 1 << 2),          // add.w r2, r0, r1, lsl #2
            ([0xEBB0, 0x0F01], 0),               // cmp.w r0, r1
            ([0xFBC2, 0x4503], 1 << 4 | 1 << 5), // smlal r4, r5, r2, r3
            ([0xFB02, 0x6603], 1 << 6),          // mla r6, r2, r3, r6
            ([0x6808, 0], 0),                    // ldr r0, [r1]
            ([0xD1FD, 0], 0),                    // bne
        ];
        for ([first, second], expected) in cases {
            assert_eq!(decode(first, second).unwrap().computed, expected, "{first:04x} {second:04x}");
        }
    }
}
