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
