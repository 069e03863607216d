//! `train --resume`: continues a run from its newest checkpoint.

use super::{Args, conclude, dry_run, train};
use crate::console;
use crate::failure::Failure;
use crate::fitting;
use crate::training::{self, RUNS};
use ganlet_trainer::files;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{ResumeOptions, Run, RunFolder, RunOutcome};
use ganlet_trainer::train::Trainer;
use std::path::Path;

/// Continues the run in `folder`, or the newest one if that is "latest".
pub(super) fn resume(args: &Args, folder: &str) -> Result<(), Failure> {
    let fitted = args.fit.is_some() || args.flash.is_some();
    if fitted || args.seed.is_some() || args.out.is_some() {
        return Err(Failure::unusable(
            "--resume continues with the run's own seed, folder and widths; with it, omit --seed, --out, --fit and --flash",
        ));
    }
    let folder = RunFolder::open(Path::new(RUNS), folder).map_err(Failure::unusable)?;
    // Reading the data may take minutes. The lock is taken again when training starts.
    drop(folder.lock().map_err(Failure::unusable)?);
    let recipe = recipe(args, &folder)?;
    let options = ResumeOptions { recipe, data: args.data.clone(), accept_changes: args.accept_changes };
    let resumed = folder.resume(options).map_err(Failure::unusable)?;
    resumed.warnings.iter().for_each(|warning| console::note(warning));
    let saved = &resumed.checkpoint;
    // Steps that were changed in the recipe count, too.
    let changed = resumed.changes.iter().any(|change| change.starts_with("train.steps:"));
    let own = if changed { saved.recipe.train.steps } else { saved.steps };
    let steps = args.steps.unwrap_or(own).max(saved.step);
    let mut trainer = resumed.trainer(steps, args.threads.unwrap_or(0)).map_err(Failure::unusable)?;
    if let Some(minutes) = args.minutes {
        let more = training::steps_in(&mut trainer, minutes)?;
        trainer.set_steps(saved.step + more);
    }
    let schedule = schedule_note(saved.steps, &trainer);
    if args.dry_run {
        schedule.iter().for_each(|note| console::note(note));
        return dry_run(&mut trainer, &resumed.data);
    }
    let done = saved.step >= trainer.steps();
    training::announce(&folder);
    if !done {
        training::introduce(&trainer, &resumed.data.notes);
        fitting::report(&saved.recipe, &resumed.data);
        console::note(&format!("  resumed    at step {}", saved.step));
    }
    schedule.iter().for_each(|note| console::note(note));
    resumed.changes.iter().for_each(|change| console::note(&format!("  changed    {change}")));
    if done {
        let (path, step) = (files::shown(folder.path()), saved.step);
        console::note(&match args.steps.filter(|steps| *steps < step) {
            Some(fewer) => {
                format!("{path} has done {step} steps already, more than --steps {fewer}: nothing is left to train")
            }
            None => format!("{path} has completed its {step} steps"),
        });
    }
    let options = (args.profile, args.trace_steps);
    let run = Run::resume(trainer, folder, &resumed).map_err(Failure::unusable)?;
    let (run, outcome) = train(run, &resumed.data, options)?;
    conclude(run, &resumed.data, outcome)?;
    if outcome == RunOutcome::Stopped { Err(Failure::stopped()) } else { Ok(()) }
}

/// Describes how the learning rate continues if the run becomes longer or shorter, because a schedule spans the whole run.
fn schedule_note(before: u64, trainer: &Trainer) -> Option<String> {
    let (step, steps, recipe) = (trainer.step(), trainer.steps(), trainer.recipe());
    let [old, new] = [before, steps].map(|steps| recipe.schedule.factor(step, steps) * recipe.optimizer.learning_rate);
    (old != new && step < steps).then(|| {
        format!(
            "  schedule   now spans {steps} steps, not {before}: the learning rate continues at {new:.2e}, where it was {old:.2e}; with --set \
             schedule.kind=constant --accept-changes it stays at {:.2e}",
            recipe.optimizer.learning_rate
        )
    })
}

/// Returns the recipe of the command line: the named one, or that of the run with the settings of `--set`.
fn recipe(args: &Args, folder: &RunFolder) -> Result<Option<Recipe>, Failure> {
    match &args.recipe {
        Some(name) => Recipe::open(name, &args.set).map(Some).map_err(Failure::unusable),
        None if args.set.is_empty() => Ok(None),
        None => {
            let own = folder.recipe().map_err(Failure::unusable)?;
            Recipe::parse(&own.name, &own.to_toml(), &args.set).map(Some).map_err(Failure::unusable)
        }
    }
}
