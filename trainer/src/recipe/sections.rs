//! The tables of a recipe that are defined in this module: data, objective and training.
use crate::loss::Loss;
use crate::regularize::Regularizer;
use serde::{Deserialize, Serialize};

/// Initial distribution of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Variance by fan-in and the gain of the activation that follows (He et al. 2015).
    #[default]
    He,
    /// Variance 2/(fan-in + fan-out) (Glorot & Bengio 2010).
    Glorot,
}

/// How an image of another aspect ratio gets the training size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Crops the center to the aspect ratio.
    #[default]
    Crop,
    /// Keeps the whole image and fills the margins with white.
    Pad,
    /// Changes the aspect ratio of the image.
    Stretch,
}

/// Training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Name of a built-in data set, or a path.
    pub source: String,
    /// Size to which images are resized, [width, height]; also read from "32x32", and from 32 for a square.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::size::deserialize")]
    pub size: Option<[usize; 2]>,
    /// How images of another aspect ratio get this size.
    #[serde(default)]
    pub fit: Fit,
    /// Converts color images to gray.
    #[serde(default)]
    pub gray: bool,
    /// Values of black and white.
    #[serde(default = "range")]
    pub range: [f32; 2],
    /// Mirrors each image with probability 0.5 when it is drawn.
    #[serde(default)]
    pub flip: bool,
    /// Number of classes for class-conditional training, which must equal that of the data; 0 for unconditional training.
    #[serde(default)]
    pub classes: usize,
    /// Shares of the classes, in any unit: the last latent value then chooses the class, so images show each class with this probability.
    /// Empty: the class is an input of the generator.
    #[serde(default)]
    pub class_shares: Vec<f32>,
    /// Largest number of groups of similar images that stand for classes, 2 to 64; the last latent value chooses the group. 0: the classes
    /// are those of the labels. The shares of the groups are [`class_shares`](Self::class_shares) once the data are loaded.
    #[serde(default)]
    pub clusters: usize,
    /// Fraction of the images that is held out for evaluation. Without it, built-in sets use their fixed split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f32>,
    /// Factor on the coordinates of points for training; samples are divided by it.
    #[serde(default = "unit")]
    pub scale: f32,
}

fn range() -> [f32; 2] {
    [-1.0, 1.0]
}

fn unit() -> f32 {
    1.0
}

/// Loss and regularizer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Adversarial loss.
    pub loss: Loss,
    /// Regularizer of the discriminator, or of both networks.
    #[serde(default = "none")]
    pub regularizer: Regularizer,
    /// BEGAN's γ: target ratio of the reconstruction errors of generated and real examples. Small values favor quality, large ones diversity.
    #[serde(default = "began_gamma")]
    pub began_gamma: f32,
    /// BEGAN's λ: learning rate of k.
    #[serde(default = "began_lambda")]
    pub began_lambda: f32,
    /// Factor on the penalty at the end of the run; it decays exponentially from 1.
    #[serde(default = "unit")]
    pub penalty_to: f32,
    /// Fraction of the run before the penalty begins to decay.
    #[serde(default)]
    pub penalty_from: f32,
}

impl Objective {
    /// Factor on the penalty at `step` of `steps`: 1 up to `penalty_from`, then an exponential decay to `penalty_to`.
    pub fn penalty_at(&self, step: u64, steps: u64) -> f32 {
        let done = step as f32 / steps.max(1) as f32;
        let faded = (done - self.penalty_from) / (1.0 - self.penalty_from);
        self.penalty_to.powf(faded.max(0.0))
    }
}

/// The exported generator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Export {
    /// Factor on the latents, except for binary ones: below 1, images are more typical and less diverse (the truncation trick,
    /// Brock et al. 2019). It is multiplied into the weights of the first layer, so it costs nothing on a device.
    pub truncation: f32,
}

impl Default for Export {
    fn default() -> Self {
        Self { truncation: 1.0 }
    }
}

fn began_gamma() -> f32 {
    0.5
}

fn began_lambda() -> f32 {
    0.001
}

fn none() -> Regularizer {
    Regularizer::None
}

/// Lengths and intervals, in steps. A step consists of the updates of the discriminator and those of the generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Steps of a run, unless the command line gives another number.
    pub steps: u64,
    /// Examples in a batch.
    pub batch_size: usize,
    /// Discriminator updates in a step.
    #[serde(default = "one")]
    pub discriminator_steps: u32,
    /// Generator updates in a step.
    #[serde(default = "one")]
    pub generator_steps: u32,
    /// Difference of mean D(x) and mean D(G(z)) at which the remaining discriminator updates of a step are skipped, 0 to 1; 0
    /// never skips updates.
    #[serde(default)]
    pub discriminator_margin: f32,
    /// Number of steps at the start of the run that update the generator before the discriminator.
    #[serde(default)]
    pub generator_first: u64,
    /// Whether real and generated examples form one batch; this matters for discriminators in which the examples of a batch interact.
    #[serde(default)]
    pub batches: Batches,
    /// Gradient checkpointing: recomputes normalized values and activations for the gradients instead of keeping them. This takes
    /// less memory and more time, and gives the same results.
    #[serde(default)]
    pub recompute: bool,
    /// EMA decay of the generator's weights; samples and exported models use the EMA. EMA warm-up: the decay is smaller during the
    /// first steps.
    #[serde(default = "ema")]
    pub ema: f32,
    /// Steps between two lines of the log.
    #[serde(default = "log_every")]
    pub log_every: u64,
    /// Steps between two sample grids.
    #[serde(default = "sample_every")]
    pub sample_every: u64,
    /// Steps between two plots of the losses; 0 for one at the end.
    #[serde(default)]
    pub plot_every: u64,
    /// Steps between two checkpoints, each with a measurement.
    #[serde(default = "save_every")]
    pub save_every: u64,
    /// Number of times that a run that diverges or collapses may return to its last good checkpoint, each time with a third of
    /// the learning rate.
    #[serde(default)]
    pub rollbacks: u32,
}

/// How the discriminator receives real and generated examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Batches {
    /// [`Batches::Split`] for discriminators in which the examples of a batch interact, else [`Batches::Mixed`], which gives the same
    /// results in less time.
    #[default]
    Auto,
    /// One batch of real examples and one of generated examples.
    Split,
    /// Real and generated examples in one batch.
    Mixed,
}

fn one() -> u32 {
    1
}

fn ema() -> f32 {
    0.995
}

fn log_every() -> u64 {
    20
}

fn sample_every() -> u64 {
    200
}

fn save_every() -> u64 {
    500
}

#[cfg(test)]
mod tests {
    use crate::recipe::Recipe;

    #[test]
    fn a_penalty_is_constant_and_then_decays_exponentially() {
        let mut objective = Recipe::open("ring", &[]).unwrap().objective;
        (objective.penalty_to, objective.penalty_from) = (0.01, 0.5);
        let at = [0, 400, 500, 750, 1000].map(|step| objective.penalty_at(step, 1000));
        for (found, expected) in at.iter().zip([1.0, 1.0, 1.0, 0.1, 0.01]) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{at:?}");
        }
    }
}
