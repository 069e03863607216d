//! What helps a GAN beside its objective: the remedies of many papers, each off unless asked for.
use crate::nets::Minibatch;
use serde::{Deserialize, Serialize};

/// A change that real and generated pictures undergo alike before the discriminator sees them (Zhao et al. 2020).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    /// Brightness and contrast vary.
    Color,
    /// Shifts by up to an eighth of a side, zeros entering.
    Translation,
    /// A square of half a side is blanked.
    Cutout,
}

/// Remedies, all off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Technique {
    /// What the discriminator is taught to say of real examples (Salimans et al. 2016): 0.9 smooths one side.
    pub label_real: f32,
    /// What it is taught to say of generated ones.
    pub label_fake: f32,
    /// Standard deviation of the noise added to what the discriminator sees (Sønderby et al. 2017, Arjovsky & Bottou 2017).
    pub noise: f32,
    /// Part of the run over which that noise fades away.
    pub noise_until: f32,
    /// Changes that real and generated pictures undergo alike.
    pub augment: Vec<Augment>,
    /// Examples that the discriminator judges together as one (Lin et al. 2018).
    pub packing: usize,
    /// What the discriminator sees of the batch.
    pub minibatch: Minibatch,
    /// Divide the discriminator's weights by their spectral norm (Miyato et al. 2018).
    pub spectral_norm: bool,
    /// Discriminator steps that the generator looks ahead, through them (Metz et al. 2017).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unroll: Option<u32>,
    /// Weight of the squared distance of all weights to their own past means (Salimans et al. 2016, section 3.3).
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
    /// Standard deviation of the noise at `step` of `steps`.
    pub fn noise_at(&self, step: u64, steps: u64) -> f32 {
        let part = step as f32 / steps.max(1) as f32 / self.noise_until.max(1e-9);
        self.noise * (1.0 - part).max(0.0)
    }
}
