//! The choice of one checkpoint of a run, and the reason for it.
use super::{BestCheckpoint, Checkpoint, Measurement, RunError, RunFolder};
use std::fmt;
use std::fs;
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
    /// The best one was requested, but is missing or cannot be read. This is the best of the others, or the newest if none was measured.
    BestUnreadable {
        /// The best checkpoint.
        best: BestCheckpoint,
        /// Why it cannot be used.
        error: RunError,
        /// The measurement of the checkpoint that was chosen instead.
        measurement: Option<Measurement>,
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
            Self::BestUnreadable { best, error, measurement } => {
                match measurement {
                    Some(m) => write!(f, "the next best by {} ({:.3})", m.name, m.value)?,
                    None => f.write_str("the newest, which was not measured")?,
                }
                let BestCheckpoint { step, measurement: m } = best;
                write!(
                    f,
                    "\nwarning: the best one, of step {step} ({} {:.3}), cannot be used: {error}",
                    m.name, m.value
                )
            }
            Self::NothingMeasured => f.write_str("the newest; none was measured"),
            Self::Newest => f.write_str("the newest"),
            Self::Requested => f.write_str("as requested"),
        }
    }
}

impl RunFolder {
    /// Returns the best checkpoint so far; `None` if none was measured.
    pub fn best(&self) -> Option<BestCheckpoint> {
        serde_json::from_slice(&fs::read(self.path().join("best.json")).ok()?).ok()
    }

    /// Writes `best.json` from the measurements in the log. A newer measurement of a step replaces the older one.
    pub(super) fn update_best(&self) -> Result<(), RunError> {
        let measured = self.measured();
        let old = self.best();
        // The log may have lost the measurement of the best checkpoint.
        let known =
            old.clone().filter(|b| self.checkpoints().contains(&b.step) && measured.iter().all(|m| m.step != b.step));
        let all = measured.into_iter().chain(known);
        let best = all.min_by(|a, b| a.measurement.value.total_cmp(&b.measurement.value).then(a.step.cmp(&b.step)));
        match best {
            Some(best) if old.as_ref() == Some(&best) => Ok(()),
            Some(best) => self.write("best.json", serde_json::to_vec_pretty(&best).unwrap_or_default()),
            None => {
                let path = self.path().join("best.json");
                match fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RunError::io(&path, &e)),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Returns the measured checkpoints that are still there, from the log.
    fn measured(&self) -> Vec<BestCheckpoint> {
        let kept = self.checkpoints();
        let of_entry =
            |entry: super::LogEntry| Some(BestCheckpoint { step: entry.report.step, measurement: entry.measurement? });
        let measured = self.log_entries().into_iter().filter_map(of_entry);
        measured.filter(|m| m.measurement.value.is_finite() && kept.contains(&m.step)).collect()
    }

    /// Loads the checkpoint that `choice` requests, and returns the reason why it was chosen.
    ///
    /// # Errors
    /// If there is no such checkpoint, or it cannot be read.
    pub fn choose(&self, choice: CheckpointChoice) -> Result<ChosenCheckpoint, RunError> {
        let newest = |reason| self.newest().map(|n| ChosenCheckpoint { checkpoint: n.checkpoint, reason });
        match choice {
            CheckpointChoice::Best => {
                let Some(best) = self.best() else { return newest(ChoiceReason::NothingMeasured) };
                match Checkpoint::load(&self.checkpoint_path(best.step)) {
                    Ok(checkpoint) => {
                        let reason = ChoiceReason::BestMeasurement(best.measurement);
                        Ok(ChosenCheckpoint { checkpoint, reason })
                    }
                    Err(error) => self.next_best(best, error),
                }
            }
            CheckpointChoice::Last => newest(ChoiceReason::Newest),
            CheckpointChoice::Step(step) if self.checkpoints().contains(&step) => {
                let checkpoint = Checkpoint::load(&self.checkpoint_path(step))?;
                Ok(ChosenCheckpoint { checkpoint, reason: ChoiceReason::Requested })
            }
            CheckpointChoice::Step(step) => {
                let kept: Vec<_> = self.checkpoints().iter().map(u64::to_string).collect();
                let problem =
                    format!("there is no checkpoint of step {step}; these steps have one: {}", kept.join(", "));
                Err(RunError::new(&self.path().join("checkpoints"), problem))
            }
        }
    }

    /// Loads the best readable checkpoint other than `best`, or the newest one if none was measured.
    fn next_best(&self, best: BestCheckpoint, error: RunError) -> Result<ChosenCheckpoint, RunError> {
        let mut others = self.measured();
        others.retain(|other| other.step != best.step);
        others.sort_by(|a, b| a.measurement.value.total_cmp(&b.measurement.value));
        let load = |other: BestCheckpoint| {
            Some((Checkpoint::load(&self.checkpoint_path(other.step)).ok()?, Some(other.measurement)))
        };
        let found = others.into_iter().find_map(load);
        let (checkpoint, measurement) = match found {
            Some(found) => found,
            None => (self.newest()?.checkpoint, None),
        };
        Ok(ChosenCheckpoint { checkpoint, reason: ChoiceReason::BestUnreadable { best, error, measurement } })
    }
}
