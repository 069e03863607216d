//! Restores a trainer from a checkpoint, with or without the data of the run.
use super::{Checkpoint, RunError, TrainingData};
use crate::data::Dataset;
use crate::nets::NetworkError;
use crate::philox::Key;
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
    let Checkpoint { recipe, shape, .. } = checkpoint;
    if data.train.shape() != shape {
        let found = data.train.shape();
        let problem = format!(
            "the data now has the shape {found:?}; the run was started with {shape:?}: name the data of the run with --data, or start \
             another run"
        );
        return Err(RunError::new(Path::new(&recipe.data.source), problem));
    }
    restored(checkpoint, Arc::clone(&data.train), steps, threads)
        .map_err(|e| RunError::new(Path::new(&format!("recipe {}", recipe.name)), e))
}

/// Returns a trainer in the state of `checkpoint` that generates samples. It needs no data, and cannot train.
///
/// # Errors
/// If the networks do not fit into memory.
pub fn drawing_trainer(checkpoint: &Checkpoint) -> Result<Trainer, RunError> {
    let Checkpoint { recipe, shape, data, steps, .. } = checkpoint;
    let labels = (0..recipe.classes()).map(|class| class as u8).collect();
    let stand_in = StandIn { name: data.name.clone(), shape: shape.clone(), labels, classes: data.classes.clone() };
    restored(checkpoint, Arc::new(stand_in), *steps, 0)
        .map_err(|e| RunError::new(Path::new(&format!("recipe {}", recipe.name)), e))
}

fn restored(
    checkpoint: &Checkpoint,
    data: Arc<dyn Dataset>,
    steps: u64,
    threads: usize,
) -> Result<Trainer, NetworkError> {
    let Checkpoint { recipe, seed, step, state, store, .. } = checkpoint;
    let mut trainer = Trainer::new(recipe.clone(), data, *seed, steps, threads)?;
    trainer.restore(store.clone(), *step);
    trainer.restore_report(state.last);
    Ok(trainer)
}

/// Stands for the data of a run where only their shape and classes matter.
struct StandIn {
    name: String,
    shape: Vec<usize>,
    labels: Vec<u8>,
    classes: Vec<String>,
}

impl Dataset for StandIn {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn batch(&self, _: Key, out: &mut [f32]) {
        out.fill(0.0);
    }

    fn labels(&self) -> Option<&[u8]> {
        (!self.labels.is_empty()).then_some(&self.labels)
    }

    fn label_names(&self) -> &[String] {
        &self.classes
    }
}
