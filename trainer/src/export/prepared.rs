//! A run opened at one of its checkpoints, ready to generate samples and to be exported.
use super::device_net::{folded_generator, with_discriminator};
use super::{ExportError, ScoreComparison, compare_scores};
use crate::quantize::{FloatNet, LayoutChoice, QuantizeOptions, Quantized, quantize};
use crate::run::{
    Checkpoint, CheckpointChoice, ChoiceReason, ChosenCheckpoint, RunFolder, TrainingData, load_data, restore_trainer,
};
use crate::train::Trainer;

/// A run at one of its checkpoints: the checkpoint, its data, and a trainer that generates samples.
pub struct PreparedRun {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Why this checkpoint was chosen.
    pub reason: ChoiceReason,
    /// The data of the run.
    pub data: TrainingData,
    /// A trainer in the state of the checkpoint.
    pub trainer: Trainer,
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
    /// Opens the run in `folder` at the chosen checkpoint and loads its data.
    ///
    /// # Errors
    /// If the checkpoint or the data cannot be loaded, or the data no longer matches the checkpoint.
    pub fn open(folder: &RunFolder, choice: CheckpointChoice) -> Result<Self, ExportError> {
        let chosen = folder.choose(choice)?;
        let data = load_data(&chosen.checkpoint.recipe)?;
        Self::with_data(chosen, data)
    }

    /// Prepares a checkpoint whose data is already loaded.
    ///
    /// # Errors
    /// If the shape of the data differs from that at the start of the run.
    pub fn with_data(chosen: ChosenCheckpoint, data: TrainingData) -> Result<Self, ExportError> {
        let ChosenCheckpoint { checkpoint, reason } = chosen;
        let trainer = restore_trainer(&checkpoint, &data, checkpoint.steps, 0)?;
        Ok(Self { checkpoint, reason, data, trainer })
    }

    /// Returns the folded float network of the EMA generator, which [`quantize`](Self::quantize) quantizes.
    ///
    /// # Errors
    /// If a layer has no counterpart in the model format.
    pub fn float_net(&self) -> Result<FloatNet, ExportError> {
        let (weights, statistics) = self.checkpoint.ema();
        let (recipe, network) = (&self.checkpoint.recipe, self.trainer.generator());
        folded_generator(recipe, self.data.mixture.as_ref(), network, weights, statistics)
    }

    /// Returns the folded generator with its discriminator after the image.
    ///
    /// # Errors
    /// If the run generates points, its discriminator has no score in 0..=1, or a layer has no counterpart in the model format.
    pub fn float_net_with_discriminator(&self) -> Result<FloatNet, ExportError> {
        let generator = self.float_net()?;
        let split = self.data.images.as_ref().ok_or(ExportError::DiscriminatorOfPoints)?;
        with_discriminator(generator, &self.checkpoint, self.trainer.discriminator(), &split.held_out)
    }

    /// Quantizes the generator and compares it with the float network over 1,000 latents.
    ///
    /// # Errors
    /// If the generator cannot be quantized.
    pub fn quantize(&self, layouts: LayoutChoice) -> Result<Quantized, ExportError> {
        Ok(quantize(&self.float_net()?, &QuantizeOptions { layouts, ..QuantizeOptions::default() })?)
    }

    /// Quantizes the generator for a first look: the file of [`quantize`](Self::quantize), without the long comparison.
    ///
    /// # Errors
    /// If the generator cannot be quantized.
    pub fn quantize_unmeasured(&self) -> Result<Quantized, ExportError> {
        Ok(quantize(&self.float_net()?, &QuantizeOptions { comparison: 1, ..QuantizeOptions::default() })?)
    }

    /// Quantizes the generator with its discriminator, so that devices can show D(G(z)).
    ///
    /// # Errors
    /// If the generator or the discriminator cannot be quantized.
    pub fn quantize_with_discriminator(&self, layouts: LayoutChoice) -> Result<QuantizedWithScores, ExportError> {
        let net = self.float_net_with_discriminator()?;
        let quantized = quantize(&net, &QuantizeOptions { layouts, ..QuantizeOptions::default() })?;
        let scores = compare_scores(&net, &quantized)?;
        Ok(QuantizedWithScores { quantized, scores })
    }
}
