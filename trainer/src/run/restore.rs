//! Restores a trainer from a checkpoint and its data.
use super::{Checkpoint, RunError, TrainingData};
use crate::train::Trainer;
use std::path::Path;
use std::sync::Arc;

/// Returns a trainer in the state of `checkpoint`, for a run of `steps` steps on `threads` threads (0: chosen automatically).
///
/// # Errors
/// If the shape of the data differs from that at the start of the run, or the run does not fit into memory.
pub fn restore_trainer(
    checkpoint: &Checkpoint,
    data: &TrainingData,
    steps: u64,
    threads: usize,
) -> Result<Trainer, RunError> {
    let Checkpoint { recipe, seed, step, shape, store, .. } = checkpoint;
    if data.train.shape() != shape {
        let found = data.train.shape();
        let problem = format!("the data now has the shape {found:?}; the run was started with {shape:?}");
        return Err(RunError::new(Path::new(&recipe.data.source), problem));
    }
    let trainer = Trainer::new(recipe.clone(), Arc::clone(&data.train), *seed, steps, threads);
    let mut trainer = trainer.map_err(|e| RunError::new(Path::new(&format!("recipe {}", recipe.name)), e))?;
    trainer.restore(store.clone(), *step);
    Ok(trainer)
}
