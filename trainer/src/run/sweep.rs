//! A short sweep before a run: trials that choose the weight of the gradient penalty and the learning rate.
use super::{CheckpointMeasure, Measurement, RunError};
use crate::data::Dataset;
use crate::recipe::Recipe;
use crate::train::Trainer;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Fewest steps of a trial: after fewer, all samples look alike.
pub const LEAST_TRIAL_STEPS: u64 = 100;

/// Factors on the weight of the recipe's gradient penalty, in the order of the trials.
const WEIGHT_FACTORS: [f32; 5] = [1.0, 0.3, 3.0, 0.1, 10.0];
/// Factors on the learning rates that are tried with the best weight; without a gradient penalty, 1 comes first.
const RATE_FACTORS: [f32; 2] = [0.5, 2.0];

/// One trial: what it trained with, and what it reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Weight of the gradient penalty (γ or λ); `None` without one.
    pub penalty_weight: Option<f32>,
    /// Learning rate of the discriminator, and of the generator unless it has its own.
    pub learning_rate: f32,
    /// Its measurement; `None` if training failed.
    pub measurement: Option<Measurement>,
    /// Why training failed.
    pub failure: Option<String>,
}

/// A sweep over variants of one recipe. All trials train with the same seed and number of steps.
pub struct Sweep<'a> {
    /// The recipe to vary.
    pub recipe: &'a Recipe,
    /// Training data.
    pub data: &'a Arc<dyn Dataset>,
    /// Seed of every trial.
    pub seed: u64,
    /// Steps of a trial.
    pub steps: u64,
    /// Number of threads; 0: chosen automatically.
    pub threads: usize,
    /// Prepares each trainer before its first step, as `warm_start` does.
    pub prepare: &'a dyn Fn(&mut Trainer) -> Result<(), RunError>,
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepOutcome {
    /// The recipe with the best weight and learning rate.
    pub recipe: Recipe,
    /// All trials, in order.
    pub trials: Vec<Trial>,
    /// Index of the trial with the lowest measurement.
    pub best: usize,
}

impl Sweep<'_> {
    /// Number of trials for `recipe`.
    pub fn trials(recipe: &Recipe) -> usize {
        let weights = recipe.objective.regularizer.penalty_weight().map_or(1, |_| WEIGHT_FACTORS.len());
        weights + RATE_FACTORS.len()
    }

    /// Runs all trials and compares them by `measure`; `None` if `stop` returned true between two steps. `on_trial` is
    /// called before and after each trial, with its index.
    ///
    /// # Errors
    /// If a trainer cannot be created or prepared, or all trials failed.
    pub fn run(
        &self,
        measure: &mut CheckpointMeasure<'_>,
        stop: &dyn Fn() -> bool,
        on_trial: &mut dyn FnMut(usize, &Trial),
    ) -> Result<Option<SweepOutcome>, RunError> {
        let wrong = |e: &dyn std::fmt::Display| RunError::new(Path::new(&format!("recipe {}", self.recipe.name)), e);
        let own = self.recipe.objective.regularizer.penalty_weight();
        let mut trials: Vec<Trial> = Vec::new();
        let weights = if own.is_some() { &WEIGHT_FACTORS[..] } else { &WEIGHT_FACTORS[..1] };
        let variants = weights.iter().map(|weight| (Some(*weight), 1.0)).chain(RATE_FACTORS.map(|rate| (None, rate)));
        for (weight, rate) in variants {
            let penalty_weight = match weight {
                Some(factor) => own.map(|own| own * factor),
                None => best(&trials).and_then(|best| trials[best].penalty_weight).or(own),
            };
            let learning_rate = self.recipe.optimizer.learning_rate * rate;
            let mut trial = Trial { penalty_weight, learning_rate, measurement: None, failure: None };
            on_trial(trials.len(), &trial);
            let recipe = trial.applied(self.recipe);
            let mut trainer = Trainer::new(recipe, Arc::clone(self.data), self.seed, self.steps, self.threads)
                .map_err(|e| wrong(&e))?;
            (self.prepare)(&mut trainer)?;
            while trainer.step() < self.steps && trial.failure.is_none() {
                if stop() {
                    return Ok(None);
                }
                trial.failure = trainer.advance().err().map(|e| e.to_string());
            }
            if trial.failure.is_none() {
                trainer.estimate_batch_norm();
                let measured = measure(&mut trainer);
                if measured.value.is_finite() {
                    trial.measurement = Some(measured);
                } else {
                    trial.failure = Some(measured.details);
                }
            }
            on_trial(trials.len(), &trial);
            trials.push(trial);
        }
        let Some(best) = best(&trials) else {
            let failures: String = trials.iter().filter_map(|t| Some(format!("\n  {}", t.failure.as_ref()?))).collect();
            return Err(wrong(&format!(
                "all trials of --auto failed:{failures}\n  to do: a smaller optimizer.learning_rate"
            )));
        };
        Ok(Some(SweepOutcome { recipe: trials[best].applied(self.recipe), trials, best }))
    }
}

impl Trial {
    /// Whether the trial is over.
    pub fn is_over(&self) -> bool {
        self.measurement.is_some() || self.failure.is_some()
    }

    /// Returns `recipe` with the settings of this trial.
    fn applied(&self, recipe: &Recipe) -> Recipe {
        let mut recipe = recipe.clone();
        if let Some(weight) = self.penalty_weight {
            recipe.objective.regularizer = recipe.objective.regularizer.with_penalty_weight(weight);
        }
        let factor = self.learning_rate / recipe.optimizer.learning_rate;
        if factor != 1.0 {
            recipe.optimizer.scale_learning_rates(factor);
        }
        recipe
    }
}

/// Index of the trial with the lowest measurement.
fn best(trials: &[Trial]) -> Option<usize> {
    let measured = trials.iter().enumerate().filter_map(|(i, t)| Some((i, t.measurement.as_ref()?.value)));
    measured.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::load_data;

    fn sweep(settings: &[&str], steps: u64, stop: bool) -> Result<Option<SweepOutcome>, RunError> {
        let small = ["train.batch_size=32", "generator.hidden=[8]", "discriminator.hidden=[8]"];
        let settings: Vec<_> = small.iter().chain(settings).map(|s| (*s).to_owned()).collect();
        let recipe = Recipe::open("ring", &settings).unwrap();
        let data = load_data(&recipe).unwrap();
        let sweep = Sweep { recipe: &recipe, data: &data.train, seed: 1, steps, threads: 1, prepare: &|_| Ok(()) };
        let mut seen = Vec::new();
        // The mean distance of points from the circle of the modes.
        let mut measure: CheckpointMeasure<'_> = Box::new(|trainer| {
            let points = trainer.samples(0, 500);
            let off = points.chunks_exact(2).map(|p| f64::from((p[0].hypot(p[1]) - 2.0).abs()));
            Measurement { name: "distance".into(), value: off.sum::<f64>() / 500.0, details: "not finite".into() }
        });
        let outcome = sweep.run(&mut measure, &|| stop, &mut |i, trial| seen.push((i, trial.is_over())))?;
        if let Some(outcome) = &outcome {
            assert_eq!(outcome.trials.len(), Sweep::trials(&recipe));
            let expected: Vec<_> = (0..outcome.trials.len()).flat_map(|i| [(i, false), (i, true)]).collect();
            assert_eq!(seen, expected);
        }
        Ok(outcome)
    }

    #[test]
    fn the_best_weight_is_kept_while_learning_rates_are_tried() {
        let outcome = sweep(&["objective.regularizer.gamma=0.1"], 30, false).unwrap().unwrap();
        let weights: Vec<_> = outcome.trials.iter().map(|t| t.penalty_weight.unwrap()).collect();
        assert!(
            weights[..5].iter().zip([0.1, 0.03, 0.3, 0.01, 1.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-5),
            "{weights:?}"
        );
        let best = best(&outcome.trials[..5]).unwrap();
        assert_eq!(weights[5..], [weights[best]; 2]);
        let value = |t: &Trial| t.measurement.as_ref().unwrap().value;
        let least = outcome.trials.iter().map(value).fold(f64::MAX, f64::min);
        let chosen = &outcome.trials[outcome.best];
        assert_eq!(value(chosen), least);
        assert_eq!(outcome.recipe.optimizer.learning_rate, chosen.learning_rate);
        assert_eq!(outcome.recipe.objective.regularizer.penalty_weight(), chosen.penalty_weight);
    }

    #[test]
    fn a_sweep_can_be_stopped_and_fails_if_every_trial_does() {
        assert_eq!(sweep(&[], 30, true).unwrap(), None);
        let error = sweep(&["optimizer.learning_rate=1e30"], 30, false).unwrap_err().to_string();
        assert!(
            error.contains("all trials of --auto failed") && error.contains("smaller optimizer.learning_rate"),
            "{error}"
        );
    }

    #[test]
    fn without_a_penalty_only_learning_rates_vary() {
        let outcome = sweep(&["objective.regularizer={ kind = \"none\" }"], 10, false).unwrap().unwrap();
        let rates: Vec<_> = outcome.trials.iter().map(|t| t.learning_rate).collect();
        assert_eq!(rates, [1.5e-3, 0.75e-3, 3e-3]);
        assert!(outcome.trials.iter().all(|t| t.penalty_weight.is_none()));
    }
}
