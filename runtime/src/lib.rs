//! Int8 generator inference: a model in flash, one arena in RAM, rows of pixels out.
//!
//! No heap, no floats, no unsafe code but for the assembly kernels. [`Model::from_bytes`] checks a file once; after it nothing fails:
//! [`Generator`] draws any picture in the [`arena_len`] bytes that are known when the program is compiled,
//! and [`Rows::next_row`] returns to the caller after every row.
#![no_std]
#![deny(unsafe_code)]
#[cfg(feature = "encode")]
extern crate alloc;

mod check;
#[cfg(feature = "encode")]
pub mod encode;
// What `encode` re-exports is public.
#[cfg_attr(not(feature = "encode"), allow(unreachable_pub))]
mod format;
mod generator;
#[cfg(feature = "graphics")]
mod graphics;
mod kernels;
pub mod latent;
mod memory;
mod model;
mod plan;
mod requant;
mod weights;

pub use format::{FormatError, KernelFamily, Shape, WeightLayout, arena_len};
pub use generator::{ArenaTooSmall, Generator, Pixels, Rows};
#[cfg(feature = "graphics")]
pub use graphics::GeneratedImage;
pub use latent::{Latent, LatentError};
pub use memory::{Aligned, Arena};
pub use model::{LayerFacts, Model};
