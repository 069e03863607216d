//! Trains a small GAN on synthetic images and measures its samples several times during the run.
use super::{LabContext, LabError};
use crate::data::{ImageDataset, to_bytes};
use crate::draw::image_grid;
use crate::recipe::Recipe;
use crate::train::Trainer;

/// Side of the images.
pub(super) const SIDE: usize = 24;
/// Images in the data set.
pub(super) const IMAGES: usize = 4000;
/// Images per measurement.
pub(super) const MEASURED: usize = 1000;
/// Measurements during a run.
const MEASUREMENTS: u64 = 6;

/// Receives the step and the bytes of [`MEASURED`] generated images.
pub(super) type Measure<'a> = dyn FnMut(u64, &[u8], &mut LabContext<'_>) + 'a;

/// Trains on `data` for `steps` steps and calls `measure` [`MEASUREMENTS`] times.
///
/// Returns the bytes of the last generated images, and whether the user stopped the run.
pub(super) fn train(
    name: &str,
    data: ImageDataset,
    steps: u64,
    context: &mut LabContext<'_>,
    measure: &mut Measure<'_>,
) -> Result<(Vec<u8>, bool), LabError> {
    let steps = steps.max(1);
    let settings = [
        format!("name={name}"),
        format!("data.size=[{SIDE}, {SIDE}]"),
        "generator.widths=[32, 24, 16]".to_owned(),
        "discriminator.widths=[24, 48]".to_owned(),
        "train.batch_size=32".to_owned(),
        format!("train.steps={steps}"),
    ];
    let recipe = Recipe::open("digits-small", &settings)?;
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(data), 1, steps, context.threads)?;
    let (interval, mut bytes) = ((steps / MEASUREMENTS).max(1), Vec::new());
    while trainer.step() < steps {
        if (context.stop)() {
            return Ok((bytes, true));
        }
        trainer.advance()?;
        if trainer.step().is_multiple_of(interval) || trainer.step() == steps {
            bytes = to_bytes(&trainer.samples(1, MEASURED), (-1.0, 1.0));
            measure(trainer.step(), &bytes, context);
        }
    }
    Ok((bytes, false))
}

/// The bytes of the images that measurements of real data use.
pub(super) fn real_bytes(data: &ImageDataset) -> Vec<u8> {
    (0..MEASURED).flat_map(|i| data.bytes(i).to_vec()).collect()
}

/// A PNG file of the first images.
pub(super) fn sample_grid(bytes: &[u8]) -> Vec<u8> {
    let images: Vec<_> = bytes.chunks_exact(SIDE * SIDE).take(32).collect();
    image_grid(&images, (SIDE, SIDE, 1), 8, 3).png()
}

/// The part of a pixel that discs cover, as a byte, given the distances from the pixel's center to their edges (positive inside).
pub(super) fn cover(distances_inside: impl Iterator<Item = f32>) -> u8 {
    (255.0 * distances_inside.fold(0.0, f32::max).min(1.0)) as u8
}
