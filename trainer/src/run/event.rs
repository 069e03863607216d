//! The events that a run reports while it trains, and the ways in which it can end.
use super::LogEntry;
use crate::train::{StepPhase, StepReport};
use crate::watch::Alarm;

/// An event that [`Run::train`](super::Run::train) reports to its caller.
#[derive(Clone, Copy, Debug)]
pub enum RunEvent<'a> {
    /// A phase of a training step is complete.
    Phase(StepPhase, &'a StepReport),
    /// A training step is complete.
    Step(&'a StepReport),
    /// An entry was appended to the log.
    Logged(&'a LogEntry),
    /// The generator is about to be measured, which can take seconds.
    Measuring,
    /// A checkpoint is about to be saved.
    Saving,
    /// The monitor raised an alarm.
    Alarm(&'a Alarm),
    /// Training returned to an earlier checkpoint and continues with a smaller learning rate.
    RolledBack {
        /// The checkpoint's step.
        step: u64,
        /// The discriminator's learning rate from here on.
        learning_rate: f32,
    },
    /// Discriminator and measurement no longer change: more steps will improve little.
    Converged,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// All steps are done.
    Completed,
    /// The caller asked to stop; the state was saved.
    Stopped,
}
