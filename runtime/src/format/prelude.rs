//! The prelude, the first 48 bytes of a model file: integrity checks, and the arena size at compile time.
use super::{FormatError, crc::crc32};

/// First four bytes of every model file.
pub(crate) const MAGIC: [u8; 4] = *b"GNLT";
/// Newest version of the file format that this runtime reads.
pub(crate) const VERSION: u16 = 4;
/// Oldest version that this runtime reads.
pub(crate) const OLDEST_VERSION: u16 = 2;
/// First version with directions in latent space.
#[cfg(feature = "encode")]
pub(crate) const WITH_DIRECTIONS: u16 = 3;
/// First version with palettes.
pub(crate) const WITH_PALETTES: u16 = 4;
/// Length of the prelude in bytes.
pub(crate) const PRELUDE_LEN: usize = 48;
/// Number of kernel families: the prelude states one arena size for each.
pub(crate) const FAMILIES: usize = KernelFamily::ALL.len();
/// Index of the kernel family that this build of the runtime uses.
pub(crate) const FAMILY: usize = KernelFamily::CURRENT as usize;

/// A group of processor cores whose kernels store rows in the same form, and therefore need the same arena.
///
/// All families compute the same values, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelFamily {
    /// One byte per value: Armv6-M, cores with vector instructions (MVE), hosts.
    Portable,
    /// Two bytes per value in the rows that a doubling layer reads: Armv7-M, Armv8-M mainline, 32-bit RISC-V.
    Packed,
}

impl KernelFamily {
    /// Every family, in the order of the arena sizes in a model's prelude.
    pub const ALL: [Self; 2] = [Self::Portable, Self::Packed];

    /// The family that this build of the runtime uses.
    pub const CURRENT: Self =
        if cfg!(any(kernels = "lanes", kernels = "lanes-asm")) { Self::Packed } else { Self::Portable };

    /// The name in tables and JSON: `portable` or `packed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Packed => "packed",
        }
    }
}

/// Byte positions of the prelude's fields.
pub(crate) mod at {
    pub(crate) const VERSION: usize = 4;
    pub(crate) const TOTAL: usize = 8;
    pub(crate) const HEADER_LEN: usize = 12;
    pub(crate) const BLOB: usize = 16;
    pub(crate) const CHECKSUM: usize = 20;
    pub(crate) const ARENAS: usize = 24;
}

/// Returns the bytes of RAM that the model in `bytes` needs, as a `const fn` that sizes an [`crate::Arena`] at compile time.
///
/// Reads only the prelude. [`crate::Model::from_bytes`] checks that the number is correct.
///
/// ```
/// # const TINY: &[u8] = ganlet_runtime::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-v2.model"));
/// const ARENA: usize = ganlet_runtime::arena_len(TINY);
/// let arena = [0u8; ARENA];
/// # assert!(arena.len() > 0);
/// ```
///
/// Bytes that are not a model do not compile:
///
/// ```compile_fail
/// const ARENA: usize = ganlet_runtime::arena_len(b"no model, and much too short for one");
/// ```
///
/// # Panics
/// If `bytes` is not a whole model of this format version; in a `const` that is a compile error.
pub const fn arena_len(bytes: &[u8]) -> usize {
    assert!(bytes.len() >= PRELUDE_LEN, "not a model file: too short");
    assert!(
        bytes[0] == MAGIC[0] && bytes[1] == MAGIC[1] && bytes[2] == MAGIC[2] && bytes[3] == MAGIC[3],
        "not a model file: wrong first bytes"
    );
    let version = u16::from_le_bytes([bytes[at::VERSION], bytes[at::VERSION + 1]]);
    assert!(OLDEST_VERSION <= version && version <= VERSION, "the model has another format version: export it again");
    assert!(word(bytes, at::TOTAL) as usize == bytes.len(), "the model file is truncated");
    word(bytes, at::ARENAS + 4 * FAMILY) as usize
}

const fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Returns the file length that the prelude states; `None` unless `prefix` begins with the magic bytes and holds the length.
pub(crate) fn stated_len(prefix: &[u8]) -> Option<usize> {
    let (fields, _) = prefix.first_chunk::<{ at::HEADER_LEN }>()?.as_chunks();
    let [magic, _, len] = *fields else { return None };
    (magic == MAGIC).then_some(u32::from_le_bytes(len) as usize)
}

/// The parts of a file whose lengths and checksum are correct.
pub(crate) struct Parts<'a> {
    pub(crate) version: u16,
    pub(crate) header: &'a [u8],
    pub(crate) blob: &'a [u8],
    pub(crate) arenas: [u32; FAMILIES],
}

/// Checks alignment, lengths, version and checksum, and splits the file. On failure `fault` is the reason.
#[inline(never)]
pub(crate) fn split<'a>(bytes: &'a [u8], fault: &mut FormatError) -> Option<Parts<'a>> {
    let mut refuse = |error| {
        *fault = error;
        None
    };
    if !bytes.as_ptr().addr().is_multiple_of(4) {
        return refuse(FormatError::Misaligned);
    }
    if !bytes.iter().zip(MAGIC).all(|(&b, m)| b == m) {
        return refuse(FormatError::Magic);
    }
    let found = bytes.len();
    let Some(prelude) = bytes.as_chunks().0.first_chunk::<{ PRELUDE_LEN / 4 }>() else {
        return refuse(FormatError::Truncated { found, expected: PRELUDE_LEN });
    };
    let word = |at: usize| u32::from_le_bytes(prelude[at / 4]);
    let (version, flags) = (word(at::VERSION) as u16, word(at::VERSION) >> 16);
    if !(OLDEST_VERSION..=VERSION).contains(&version) {
        return refuse(FormatError::Version { found: version });
    }
    let expected = word(at::TOTAL) as usize;
    if found < expected {
        return refuse(FormatError::Truncated { found, expected });
    }
    if found > expected {
        return refuse(FormatError::TrailingBytes { found, expected });
    }
    let (sum, stated) = (checksum(bytes), word(at::CHECKSUM));
    if sum != stated {
        return refuse(FormatError::Checksum { found: sum, expected: stated });
    }
    let parts = || {
        let blob_at = word(at::BLOB) as usize;
        let (header, gap) = bytes.get(PRELUDE_LEN..blob_at)?.split_at_checked(word(at::HEADER_LEN) as usize)?;
        let families = &prelude[at::ARENAS / 4..];
        let (arenas, reserved) = families.split_first_chunk::<FAMILIES>()?;
        let used = gap.iter().chain(reserved.as_flattened()).fold(0, |all, &byte| all | byte);
        let tidy = flags == 0 && used == 0 && gap.len() < 16 && blob_at.is_multiple_of(16);
        let arenas = arenas.map(u32::from_le_bytes);
        tidy.then_some(Parts { version, header, blob: bytes.get(blob_at..)?, arenas })
    };
    parts().or_else(|| refuse(FormatError::Prelude))
}

/// Returns the checksum of a file: CRC-32 over the whole file, with its own field taken as zero.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let (before, rest) = bytes.split_at(at::CHECKSUM.min(bytes.len()));
    crc32(crc32(crc32(0, before), &[0; 4]), rest.get(4..).unwrap_or_default())
}
