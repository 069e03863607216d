//! The float network that is quantized for devices: a folded generator, with or without its discriminator.
use super::ExportError;
use crate::data::{Dataset, GaussianMixture, ImageDataset};
use crate::loss::Loss;
use crate::nn::Network;
use crate::quantize::{FloatNet, TrainedNetwork, fold};
use crate::recipe::Recipe;
use crate::run::Checkpoint;
use crate::train::Trainer;

/// Number of real images whose mean logit is mapped to the score 0.5, for losses that train on score differences.
const REAL_IMAGES: usize = 512;

/// Returns the folded network of the trainer's EMA generator, ready to be quantized.
///
/// The outputs of a generator of points, one or two numbers, become a row of pixels that devices show as a plot. `mixture` is the
/// data of such a generator.
///
/// # Errors
/// If a layer has no counterpart in the model format, or points have more than two numbers.
pub fn device_net(trainer: &mut Trainer, mixture: Option<&GaussianMixture>) -> Result<FloatNet, ExportError> {
    let (recipe, network) = (trainer.recipe().clone(), trainer.generator().clone());
    let (weights, statistics) = trainer.ema();
    folded_generator(&recipe, mixture, &network, weights, statistics)
}

pub(super) fn folded_generator(
    recipe: &Recipe,
    mixture: Option<&GaussianMixture>,
    network: &Network,
    weights: &[f32],
    statistics: &[f32],
) -> Result<FloatNet, ExportError> {
    let classes = recipe.class_inputs();
    let trained = TrainedNetwork {
        name: &recipe.name,
        network,
        weights,
        statistics,
        classes,
        class_shares: &[],
        range: recipe.data.range,
    };
    let fold_to = |range| fold(&TrainedNetwork { range, ..trained });
    let Some(mixture) = mixture else { return Ok(fold_to(recipe.data.range)?) };
    let dimensions = mixture.shape().iter().product::<usize>();
    if dimensions > 2 {
        return Err(ExportError::PointDimensions { recipe: recipe.name.clone(), dimensions });
    }
    let reach = mixture.max_coordinate() * recipe.data.scale;
    Ok(fold_to([-reach, reach])?.with_numbers_as_pixels())
}

/// Appends the discriminator of a checkpoint to its generator. The score of a `fitted` one is a probability, whatever the loss.
pub(super) fn with_discriminator(
    generator: FloatNet,
    checkpoint: &Checkpoint,
    discriminator: &Network,
    held_out: Option<&ImageDataset>,
    fitted: bool,
) -> Result<FloatNet, ExportError> {
    let recipe = &checkpoint.recipe;
    let only_differences = match recipe.objective.loss {
        _ if fitted => false,
        Loss::Minimax | Loss::NonSaturating | Loss::FeatureMatching => false,
        Loss::Relativistic | Loss::Hinge | Loss::Wasserstein => true,
        loss => return Err(ExportError::NoScore(loss)),
    };
    if only_differences && held_out.is_none() {
        return Err(ExportError::NoRealImages(recipe.objective.loss));
    }
    let trained = TrainedNetwork {
        name: "discriminator",
        network: discriminator,
        weights: checkpoint.discriminator(),
        statistics: &[],
        classes: 0,
        class_shares: recipe.class_shares(),
        range: recipe.data.range,
    };
    let discriminator = fold(&trained).map_err(ExportError::Discriminator)?;
    let [low, high] = recipe.data.range;
    let value = |&byte: &u8| low + f32::from(byte) / 255.0 * (high - low);
    let first = |images: &ImageDataset| -> Vec<f32> {
        (0..images.count().min(REAL_IMAGES)).flat_map(|i| images.bytes(i)).map(value).collect()
    };
    let real = held_out.filter(|_| only_differences).map(first);
    Ok(generator.with_discriminator(discriminator, real.as_deref()))
}
