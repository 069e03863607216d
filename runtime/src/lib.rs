//! Runs an int8 image generator on a microcontroller: weights in flash, one small arena in RAM, pixels row by row.
//!
//! ```
//! use ganlet_runtime::{Arena, Generator, Model, arena_len, include_model};
//!
//! static MODEL: &[u8] = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/faces.model"));
//! const ARENA: usize = arena_len(MODEL);
//!
//! let model = Model::from_bytes(MODEL)?;
//! let mut arena = Arena::<ARENA>::new();
//! let mut generator = Generator::new(&model, &mut arena)?;
//! let mut rows = generator.rows(&model.latent(7));
//! while let Some(row) = rows.next_row() {
//!     assert_eq!(row.len(), 16 * 3); // RGB, one byte per channel
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Model::from_bytes`] checks a file once, and [`Generator::new`] checks the arena. After that nothing fails or panics: any latent draws an image in
//! the [`arena_len`] bytes that are known at compile time. [`Rows::next_row`] returns to the caller after every row, so that
//! firmware can poll buttons in between. `GeneratedImage` draws the same rows with embedded-graphics.
//!
//! There is no heap and no floating point. Unsafe code is limited to the assembly kernels. The file format and the arithmetic are specified in
//! `docs/FORMAT.md` of the project.
#![no_std]
#![deny(unsafe_code)]
#[cfg(feature = "encode")]
extern crate alloc;

mod check;
#[cfg(feature = "encode")]
pub mod encode;
// `encode` re-exports some of these items as public.
#[cfg_attr(not(feature = "encode"), allow(unreachable_pub))]
mod format;
mod generator;
#[cfg(feature = "graphics")]
mod graphics;
mod kernels;
mod latent;
mod memory;
mod model;
mod plan;
mod requant;
mod weights;

pub use format::{Expected, FormatError, KernelFamily, Shape, WeightLayout, arena_len};
pub use generator::{ArenaTooSmall, Generator, Pixels, Rows};
#[cfg(feature = "graphics")]
pub use graphics::GeneratedImage;
pub use latent::{Latent, LatentError, normal_i8};
pub use memory::{Aligned, Arena};
pub use model::{LayerFacts, Model, TooMuchWork};
