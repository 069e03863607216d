//! What chooses a run's best checkpoint: a quick measurement of samples, never the loss.

use crate::failure::Failure;
use ganlet_trainer::data::to_bytes;
use ganlet_trainer::evaluate::{self, Evaluator};
use ganlet_trainer::run::{CheckpointMeasure, Measurement, PictureSplit, TrainingData};
use ganlet_trainer::train::Trainer;

/// Points of a measurement: the protocol's number.
pub(crate) const POINTS: usize = 2500;
/// Pictures of a quick measurement while a run goes on.
const PICTURES: usize = 1000;
/// Seeds of measured pictures start here: not those of the sample grids.
pub(crate) const FIRST_SEED: u32 = 1 << 20;

/// The judge for this data, if it can be judged.
pub(crate) fn of(loaded: &TrainingData, threads: usize) -> Result<Option<CheckpointMeasure<'_>>, Failure> {
    if let Some(mixture) = &loaded.mixture {
        return Ok(Some(Box::new(move |trainer: &mut Trainer| {
            let values = trainer.samples(0, POINTS);
            let (value, details) = match evaluate::points(&values, mixture) {
                Ok(q) => {
                    let missing = (q.of - q.modes) as f64 + 1.0 - q.high_quality;
                    let details = format!("({}/{} modes, {:.1} % on them)", q.modes, q.of, 100.0 * q.high_quality);
                    (missing, details)
                }
                Err(e) => (f64::NAN, format!("({e})")),
            };
            Measurement { name: "missing".into(), value, details }
        })));
    }
    let Some(PictureSplit { train, held_out }) = &loaded.pictures else { return Ok(None) };
    let mut evaluator = match Evaluator::new(held_out, train, threads) {
        Ok(evaluator) => evaluator,
        Err(e) => {
            crate::console::note(&format!("checkpoints are not measured, the newest will be used: {e}"));
            return Ok(None);
        }
    };
    Ok(Some(Box::new(move |trainer: &mut Trainer| {
        let range = trainer.recipe().data.range;
        let values = trainer.samples(FIRST_SEED, PICTURES.max(evaluator.least()));
        let bytes = to_bytes(&values, (range[0], range[1]));
        let (value, details) = match evaluator.measure(&bytes, |_, _| {}) {
            Ok(q) => (q.frechet, format!("(recall {:.2})", q.recall)),
            Err(e) => (f64::NAN, format!("({e})")),
        };
        Measurement { name: "distance".into(), value, details }
    })))
}
