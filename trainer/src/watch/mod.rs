//! Watching a run: what is wrong, by which numbers, and what helps.
//!
//! Looks happen every [`Watch::every`] steps, at numbers of the steps since the last one and at 64 samples beside real examples. An alarm is raised where
//! two looks in a row see the same (divergence: one), once a run for each kind. The limits were chosen between what healthy runs of the
//! named recipes show in their first 500 steps and what staged failures show: `docs/MONITORING.md`.
mod neighbors;
mod signals;

use crate::loss::Loss;
use crate::train::{Report, Trainer};
pub use signals::{Likeness, Means, Real};
use std::fmt;

/// Steps from one look to the next; with batch normalization, whose statistics have to be measured first, it is rarer.
const EVERY: u64 = 50;
const EVERY_NORMALIZED: u64 = 250;
/// A mean gradient this long, and as many times longer than the calmest look before, is no training.
const EXPLODED: f64 = 1000.0;
const TIMES: f64 = 100.0;
/// A discriminator that is so sure of real and of generated examples leaves nothing to learn from.
const SURE: f64 = 0.97;
/// Less variety than this, real examples having 1, is a collapse.
const LEAST_VARIETY: f64 = 0.3;
/// With less than this the generator is dead.
const DEAD: f64 = 0.02;
/// Samples nearer than this to training examples, these being 1 from each other, and nearer to one than to all others, are copies.
const LEAST_NOVELTY: f64 = 0.9;
const LEAST_SINGLE: f64 = 0.93;
/// The same of sets of thousands, of which fewer samples are compared: sixteen new pictures of digits may lie at 0.78 and 0.88 by chance.
const LEAST_NOVELTY_OF_THOUSANDS: f64 = 0.7;
const LEAST_SINGLE_OF_THOUSANDS: f64 = 0.85;
/// From one convergence look to the next nothing may change by more than this.
const FLAT: f64 = 0.02;
/// How far from a half the discriminator may be where it cannot tell.
const UNDECIDED: f64 = 0.05;
/// Measurements in a row that must be flat.
const FLAT_LOOKS: usize = 3;

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Gradients of unheard-of length, or a generator that makes the same of every latent: the weights have left every sensible place.
    Divergence,
    /// A discriminator that is always right: the generator gets next to no gradient.
    Vanishing,
    /// Samples that are all alike.
    Collapse,
    /// Samples that are copies of training examples.
    Memorization,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Divergence, Self::Vanishing, Self::Collapse, Self::Memorization];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::Vanishing => "vanishing gradient",
            Self::Collapse => "mode collapse",
            Self::Memorization => "memorization",
        }
    }

    /// What helps.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Divergence => {
                "a smaller optimizer.learning_rate, or a regularizer on the discriminator where there is none; train.rollbacks = 3 goes back to the last good \
                 checkpoint by itself, with a third of the rate"
            }
            Self::Vanishing => {
                "loss = \"relativistic\" or \"non-saturating\", a regularizer (r1r2), technique.noise, or fewer train.discriminator_steps"
            }
            Self::Collapse => {
                "fewer train.generator_steps or more train.discriminator_steps, technique.packing = 2, or loss = \"relativistic\" with r1r2"
            }
            Self::Memorization => {
                "more pictures, data.flip, technique.augment, or a smaller discriminator; stop early: the best checkpoint is kept"
            }
        }
    }
}

/// A failure that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// What it is.
    pub kind: Kind,
    /// The step at which it was seen.
    pub step: u64,
    /// The numbers by which it was seen.
    pub saw: String,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at step {}: {}\n  what helps: {}", self.kind.name(), self.step, self.saw, self.kind.remedy())
    }
}

/// Watches one run.
#[derive(Clone, Debug)]
pub struct Watch {
    real: Real,
    every: u64,
    /// Whether the discriminator's judgment is a probability of two classes.
    judges: bool,
    means: Means,
    calmest: f64,
    /// Looks in a row that saw each kind, and the kinds that were told.
    seen: [u32; Kind::ALL.len()],
    told: [bool; Kind::ALL.len()],
}

impl Watch {
    /// Prepares to watch a run; examples to compare with are drawn now.
    pub fn new(trainer: &Trainer) -> Self {
        let loss = trainer.recipe().objective.loss;
        Self {
            real: Real::of(trainer.data()),
            every: if trainer.generator().statistics.is_empty() { EVERY } else { EVERY_NORMALIZED },
            judges: matches!(loss, Loss::Minimax | Loss::NonSaturating | Loss::Relativistic),
            means: Means::default(),
            calmest: f64::INFINITY,
            seen: [0; Kind::ALL.len()],
            told: [false; Kind::ALL.len()],
        }
    }

    /// Steps from one look to the next.
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Takes in a step; says whether it is time to [`look`](Self::look).
    pub fn step(&mut self, report: &Report) -> bool {
        self.means.add(report);
        u64::from(self.means.steps) >= self.every
    }

    /// Looks at the steps since the last look, and at samples; an alarm that was raised before is not raised again.
    pub fn look(&mut self, trainer: &mut Trainer) -> Option<Alarm> {
        let means = std::mem::take(&mut self.means);
        let gradient = means.discriminator_gradient_norm.max(means.generator_gradient_norm);
        // At the first look there is nothing calmer to compare with.
        let calm = if self.calmest.is_finite() { self.calmest } else { 0.0 };
        let exploded = gradient.is_nan() || (gradient > EXPLODED && gradient > TIMES * calm);
        self.calmest = self.calmest.min(gradient);
        let like = self.real.likeness(trainer);
        let sights = [
            (
                exploded || like.variety < DEAD,
                1,
                format!(
                    "gradients were {gradient:.3e} long on average, and samples differ {:.2} times as much from each other as real examples do",
                    like.variety
                ),
            ),
            (
                self.judges && means.real > SURE && means.fake < 1.0 - SURE,
                2,
                format!(
                    "the discriminator finds real examples {:.3} and generated ones {:.3} real; the generator's gradient is {:.4}",
                    means.real, means.fake, means.generator_gradient_norm
                ),
            ),
            (
                like.variety < LEAST_VARIETY,
                2,
                format!("samples differ {:.2} times as much from each other as real examples do", like.variety),
            ),
            (
                self.real.knows_all() && self.copied(&like),
                2,
                format!(
                    "samples lie {:.2} times as far from the nearest training example as these from each other",
                    like.novelty
                ),
            ),
        ];
        for (i, (kind, (there, looks, saw))) in Kind::ALL.into_iter().zip(sights).enumerate() {
            self.seen[i] = if there { self.seen[i] + 1 } else { 0 };
            if self.seen[i] >= looks && !self.told[i] {
                // What follows from a failure is no failure of its own.
                self.told = [true; Kind::ALL.len()];
                return Some(Alarm { kind, step: trainer.step(), saw });
            }
        }
        None
    }

    /// Whether samples are copies of training examples.
    fn copied(&self, like: &Likeness) -> bool {
        let (novelty, single) = if self.real.thousands() {
            (LEAST_NOVELTY_OF_THOUSANDS, LEAST_SINGLE_OF_THOUSANDS)
        } else {
            (LEAST_NOVELTY, LEAST_SINGLE)
        };
        like.novelty < novelty && like.single < single
    }

    /// Forgets what was seen: the run went back to an earlier step.
    pub fn forget(&mut self) {
        self.means = Means::default();
        (self.calmest, self.seen, self.told) = (f64::INFINITY, [0; Kind::ALL.len()], [false; Kind::ALL.len()]);
    }
}

/// Tells when a run has arrived: the discriminator cannot tell, and the measure does not change any more.
///
/// A half alone is no sign: a discriminator is there on its way, and at a collapse.
#[derive(Clone, Debug, Default)]
pub struct Convergence {
    looks: Vec<(f64, f64, f64)>,
}

impl Convergence {
    /// Takes in a measurement, and how real real and generated examples looked to the discriminator by then; says whether the last three in a row were flat and undecided.
    ///
    /// ```
    /// let mut convergence = ganlet_trainer::watch::Convergence::default();
    /// let seen: Vec<bool> = [2.0, 1.0, 0.7, 0.7, 0.695, 0.7].map(|m| convergence.measured(m, 0.52, 0.48)).to_vec();
    /// assert_eq!(seen, [false, false, false, false, true, true]);
    /// assert!(!convergence.measured(0.7, 0.9, 0.1));
    /// ```
    pub fn measured(&mut self, measure: f64, real: f64, fake: f64) -> bool {
        self.looks.push((measure, real, fake));
        let Some(last) = self.looks.len().checked_sub(FLAT_LOOKS).map(|from| &self.looks[from..]) else { return false };
        let undecided = last.iter().all(|l| (l.1 - 0.5).abs() <= UNDECIDED && (l.2 - 0.5).abs() <= UNDECIDED);
        let (low, high) = last.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), l| (a.min(l.0), b.max(l.0)));
        undecided && high - low <= FLAT * high.abs()
    }
}
