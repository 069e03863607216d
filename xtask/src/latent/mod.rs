//! The latent tools: sample grids, curated seeds, interpolation, projection (GAN inversion) and editing.

pub(crate) mod curate;
pub(crate) mod edit;
pub(crate) mod grid;
pub(crate) mod interpolate;
mod output;
pub(crate) mod project;
