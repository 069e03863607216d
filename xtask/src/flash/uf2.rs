//! Firmware as UF2: blocks of 512 bytes that a boot loader takes as a file, each with its address and the chip's family.
//!
//! The format is specified at <https://github.com/microsoft/uf2>; the families are those of the boot loaders in ROM.

use object::Endianness;
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// RP2040.
pub(crate) const RP2040: u32 = 0xE48B_FF56;
/// RP2350, Arm cores, secure.
pub(crate) const RP2350_ARM: u32 = 0xE48B_FF59;

const BLOCK: usize = 512;
/// Bytes of flash in a block: a page, which the boot loader writes at once.
const PAGE: usize = 256;
const MAGIC: [u32; 2] = [0x0A32_4655, 0x9E5D_5157];
const END: u32 = 0x0AB1_6F30;
const HAS_FAMILY: u32 = 0x2000;

/// A stretch of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) address: u32,
    pub(crate) bytes: Vec<u8>,
}

/// What a linked program puts into flash, by address.
pub(crate) fn stretches(elf: &[u8]) -> Result<Vec<Stretch>, String> {
    let header = FileHeader32::<Endianness>::parse(elf).map_err(|e| e.to_string())?;
    let endian = header.endian().map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for segment in header.program_headers(endian, elf).map_err(|e| e.to_string())? {
        let bytes = segment.data(endian, elf).map_err(|()| "a segment lies outside of the file".to_owned())?;
        if segment.p_type(endian) == PT_LOAD && !bytes.is_empty() {
            all.push(Stretch { address: segment.p_paddr(endian), bytes: bytes.to_vec() });
        }
    }
    all.sort_by_key(|s| s.address);
    Ok(all)
}

/// Bytes of flash from the first to the last.
pub(crate) fn bytes(stretches: &[Stretch]) -> usize {
    stretches.iter().map(|s| s.bytes.len()).sum()
}

/// The file for a chip's boot loader.
pub(crate) fn file(stretches: &[Stretch], family: u32) -> Vec<u8> {
    let pages = pages(stretches);
    let count = pages.len() as u32;
    let mut out = Vec::with_capacity(pages.len() * BLOCK);
    for (number, (address, page)) in (0..).zip(pages) {
        let start = out.len();
        for word in [MAGIC[0], MAGIC[1], HAS_FAMILY, address, PAGE as u32, number, count, family] {
            out.extend(u32::to_le_bytes(word));
        }
        out.extend(page);
        out.resize(start + BLOCK - 4, 0);
        out.extend(u32::to_le_bytes(END));
    }
    out
}

/// Whole pages at multiples of their length; what no stretch covers is as after erasing.
fn pages(stretches: &[Stretch]) -> Vec<(u32, [u8; PAGE])> {
    let mut pages: Vec<(u32, [u8; PAGE])> = Vec::new();
    for stretch in stretches {
        for (at, &byte) in (stretch.address..).zip(&stretch.bytes) {
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
    fn blocks_are_as_the_specification_draws_them() {
        // The second stretch begins in the page where the first one ends.
        let first = Stretch { address: 0x1000_0000, bytes: (0..=255).chain(0..10).collect() };
        let second = Stretch { address: 0x1000_0110, bytes: vec![7; 300] };
        let file = file(&[first, second], RP2040);
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
    fn what_is_no_program_is_refused() {
        assert!(stretches(b"no program").is_err());
    }
}
