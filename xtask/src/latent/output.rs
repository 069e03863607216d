//! What the latent tools print and write: progress, grids of images, latents and curves.

use crate::console;
use crate::failure::Failure;
use crate::image_file::ImageFile;
use crate::training::{catch_interrupts, interrupted};
use ganlet_trainer::draw::{Image, image_grid};
use ganlet_trainer::files;
use ganlet_trainer::latent::{
    ImageGenerator, ProjectionResult, ProjectionTarget, SavedLatent, SearchResults, int8_psnr, loss_curves,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Returns the factor that enlarges images to about `side` pixels.
pub(super) fn enlargement(shape: [usize; 3], side: usize) -> usize {
    (side / shape[0].max(shape[1])).clamp(1, 16)
}

/// Returns an image, enlarged to about `side` pixels.
pub(super) fn enlarged(bytes: &[u8], shape: [usize; 3], side: usize) -> Image {
    let [height, width, channels] = shape;
    Image::from_bytes(bytes, (width, height, channels)).enlarged(enlargement(shape, side))
}

/// Returns a grid of images, each enlarged to about `side` pixels.
pub(super) fn sheet(images: &[&[u8]], shape: [usize; 3], columns: usize, side: usize) -> Image {
    let [height, width, channels] = shape;
    image_grid(images, (width, height, channels), columns, enlargement(shape, side))
}

/// Runs a search with a progress bar; Ctrl-C ends it with the best result so far.
pub(super) fn with_progress(
    search: impl FnOnce(&mut dyn FnMut(usize, usize, f32) -> bool) -> Vec<ProjectionResult>,
) -> Vec<ProjectionResult> {
    catch_interrupts();
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("searching [{bar:40}] {pos}/{len} steps, {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let found = search(&mut |step, steps, loss| {
        bar.set_length(steps as u64);
        bar.set_position(step as u64);
        bar.set_message(format!("loss {loss:.4}"));
        !interrupted()
    });
    bar.finish_and_clear();
    found
}

/// The files that a search writes, and the model that checks its result.
pub(super) struct SearchOutputs<'a> {
    pub(super) latents: Option<&'a PathBuf>,
    pub(super) png: Option<&'a ImageFile>,
    pub(super) curve: Option<&'a ImageFile>,
    pub(super) model: Option<&'a mut ImageGenerator>,
}

/// Writes the results of a search; `before` is the first image of the grid.
pub(super) fn write(
    found: &[ProjectionResult],
    target: &ProjectionTarget,
    class: Option<u16>,
    before: &[u8],
    outputs: SearchOutputs<'_>,
) -> Result<SearchResults, Failure> {
    let Some(best) = found.first() else {
        return Err(Failure::failed("the search was stopped before it had a result"));
    };
    let latent = SavedLatent { values: best.latent.clone(), class };
    if let Some(path) = outputs.latents {
        files::write(path, format!("# a latent; cargo xtask sim MODEL --latents {}\n{latent}\n", files::quoted(path)))?;
        console::note(&format!("wrote {}", path.display()));
    }
    if let Some(file) = outputs.png {
        let images: Vec<&[u8]> = std::iter::once(before).chain(found.iter().map(|f| &f.image[..])).collect();
        let grid = sheet(&images, target.shape, images.len().min(9), 128);
        file.write(&grid, "the original, then the result of each search, best first")?;
    }
    if let Some(file) = outputs.curve {
        file.write(&loss_curves(found).image(900, 420), "the loss of each search")?;
    }
    let int8 = match outputs.model {
        Some(model) => int8_psnr(model, &latent, target).map_err(Failure::unusable)?,
        None => None,
    };
    Ok(SearchResults::new(found, int8))
}
