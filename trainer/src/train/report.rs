//! The report of a training step: losses, mean D(x) and D(G(z)), gradient norms.
use serde::{Deserialize, Serialize};

/// One of the two networks of a GAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Player {
    /// Distinguishes real examples from generated ones.
    Discriminator,
    /// Generates examples.
    Generator,
}

/// Measurements of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: u64,
    /// Discriminator loss without the penalty.
    pub discriminator_loss: f32,
    /// Generator loss.
    pub generator_loss: f32,
    /// Mean D(x) over real examples, 0 to 1. With a relativistic loss, each score is relative to that of a generated example.
    pub d_real: f32,
    /// Mean D(G(z)) over generated examples; with BEGAN, `d_real` and `d_fake` are mean reconstruction errors.
    pub d_fake: f32,
    /// Euclidean norm of the discriminator's gradient.
    pub discriminator_gradient_norm: f32,
    /// Euclidean norm of the generator's gradient.
    pub generator_gradient_norm: f32,
    /// Penalty of the last penalized discriminator update.
    pub penalty: f32,
    /// BEGAN's k: the weight of generated examples in the discriminator loss.
    #[serde(default)]
    pub began_k: f32,
    /// BEGAN's convergence measure M.
    #[serde(default)]
    pub began_convergence: f32,
}

/// A phase of a step, reported to the callback of [`Trainer::advance_with`](super::Trainer::advance_with) when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepPhase {
    /// Latents and real examples have been drawn.
    BatchDrawn,
    /// The discriminator has been updated.
    DiscriminatorUpdated,
    /// The generator has been updated.
    GeneratorUpdated,
}
