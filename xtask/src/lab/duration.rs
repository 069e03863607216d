//! How long an experiment is expected to take.

use super::Experiment;

/// Seconds of an experiment of fixed length, or per thousand training steps.
///
/// They were measured on two cores of an AMD EPYC (x86-64 with AVX-512). A machine with more or faster cores needs less.
const DENSITIES: f64 = 3.0;
const PLAYGROUND: f64 = 1.0;
const THEORY: f64 = 1.5;
const DIRAC: f64 = 0.5;
const VANISHING: f64 = 0.5;
const COMPARE: f64 = 2.0;
const CAPACITY: f64 = 130.0;
const SMALL_IMAGES: f64 = 4.0;
const POINTS: f64 = 1.1;
const POINTS_RECIPE: f64 = 65.0;
const RATES: f64 = 3.0;
const STACKED: f64 = 35.0;

/// Default number of steps of a method of `ring` and `grid`, and of `stacked`.
const POINTS_STEPS: u64 = 4000;
const STACKED_STEPS: u64 = 15_000;

impl Experiment {
    /// Returns the expected duration in seconds.
    pub(super) fn expected_seconds(&self) -> f64 {
        let thousands = |steps: u64| steps as f64 / 1000.0;
        match self {
            Self::Ring(args) | Self::Grid(args) => {
                let methods = args.methods();
                let recipes = methods.iter().filter(|m| *m == "recipe").count();
                let others = thousands(args.steps.unwrap_or(POINTS_STEPS)) * POINTS * (methods.len() - recipes) as f64;
                (others + POINTS_RECIPE * recipes as f64) * args.seeds.0.len() as f64
            }
            Self::Densities => DENSITIES,
            Self::Playground { .. } => PLAYGROUND,
            Self::Theory => THEORY,
            Self::Dirac => DIRAC,
            Self::Vanishing => VANISHING,
            Self::Compare => COMPARE,
            Self::Capacity { steps } => CAPACITY * thousands(*steps),
            Self::Counting { steps } | Self::Symmetry { steps } => SMALL_IMAGES * thousands(*steps),
            Self::Rates(args) => {
                RATES * thousands(args.steps) * (args.discriminator.len() * args.generator.len()) as f64
            }
            Self::Stacked(args) => STACKED * thousands(args.steps.unwrap_or(STACKED_STEPS)),
        }
    }
}

/// Returns a duration in words.
pub(super) fn in_words(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => "a few seconds".to_owned(),
        s if s < 90.0 => format!("about {:.0} seconds", 10.0 * (s / 10.0).round()),
        s if s < 5400.0 => format!("about {:.0} minutes", s / 60.0),
        s => format!("about {:.1} hours", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_to_what_is_known() {
        let words = [0.3, 44.0, 100.0, 3000.0, 9000.0].map(in_words);
        assert_eq!(
            words,
            ["a few seconds", "about 40 seconds", "about 2 minutes", "about 50 minutes", "about 2.5 hours"]
        );
    }
}
