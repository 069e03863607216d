//! A run opened at one of its checkpoints, ready to generate samples and to be exported.
use super::device_net::{folded_generator, with_discriminator};
use super::{ExportError, ScoreComparison, compare_scores};
use crate::data::{AnyDataset, BuiltinDataset, DataError, GaussianMixture, ImageDataset};
use crate::evaluate::{DiscriminatorFit, fit_discriminator};
use crate::quantize::{FloatNet, LayoutChoice, QuantizeOptions, Quantized, quantize};
use crate::recipe::Recipe;
use crate::run::{
    Checkpoint, CheckpointChoice, ChoiceReason, ChosenCheckpoint, RunFolder, TrainingData, drawing_trainer, load_data,
    load_data_of_shape,
};
use crate::train::{Player, StateKey, Trainer};
use std::num::NonZeroU64;

/// Latents of a short comparison.
const FEW: u32 = 64;

/// A run at one of its checkpoints: the checkpoint, and a trainer that generates samples. It needs no data.
pub struct PreparedRun {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Why this checkpoint was chosen.
    pub reason: ChoiceReason,
    /// A trainer in the state of the checkpoint, without data: it cannot train.
    pub trainer: Trainer,
    /// The place of the data, which `recipe.toml` states.
    source: String,
    /// Whether the discriminator was fitted to the generator's int8 images.
    fitted: bool,
}

/// A quantized generator with its discriminator.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWithScores {
    /// The model.
    pub quantized: Quantized,
    /// Its scores compared with those of the float network.
    pub scores: ScoreComparison,
}

impl PreparedRun {
    /// Opens the run in `folder` at the chosen checkpoint, with the truncation of its recipe.
    ///
    /// # Errors
    /// If the checkpoint cannot be loaded, or its networks do not fit into memory.
    pub fn open(folder: &RunFolder, choice: CheckpointChoice) -> Result<Self, ExportError> {
        Self::open_truncated(folder, choice, None)
    }

    /// Opens the run in `folder` at the chosen checkpoint. `truncation` replaces the factor on the latents that its recipe
    /// states as `export.truncation`.
    ///
    /// # Errors
    /// The errors of [`PreparedRun::open`].
    pub fn open_truncated(
        folder: &RunFolder,
        choice: CheckpointChoice,
        truncation: Option<f32>,
    ) -> Result<Self, ExportError> {
        let ChosenCheckpoint { mut checkpoint, reason } = folder.choose(choice)?;
        checkpoint.truncate(truncation.unwrap_or(checkpoint.recipe.export.truncation))?;
        let trainer = drawing_trainer(&checkpoint)?;
        // The checkpoint knows the place that the data had when it was saved.
        let source = folder.recipe().map_or_else(|_| checkpoint.recipe.data.source.clone(), |own| own.data.source);
        Ok(Self { checkpoint, reason, trainer, source, fitted: false })
    }

    /// Loads the data of the run, from where `recipe.toml` says that they are.
    ///
    /// # Errors
    /// If the data cannot be loaded.
    pub fn load_data(&self) -> Result<TrainingData, DataError> {
        let mut recipe: Recipe = self.checkpoint.recipe.clone();
        recipe.data.source.clone_from(&self.source);
        load_data(&recipe)
    }

    /// Loads other data to compare the run's samples with. Images are brought to the shape of the run's images.
    ///
    /// # Errors
    /// If the data cannot be loaded.
    pub fn load_other_data(&self, source: &str) -> Result<TrainingData, DataError> {
        let wanted = &self.checkpoint.recipe.data;
        match self.checkpoint.shape[..] {
            [height, width, channels] => {
                load_data_of_shape(source, [height, width, channels], wanted.range, wanted.held_out)
            }
            _ => {
                let mut recipe: Recipe = self.checkpoint.recipe.clone();
                source.clone_into(&mut recipe.data.source);
                load_data(&recipe)
            }
        }
    }

    /// Whether the run generates images, not points.
    pub fn has_images(&self) -> bool {
        self.checkpoint.shape.len() == 3
    }

    /// Returns the distribution that a run of points was trained on; `None` for images.
    fn mixture(&self) -> Result<Option<GaussianMixture>, ExportError> {
        if self.has_images() {
            return Ok(None);
        }
        match BuiltinDataset::from_name(&self.checkpoint.data.name).map(BuiltinDataset::open).transpose()? {
            Some(AnyDataset::Mixture(mixture)) => Ok(Some(mixture)),
            _ => Ok(self.load_data()?.mixture),
        }
    }

    /// Returns the folded float network of the EMA generator, which [`quantize`](Self::quantize) quantizes.
    ///
    /// # Errors
    /// If a layer has no counterpart in the model format.
    pub fn float_net(&self) -> Result<FloatNet, ExportError> {
        let (weights, statistics) = self.checkpoint.ema();
        let (recipe, network) = (&self.checkpoint.recipe, self.trainer.generator());
        folded_generator(recipe, self.mixture()?.as_ref(), network, weights, statistics)
    }

    /// Returns the folded generator with its discriminator after the image. Losses that train on differences of scores need real images
    /// to find the score of 0.5.
    ///
    /// # Errors
    /// If the run generates points, real images are needed and there are none, the discriminator has no score in 0..=1, or a layer has no
    /// counterpart in the model format.
    pub fn float_net_with_discriminator(&self, held_out: Option<&ImageDataset>) -> Result<FloatNet, ExportError> {
        if !self.has_images() {
            return Err(ExportError::DiscriminatorOfPoints);
        }
        with_discriminator(self.float_net()?, &self.checkpoint, self.trainer.discriminator(), held_out, self.fitted)
    }

    /// Fits the discriminator to the int8 images of the generator for `steps` steps, so that its score is the probability that such an
    /// image is real. `real` are the training images; `progress` receives the finished steps.
    ///
    /// # Errors
    /// If the generator cannot be quantized, or the discriminator cannot be fitted.
    pub fn fit_discriminator(
        &mut self,
        real: &ImageDataset,
        steps: NonZeroU64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<DiscriminatorFit, ExportError> {
        let file = self.quantize_briefly()?.file;
        let (weights, fit) = fit_discriminator(&self.trainer, &file, real, steps, progress)?;
        if let Some(id) = self.checkpoint.store.find(StateKey::Weights(Player::Discriminator).name()) {
            *self.checkpoint.store.values_mut(id) = weights;
        }
        self.fitted = true;
        Ok(fit)
    }

    /// Quantizes the generator and compares it with the float network over 1,000 latents.
    ///
    /// # Errors
    /// If the generator cannot be quantized.
    pub fn quantize(&self, layouts: LayoutChoice) -> Result<Quantized, ExportError> {
        Ok(quantize(&self.float_net()?, &QuantizeOptions { layouts, ..QuantizeOptions::default() })?)
    }

    /// Quantizes the generator for a first look: the file of [`quantize`](Self::quantize), compared over few latents.
    ///
    /// # Errors
    /// If the generator cannot be quantized.
    pub fn quantize_briefly(&self) -> Result<Quantized, ExportError> {
        Ok(quantize(&self.float_net()?, &QuantizeOptions { comparison: FEW, ..QuantizeOptions::default() })?)
    }

    /// Quantizes the generator with its discriminator, so that devices can show D(G(z)).
    ///
    /// # Errors
    /// If the generator or the discriminator cannot be quantized.
    pub fn quantize_with_discriminator(
        &self,
        layouts: LayoutChoice,
        held_out: Option<&ImageDataset>,
    ) -> Result<QuantizedWithScores, ExportError> {
        let net = self.float_net_with_discriminator(held_out)?;
        let quantized = quantize(&net, &QuantizeOptions { layouts, ..QuantizeOptions::default() })?;
        let scores = compare_scores(&net, &quantized)?;
        Ok(QuantizedWithScores { quantized, scores })
    }
}
