//! Stacked digits: three digits in the channels of an image make a thousand modes, which a classifier counts.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{self, Dataset, ImageDataset, to_bytes};
use crate::evaluate::EmbeddedClassifier;
use crate::metrics::kl_to_uniform;
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::run::figures::sheet;
use crate::train::Trainer;
use serde_json::json;
use std::time::Instant;

/// Images per measurement in the protocol of Srivastava et al. 2017.
const SAMPLES: usize = 26_000;
/// Images per measurement during a run.
const SAMPLES_DURING_RUN: usize = 4000;
const SIDE: usize = 28;
/// Changes to the recipe for single digits.
const SETTINGS: [&str; 7] = [
    "name=stacked-digits",
    "generator.widths=[64, 32]",
    "discriminator.widths=[48, 96]",
    "schedule.from=0.5",
    "train.steps=15000",
    "train.ema=0.997",
    "train.save_every=1000",
];
const PIXELS: usize = SIDE * SIDE;

/// Options of [`stacked`].
#[derive(Clone, Debug)]
pub struct StackedOptions {
    /// Seed of the run.
    pub seed: u64,
    /// Number of steps; `None` for that of the recipe.
    pub steps: Option<u64>,
    /// Settings (`key=value`) that override those of the recipe.
    pub settings: Vec<String>,
}

/// A distribution of RGB images, each channel of which is a random digit of a data set.
#[derive(Clone, Debug)]
struct StackedDigits {
    digits: ImageDataset,
    shape: [usize; 3],
}

impl Dataset for StackedDigits {
    fn name(&self) -> &str {
        "stacked digits"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        for (i, image) in out.chunks_exact_mut(3 * PIXELS).enumerate() {
            for channel in 0..3 {
                let bytes = self.digits.bytes(key.below((3 * i + channel) as u32, self.digits.count()));
                for (pixel, byte) in image.chunks_exact_mut(3).zip(bytes) {
                    pixel[channel] = f32::from(*byte) / 127.5 - 1.0;
                }
            }
        }
    }
}

/// Trains on stacked digits and counts the modes in generated images.
///
/// # Errors
/// When a setting cannot be used, training diverges or a figure cannot be written.
pub fn stacked(options: &StackedOptions, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let recipe = open_recipe(options)?;
    let digits = data::digits()?;
    let mut classifier = EmbeddedClassifier::new(&digits, context.threads);
    let stack = StackedDigits { digits, shape: [SIDE, SIDE, 3] };
    // Real data, measured with the same classifier and number of samples.
    let real = {
        let mut values = vec![0.0; SAMPLES * 3 * PIXELS];
        stack.batch(Key { seed: 1, stream: 0x5354_4143, step: 0 }, &mut values);
        DigitModes::count(&mut classifier, &to_bytes(&values, (-1.0, 1.0)))
    };
    let steps = recipe.train.steps;
    let mut trainer = Trainer::new(recipe.clone(), std::sync::Arc::new(stack), options.seed, steps, context.threads)?;
    let start = Instant::now();
    let (curve, stopped) = train(&mut trainer, &recipe, &mut classifier, start, context)?;
    let seconds = start.elapsed().as_secs_f64();
    (context.progress)(&format!("counting the modes of {SAMPLES} images"));
    let generated = DigitModes::count(&mut classifier, &samples(&mut trainer, SAMPLES));
    (context.save)("stacked.png", &sample_grid(&mut trainer))?;
    let mut table = ResultTable::new(&["images", ">number", ">modes of 1000", ">KL to uniform"]);
    for (name, found) in [("real", &real), ("generated", &generated)] {
        table.push([name.into(), SAMPLES.to_string(), found.modes.to_string(), format!("{:.4}", found.kl)]);
    }
    let notes = vec![format!(
        "{} steps of batch size {} in {:.0} s on {} threads; the generator has {} weights",
        trainer.step(),
        recipe.train.batch_size,
        seconds,
        trainer.threads(),
        trainer.generator().len()
    )];
    let values = json!({
        "lab": "stacked",
        "samples": SAMPLES,
        "runs": [{
            "method": "recipe", "seed": options.seed, "modes": generated.modes, "rkl": generated.kl, "seconds": seconds,
        }],
        "median": { "recipe": { "modes": generated.modes, "rkl": generated.kl } },
        "steps": trainer.step(),
        "threads": trainer.threads(),
        "real": { "modes": real.modes, "rkl": real.kl },
        "curve": curve,
        "stopped": stopped,
    });
    Ok(LabResults { table, notes, values, stopped })
}

/// The recipe for stacked digits with the user's options.
fn open_recipe(options: &StackedOptions) -> Result<Recipe, LabError> {
    let own = SETTINGS.iter().map(|s| (*s).to_owned());
    let mut recipe = Recipe::open("digits-small", &own.chain(options.settings.iter().cloned()).collect::<Vec<_>>())?;
    if let Some(steps) = options.steps {
        recipe.train.steps = steps;
    }
    if recipe.train.steps == 0 {
        return Err(LabError::Request(
            "--steps 0: expected 1 or more, because an untrained generator has no modes to count".into(),
        ));
    }
    if let Some(other) = options.settings.iter().find(|s| s.trim_start().starts_with("data.")) {
        return Err(LabError::Request(format!(
            "--set {other}: this experiment always uses stacked digits; omit the setting"
        )));
    }
    Ok(recipe)
}

/// Trains to the end and measures several times during the run. Returns the measurements as JSON, and whether the user stopped the run.
fn train(
    trainer: &mut Trainer,
    recipe: &Recipe,
    classifier: &mut EmbeddedClassifier,
    start: Instant,
    context: &mut LabContext<'_>,
) -> Result<(Vec<serde_json::Value>, bool), LabError> {
    let (steps, mut curve) = (recipe.train.steps, Vec::new());
    while trainer.step() < steps {
        if (context.stop)() {
            return Ok((curve, true));
        }
        trainer.advance()?;
        let step = trainer.step();
        if step.is_multiple_of(recipe.train.save_every) && step < steps {
            let found = DigitModes::count(classifier, &samples(trainer, SAMPLES_DURING_RUN));
            let seconds = start.elapsed().as_secs_f64();
            (context.progress)(&format!(
                "step {step} of {steps}: {} modes and KL {:.3} in {SAMPLES_DURING_RUN} images, {seconds:.0} s",
                found.modes, found.kl
            ));
            curve.push(json!({ "step": step, "seconds": seconds, "modes": found.modes, "rkl": found.kl }));
            (context.save)("stacked.png", &sample_grid(trainer))?;
        }
    }
    Ok((curve, false))
}

fn samples(trainer: &mut Trainer, n: usize) -> Vec<u8> {
    to_bytes(&trainer.samples(1, n), (-1.0, 1.0))
}

fn sample_grid(trainer: &mut Trainer) -> Vec<u8> {
    sheet(&samples(trainer, 64), &[SIDE, SIDE, 3], 8).png()
}

/// The distribution of images over the thousand modes.
struct DigitModes {
    /// Number of modes with at least one image.
    modes: usize,
    /// KL divergence from the uniform distribution.
    kl: f64,
}

impl DigitModes {
    /// Classifies the three digits of each image, RGB bytes.
    fn count(classifier: &mut EmbeddedClassifier, bytes: &[u8]) -> Self {
        let mut counts = vec![0.0; 1000];
        let planes: Vec<Vec<u8>> =
            (0..3).map(|channel| bytes.iter().skip(channel).step_by(3).copied().collect()).collect();
        let digits: Vec<_> = planes.iter().map(|plane| classifier.classify(plane)).collect();
        for i in 0..digits[0].len() {
            let mode = digits.iter().fold(0, |mode, plane| 10 * mode + usize::from(plane[i]));
            counts[mode] += 1.0;
        }
        Self { modes: counts.iter().filter(|&&c| c > 0.0).count(), kl: kl_to_uniform(&counts) }
    }
}
