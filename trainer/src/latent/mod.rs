//! Latent space tools: interpolation between latents, and projection (GAN inversion) of images to latents.
mod class_names;
mod error;
mod generator;
mod objective;
mod path;
mod project;
mod search;
mod target;
mod text;

pub use class_names::ClassNames;
pub use error::LatentToolError;
pub use generator::{CheckedModel, ImageGenerator, device_walk, draw_device_walk, mean_difference, values};
pub use objective::ProjectionGenerator;
pub use path::{Interpolation, interpolate};
pub use project::{ProjectionOptions, ProjectionResult, Projector};
pub use search::{
    EditDistances, NEAR_DB, SearchResult, SearchResults, float_image, held_out_image, int8_psnr, loss_curves,
    projector, shape_of,
};
pub use target::ProjectionTarget;
pub use text::{LatentsError, SavedLatent};

/// The integer that stands for 1.0 in the latents of a device.
pub const LATENT_ONE: f32 = 32.0;
/// The largest value in the latents of a device.
pub const LATENT_MAX: f32 = 127.0 / LATENT_ONE;

/// Converts a latent to the integers of a device: rounded, and clamped to ±127.
pub fn to_int8(z: &[f32]) -> Vec<i8> {
    z.iter().map(|v| (v * LATENT_ONE).round().clamp(-127.0, 127.0) as i8).collect()
}

/// Converts the integers of a device to floats.
pub fn to_float(z: &[i8]) -> Vec<f32> {
    z.iter().map(|&v| f32::from(v) / LATENT_ONE).collect()
}

/// The latent of length `latent` that every device generates for a seed.
pub fn latent_of_seed(seed: u32, latent: usize) -> Vec<i8> {
    let mut z = vec![0; latent];
    ganlet_runtime::normal_i8(seed, &mut z);
    z
}
