//! Stacked digits: three digits as red, green and blue, a thousand modes, counted by a digit classifier.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{self, Dataset, ImageDataset, to_bytes};
use crate::evaluate::DigitClassifier;
use crate::metrics::kl_to_uniform;
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::run::figures::picture_grid;
use crate::train::Trainer;
use serde_json::json;
use std::time::Instant;

/// Pictures of the protocol (Srivastava et al. 2017).
const SAMPLES: usize = 26_000;
/// Pictures of a look while a run goes on.
const GLANCE: usize = 4000;
const SIDE: usize = 28;
/// What differs from the recipe for single digits.
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

/// How to train.
#[derive(Clone, Debug)]
pub struct StackedOptions {
    /// Seed of the run.
    pub seed: u64,
    /// Steps, if not the recipe's.
    pub steps: Option<u64>,
    /// Settings over the recipe.
    pub settings: Vec<String>,
}

/// Three random digits of a set as one picture of three channels; never the same twice, as good as.
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

    fn len(&self) -> Option<usize> {
        None
    }

    fn labels(&self) -> Option<&[u8]> {
        None
    }

    fn label_names(&self) -> &[String] {
        &[]
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        for (i, picture) in out.chunks_exact_mut(3 * PIXELS).enumerate() {
            for channel in 0..3 {
                let bytes = self.digits.bytes(key.below((3 * i + channel) as u32, self.digits.count()));
                for (pixel, byte) in picture.chunks_exact_mut(3).zip(bytes) {
                    pixel[channel] = f32::from(*byte) / 127.5 - 1.0;
                }
            }
        }
    }

    fn batch_labels(&self, _: Key, out: &mut [u8]) {
        out.fill(0);
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.batch(Key { seed: 0, stream: u32::MAX, step: index as u64 }, out);
    }
}

/// Trains on stacked digits and counts modes.
pub fn stacked(asked: &StackedOptions, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let own = SETTINGS.iter().map(|s| (*s).to_owned());
    let mut recipe = Recipe::open("digits", &own.chain(asked.settings.iter().cloned()).collect::<Vec<_>>())?;
    if let Some(steps) = asked.steps {
        recipe.train.steps = steps;
    }
    if recipe.train.steps == 0 {
        return Err(LabError::Request(
            "--steps 0: expected 1 or more, as an untrained generator has no modes to count".into(),
        ));
    }
    if let Some(other) = asked.settings.iter().find(|s| s.trim_start().starts_with("data.")) {
        return Err(LabError::Request(format!(
            "--set {other}: the data of this laboratory are stacked digits; leave it away"
        )));
    }
    let digits = data::digits()?;
    let mut reader = DigitClassifier::new(&digits, context.threads);
    let stack = StackedDigits { digits, shape: [SIDE, SIDE, 3] };
    // What real data gets, under the same classifier and as many samples.
    let real = {
        let mut values = vec![0.0; SAMPLES * 3 * PIXELS];
        stack.batch(Key { seed: 1, stream: 0x5354_4143, step: 0 }, &mut values);
        Count::of(&mut reader, &to_bytes(&values, (-1.0, 1.0)))
    };
    let steps = recipe.train.steps;
    let mut trainer = Trainer::new(recipe.clone(), std::sync::Arc::new(stack), asked.seed, steps, context.threads)?;
    let (start, mut curve, mut stopped) = (Instant::now(), Vec::new(), false);
    while trainer.step() < steps {
        if (context.stop)() {
            stopped = true;
            break;
        }
        trainer.advance()?;
        let step = trainer.step();
        if step.is_multiple_of(recipe.train.save_every) && step < steps {
            let count = Count::of(&mut reader, &drawn(&mut trainer, GLANCE));
            let seconds = start.elapsed().as_secs_f64();
            (context.progress)(&format!(
                "step {step} of {steps}: {} modes and KL {:.3} in {GLANCE} pictures, {seconds:.0} s",
                count.modes, count.kl
            ));
            curve.push(json!({ "step": step, "seconds": seconds, "modes": count.modes, "rkl": count.kl }));
            (context.save)("stacked.png", &picture(&mut trainer))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    (context.progress)(&format!("counting the modes of {SAMPLES} pictures"));
    let made = Count::of(&mut reader, &drawn(&mut trainer, SAMPLES));
    (context.save)("stacked.png", &picture(&mut trainer))?;
    let mut table = ResultTable::new(&["pictures", ">of", ">modes of 1000", ">KL to uniform"]);
    for (name, count) in [("real", &real), ("generated", &made)] {
        table.push([name.into(), SAMPLES.to_string(), count.modes.to_string(), format!("{:.4}", count.kl)]);
    }
    let notes = vec![format!(
        "{} steps of batch {} in {:.0} s on {} threads, a generator of {} weights",
        trainer.step(),
        recipe.train.batch_size,
        seconds,
        trainer.threads(),
        trainer.generator().len()
    )];
    let values = json!({
        "lab": "stacked",
        "samples": SAMPLES,
        "runs": [{ "method": "recipe", "seed": asked.seed, "modes": made.modes, "rkl": made.kl, "seconds": seconds }],
        "median": { "recipe": { "modes": made.modes, "rkl": made.kl } },
        "steps": trainer.step(),
        "threads": trainer.threads(),
        "real": { "modes": real.modes, "rkl": real.kl },
        "curve": curve,
        "stopped": stopped,
    });
    Ok(LabResults { table, notes, values, stopped })
}

fn drawn(trainer: &mut Trainer, n: usize) -> Vec<u8> {
    to_bytes(&trainer.samples(1, n), (-1.0, 1.0))
}

fn picture(trainer: &mut Trainer) -> Vec<u8> {
    picture_grid(&drawn(trainer, 64), &[SIDE, SIDE, 3], 8).png()
}

/// How pictures spread over the thousand modes.
struct Count {
    modes: usize,
    kl: f64,
}

impl Count {
    fn of(reader: &mut DigitClassifier, bytes: &[u8]) -> Self {
        let mut counts = vec![0.0; 1000];
        let planes: Vec<Vec<u8>> =
            (0..3).map(|channel| bytes.iter().skip(channel).step_by(3).copied().collect()).collect();
        let read: Vec<_> = planes.iter().map(|plane| reader.classify(plane)).collect();
        for i in 0..read[0].len() {
            let mode = read.iter().fold(0, |mode, plane| 10 * mode + usize::from(plane[i]));
            counts[mode] += 1.0;
        }
        Self { modes: counts.iter().filter(|&&c| c > 0.0).count(), kl: kl_to_uniform(&counts) }
    }
}
