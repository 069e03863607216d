//! `train --auto`: a short sweep that chooses the weight of the gradient penalty and the learning rate.

use super::Args;
use super::start::Start;
use crate::console;
use crate::failure::Failure;
use crate::table::{Table, grouped};
use crate::training;
use ganlet_trainer::evaluate::checkpoint_measure;
use ganlet_trainer::files;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{LEAST_TRIAL_STEPS, RunFolder, Sweep, SweepOutcome, TrainingData, Trial};
use ganlet_trainer::train::Trainer;
use std::sync::Arc;

/// Steps of the run for each step of a trial.
const RUN_PER_TRIAL: u64 = 12;

/// The settings that the trials chose for a run.
pub(super) struct Chosen {
    pub(super) recipe: Recipe,
    /// Steps of the run.
    pub(super) steps: u64,
    trials: Vec<Trial>,
}

impl Chosen {
    /// Writes the trials to `auto.json` in the folder of the run.
    pub(super) fn save(&self, folder: &RunFolder) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(&self.trials)?;
        Ok(files::write(folder.path().join("auto.json"), json)?)
    }
}

/// Runs the trials.
pub(super) fn choose(
    args: &Args,
    recipe: &Recipe,
    data: &TrainingData,
    start: Option<&Start>,
    seed: u64,
) -> Result<Chosen, Failure> {
    let measure = checkpoint_measure(data, args.threads.unwrap_or(0)).map_err(|e| not_comparable(&e))?;
    let mut measure = measure.ok_or_else(|| not_comparable(&"there is no metric for them"))?;
    let steps = run_steps(args, recipe, data, seed)?;
    let trial_steps = steps / RUN_PER_TRIAL;
    let count = Sweep::trials(recipe);
    if trial_steps < LEAST_TRIAL_STEPS {
        return Err(Failure::unusable(format!(
            "--auto has no time for one trial: a run of {} steps leaves {trial_steps} steps for each of {count} trials, and fewer than \
             {LEAST_TRIAL_STEPS} show no difference\n  to do: --steps {} or more, a longer --minutes, or no --auto",
            grouped(steps),
            LEAST_TRIAL_STEPS * RUN_PER_TRIAL
        )));
    }
    training::catch_interrupts();
    console::note(&format!("--auto: {count} trials of {} steps each", grouped(trial_steps)));
    let prepare = |trainer: &mut Trainer| start.map_or(Ok(()), |start| start.apply(trainer).map(drop));
    let threads = args.threads.unwrap_or(0);
    let sweep = Sweep { recipe, data: &data.train, seed, steps: trial_steps, threads, prepare: &prepare };
    let mut show = |index: usize, trial: &Trial| {
        if !trial.is_over() {
            console::note(&format!("  trial {} of {count}: {}", index + 1, settings(trial)));
        }
    };
    let outcome = sweep.run(&mut measure, &training::interrupted, &mut show).map_err(Failure::unusable)?;
    let Some(outcome) = outcome else {
        console::note("stopped during the trials: no run was started");
        return Err(Failure::stopped());
    };
    console::note(table(&outcome).trim_end());
    console::note(&format!("chosen: {}", settings(&outcome.trials[outcome.best])));
    Ok(Chosen { recipe: outcome.recipe, steps, trials: outcome.trials })
}

fn not_comparable(why: &dyn std::fmt::Display) -> Failure {
    Failure::unusable(format!("--auto cannot compare trials on these data: {why}\n  to do: omit --auto"))
}

/// Number of steps of the run. With `--minutes`, trials and run together take this time.
fn run_steps(args: &Args, recipe: &Recipe, data: &TrainingData, seed: u64) -> Result<u64, Failure> {
    let Some(minutes) = args.minutes else { return Ok(args.steps.unwrap_or(recipe.train.steps)) };
    let mut trainer = Trainer::new(recipe.clone(), Arc::clone(&data.train), seed, 1, args.threads.unwrap_or(0))
        .map_err(|e| Failure::unusable(format!("recipe {}: {e}", recipe.name)))?;
    let all = training::steps_in(&mut trainer, minutes)?;
    Ok(all * RUN_PER_TRIAL / (RUN_PER_TRIAL + Sweep::trials(recipe) as u64))
}

/// The settings of a trial in words.
fn settings(trial: &Trial) -> String {
    let rate = format!("learning rate {:.2e}", trial.learning_rate);
    match trial.penalty_weight {
        Some(weight) => format!("weight of the gradient penalty {weight:.3}, {rate}"),
        None => rate,
    }
}

/// The trials as a table.
fn table(outcome: &SweepOutcome) -> String {
    let mut table = Table::new(&[">penalty weight", ">learning rate", "measured", ""]);
    for (i, trial) in outcome.trials.iter().enumerate() {
        let weight = trial.penalty_weight.map_or_else(|| "none".to_owned(), |weight| format!("{weight:.3}"));
        let measured = match (&trial.measurement, &trial.failure) {
            (Some(m), _) => format!("{} {:.3} {}", m.name, m.value, m.details),
            (None, failure) => {
                let failure = failure.as_deref().unwrap_or_default();
                format!("failed: {}", failure.lines().next().unwrap_or_default())
            }
        };
        let chosen = if i == outcome.best { "chosen" } else { "" };
        table.row([weight, format!("{:.2e}", trial.learning_rate), measured, chosen.to_owned()]);
    }
    table.lines()
}
