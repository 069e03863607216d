//! Discriminator rejection sampling (Azadi et al. 2019): draws images and keeps those that the discriminator accepts.
//!
//! [`RejectionSampler::new`] fits the discriminator of a run to the int8 images of its generator (KeepTraining in the paper's
//! algorithm 1) and estimates the acceptance rule on a first set of images. Whether a seed is accepted depends on the run and the seed only.
mod acceptance;
mod error;
mod scorer;
#[cfg(test)]
mod tests;

use super::generator::FIRST_SEED;
use super::int8_images;
use crate::data::ImageDataset;
use crate::recipe::Recipe;
use crate::train::Trainer;
use acceptance::Acceptance;
pub use error::RejectionError;
pub use scorer::DiscriminatorFit;
use scorer::{Examples, ImageScorer};
use std::num::NonZeroU64;

/// Images of the first set, from which the acceptance rule is estimated, and the least number for each class.
const FIRST_SET: usize = 1024;
const FIRST_SET_OF_CLASS: usize = 128;
/// First seed of the generated images that the discriminator is fitted to.
const FIT_SEED: u32 = 1 << 30;
/// Generated images for fitting, and images of each kind that measure the fit.
const FIT_IMAGES: usize = 4096;
const OTHER_IMAGES: usize = 512;
/// Smallest number of real images that a discriminator is fitted to.
const FEWEST_IMAGES: usize = 32;
/// Candidates that are drawn before they are scored.
const ROUND: usize = 256;

/// Options of rejection sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RejectionOptions {
    /// Wished share of accepted images, above 0 and below 1.
    pub share: f64,
    /// Steps that fit the discriminator to the images of the fixed generator; 0 uses the trained discriminator.
    pub fit_steps: u64,
}

impl Default for RejectionOptions {
    /// Accepts a quarter of the images after 1,000 steps of fitting.
    fn default() -> Self {
        Self { share: 0.25, fit_steps: 1000 }
    }
}

/// An image that was accepted or rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredImage {
    /// Seed of the latent.
    pub seed: u32,
    /// The discriminator's logit.
    pub logit: f32,
    /// Whether the image is accepted.
    pub accepted: bool,
}

/// Accepted images, and all that were scored to find them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// All scored images, in the order of their seeds; the last one is accepted.
    pub scored: Vec<ScoredImage>,
    /// Bytes of the accepted images, one after the other.
    pub images: Vec<u8>,
}

impl Selection {
    /// Returns the seeds of the accepted images.
    pub fn seeds(&self) -> Vec<u32> {
        self.scored.iter().filter(|scored| scored.accepted).map(|scored| scored.seed).collect()
    }
}

/// Fits the discriminator of a run to the int8 images of the model in `file`, for `steps` steps, and returns its weights.
///
/// `real` are training images. A part of them measures when to stop. `progress` receives the finished steps.
///
/// # Errors
/// If the discriminator cannot score single images, or there are too few real images.
pub fn fit_discriminator(
    trainer: &Trainer,
    file: &[u8],
    real: &ImageDataset,
    steps: NonZeroU64,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<f32>, DiscriminatorFit), RejectionError> {
    let mut scorer = ImageScorer::new(trainer, true)?;
    let fit = fit(&mut scorer, trainer, (file, real), steps.get(), progress)?;
    Ok((scorer.weights().to_vec(), fit))
}

fn fit(
    scorer: &mut ImageScorer,
    trainer: &Trainer,
    (file, real): (&[u8], &ImageDataset),
    steps: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<DiscriminatorFit, RejectionError> {
    let count = real.count();
    if count < FEWEST_IMAGES {
        return Err(RejectionError::FewImages(count));
    }
    let aside = OTHER_IMAGES.min(count / 8);
    let (real, other_real) = real.split(count - aside, aside)?;
    let shape = (real.width(), real.height(), real.channels());
    let ([low, high], total) = (trainer.recipe().data.range, FIT_IMAGES + OTHER_IMAGES);
    let pixels = int8_images(file, FIT_SEED, total, |_, _| {})?;
    let label = |i: usize| trainer.recipe().class_of_seed(FIT_SEED.wrapping_add(i as u32)) as u8;
    let labels = (0..total).map(label).collect();
    let generated = ImageDataset::new("generated images", shape, pixels, Some(labels))?.with_range(low, high);
    let (generated, other_generated) = generated.split(FIT_IMAGES, OTHER_IMAGES)?;
    let examples = Examples { real: &real, generated: &generated };
    scorer.fit(&examples, &Examples { real: &other_real, generated: &other_generated }, steps, progress)
}

/// Draws the images of an int8 model and keeps those that the discriminator of its run accepts.
///
/// The discriminator scores the int8 images, because devices show these.
pub struct RejectionSampler<'a> {
    file: &'a [u8],
    recipe: Recipe,
    scorer: ImageScorer,
    /// The acceptance rule for each class; one without classes.
    rules: Vec<Acceptance>,
    share: f64,
    fit: Option<DiscriminatorFit>,
}

impl<'a> RejectionSampler<'a> {
    /// Prepares the discriminator in the state of `trainer` to score the images of the model in `file`, which was exported from the same
    /// state. `real` are the training images; `progress` receives the finished steps of fitting.
    ///
    /// # Errors
    /// If the discriminator cannot score single images, or the share is not between 0 and 1.
    pub fn new(
        trainer: &Trainer,
        file: &'a [u8],
        real: &ImageDataset,
        options: RejectionOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, RejectionError> {
        let RejectionOptions { share, fit_steps } = options;
        if !(share > 0.0 && share < 1.0) {
            return Err(RejectionError::Share(share));
        }
        let mut scorer = ImageScorer::new(trainer, fit_steps > 0)?;
        let fit = match fit_steps {
            0 => None,
            steps => Some(fit(&mut scorer, trainer, (file, real), steps, progress)?),
        };
        let recipe = trainer.recipe();
        let classes = recipe.classes().max(1);
        let n = FIRST_SET.max(FIRST_SET_OF_CLASS * classes);
        let first = FIRST_SEED - n as u32;
        let logits = scorer.logits(first, &int8_images(file, first, n, |_, _| {})?);
        let of_class = |class| {
            let own = (first..).zip(&logits).filter(|(seed, _)| recipe.class_of_seed(*seed) == class);
            Acceptance::estimate(&own.map(|(_, &logit)| logit).collect::<Vec<_>>(), share)
        };
        let rules = (0..classes).map(of_class).collect::<Option<_>>().ok_or(RejectionError::NotFinite)?;
        Ok(Self { file, recipe: recipe.clone(), scorer, rules, share, fit })
    }

    /// Returns how the discriminator was fitted; `None` if it is the trained one.
    pub fn fit(&self) -> Option<DiscriminatorFit> {
        self.fit
    }

    /// Scores the images of the seeds from `first` on until `n` are accepted. `progress` receives the number of accepted images.
    ///
    /// # Errors
    /// If far fewer images are accepted than wished.
    pub fn draw(&mut self, first: u32, n: usize, progress: &mut dyn FnMut(usize)) -> Result<Selection, RejectionError> {
        let mut selection = Selection::default();
        let most = (8.0 * n as f64 / self.share) as usize + 8 * ROUND;
        let mut accepted = 0;
        while accepted < n {
            let scored = selection.scored.len();
            if scored >= most {
                return Err(RejectionError::TooFew { accepted, scored });
            }
            let start = first.wrapping_add(scored as u32);
            let images = int8_images(self.file, start, ROUND, |_, _| {})?;
            let logits = self.scorer.logits(start, &images);
            for (i, (image, logit)) in images.chunks_exact(images.len() / ROUND).zip(logits).enumerate() {
                let seed = start.wrapping_add(i as u32);
                let scored = ScoredImage { seed, logit, accepted: self.accepts(seed, logit) };
                selection.scored.push(scored);
                if scored.accepted {
                    selection.images.extend_from_slice(image);
                    accepted += 1;
                }
                if accepted == n {
                    break;
                }
            }
            progress(accepted);
        }
        Ok(selection)
    }

    fn accepts(&self, seed: u32, logit: f32) -> bool {
        self.rules[self.recipe.class_of_seed(seed)].accepts(seed, logit)
    }
}
