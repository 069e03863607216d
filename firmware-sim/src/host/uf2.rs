//! UF2 files for a boot loader's USB drive: blocks of 512 bytes, each with its address and the family ID of the chip.
//!
//! The format is specified at <https://github.com/microsoft/uf2>; the family IDs are those of the boot loaders in ROM.

use std::fmt;

use object::Endianness;
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// Family ID of the RP2040.
pub(crate) const RP2040: u32 = 0xE48B_FF56;
/// Family ID of the RP2350 with Arm cores in secure mode.
pub(crate) const RP2350_ARM: u32 = 0xE48B_FF59;

/// Bytes of a block.
const BLOCK: usize = 512;
/// Payload of a block: one page of flash, which the boot loader writes at once.
const PAGE: usize = 256;
/// The two words at the start of a block.
const MAGIC: [u32; 2] = [0x0A32_4655, 0x9E5D_5157];
/// The word at the end of a block.
const MAGIC_END: u32 = 0x0AB1_6F30;
/// Flag: the block has a family ID.
const FAMILY_PRESENT: u32 = 0x2000;

/// Contiguous bytes of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashSegment {
    /// Address of the first byte.
    pub address: u32,
    /// The contents.
    pub bytes: Vec<u8>,
}

impl FlashSegment {
    /// Reads the segments that a linked program (ELF, 32 bits) loads into flash, sorted by address.
    ///
    /// # Errors
    /// If the bytes are not such a program.
    pub fn of_program(elf: &[u8]) -> Result<Vec<Self>, NotAProgram> {
        let header = FileHeader32::<Endianness>::parse(elf)?;
        let endian = header.endian()?;
        let mut segments = Vec::new();
        for segment in header.program_headers(endian, elf)? {
            let bytes =
                segment.data(endian, elf).map_err(|()| NotAProgram("a segment lies outside of the file".into()))?;
            if segment.p_type(endian) == PT_LOAD && !bytes.is_empty() {
                segments.push(Self { address: segment.p_paddr(endian), bytes: bytes.to_vec() });
            }
        }
        segments.sort_by_key(|segment| segment.address);
        Ok(segments)
    }

    /// Returns the total bytes of several segments.
    #[must_use]
    pub fn total(segments: &[Self]) -> usize {
        segments.iter().map(|segment| segment.bytes.len()).sum()
    }

    /// Returns the address after the last byte of the segments.
    #[must_use]
    pub fn end(segments: &[Self]) -> usize {
        segments.iter().map(|segment| segment.address as usize + segment.bytes.len()).max().unwrap_or(0)
    }
}

/// The bytes are not a linked program for a 32-bit device; the message says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAProgram(String);

impl fmt::Display for NotAProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a linked program: {}", self.0)
    }
}

impl std::error::Error for NotAProgram {}

impl From<object::Error> for NotAProgram {
    fn from(cause: object::Error) -> Self {
        Self(cause.to_string())
    }
}

/// Encodes segments, sorted by address, as a UF2 file for the boot loader with this family ID.
#[must_use]
pub fn uf2_file(segments: &[FlashSegment], family: u32) -> Vec<u8> {
    let pages = pages(segments);
    let count = pages.len() as u32;
    let mut out = Vec::with_capacity(pages.len() * BLOCK);
    for (number, (address, page)) in (0..).zip(pages) {
        let start = out.len();
        for word in [MAGIC[0], MAGIC[1], FAMILY_PRESENT, address, PAGE as u32, number, count, family] {
            out.extend(u32::to_le_bytes(word));
        }
        out.extend(page);
        out.resize(start + BLOCK - 4, 0);
        out.extend(u32::to_le_bytes(MAGIC_END));
    }
    out
}

/// Divides segments into whole, aligned pages. Bytes that no segment covers are 0xFF, like erased flash.
fn pages(segments: &[FlashSegment]) -> Vec<(u32, [u8; PAGE])> {
    let mut pages: Vec<(u32, [u8; PAGE])> = Vec::new();
    for segment in segments {
        for (at, &byte) in (segment.address..).zip(&segment.bytes) {
            let (start, offset) = (at - at % PAGE as u32, at as usize % PAGE);
            if pages.last().is_none_or(|(last, _)| *last != start) {
                pages.push((start, [0xFF; PAGE]));
            }
            if let Some((_, page)) = pages.last_mut() {
                page[offset] = byte;
            }
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(block: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(block[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn blocks_have_the_layout_of_the_specification() {
        // The second segment begins in the page where the first one ends.
        let first = FlashSegment { address: 0x1000_0000, bytes: (0..=255).chain(0..10).collect() };
        let second = FlashSegment { address: 0x1000_0110, bytes: vec![7; 300] };
        let file = uf2_file(&[first, second], RP2040);
        assert_eq!(file.len(), 3 * BLOCK);
        for (i, block) in file.chunks_exact(BLOCK).enumerate() {
            let head = [0, 4, 8, 12, 16, 20, 24, 28].map(|at| word(block, at));
            let address = 0x1000_0000 + 256 * i as u32;
            assert_eq!(head, [0x0A32_4655, 0x9E5D_5157, 0x2000, address, 256, i as u32, 3, 0xE48B_FF56]);
            assert_eq!(word(block, 508), 0x0AB1_6F30);
            assert!(block[32 + 256..508].iter().all(|&b| b == 0));
        }
        assert!((0..=255).eq(file[32..32 + 256].iter().copied()));
        let page = &file[512 + 32..512 + 32 + 256];
        assert_eq!(page[..18], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 7, 7]);
        assert_eq!(file[1024 + 32 + 59..1024 + 32 + 61], [7, 0xFF]);
    }

    #[test]
    fn bytes_that_are_not_a_program_are_refused() {
        assert!(FlashSegment::of_program(b"no program").is_err());
    }
}
