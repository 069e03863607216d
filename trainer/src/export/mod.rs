//! Export: from a trained run to a checked int8 model file.
//!
//! [`PreparedRun`] opens a run at one of its checkpoints, folds its generator, and quantizes it with or without the discriminator.
//! [`bit_exact`] checks the result against a naive implementation, [`compare_scores`] compares the discriminator's scores, and
//! [`QualityWarning::all`] reports visible losses of quality.
//!
//! ```no_run
//! use ganlet_trainer::export::{PreparedRun, bit_exact};
//! use ganlet_trainer::quantize::LayoutChoice;
//! use ganlet_trainer::run::{CheckpointChoice, RunFolder};
//! use std::path::Path;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = RunFolder::open(Path::new("runs"), "latest")?;
//! let run = PreparedRun::open(&folder, CheckpointChoice::Best)?;
//! let quantized = run.quantize(LayoutChoice::Compact)?;
//! assert!(bit_exact(&quantized)?);
//! std::fs::write("generator.model", &quantized.file)?;
//! # Ok(())
//! # }
//! ```
mod check;
mod device_net;
mod draft;
mod error;
mod prepared;
mod summary;
mod warning;

pub use check::{CHECK_SEEDS, ScoreComparison, bit_exact, compare_scores};
pub use device_net::device_net;
pub use draft::{FittedRecipe, draft_model, fit_widths};
pub use error::ExportError;
pub use prepared::{PreparedRun, QuantizedWithScores};
pub use summary::{ExportSummary, SummaryInputs};
pub use warning::{LARGEST_DISTANCE_CHANGE, LEAST_PSNR_DB, QualityWarning};
