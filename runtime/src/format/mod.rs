//! The model file: a fixed prelude, a postcard header, a blob of aligned numbers. `docs/FORMAT.md` is normative.
#[cfg(feature = "encode")]
mod arrange;
mod check;
mod crc;
#[cfg(feature = "encode")]
mod encode;
mod error;
mod header;
mod prelude;

pub(crate) use check::{check, read_i32, table_at};
#[cfg(feature = "encode")]
pub use encode::{Builder, LayerSpec, Layouts, restamp};
pub use error::FormatError;
pub use header::{
    Activation, Header, Layer, Layout, MAX_CHANNELS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_PICTURES, MAX_SIDE, Op,
    Shape, Source, Span, TABLE_LEN,
};
pub(crate) use prelude::split;
pub use prelude::{FAMILIES, FAMILY, MAGIC, PRELUDE_LEN, VERSION, arena_len};

/// The `len` bytes from `at` on; none if there are fewer.
///
/// One copy for all: cut in place, each use would take twice the code.
#[inline(never)]
pub(crate) fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// The same bytes, to be written.
#[inline(never)]
pub(crate) fn part_mut(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    bytes.get_mut(at..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}

/// The product, or the largest number if it is larger.
#[inline(never)]
pub(crate) fn product(a: u32, b: u32) -> u32 {
    a.saturating_mul(b)
}
