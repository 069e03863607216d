//! Trains generative adversarial networks on the CPU and quantizes their generators to int8 models for microcontrollers.
//!
//! Train a named recipe, look at its samples, and export it:
//!
//! ```
//! use ganlet_trainer::prelude::*;
//!
//! # fn main() -> Result<(), GanError> {
//! # let folder = std::env::temp_dir();
//! // 5,000 steps are enough for good faces.
//! let mut gan = Gan::recipe("faces")?.seed(1).steps(2).build()?;
//! gan.train(|step| {
//!     println!("{}: D(x) {:.2}, D(G(z)) {:.2}", step.step, step.d_real, step.d_fake);
//! })?;
//! // A grid of 64 samples, and a model for `ganlet_runtime` or `cargo xtask sim`.
//! gan.save_figure(folder.join("faces.png"))?;
//! gan.export(folder.join("faces.model"))?;
//! # Ok(())
//! # }
//! ```
//!
//! Your own images are passed as bytes in memory:
//!
//! ```
//! # use ganlet_trainer::prelude::*;
//! # fn main() -> Result<(), GanError> {
//! # let pixels = vec![0; 100 * 16 * 16 * 3];
//! // Name, (width, height, channels), bytes, class labels if there are any.
//! let images = ImageDataset::new("mine", (16, 16, 3), pixels, None)?;
//! let recipe = Gan::recipe("faces")?.set("train.batch_size=32")?;
//! let gan = recipe.data(images).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`GanBuilder`](prelude::GanBuilder) also takes a custom [`Dataset`](prelude::Dataset), networks as lists of [`Layer`](prelude::Layer)s,
//! and a loss as closures over graph nodes; `examples/custom.rs` shows all three. Recipes set everything else:
//! `docs/RECIPES.md` lists their keys. Losses, regularizers and optimizers are graph operations whose gradients can be
//! differentiated again. A seed gives the same weights, bit for bit, on any number of threads.
//!
//! The hidden modules are for the project's own command line and tests. They may change in any release.
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod draw;
#[doc(hidden)]
pub mod evaluate;
#[doc(hidden)]
pub mod exec;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod files;
mod gan;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod lab;
#[doc(hidden)]
pub mod latent;
#[doc(hidden)]
pub mod loss;
mod memory;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod nets;
#[doc(hidden)]
pub mod nn;
#[doc(hidden)]
pub mod optim;
#[doc(hidden)]
pub mod philox;
#[doc(hidden)]
pub mod plan;
pub mod prelude;
#[doc(hidden)]
pub mod quantize;
#[doc(hidden)]
pub mod recipe;
#[doc(hidden)]
pub mod regularize;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod simd;
#[doc(hidden)]
pub mod step;
mod text;
#[doc(hidden)]
pub mod train;
#[doc(hidden)]
pub mod watch;
