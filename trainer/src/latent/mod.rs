//! Ways through the latent space, and ways back into it: paths between latents, and latents for pictures that somebody has in mind.
mod generator;
mod objective;
mod path;
mod project;
mod search;
mod text;
mod wish;

pub use generator::{
    CheckedModel, LatentToolError, PictureGenerator, checked_class, device_walk, draw_device_walk, mean_difference,
    values,
};
pub use path::{Interpolation, between};
pub use project::{Found, Options, Projector, Subject};
pub use search::{
    EditDistances, NEAR_DB, SearchResult, SearchResults, float_picture, held_out_picture, int8_psnr, loss_curves,
    projector, shape_of,
};
pub use text::{LatentsError, StoredLatent};
pub use wish::ProjectionTarget;

/// Latent numbers are whole on devices: so many of them are 1.
pub const ONE: f32 = 32.0;
/// The largest number that a device has.
pub const END: f32 = 127.0 / ONE;

/// The numbers as a device has them: rounded, and cut at ±127.
pub fn rounded(z: &[f32]) -> Vec<i8> {
    z.iter().map(|v| (v * ONE).round().clamp(-127.0, 127.0) as i8).collect()
}

/// What a device's numbers mean.
pub fn numbers(z: &[i8]) -> Vec<f32> {
    z.iter().map(|&v| f32::from(v) / ONE).collect()
}

/// The latent of a seed, as every device draws it.
pub fn of_seed(seed: u32, latent: usize) -> Vec<i8> {
    let mut z = vec![0; latent];
    ganlet_runtime::normal_i8(seed, &mut z);
    z
}
