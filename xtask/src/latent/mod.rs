//! The latent tools: sheets, interpolations, projection (GAN inversion) and editing.

pub(crate) mod edit;
pub(crate) mod grid;
pub(crate) mod interpolate;
mod output;
pub(crate) mod project;
