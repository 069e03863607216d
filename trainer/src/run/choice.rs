//! The choice of one checkpoint of a run, and the reason for it.
use super::{BestCheckpoint, Checkpoint, LogEntry, Measurement, RunError, RunFolder};
use crate::files;
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
    /// It has the best measurement in the log, because `best.json` cannot be used.
    BestInLog {
        /// Its measurement.
        measurement: Measurement,
        /// What is wrong with `best.json`.
        problem: RunError,
    },
    /// The best one was requested, but no checkpoint was measured. This is the newest one. Holds what is wrong with `best.json`, if
    /// anything is.
    NothingMeasured(Option<RunError>),
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
            Self::BestInLog { measurement: m, problem } => {
                write!(f, "the best by {} ({:.3})", m.name, m.value)?;
                write!(f, "\nwarning: {problem}; the measurements in log.jsonl were used")
            }
            Self::NothingMeasured(problem) => {
                f.write_str("the newest; none was measured")?;
                problem.iter().try_for_each(|problem| write!(f, "\nwarning: {problem}"))
            }
            Self::Newest => f.write_str("the newest"),
            Self::Requested => f.write_str("as requested"),
        }
    }
}

impl RunFolder {
    /// Returns the best checkpoint so far, from `best.json`, or from the measurements in the log if that file cannot be used; `None` if
    /// none was measured.
    pub fn best(&self) -> Option<BestCheckpoint> {
        self.stated_best().ok().or_else(|| lowest(self.measured()))
    }

    /// Reads `best.json`.
    fn stated_best(&self) -> Result<BestCheckpoint, RunError> {
        let path = self.path().join("best.json");
        let bytes = files::read(&path, files::MAX_TEXT).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => RunError::new(&path, "the file is missing"),
            _ => RunError::io(&path, &e),
        })?;
        let best: BestCheckpoint =
            serde_json::from_slice(&bytes).map_err(|e| RunError::new(&path, format!("the file is damaged: {e}")))?;
        let value = best.measurement.value;
        value.is_finite().then_some(best).ok_or_else(|| RunError::new(&path, "the file is damaged: it has no value"))
    }

    /// Describes what is wrong with `best.json`, if there are measurements that it should be made from.
    pub(super) fn best_damage(&self) -> Option<RunError> {
        let problem = self.stated_best().err()?;
        (self.path().join("best.json").exists() || !self.measured().is_empty()).then_some(problem)
    }

    /// Writes `best.json` from the measurements in the log. A newer measurement of a step replaces the older one. Measurements of other
    /// data than those of the newest entry do not count.
    pub(super) fn update_best(&self) -> Result<(), RunError> {
        let entries = self.log_entries();
        let earlier = entries.len() - LogEntry::since_change(&entries).len();
        let old = self.stated_best().ok();
        // The log may have lost the measurement of the best checkpoint.
        let lost = |step: u64| {
            let of_other_data = entries[..earlier].last().is_some_and(|e| step <= e.report.step);
            !of_other_data && entries.iter().all(|e| e.report.step != step)
        };
        let known = old.clone().filter(|b| self.checkpoints().contains(&b.step) && lost(b.step));
        match lowest(self.measured().into_iter().chain(known)) {
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
        let (kept, entries) = (self.checkpoints(), self.log_entries());
        let of_entry = |entry: &LogEntry| {
            Some(BestCheckpoint { step: entry.report.step, measurement: entry.measurement.clone()? })
        };
        let measured = LogEntry::since_change(&entries).iter().filter_map(of_entry);
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
                let problem = self.best_damage();
                let Some(best) = self.best() else { return newest(ChoiceReason::NothingMeasured(problem)) };
                match Checkpoint::load(&self.checkpoint_path(best.step)) {
                    Ok(checkpoint) => {
                        let BestCheckpoint { measurement, .. } = best;
                        let reason = match problem {
                            Some(problem) => ChoiceReason::BestInLog { measurement, problem },
                            None => ChoiceReason::BestMeasurement(measurement),
                        };
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

/// Returns the checkpoint with the lowest measurement, and the earliest of equal ones.
fn lowest(all: impl IntoIterator<Item = BestCheckpoint>) -> Option<BestCheckpoint> {
    all.into_iter().min_by(|a, b| a.measurement.value.total_cmp(&b.measurement.value).then(a.step.cmp(&b.step)))
}
