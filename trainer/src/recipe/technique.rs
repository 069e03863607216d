//! Additional techniques of GAN training, each off by default: label smoothing, instance noise, augmentation, packing and more.
use crate::nets::Minibatch;
use serde::{Deserialize, Serialize};

/// Differentiable augmentation of real and generated images before the discriminator (Zhao et al. 2020).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    /// Random brightness and contrast.
    Color,
    /// Random shifts by up to an eighth of a side, filled with zeros.
    Translation,
    /// Blanks a random square of half a side.
    Cutout,
}

/// Techniques, all off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Technique {
    /// Target probability of real examples; 0.9 is one-sided label smoothing (Salimans et al. 2016).
    pub label_real: f32,
    /// Target probability of generated examples.
    pub label_fake: f32,
    /// Standard deviation of the instance noise on the discriminator's input (Sønderby et al. 2017; Arjovsky & Bottou 2017).
    pub noise: f32,
    /// Fraction of the run over which the instance noise falls linearly to 0.
    pub noise_until: f32,
    /// Augmentations of real and generated images.
    pub augment: Vec<Augment>,
    /// Number of examples that the discriminator scores together as one (PacGAN: Lin et al. 2018).
    pub packing: usize,
    /// Feature from which the discriminator sees how similar the examples of a batch are.
    pub minibatch: Minibatch,
    /// Divides the discriminator's weights by their spectral norm (Miyato et al. 2018).
    pub spectral_norm: bool,
    /// Number of discriminator updates that the generator's gradient is propagated through (unrolled GAN: Metz et al. 2017).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unroll: Option<u32>,
    /// Factor on the squared distance between the weights and their mean over the run (Salimans et al. 2016, section 3.3).
    pub historical_averaging: f32,
}

impl Default for Technique {
    fn default() -> Self {
        Self {
            label_real: 1.0,
            label_fake: 0.0,
            noise: 0.0,
            noise_until: 1.0,
            augment: Vec::new(),
            packing: 1,
            minibatch: Minibatch::None,
            spectral_norm: false,
            unroll: None,
            historical_averaging: 0.0,
        }
    }
}

impl Technique {
    /// Standard deviation of the instance noise at `step` of `steps`.
    pub fn noise_at(&self, step: u64, steps: u64) -> f32 {
        let part = step as f32 / steps.max(1) as f32 / self.noise_until.max(1e-9);
        self.noise * (1.0 - part).max(0.0)
    }
}
