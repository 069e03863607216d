//! Counts floating-point (VFP) instructions in Thumb code.

/// What the code section contains from an address on: instructions, or literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionPart {
    Code,
    Data,
}

/// The mapping symbols of the Arm ABI, `$t` before code and `$d` before data, by address.
pub(crate) fn marks<'a>(symbols: impl Iterator<Item = (&'a str, u64)>) -> Vec<(u64, SectionPart)> {
    let holds = |name: &str| match name.split('.').next() {
        Some("$t") => Some(SectionPart::Code),
        Some("$d") => Some(SectionPart::Data),
        _ => None,
    };
    let mut marks: Vec<(u64, SectionPart)> = symbols.filter_map(|(name, at)| Some((at, holds(name)?))).collect();
    marks.sort_by_key(|&(at, _)| at);
    marks
}

/// Counts instructions in `text` that use the floating-point registers.
pub(crate) fn count(text: &[u8], start: u64, marks: &[(u64, SectionPart)]) -> usize {
    let half = |at: usize| text.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (mut found, mut at, mut mark, mut holds) = (0, 0, 0, SectionPart::Code);
    while let Some(first) = half(at) {
        while let Some(&(address, next)) = marks.get(mark)
            && address <= start + at as u64
        {
            (mark, holds) = (mark + 1, next);
        }
        // A first halfword of 0b11101 or more in the top bits starts a 32-bit instruction.
        let wide = holds == SectionPart::Code && first >> 11 >= 0b11101;
        if wide && is_float(first, half(at + 2).unwrap_or(0)) {
            found += 1;
        }
        at += if wide { 4 } else { 2 };
    }
    found
}

/// Whether an instruction addresses coprocessor 10 or 11, the floating-point unit: 111x 11xx xxxx xxxx, xxxx 101x xxxx xxxx.
fn is_float(first: u16, second: u16) -> bool {
    first & 0xEC00 == 0xEC00 && second & 0x0E00 == 0x0A00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_instructions_are_counted_and_literals_are_not() {
        let halves: [u16; 9] = [
            0x4770, // bx lr
            0xEE30, 0x0A01, // vadd.f32 s0, s0, s2
            0xED2D, 0x8B02, // vpush {d8}
            0xFBC2, 0x0103, // smlal r0, r1, r2, r3
            0xEE30, 0x0A01, // a literal
        ];
        let text: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let symbols = [("$d.7", 0x100E), ("$t.0", 0x1000), ("probe", 0x1001)];
        assert_eq!(count(&text, 0x1000, &marks(symbols.into_iter())), 2);
        assert_eq!(count(&text, 0x1000, &[]), 3);
    }
}
