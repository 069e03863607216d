//! The table at the end of the tests, and the line that scripts read.

use super::{Part, Verdict};
use crate::table::Table;

/// The summary, and whether all is well; with `required`, a part that was not run has failed.
pub(super) fn of(parts: &[Part], required: bool) -> (String, bool) {
    let mut table = Table::new(&["part", "verdict", ">passed", ">failed", ">seconds", ""]);
    let (mut all_passed, mut all_failed) = (0, 0);
    for part in parts {
        let (verdict, passed, failed, why) = match &part.verdict {
            Verdict::Passed(passed) => ("passed", *passed, 0, ""),
            Verdict::Failed { passed, failed, why } => ("FAILED", *passed, *failed, why.as_str()),
            Verdict::NotRun(remedy) => ("NOT RUN", 0, usize::from(required), remedy.as_str()),
        };
        all_passed += passed;
        all_failed += failed;
        let seconds = format!("{:.1}", part.took.as_secs_f64());
        let [p, f] = [passed, failed].map(|n| n.to_string());
        table.row([part.name.clone(), verdict.into(), p, f, seconds, why.into()]);
    }
    (format!("\n{}\n{all_passed} passed, {all_failed} failed\n", table.lines()), all_failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn part(name: &str, verdict: Verdict) -> Part {
        Part { name: name.into(), verdict, took: Duration::from_millis(1500) }
    }

    #[test]
    fn the_last_line_counts_checks_and_what_must_run_but_did_not() {
        let parts = [part("tests", Verdict::Passed(12)), part("M0", Verdict::NotRun("install it".into()))];
        let (text, well) = of(&parts, false);
        assert!(well && text.ends_with("\n12 passed, 0 failed\n"), "{text}");
        assert!(text.contains("NOT RUN") && text.contains("install it"), "{text}");
        let (text, well) = of(&parts, true);
        assert!(!well && text.ends_with("\n12 passed, 1 failed\n"), "{text}");
    }

    #[test]
    fn a_failure_says_how_to_see_it_again() {
        let verdict = Verdict::Failed { passed: 3, failed: 2, why: "again by: cargo test".into() };
        let (text, well) = of(&[part("tests", verdict)], false);
        assert!(!well && text.ends_with("\n3 passed, 2 failed\n") && text.contains("again by"), "{text}");
    }
}
