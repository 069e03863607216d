//! Runs the parts of the tests, two groups at a time, and measures how long each takes.

use crate::console;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

/// Number of groups that run at the same time. Linkers and emulators use one core each, so one group alone would leave cores idle.
const AT_A_TIME: usize = 2;

/// The result of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartOutcome {
    /// All checks held; the number of checks.
    Passed(usize),
    /// Some checks failed.
    Failed { passed: usize, failed: usize, why: String },
    /// The part could not run; what to do about that.
    NotRun(String),
}

/// A part of the tests that is to be run.
pub(super) struct Part {
    pub(super) name: String,
    work: Box<dyn FnOnce() -> PartOutcome + Send>,
}

/// A part of the tests that was run.
#[derive(Clone, Debug)]
pub(super) struct PartResult {
    pub(super) name: String,
    pub(super) outcome: PartOutcome,
    pub(super) took: Duration,
}

impl Part {
    pub(super) fn new(name: impl Into<String>, work: impl FnOnce() -> PartOutcome + Send + 'static) -> Self {
        Self { name: name.into(), work: Box::new(work) }
    }

    fn run(self) -> PartResult {
        let Self { name, work } = self;
        console::note(&console::on_stderr(console::TextStyle::Bold, &format!("\n== {name}")));
        let start = Instant::now();
        let outcome = work();
        PartResult { name, outcome, took: start.elapsed() }
    }
}

/// Runs groups of parts; the parts of a group run one after the other, because they share files. Results are in the order of the groups.
pub(super) fn run_all(groups: Vec<Vec<Part>>) -> Vec<PartResult> {
    let waiting = Mutex::new(groups.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((position, group)) = lock() {
            let results: Vec<PartResult> = group.into_iter().map(Part::run).collect();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((position, results));
        }
    };
    thread::scope(|scope| (0..AT_A_TIME).for_each(|_| _ = scope.spawn(work)));
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_order_of_the_groups() {
        let part = |n: usize| Part::new(n.to_string(), move || PartOutcome::Passed(n));
        let groups = (0..5).map(|group| (0..3).map(|n| part(3 * group + n)).collect()).collect();
        let names: Vec<String> = run_all(groups).into_iter().map(|result| result.name).collect();
        assert_eq!(names, (0..15).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
