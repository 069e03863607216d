//! Requantization: from a 32-bit accumulator to an 8-bit activation, as specified in `docs/FORMAT.md`.
use crate::format::{Activation, TABLE_LEN};

/// Bytes of an activation table.
pub(crate) type Table = [u8; 2 * TABLE_LEN];

/// Returns the table of an activation; `None` for `Clamp`.
pub(crate) fn table_at(blob: &[u8], activation: Activation) -> Option<&Table> {
    match activation {
        Activation::Clamp => None,
        Activation::Table(span) => blob.get(span.at as usize..)?.first_chunk(),
    }
}

/// Returns `acc * m / 2^32 + offset`, rounded to nearest with ties up. `m` is in 0..2^31.
#[inline(always)]
pub(crate) fn requantize(acc: i32, m: i32, offset: i32) -> i32 {
    // Adding the offset to the high word costs nothing on cores with a multiply-accumulate.
    ((i64::from(acc) * i64::from(m) + (1 << 31) + (i64::from(offset) << 32)) >> 32) as i32
}

/// Saturates to i8.
#[inline(always)]
pub(crate) fn saturate(scaled: i32) -> i8 {
    scaled.clamp(-128, 127) as i8
}

/// Saturates to i16, then interpolates linearly in a table of 257 little-endian i16 with 8 fractional bits.
pub(crate) fn look_up(scaled: i32, table: &Table) -> i8 {
    let u = (scaled.clamp(-32768, 32767) + 32768) as usize;
    let entry =
        |i: usize| table.get(2 * i..).and_then(|t| t.first_chunk()).map_or(0, |b| i32::from(i16::from_le_bytes(*b)));
    let (low, high, fraction) = (entry(u >> 8), entry((u >> 8) + 1), (u & 255) as i32);
    ((low * 256 + (high - low) * fraction + (1 << 15)) >> 16).clamp(-128, 127) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_up() {
        assert_eq!(requantize(3, (1u32 << 31 >> 1) as i32, 0), 1); // 0.75
        assert_eq!(requantize(2, 1 << 30, 0), 1); // 0.5
        assert_eq!(requantize(-2, 1 << 30, 0), 0); // -0.5
        assert_eq!(requantize(-6, 1 << 30, 5), 4); // -1.5 + 5
        assert_eq!(requantize(i32::MIN, i32::MAX, -128), -(1 << 30) + 1 - 128);
    }

    #[test]
    fn saturation_reaches_both_ends() {
        assert_eq!(saturate(requantize(i32::MAX, i32::MAX, 127)), 127);
        assert_eq!(saturate(requantize(i32::MIN, i32::MAX, -128)), -128);
        assert_eq!(saturate(-133), -128);
    }
}
