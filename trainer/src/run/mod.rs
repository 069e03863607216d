//! A training run on disk: its folder, its checkpoints, and the loop that trains, logs, draws, measures and saves.
//!
//! [`Run`] joins a [`Trainer`](crate::train::Trainer) to a [`RunFolder`]:
//!
//! ```no_run
//! use ganlet_trainer::recipe::Recipe;
//! use ganlet_trainer::run::{Run, RunFolder, load_data};
//! use ganlet_trainer::train::Trainer;
//! use std::path::Path;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recipe = Recipe::open("ring", &[])?;
//! let data = load_data(&recipe)?;
//! let trainer = Trainer::new(recipe.clone(), data.train, 1, recipe.train.steps, 0)?;
//! let folder = RunFolder::create(Path::new("runs"), None, &recipe)?;
//! let mut run = Run::new(trainer, folder)?;
//! run.train(&|| false, &mut |_| {})?;
//! # Ok(())
//! # }
//! ```
mod adapt;
mod checkpoint;
mod choice;
mod data;
mod error;
mod event;
pub mod figures;
mod folder;
mod log;
mod record;
mod restore;
mod resume;
mod sweep;
mod training;
mod warm_start;

pub(crate) use adapt::suit_classes;
pub use adapt::{Adaptation, adapted_size, load_with_classes};
pub use checkpoint::Checkpoint;
pub use choice::{CheckpointChoice, ChoiceReason, ChosenCheckpoint};
pub use data::{ImageSplit, TrainingData, absolute_source, load_data, load_data_of_shape};
pub use error::{RunError, TrainingError};
pub use event::{RunEvent, RunOutcome};
pub use folder::{NEWEST_SAMPLES, NewestCheckpoint, RunFolder};
pub use log::{BestCheckpoint, LogEntry, Measurement};
pub use record::{DataRecord, RunState};
pub use restore::{drawing_trainer, restore_trainer};
pub use resume::{ResumeError, ResumeOptions, ResumedRun};
pub use sweep::{LEAST_TRIAL_STEPS, Sweep, SweepOutcome, Trial};
pub use training::{CheckpointMeasure, Run, seconds_per_step};
pub use warm_start::{StartedFrom, warm_start};
