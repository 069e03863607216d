//! `train --from`: starts a run with the weights of another one.

use crate::console;
use crate::failure::Failure;
use crate::training::RUNS;
use ganlet_trainer::files;
use ganlet_trainer::run::{Checkpoint, CheckpointChoice, RunError, RunFolder, StartedFrom, warm_start};
use ganlet_trainer::train::Trainer;
use std::path::Path;

/// The checkpoint that a new run starts from.
pub(super) struct Start {
    folder: RunFolder,
    pub(super) checkpoint: Checkpoint,
}

impl Start {
    /// Loads the best checkpoint of the run at `path`, or of the newest run if it is "latest".
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let folder = RunFolder::open(Path::new(RUNS), &path.display().to_string()).map_err(Failure::unusable)?;
        let chosen = folder.choose(CheckpointChoice::Best).map_err(Failure::unusable)?;
        let step = chosen.checkpoint.step;
        let shown = files::shown(folder.path());
        console::note(&format!("starting with the weights of {shown}, step {step}: {}", chosen.reason));
        Ok(Self { folder, checkpoint: chosen.checkpoint })
    }

    /// Gives a new trainer the weights.
    pub(super) fn apply(&self, trainer: &mut Trainer) -> Result<StartedFrom, RunError> {
        warm_start(trainer, &self.folder, &self.checkpoint)
    }
}
