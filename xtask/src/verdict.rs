//! The last lines of a training command: what was achieved, and what to type next.

use crate::console::{self, TextStyle};
use crate::failure::Failure;
use crate::report::{self, Report};
use crate::training::RUNS;
use ganlet_trainer::evaluate::{Comparison, Trend};
use ganlet_trainer::files;
use ganlet_trainer::run::{ChoiceReason, RunFolder, TrainingData};
use std::path::Path;

/// Minutes of training that the verdict suggests.
const MORE_MINUTES: u64 = 10;

/// Writes the page of a complete run of `steps` steps. Prints whether it still improves, its alarms, how its samples compare with real
/// images, and what to type next.
pub(crate) fn conclude(folder: &RunFolder, steps: u64, data: &TrainingData) -> Result<(), Failure> {
    let Report { comparison, exportable, step, reason } = report::write(folder, data)?;
    let trend = Trend::of(&folder.log_entries());
    console::note(&format!("{} {trend}", console::on_stderr(TextStyle::Bold, "verdict:")));
    match &reason {
        ChoiceReason::BestMeasurement(m) if step < steps => console::note(&format!(
            "  best checkpoint: step {step}, {} {:.3}; it is kept and will be exported",
            m.name, m.value
        )),
        ChoiceReason::BestMeasurement(_) | ChoiceReason::NothingMeasured(None) => {}
        reason => console::note(&format!("  step {step} will be exported, {reason}")),
    }
    for alarm in folder.alarms() {
        let first = alarm.lines().next().unwrap_or_default();
        console::note(&format!("  alarm: {first}; alarms.txt lists what helps"));
    }
    for sentence in comparison.iter().flat_map(Comparison::sentences) {
        console::note(&format!("  {sentence}"));
    }
    let resume = format!("cargo xtask train --resume {} --minutes {MORE_MINUTES}", name(folder));
    let export = format!("cargo xtask export {}", files::quoted(folder.path()));
    let show = format!("cargo xtask sim {}", files::quoted(folder.path()));
    let commands = next(&trend, data.images.is_some(), exportable, [resume, export, show]);
    console::note(&format!("next: {}", commands.join("   or: ")));
    Ok(())
}

/// Returns the commands that fit the verdict, the first one being the most useful: more training only if that may help, and nothing that
/// needs a model if the generator cannot be exported.
fn next(trend: &Trend, has_images: bool, exportable: bool, [resume, export, show]: [String; 3]) -> Vec<String> {
    match (has_images, trend) {
        _ if !exportable => vec![resume],
        (true, Trend::Improving(_)) => vec![resume, show, export],
        (true, Trend::Unknown) => vec![export, show, resume],
        (true, Trend::Flat(_) | Trend::Worse(_)) => vec![export, show],
        (false, Trend::Flat(_) | Trend::Worse(_)) => vec![show],
        (false, _) => vec![resume, show],
    }
}

/// Returns the word for a run on the command line: "latest" for the newest one.
fn name(folder: &RunFolder) -> String {
    let newest = RunFolder::open(Path::new(RUNS), "latest").is_ok_and(|newest| newest.path() == folder.path());
    if newest { "latest".into() } else { files::quoted(folder.path()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganlet_trainer::evaluate::Change;

    #[test]
    fn more_training_is_suggested_only_if_it_may_help() {
        let change = Change { name: "distance".into(), before: 1.0, before_step: 1, recent: 1.0 };
        let trends =
            [Trend::Unknown, Trend::Improving(change.clone()), Trend::Flat(change.clone()), Trend::Worse(change)];
        let found = |has_images, exportable| {
            let words = || ["resume", "export", "show"].map(str::to_owned);
            trends.each_ref().map(|trend| next(trend, has_images, exportable, words()).join(" "))
        };
        assert_eq!(found(true, true), ["export show resume", "resume show export", "export show", "export show"]);
        assert_eq!(found(false, true), ["resume show", "resume show", "show", "show"]);
        assert_eq!(found(true, false), ["resume"; 4]);
    }
}
