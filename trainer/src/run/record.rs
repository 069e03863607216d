//! What checkpoints hold besides the weights: which data the run was trained on, and its state between two steps.
use super::StartedFrom;
use crate::data::Dataset;
use crate::text::grouped;
use crate::train::StepReport;
use crate::watch::{Alarm, Convergence, MonitorState};
use serde::{Deserialize, Serialize};

/// Identifies the data of a run without their place, so that moved data are recognized and changed data are noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Name in messages.
    pub name: String,
    /// Number of training examples; `None` for an endless distribution.
    pub count: Option<usize>,
    /// Names of the classes; empty without labels.
    pub classes: Vec<String>,
    /// [`Dataset::fingerprint`] of the training examples.
    pub fingerprint: u32,
}

impl DataRecord {
    /// Identifies `data`. This reads all examples of a set in memory.
    pub fn of(data: &dyn Dataset) -> Self {
        Self {
            name: data.name().to_owned(),
            count: data.len(),
            classes: data.label_names().to_vec(),
            fingerprint: data.fingerprint(),
        }
    }

    /// How the data `now` differ from these; `None` if they are the same examples, wherever they are.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let number = |record: &Self| record.count.map_or_else(|| "endless".to_owned(), grouped);
        if self.count != now.count {
            let (before, now) = (number(self), number(now));
            return Some(format!("data: {before} training examples, now {now}"));
        }
        let changed =
            "data: as many training examples as before, but other contents, other classes, or other held-out examples";
        (self.fingerprint != now.fingerprint).then(|| changed.to_owned())
    }
}

/// The state of a run between two steps, apart from weights and optimizer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Report of the last step.
    pub last: StepReport,
    /// Number of rollbacks so far; each multiplied the learning rates by the same factor.
    pub rollbacks: u32,
    /// Alarms so far.
    pub alarms: Vec<Alarm>,
    /// State of the monitor.
    pub monitor: MonitorState,
    /// Measurements on which the detection of convergence depends.
    pub convergence: Convergence,
    /// The checkpoint of another run whose weights this run started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<StartedFrom>,
}
