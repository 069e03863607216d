//! The checksum of model files: CRC-32 (IEEE 802.3, reflected, as in zlib).

/// Continues a checksum over `bytes`. The first call takes 0.
pub(crate) fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks();
    // Four bytes per iteration: this loop dominates the time to load a large model.
    let crc = words.iter().fold(!crc, |crc, word| step(step(step(step(crc ^ u32::from_le_bytes(*word))))));
    !rest.iter().fold(crc, |crc, &byte| step(crc ^ u32::from(byte)))
}

/// Processes the lowest eight bits.
#[inline(always)]
fn step(crc: u32) -> u32 {
    static TABLE: [u32; 256] = table();
    (crc >> 8) ^ TABLE[(crc & 255) as usize]
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
    }
}
