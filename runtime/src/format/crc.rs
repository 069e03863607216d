//! The checksum of model files: CRC-32 (IEEE 802.3, reflected, as in zlib).

/// Continues `crc` over `bytes`; start with 0.
pub(crate) fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = !crc;
    for &byte in bytes {
        crc = step(step(crc ^ u32::from(byte)));
    }
    !crc
}

/// Four bits at once: 64 bytes of table instead of 1,024.
fn step(crc: u32) -> u32 {
    const NIBBLES: [u32; 16] = nibbles();
    (crc >> 4) ^ NIBBLES[(crc & 15) as usize]
}

const fn nibbles() -> [u32; 16] {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 4 {
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
