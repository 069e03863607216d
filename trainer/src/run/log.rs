//! The records of a run: log entries and the file that holds them, measurements, and the best checkpoint.
use super::RunError;
use crate::files;
use crate::train::StepReport;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A measurement of a generator; lower is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of the measured quantity, such as "distance".
    pub name: String,
    /// Its value; NaN if the measurement failed.
    #[serde(deserialize_with = "number_or_nan")]
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
    /// [`DataRecord::fingerprint`](super::DataRecord::fingerprint) of the data at this step.
    #[serde(default)]
    pub data: u32,
    /// The measurement after this step, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Measurement>,
}

impl LogEntry {
    /// Returns the entries since the data of the run or the measured quantity last changed. Only their measurements can be compared with
    /// each other.
    pub fn since_change(entries: &[Self]) -> &[Self] {
        let name = |entry: &Self| entry.measurement.as_ref().map(|m| m.name.clone());
        let newest = entries.iter().rev().find_map(name);
        let measured_otherwise = |entry: &Self| name(entry).is_some_and(|name| Some(name) != newest);
        let other =
            |last: &Self| entries.iter().rposition(|entry| entry.data != last.data || measured_otherwise(entry));
        &entries[entries.last().and_then(other).map_or(0, |at| at + 1)..]
    }
}

/// The contents of `best.json`: the checkpoint with the best measurement so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestCheckpoint {
    /// Step of the checkpoint.
    pub step: u64,
    /// Its measurement.
    pub measurement: Measurement,
}

/// Reads a number. JSON has no NaN, so `null` stands for it.
fn number_or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// The lines of `log.jsonl`. Lines are never changed when the file is rewritten, not even those that cannot be read.
pub(super) struct Log {
    path: PathBuf,
    lines: Vec<Line>,
}

struct Line {
    text: Vec<u8>,
    /// `None` if the line cannot be read.
    entry: Option<LogEntry>,
}

impl Line {
    fn of(entry: LogEntry) -> Self {
        Self { text: serde_json::to_vec(&entry).unwrap_or_default(), entry: Some(entry) }
    }
}

/// Largest log that is read, in bytes: some million entries.
const MAX_LOG: u64 = 1 << 30;

impl Log {
    /// Reads the log at `path`; a missing one is empty. An incomplete last line is omitted.
    pub(super) fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = match files::read(path, MAX_LOG) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|e| RunError::io(path, &e))?,
        };
        let mut lines: Vec<_> = bytes
            .split(|b| *b == b'\n')
            .map(|text| Line { text: text.to_vec(), entry: serde_json::from_slice(text).ok() })
            .collect();
        // What follows the last line break was being written when the process ended.
        lines.pop();
        Ok(Self { path: path.to_owned(), lines })
    }

    /// Returns the entries that can be read, in the order of their steps. If there are several of a step, the last one counts.
    pub(super) fn entries(self) -> Vec<LogEntry> {
        let entries: BTreeMap<_, _> =
            self.lines.into_iter().filter_map(|line| line.entry).map(|entry| (entry.report.step, entry)).collect();
        entries.into_values().collect()
    }

    /// Returns the numbers of the lines that cannot be read, from 1.
    pub(super) fn unreadable(&self) -> Vec<usize> {
        (1..).zip(&self.lines).filter(|(_, line)| line.entry.is_none()).map(|(number, _)| number).collect()
    }

    /// Removes the entries after `step`, which a resumed run will write again.
    pub(super) fn truncate(&mut self, step: u64) {
        let kept = self.lines.iter().rposition(|line| line.entry.as_ref().is_some_and(|e| e.report.step <= step));
        self.lines.truncate(kept.map_or(0, |last| last + 1));
    }

    /// Replaces the entry of the same step, or appends `entry`.
    pub(super) fn set(&mut self, entry: LogEntry) {
        let of_step = |line: &Line| line.entry.as_ref().is_some_and(|e| e.report.step == entry.report.step);
        match self.lines.iter().position(of_step) {
            Some(at) => self.lines[at] = Line::of(entry),
            None => self.lines.push(Line::of(entry)),
        }
    }

    /// Writes the file atomically. A link is not followed.
    pub(super) fn write(&self) -> Result<(), RunError> {
        files::check_own(&self.path).map_err(|e| RunError::new(&self.path, e))?;
        let text: Vec<u8> = self.lines.iter().flat_map(|line| line.text.iter().copied().chain([b'\n'])).collect();
        files::write(&self.path, text).map_err(|e| RunError::of_write(&e))
    }

    /// Appends an entry to the log at `path`. A link is not followed.
    pub(super) fn append(path: &Path, entry: &LogEntry) -> Result<(), RunError> {
        files::check_own(path).map_err(|e| RunError::new(path, e))?;
        let mut text = serde_json::to_string(entry).unwrap_or_default();
        text.push('\n');
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| RunError::io(path, &e))
    }
}
