//! Monitors a run: raises alarms for common failures of GAN training, and detects convergence.
//!
//! A [`Monitor`] checks a run every [`Monitor::every`] steps. It uses means over the steps since the last check, and compares 64 samples with
//! real examples. It raises an alarm if two checks in a row show the same failure (one check for divergence), and each kind of
//! alarm once in a run. The thresholds lie between the values of healthy runs of the named recipes in their first 500 steps and
//! those of provoked failures: see `docs/MONITORING.md`.
mod neighbors;
mod signals;

use crate::loss::Loss;
use crate::train::{StepReport, Trainer};
use serde::{Deserialize, Serialize};
pub use signals::{RealExamples, SampleStatistics, StepMeans};
use std::fmt;

/// Steps from one check to the next. With batch normalization there are fewer checks, because each check must estimate the statistics.
const CHECK_EVERY: u64 = 50;
const CHECK_EVERY_WITH_BATCH_NORM: u64 = 250;
/// A mean gradient norm above `EXPLODED`, and above the smallest earlier one times `EXPLODED_RATIO`, is a divergence.
const EXPLODED: f64 = 1000.0;
const EXPLODED_RATIO: f64 = 100.0;
/// The generator has no gradient if mean D(x) is above this and mean D(G(z)) is below 1 minus this.
const PERFECT_DISCRIMINATOR: f64 = 0.97;
/// Below this sample diversity, relative to that of real examples, modes have collapsed.
const COLLAPSED_DIVERSITY: f64 = 0.3;
/// Below this sample diversity the generator has collapsed to a point.
const POINT_DIVERSITY: f64 = 0.02;
/// Samples with novelty and neighbor ratio below these thresholds are copies of training examples.
const COPY_NOVELTY: f64 = 0.9;
const COPY_RATIO: f64 = 0.93;
/// Thresholds for sets of thousands of examples, with which fewer samples are compared: for sixteen new images of digits, the values
/// may be as low as 0.78 and 0.88 by chance.
const COPY_NOVELTY_FOR_LARGE_SETS: f64 = 0.7;
const COPY_RATIO_FOR_LARGE_SETS: f64 = 0.85;
/// Maximum relative change of the measure that counts as converged.
const FLAT: f64 = 0.02;
/// Tolerance around 0.5 within which the discriminator counts as undecided.
const UNDECIDED: f64 = 0.05;
/// Number of consecutive measurements that must be flat.
const FLAT_MEASUREMENTS: usize = 3;

/// Failure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// Gradients explode, or the generator returns the same example for each latent.
    Divergence,
    /// The discriminator separates real from generated samples perfectly, so the generator's gradient vanishes.
    VanishingGradient,
    /// All samples are similar.
    ModeCollapse,
    /// Samples are copies of training examples (overfitting).
    Memorization,
}

impl AlarmKind {
    /// Every kind, in the order of the checks.
    pub const ALL: [Self; 4] = [Self::Divergence, Self::VanishingGradient, Self::ModeCollapse, Self::Memorization];

    /// Name of the failure.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::VanishingGradient => "vanishing gradient",
            Self::ModeCollapse => "mode collapse",
            Self::Memorization => "memorization",
        }
    }

    /// Changes to the recipe that usually help.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Divergence => {
                "a smaller optimizer.learning_rate, or a regularizer if the recipe has none; train.rollbacks is how often the \
                 run returns to its last good checkpoint by itself and continues with a third of the learning rate"
            }
            Self::VanishingGradient => {
                "objective.loss = \"relativistic\" or \"non-saturating\", a regularizer (r1r2), technique.noise, or fewer \
                 train.discriminator_steps"
            }
            Self::ModeCollapse => {
                "fewer train.generator_steps or more train.discriminator_steps, technique.packing = 2, or objective.loss = \
                 \"relativistic\" with r1r2"
            }
            Self::Memorization => {
                "more images, data.flip, technique.augment, or a smaller discriminator; or stop early, because the best checkpoint \
                 is kept"
            }
        }
    }

    /// Consecutive checks that must show the failure.
    const fn checks(self) -> u32 {
        match self {
            Self::Divergence => 1,
            _ => 2,
        }
    }
}

/// A failure that was detected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The failure.
    pub kind: AlarmKind,
    /// Step at which it was detected.
    pub step: u64,
    /// The numbers that show it, as a sentence.
    pub evidence: String,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, step, evidence } = self;
        write!(f, "{} at step {step}: {evidence}\n  what helps: {}", kind.name(), kind.remedy())
    }
}

/// Detects failures of one run.
#[derive(Clone, Debug)]
pub struct Monitor {
    real: RealExamples,
    every: u64,
    /// Whether D(x) is a probability, so that the discriminator can be too good.
    has_probabilities: bool,
    state: MonitorState,
}

/// What a [`Monitor`] remembers of earlier steps; checkpoints hold it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MonitorState {
    means: StepMeans,
    /// Smallest mean gradient norm of all checks so far; `None` before the first.
    smallest_norm: Option<f64>,
    /// Consecutive checks that showed each kind.
    shown: [u32; AlarmKind::ALL.len()],
    /// Whether each kind was raised.
    raised: [bool; AlarmKind::ALL.len()],
}

impl Monitor {
    /// A monitor for `trainer`; real examples for comparison are read now.
    pub fn new(trainer: &Trainer) -> Self {
        let loss = trainer.recipe().objective.loss;
        let has_batch_norm = !trainer.generator().statistics.is_empty();
        Self {
            real: RealExamples::of(trainer.data()),
            every: if has_batch_norm { CHECK_EVERY_WITH_BATCH_NORM } else { CHECK_EVERY },
            has_probabilities: matches!(loss, Loss::Minimax | Loss::NonSaturating | Loss::Relativistic),
            state: MonitorState::default(),
        }
    }

    /// Steps from one check to the next.
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Steps from the beginning of a failure to its alarm, at most: an alarm needs up to two checks.
    pub fn delay(&self) -> u64 {
        2 * self.every
    }

    /// What the monitor remembers of earlier steps.
    pub fn state(&self) -> &MonitorState {
        &self.state
    }

    /// Continues from the state of an earlier monitor of the same run.
    pub fn restore(&mut self, state: MonitorState) {
        self.state = state;
    }

    /// Records a step; returns whether a [`check`](Self::check) is due.
    pub fn record(&mut self, report: &StepReport) -> bool {
        self.state.means.add(report);
        u64::from(self.state.means.steps) >= self.every
    }

    /// Checks the steps since the last check, and fresh samples; an alarm that was raised before is not raised again.
    pub fn check(&mut self, trainer: &mut Trainer) -> Option<Alarm> {
        let means = std::mem::take(&mut self.state.means);
        let samples = self.real.compare(trainer);
        let gradient = means.discriminator_gradient_norm.max(means.generator_gradient_norm);
        let exploded = self.exploded(gradient);
        for (i, kind) in AlarmKind::ALL.into_iter().enumerate() {
            let shows = match kind {
                AlarmKind::Divergence => exploded || samples.diversity < POINT_DIVERSITY,
                AlarmKind::VanishingGradient => {
                    let perfect = means.d_real > PERFECT_DISCRIMINATOR && means.d_fake < 1.0 - PERFECT_DISCRIMINATOR;
                    self.has_probabilities && perfect
                }
                AlarmKind::ModeCollapse => samples.diversity < COLLAPSED_DIVERSITY,
                AlarmKind::Memorization => self.real.is_complete() && self.are_copies(&samples),
            };
            let MonitorState { shown, raised, .. } = &mut self.state;
            shown[i] = if shows { shown[i] + 1 } else { 0 };
            if shown[i] >= kind.checks() && !raised[i] {
                // Later alarms would only report consequences of this one.
                *raised = [true; AlarmKind::ALL.len()];
                return Some(Alarm { kind, step: trainer.step(), evidence: evidence(kind, &means, &samples) });
            }
        }
        None
    }

    /// Whether a mean gradient norm is far above all earlier ones, or not a number.
    fn exploded(&mut self, gradient: f64) -> bool {
        // The first check has no earlier norm to compare with.
        let smallest_norm = self.state.smallest_norm.unwrap_or(0.0);
        self.state.smallest_norm = Some(self.state.smallest_norm.map_or(gradient, |norm| norm.min(gradient)));
        gradient.is_nan() || (gradient > EXPLODED && gradient > EXPLODED_RATIO * smallest_norm)
    }

    fn are_copies(&self, samples: &SampleStatistics) -> bool {
        let (novelty, ratio) = if self.real.is_large() {
            (COPY_NOVELTY_FOR_LARGE_SETS, COPY_RATIO_FOR_LARGE_SETS)
        } else {
            (COPY_NOVELTY, COPY_RATIO)
        };
        samples.novelty < novelty && samples.neighbor_ratio < ratio
    }

    /// Discards the results of all earlier checks, after a rollback.
    pub fn reset(&mut self) {
        self.state = MonitorState::default();
    }
}

/// The measurements that show a failure, as a sentence.
fn evidence(kind: AlarmKind, means: &StepMeans, samples: &SampleStatistics) -> String {
    match kind {
        AlarmKind::Divergence => format!(
            "the mean gradient norm is {:.3e}, and the sample diversity is {:.2} times that of real examples",
            means.discriminator_gradient_norm.max(means.generator_gradient_norm),
            samples.diversity
        ),
        AlarmKind::VanishingGradient => format!(
            "mean D(x) is {:.3}, mean D(G(z)) is {:.3}, and the generator's gradient norm is {:.4}",
            means.d_real, means.d_fake, means.generator_gradient_norm
        ),
        AlarmKind::ModeCollapse => {
            format!("the sample diversity is {:.2} times that of real examples", samples.diversity)
        }
        AlarmKind::Memorization => format!(
            "the distance from a sample to the nearest training example is {:.2} times the distance between neighboring training examples",
            samples.novelty
        ),
    }
}

/// Detects convergence: the discriminator is undecided, and the measure no longer changes.
///
/// D(x) = 0.5 is not sufficient: it also occurs early in training, and at a mode collapse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// The last measurements, at most three.
    measurements: Vec<Measurement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Measurement {
    measure: f64,
    d_real: f64,
    d_fake: f64,
}

impl Convergence {
    /// Records a measurement with mean D(x) and mean D(G(z)) at that time; returns whether the last three were flat and undecided.
    ///
    /// ```
    /// let mut convergence = ganlet_trainer::watch::Convergence::default();
    /// let converged = [2.0, 1.0, 0.7, 0.7, 0.695, 0.7].map(|m| convergence.record(m, 0.52, 0.48));
    /// assert_eq!(converged, [false, false, false, false, true, true]);
    /// assert!(!convergence.record(0.7, 0.9, 0.1));
    /// ```
    pub fn record(&mut self, measure: f64, d_real: f64, d_fake: f64) -> bool {
        if !measure.is_finite() {
            // The measurement failed.
            self.measurements.clear();
            return false;
        }
        self.measurements.push(Measurement { measure, d_real, d_fake });
        let Some(from) = self.measurements.len().checked_sub(FLAT_MEASUREMENTS) else { return false };
        self.measurements.drain(..from);
        let last = &self.measurements;
        let undecided = |d: f64| (d - 0.5).abs() <= UNDECIDED;
        let measures = last.iter().map(|m| m.measure);
        let (low, high) = measures.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), m| (a.min(m), b.max(m)));
        last.iter().all(|m| undecided(m.d_real) && undecided(m.d_fake)) && high - low <= FLAT * high.abs()
    }
}
