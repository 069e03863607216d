//! Continues a run: compares recipe and data with those of its checkpoint, and refuses differences that were not accepted.
use super::{
    Checkpoint, CheckpointChoice, ChoiceReason, DataRecord, RunError, RunFolder, TrainingData, absolute_source,
    load_data, restore_trainer,
};
use crate::data::DataError;
use crate::exec::Store;
use crate::recipe::Recipe;
use crate::train::{Trainer, initial_store};
use crate::watch::Convergence;
use std::fmt;

/// Factor of the learning rates after a rollback.
pub(super) const ROLLBACK_RATE_FACTOR: f32 = 1.0 / 3.0;

/// How to continue a run.
#[derive(Clone, Debug, Default)]
pub struct ResumeOptions {
    /// The recipe to continue with; `None` for the one in `recipe.toml`. Its `data.source` is ignored.
    pub recipe: Option<Recipe>,
    /// The place of the data; `None` for the one in `recipe.toml`.
    pub data: Option<String>,
    /// Whether differences from the checkpoint are accepted.
    pub accept_changes: bool,
}

/// A run that can be continued.
pub struct ResumedRun {
    /// The newest checkpoint, with the recipe to continue with.
    pub checkpoint: Checkpoint,
    /// The data to continue with.
    pub data: TrainingData,
    /// Accepted differences from the checkpoint. The result is not that of an uninterrupted run if there are any.
    pub changes: Vec<String>,
    /// Problems that do not prevent training, such as newer checkpoints that cannot be read.
    pub warnings: Vec<String>,
    /// The recipe that `recipe.toml` shall hold, if it changes.
    pub(super) recipe: Option<Recipe>,
}

/// Why a run cannot be continued.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResumeError {
    /// A file of the run cannot be used.
    Run(RunError),
    /// The data cannot be loaded.
    Data(DataError),
    /// Recipe or data differ from those of the checkpoint, and this was not accepted.
    Changed {
        /// The folder of the run.
        run: String,
        /// Each difference.
        changes: Vec<String>,
    },
    /// The changed recipe describes other networks than those whose weights the checkpoint holds.
    OtherNetworks {
        /// The folder of the run.
        run: String,
        /// Each difference.
        changes: Vec<String>,
    },
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |changes: &[String]| changes.iter().map(|c| format!("\n  {c}")).collect::<String>();
        match self {
            Self::Run(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Changed { run, changes } => write!(
                f,
                "{run}: this is no longer the run that its checkpoint holds:{}\n  to do: undo this, or continue in spite of it with \
                 --accept-changes; the result then differs from that of an uninterrupted run",
                list(changes)
            ),
            Self::OtherNetworks { run, changes } => write!(
                f,
                "{run}: the changed recipe describes networks or an optimizer that the checkpoint has no values for:{}\n  to do: undo \
                 this, or start a new run with the changed recipe",
                list(changes)
            ),
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<RunError> for ResumeError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<DataError> for ResumeError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl RunFolder {
    /// Loads the newest checkpoint and the data, and compares recipe and data with those of the checkpoint.
    ///
    /// # Errors
    /// If a file cannot be read, or there are differences that are not accepted or not possible.
    pub fn resume(&self, options: ResumeOptions) -> Result<ResumedRun, ResumeError> {
        let newest = self.newest()?;
        let (mut checkpoint, mut warnings) = (newest.checkpoint, Vec::new());
        warnings.extend(newest.unreadable.iter().map(|e| format!("skipped: {e}")));
        warnings.extend(self.damage());
        let own = self.recipe()?;
        let source = options.data.unwrap_or_else(|| own.data.source.clone());
        let mut wanted = options.recipe.unwrap_or_else(|| own.clone());
        wanted.data.source = absolute_source(&source);
        let written = (wanted != own).then(|| wanted.clone());
        // The checkpoint has the learning rates after its rollbacks.
        for _ in 0..checkpoint.state.rollbacks {
            wanted.optimizer.scale_learning_rates(ROLLBACK_RATE_FACTOR);
        }
        let mut changes = checkpoint.recipe.differences(&wanted);
        let run = || self.path().display().to_string();
        if !changes.is_empty() && !same_state(&checkpoint, &wanted) {
            return Err(ResumeError::OtherNetworks { run: run(), changes });
        }
        let data = load_data(&wanted)?;
        let record = DataRecord::of(&*data.train);
        changes.extend(checkpoint.data.difference(&record));
        if !changes.is_empty() && !options.accept_changes {
            return Err(ResumeError::Changed { run: run(), changes });
        }
        checkpoint.recipe = wanted;
        if checkpoint.data.fingerprint != record.fingerprint {
            let step = checkpoint.step;
            warnings.push(format!(
                "the data changed: earlier measurements stay in log.jsonl, but no longer count. Step {step} is measured again"
            ));
            checkpoint.data = record;
            checkpoint.state.convergence = Convergence::default();
        }
        Ok(ResumedRun { checkpoint, data, changes, warnings, recipe: written })
    }

    /// Describes lines of the log and a best checkpoint that cannot be read.
    fn damage(&self) -> Vec<String> {
        let lines = self.unreadable_log_lines();
        let listed = lines.iter().take(3).map(usize::to_string).collect::<Vec<_>>().join(", ");
        let more = if lines.len() > 3 { ", …" } else { "" };
        let log = self.path().join("log.jsonl");
        let log =
            (!lines.is_empty()).then(|| format!("{}: cannot read lines {listed}{more}; they are kept", log.display()));
        let rewritten = self
            .best_damage()
            .map(|problem| format!("{problem}; it is written again from the measurements in log.jsonl"));
        let best = self.choose(CheckpointChoice::Best).ok().and_then(|chosen| {
            let ChoiceReason::BestUnreadable { best, error, .. } = chosen.reason else { return None };
            let (old, new) = (best.step, chosen.checkpoint.step);
            Some(format!(
                "the best checkpoint so far, of step {old}, cannot be used any more; that of step {new} takes its place: {error}"
            ))
        });
        log.into_iter().chain(rewritten).chain(best).collect()
    }
}

impl ResumedRun {
    /// Returns a trainer that continues the run to `steps` steps on `threads` threads (0: chosen automatically).
    ///
    /// # Errors
    /// If the shape of the data differs from that at the start of the run, or the run does not fit into memory.
    pub fn trainer(&self, steps: u64, threads: usize) -> Result<Trainer, RunError> {
        restore_trainer(&self.checkpoint, &self.data, steps, threads)
    }
}

/// Whether `recipe` needs the values that the checkpoint holds, in the same shapes.
fn same_state(checkpoint: &Checkpoint, recipe: &Recipe) -> bool {
    let layout = |recipe: &Recipe| {
        let (generator, discriminator) = recipe.networks(&checkpoint.shape).ok()?;
        let store: Store = initial_store(recipe, &generator, &discriminator, 0);
        let lengths: Vec<_> = store.entries().iter().map(|e| (e.name.clone(), e.values.len())).collect();
        let keys = |network: &crate::nn::Network| {
            network.tensors.iter().map(|t| (t.key.to_string(), t.dims.clone())).collect::<Vec<_>>()
        };
        Some((lengths, keys(&generator), keys(&discriminator)))
    };
    layout(recipe).is_some_and(|wanted| layout(&checkpoint.recipe) == Some(wanted))
}
