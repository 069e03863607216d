//! The last lines of a training command: what was achieved, and what to type next.

use crate::console::{self, TextStyle};
use crate::failure::Failure;
use crate::report::{self, Report};
use crate::training::RUNS;
use ganlet_trainer::evaluate::{Comparison, Trend};
use ganlet_trainer::files;
use ganlet_trainer::run::{RunFolder, TrainingData};
use std::path::Path;

/// Minutes of training that the verdict suggests.
const MORE_MINUTES: u64 = 10;

/// Writes the page of a complete run of `steps` steps. Prints whether it still improves, its alarms, how its samples compare with real
/// images, and what to type next.
pub(crate) fn conclude(folder: &RunFolder, steps: u64, data: &TrainingData) -> Result<(), Failure> {
    let Report { comparison, exportable } = report::write(folder, data)?;
    let trend = Trend::of(&folder.log_entries());
    console::note(&format!("{} {trend}", console::on_stderr(TextStyle::Bold, "verdict:")));
    if let Some(best) = folder.best().filter(|best| best.step < steps) {
        let m = &best.measurement;
        console::note(&format!(
            "  best checkpoint: step {}, {} {:.3}; it is kept and will be exported",
            best.step, m.name, m.value
        ));
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
    let commands = match (data.images.is_some(), trend.is_improving()) {
        _ if !exportable => vec![resume],
        (true, true) => vec![resume, show, export],
        (true, false) => vec![export, show, resume],
        (false, _) => vec![resume, show],
    };
    console::note(&format!("next: {}", commands.join("   or: ")));
    Ok(())
}

/// Returns the word for a run on the command line: "latest" for the newest one.
fn name(folder: &RunFolder) -> String {
    let newest = RunFolder::open(Path::new(RUNS), "latest").is_ok_and(|newest| newest.path() == folder.path());
    if newest { "latest".into() } else { files::quoted(folder.path()) }
}
