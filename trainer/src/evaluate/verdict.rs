//! The verdict on a run in plain words: whether it still improves, and how its samples compare with real images.
use super::{EvaluateError, Evaluator, FIRST_SEED};
use crate::data::to_bytes;
use crate::run::{ImageSplit, LogEntry};
use crate::text::measured;
use crate::train::Trainer;
use std::fmt;

/// Images of a comparison.
const IMAGES: usize = 1000;
/// Measurements that are needed to say whether a run still improves.
const FEWEST: usize = 4;
/// Relative change of the best measurement that counts as an improvement.
const IMPROVEMENT: f64 = 0.05;
/// Relative increase that counts as worse; measurements vary by a few percent by chance.
const DETERIORATION: f64 = 0.15;
/// Factor between the ratios of patches and of random features above which the features flatter.
const FLATTERY: f64 = 1.5;

/// How the measurements of a run developed in its last third, compared with the best one before.
#[derive(Clone, Debug, PartialEq)]
pub enum Trend {
    /// There are too few measurements.
    Unknown,
    /// The best measurement of the last third is lower than the best one before.
    Improving(Change),
    /// Both are about equal.
    Flat(Change),
    /// The measurements of the last third are clearly higher.
    Worse(Change),
}

/// The best measurement before the last third of a run, and the best one in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Name of the measured quantity.
    pub name: String,
    /// The best measurement before.
    pub before: f64,
    /// The step of the best measurement before.
    pub before_step: u64,
    /// The best measurement of the last third.
    pub recent: f64,
}

impl Trend {
    /// Compares the measurements in a log since the data last changed. Lower ones are better.
    pub fn of(entries: &[LogEntry]) -> Self {
        let measured =
            LogEntry::since_change(entries).iter().filter_map(|e| Some((e.report.step, e.measurement.as_ref()?)));
        let measured: Vec<_> = measured.filter(|(_, m)| m.value.is_finite()).collect();
        let Some((last, newest)) = measured.last().filter(|_| measured.len() >= FEWEST) else { return Self::Unknown };
        let best = |recent: bool| {
            let part = measured.iter().filter(|(step, _)| (3 * step > 2 * last) == recent);
            part.map(|(step, m)| (m.value, *step)).min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let (Some((before, before_step)), Some((recent, _))) = (best(false), best(true)) else { return Self::Unknown };
        let change = Change { name: newest.name.clone(), before, before_step, recent };
        let scale = before.abs().max(f64::MIN_POSITIVE);
        match (before - recent) / scale {
            better if better > IMPROVEMENT => Self::Improving(change),
            better if better < -DETERIORATION => Self::Worse(change),
            _ => Self::Flat(change),
        }
    }

    /// Whether more steps are likely to help.
    pub fn is_improving(&self) -> bool {
        matches!(self, Self::Improving(_))
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = |c: &Change| format!("{} to {}", measured(c.before), measured(c.recent));
        match self {
            Self::Unknown => f.write_str("too few measurements to say whether the run still improves"),
            Self::Improving(c) => {
                let percent = 100.0 * (c.before - c.recent) / c.before.abs().max(f64::MIN_POSITIVE);
                let (name, values) = (&c.name, values(c));
                write!(
                    f,
                    "still improving: the best {name} fell by {percent:.0} % in the last third of the run ({values})"
                )
            }
            Self::Flat(c) => write!(
                f,
                "no longer improving: the best {} hardly changed in the last third of the run ({}); more steps will change little",
                c.name,
                values(c)
            ),
            Self::Worse(c) => write!(
                f,
                "no longer improving: the {} was best at step {} ({}) and at best {} in the last third of the run; more steps will not help",
                c.name,
                c.before_step,
                measured(c.before),
                measured(c.recent)
            ),
        }
    }
}

/// A distance of generated images to held-out ones, and that of real training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgainstReal {
    /// Distance of generated images.
    pub generated: f64,
    /// Distance of the same number of real training images.
    pub real: f64,
}

impl AgainstReal {
    /// How many times the distance of real images that of generated images is.
    pub fn ratio(self) -> f64 {
        self.generated / self.real.max(f64::MIN_POSITIVE)
    }
}

/// Samples compared with real images: by features, and by small patches of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Fréchet distances of features.
    pub features: AgainstReal,
    /// Sliced Wasserstein distances of patches, averaged over the levels of the pyramid; `None` for images below 7 pixels.
    pub patches: Option<AgainstReal>,
    /// Whether the feature network is random, because none was trained for such images.
    pub has_random_features: bool,
}

impl Comparison {
    /// Compares samples of the EMA generator with the images of the run.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn of(trainer: &mut Trainer, split: &ImageSplit) -> Result<Self, EvaluateError> {
        let mut evaluator = Evaluator::new(&split.held_out, &split.train, trainer.threads())?;
        let [black, white] = trainer.recipe().data.range;
        let n = IMAGES.max(evaluator.min_samples());
        let images = to_bytes(&trainer.samples(FIRST_SEED, n), (black, white));
        let features =
            AgainstReal { generated: evaluator.measure(&images, |_, _| {})?.frechet, real: evaluator.floor(n)? };
        let levels = evaluator.patch_distances(&images);
        let mean = |of: fn(&AgainstReal) -> f64| levels.iter().map(of).sum::<f64>() / levels.len() as f64;
        let patches = AgainstReal { generated: mean(|l| l.generated), real: mean(|l| l.real) };
        Ok(Self {
            features,
            patches: (!levels.is_empty()).then_some(patches),
            has_random_features: evaluator.identity().is_random(),
        })
    }

    /// Whether the distance of random features makes the samples look better than their patches are.
    pub fn flatters(&self) -> bool {
        self.has_random_features && self.patches.is_some_and(|p| p.ratio() > FLATTERY * self.features.ratio())
    }

    /// The comparison in sentences.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |what: &str, d: AgainstReal| {
            let (made, real, ratio) = (measured(d.generated), measured(d.real), d.ratio());
            format!(
                "{what}: distance {made} to held-out real images; real training images reach {real} ({ratio:.1} times)"
            )
        };
        let features = if self.has_random_features { "random features" } else { "features" };
        let mut all = vec![sentence(features, self.features)];
        all.extend(self.patches.map(|p| sentence("patches of 7x7 pixels", p)));
        if self.flatters() {
            all.push(
                "the random features flatter: the patches are further from real ones; no feature network was trained for such images, so \
                 trust the patches and your eyes"
                    .into(),
            );
        } else if self.has_random_features {
            all.push(
                "the features are those of a random network, because none was trained for such images: compare them only between runs on \
                 this data"
                    .into(),
            );
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Measurement;
    use crate::train::StepReport;

    fn log(values: &[f64]) -> Vec<LogEntry> {
        let entry = |(i, &value): (usize, &f64)| LogEntry {
            report: StepReport { step: 100 * (i as u64 + 1), ..StepReport::default() },
            samples_per_s: 1.0,
            seconds: 1.0,
            data: 0,
            measurement: Some(Measurement { name: "Fréchet distance".into(), value, details: String::new() }),
        };
        values.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_last_third_of_a_run_decides_its_trend() {
        let trend = |values: &[f64]| Trend::of(&log(values)).to_string();
        assert!(
            trend(&[9.0, 6.0, 4.0, 3.0, 2.5, 2.0]).contains("still improving: the best Fréchet distance fell by 33 %")
        );
        assert!(trend(&[9.0, 3.0, 2.0, 2.02, 1.98, 2.1]).starts_with("no longer improving: the best"));
        let worse = trend(&[9.0, 3.0, 2.0, 2.2, 2.5, 2.6]);
        assert!(worse.contains("best at step 300 (2) and at best 2.5"), "{worse}");
        assert!(trend(&[9.0, 1.0, 0.5]).starts_with("too few measurements"));
        assert!(Trend::of(&log(&[f64::NAN; 9])) == Trend::Unknown);
        // Points that are all right have the mode error 0.
        assert!(trend(&[1.0, 0.0, 0.0, 0.0, 0.0]).starts_with("no longer improving"));
    }

    #[test]
    fn random_features_flatter_if_the_patches_are_further_from_real_ones() {
        let of = |features, patches, has_random_features| Comparison {
            features: AgainstReal { generated: features, real: 1.0 },
            patches: Some(AgainstReal { generated: patches, real: 1.0 }),
            has_random_features,
        };
        assert!(of(1.2, 4.0, true).sentences()[2].contains("flatter"));
        assert!(of(6.0, 4.0, true).sentences()[2].contains("only between runs"));
        assert_eq!(of(1.2, 4.0, false).sentences().len(), 2);
        assert!(of(1.2, 4.0, false).sentences()[0].contains("1.2 times"));
    }
}
