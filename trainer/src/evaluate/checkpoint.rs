//! The quick measurement that selects the best checkpoint of a run. It measures samples; the loss plays no part.
use super::realism::RealImages;
use super::{EvaluateError, Evaluator, FIRST_SEED, Quality, points};
use crate::data::to_bytes;
use crate::run::{CheckpointMeasure, ImageSplit, Measurement, TrainingData};
use crate::train::Trainer;

/// Number of points in a measurement, as in the protocol of VEEGAN and PacGAN.
pub const POINTS: usize = 2500;
/// Number of images in the measurement of a checkpoint.
const IMAGES: usize = 1000;

/// Returns the measurement to use for [`Run::measure`](crate::run::Run::measure).
///
/// For images it is the headline of an evaluation, [`Realism::times_real`](super::Realism::times_real), because the Fréchet distance alone
/// prefers checkpoints that look noisier. For points it is the number of missing modes plus the share of points
/// that are not near a mode.
///
/// # Errors
/// If there are too few held-out images. Training is still possible, but its checkpoints cannot be compared.
pub fn checkpoint_measure(data: &TrainingData, threads: usize) -> Result<Option<CheckpointMeasure<'_>>, EvaluateError> {
    if let Some(mixture) = &data.mixture {
        return Ok(Some(Box::new(move |trainer: &mut Trainer| {
            let values = trainer.samples(0, POINTS);
            let (value, details) = match points(&values, mixture) {
                Ok(q) => {
                    let missing = (q.of - q.modes) as f64 + 1.0 - q.high_quality;
                    let details = format!("({}/{} modes, {:.1} % high quality)", q.modes, q.of, 100.0 * q.high_quality);
                    (missing, details)
                }
                Err(e) => (f64::NAN, format!("({e})")),
            };
            Measurement { name: "mode error".into(), value, details }
        })));
    }
    let Some(ImageSplit { train, held_out }) = &data.images else { return Ok(None) };
    let mut evaluator = Evaluator::new(held_out, train, threads)?;
    let n = IMAGES.max(evaluator.min_samples());
    let real = RealImages::new(&mut evaluator, n)?;
    Ok(Some(Box::new(move |trainer: &mut Trainer| {
        let range = trainer.recipe().data.range;
        let values = trainer.samples(FIRST_SEED, n);
        let bytes = to_bytes(&values, (range[0], range[1]));
        let (value, details) = match real.compare(&mut evaluator, &bytes) {
            Ok((times_real, q)) => {
                let Quality { frechet, precision, recall, .. } = q;
                (times_real, format!("(Fréchet {frechet:.2}, precision {precision:.2}, recall {recall:.2})"))
            }
            Err(e) => (f64::NAN, format!("({e})")),
        };
        Measurement { name: "image distance".into(), value, details }
    })))
}
