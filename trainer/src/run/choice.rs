//! The choice of one checkpoint of a run, and the reason for it.
use super::{Checkpoint, Measurement};
use std::fmt;
use std::str::FromStr;

/// A request for one of a run's checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The checkpoint with the best measurement, or the newest if none was measured.
    #[default]
    Best,
    /// The newest checkpoint.
    Last,
    /// The checkpoint of this step.
    Step(u64),
}

impl FromStr for CheckpointChoice {
    type Err = String;

    /// Parses "best", "last" or a step number.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            step => step.parse().map(Self::Step).map_err(|_| "expected best, last, or a step as in 5000".to_owned()),
        }
    }
}

/// A checkpoint and the reason why it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Why it was chosen.
    pub reason: ChoiceReason,
}

/// Why a checkpoint was chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum ChoiceReason {
    /// It has the best measurement.
    BestMeasurement(Measurement),
    /// The best one was requested, but no checkpoint was measured. This is the newest one.
    NothingMeasured,
    /// The best one was requested, but is missing or cannot be read. This is the newest one.
    BestUnreadable {
        /// Step of the best checkpoint.
        step: u64,
    },
    /// The newest one was requested.
    Newest,
    /// Its step was requested.
    Requested,
}

impl fmt::Display for ChoiceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BestMeasurement(m) => write!(f, "the best by {} ({:.3})", m.name, m.value),
            Self::NothingMeasured => f.write_str("the newest; none was measured"),
            Self::BestUnreadable { step } => write!(f, "the newest; the best one, of step {step}, cannot be read"),
            Self::Newest => f.write_str("the newest"),
            Self::Requested => f.write_str("as requested"),
        }
    }
}
