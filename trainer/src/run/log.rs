//! The records of a run: log entries, measurements, and the best checkpoint.
use crate::train::StepReport;
use serde::{Deserialize, Serialize};

/// A measurement of a generator; lower is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of the measured quantity, such as "distance".
    pub name: String,
    /// Its value; NaN if the measurement failed.
    pub value: f64,
    /// Further numbers of the same measurement, as text for the log.
    #[serde(default)]
    pub details: String,
}

/// One entry of `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Losses, D(x), D(G(z)) and gradient norms of the step.
    #[serde(flatten)]
    pub report: StepReport,
    /// Examples per second that the networks processed since the previous entry.
    pub samples_per_s: f64,
    /// Seconds of training so far, over all sessions.
    pub seconds: f64,
    /// The measurement after this step, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Measurement>,
}

/// The contents of `best.json`: the checkpoint with the best measurement so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestCheckpoint {
    /// Step of the checkpoint.
    pub step: u64,
    /// Its measurement.
    pub measurement: Measurement,
}
