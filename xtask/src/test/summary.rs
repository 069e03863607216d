//! Prints the table at the end of the tests, and the last line, which scripts read.

use super::part::{PartOutcome, PartResult};
use crate::table::Table;

/// Returns the summary, and whether nothing failed; with `required`, a part that could not run counts as failed.
pub(super) fn of(results: &[PartResult], required: bool) -> (String, bool) {
    let mut table = Table::new(&["part", "result", ">passed", ">failed", ">seconds", ""]);
    let (mut all_passed, mut all_failed) = (0, 0);
    for part in results {
        let (result, passed, failed, why) = match &part.outcome {
            PartOutcome::Passed(passed) => ("passed", *passed, 0, ""),
            PartOutcome::Failed { passed, failed, why } => ("FAILED", *passed, *failed, why.as_str()),
            PartOutcome::NotRun(remedy) => ("NOT RUN", 0, usize::from(required), remedy.as_str()),
        };
        all_passed += passed;
        all_failed += failed;
        let seconds = format!("{:.1}", part.took.as_secs_f64());
        let [p, f] = [passed, failed].map(|n| n.to_string());
        table.row([part.name.clone(), result.into(), p, f, seconds, why.into()]);
    }
    (format!("\n{}\n{all_passed} passed, {all_failed} failed\n", table.lines()), all_failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn part(name: &str, outcome: PartOutcome) -> PartResult {
        PartResult { name: name.into(), outcome, took: Duration::from_millis(1500) }
    }

    #[test]
    fn the_last_line_counts_checks_and_required_parts_that_did_not_run() {
        let parts = [part("tests", PartOutcome::Passed(12)), part("M0", PartOutcome::NotRun("install it".into()))];
        let (text, passed) = of(&parts, false);
        assert!(passed && text.ends_with("\n12 passed, 0 failed\n"), "{text}");
        assert!(text.contains("NOT RUN") && text.contains("install it"), "{text}");
        let (text, passed) = of(&parts, true);
        assert!(!passed && text.ends_with("\n12 passed, 1 failed\n"), "{text}");
    }

    #[test]
    fn a_failure_shows_the_command_that_reproduces_it() {
        let outcome = PartOutcome::Failed { passed: 3, failed: 2, why: "reproduce with: cargo test".into() };
        let (text, passed) = of(&[part("tests", outcome)], false);
        assert!(!passed && text.ends_with("\n3 passed, 2 failed\n") && text.contains("reproduce with"), "{text}");
    }
}
