//! The bytes of a model file: a fixed prelude, a postcard header, a blob of aligned numbers. `docs/FORMAT.md` is normative.
mod crc;
mod error;
mod header;
mod prelude;

pub use error::{Expected, FormatError};
#[cfg(feature = "encode")]
pub use header::MAX_IMAGES;
pub(crate) use header::{Activation, Header, Layer, Span};
pub use header::{
    MAX_CHANNELS, MAX_COLORS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_SIDE, Op, Shape, Source, TABLE_LEN, WeightLayout,
};
#[cfg(feature = "encode")]
pub(crate) use prelude::WITH_DIRECTIONS;
pub(crate) use prelude::{FAMILIES, FAMILY, MAGIC, OLDEST_VERSION, VERSION, WITH_PALETTES, split, stated_len};
pub use prelude::{KernelFamily, arena_len};
#[cfg(feature = "encode")]
pub(crate) use prelude::{PRELUDE_LEN, at, checksum};

/// Returns `len` bytes from `at`; an empty slice if there are fewer.
///
/// Not inlined, because inlining would double the code of every use.
#[inline(never)]
pub(crate) fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// Returns `len` bytes from `at` for writing; an empty slice if there are fewer.
#[inline(never)]
pub(crate) fn part_mut(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    bytes.get_mut(at..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}

/// Returns the i32 at position `index` of a span.
pub(crate) fn read_i32(blob: &[u8], span: Span, index: usize) -> i32 {
    let at = (span.at as usize).saturating_add(index.saturating_mul(4));
    blob.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b))
}

/// Returns the saturating product.
#[inline(never)]
pub(crate) fn product(a: u32, b: u32) -> u32 {
    a.saturating_mul(b)
}
