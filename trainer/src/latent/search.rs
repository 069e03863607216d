//! Searches the latents of a run's generator for the latent of an image, and reports the results: metrics and loss curves.
use super::generator::{draw_float, image_shape};
use super::{
    ImageGenerator, LatentToolError, ProjectionGenerator, ProjectionResult, ProjectionTarget, Projector, SavedLatent,
    to_float,
};
use crate::data::{ImageDataset, to_bytes};
use crate::draw::{Plot, PlotSeries};
use crate::evaluate::FeatureNetwork;
use crate::export::PreparedRun;
use crate::metrics::psnr;
use serde::Serialize;

/// PSNR below which the result of a search does not show the target image.
pub const NEAR_DB: f64 = 20.0;

/// Plans `restarts` searches of the run's EMA generator, with the feature network for its data.
pub fn projector(run: &PreparedRun, restarts: usize) -> Projector {
    let recipe = &run.checkpoint.recipe;
    let (weights, statistics) = run.checkpoint.ema();
    let subject = ProjectionGenerator {
        generator: run.trainer.generator(),
        weights,
        statistics,
        range: recipe.data.range,
        latent: recipe.generator.latent(),
    };
    let features = FeatureNetwork::of_shape(&run.checkpoint.data.name, shape_of(run));
    Projector::new(subject, Some(&features), restarts, 0)
}

/// The results of searches, as `project --json` and `edit --json` print them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResults {
    /// The searches, best first.
    pub searches: Vec<SearchResult>,
    /// PSNR of the best latent's int8 image against the target, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8_psnr_db: Option<f64>,
}

/// The result of one search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResult {
    /// Final loss.
    pub loss: f32,
    /// PSNR of the image against the target, in dB.
    pub psnr_db: f64,
    /// The latent as devices store it: 32 means 1.
    pub latent: Vec<i8>,
}

impl SearchResults {
    /// Collects the results of `found`.
    pub fn new(found: &[ProjectionResult], int8_psnr_db: Option<f64>) -> Self {
        let result = |f: &ProjectionResult| SearchResult { loss: f.loss, psnr_db: f.psnr_db, latent: f.latent.clone() };
        Self { searches: found.iter().map(result).collect(), int8_psnr_db }
    }
}

/// Returns the PSNR of the image that `model` draws for a latent, in dB; `None` if the target has pixels without a weight or the model
/// belongs to another run.
///
/// # Errors
/// If the model does not accept the latent.
pub fn int8_psnr(
    model: &mut ImageGenerator,
    latent: &SavedLatent,
    target: &ProjectionTarget,
) -> Result<Option<f64>, LatentToolError> {
    model.check(std::slice::from_ref(latent))?;
    let drawn = model.draw(&[to_float(&latent.values)], latent.class.unwrap_or(0).into())?;
    let wanted = to_bytes(&target.target, (-1.0, 1.0));
    Ok((target.is_whole() && drawn[0].len() == wanted.len()).then(|| psnr(&drawn[0], &wanted)))
}

/// Plots the loss of every search, step by step.
pub fn loss_curves(found: &[ProjectionResult]) -> Plot {
    let series = (1..).zip(found).map(|(n, found)| {
        let points = found.curve.iter().enumerate().map(|(i, &loss)| (i as f64, f64::from(loss))).collect();
        PlotSeries::new(format!("search {n}"), points)
    });
    Plot {
        title: "Loss of each search".into(),
        x_label: "step".into(),
        y_label: "loss".into(),
        series: series.collect(),
        ..Plot::default()
    }
}

/// Returns the bytes of a held-out image.
///
/// # Errors
/// If there is no image with this number.
pub fn held_out_image(held_out: &ImageDataset, number: usize) -> Result<Vec<u8>, LatentToolError> {
    if number >= held_out.count() {
        return Err(LatentToolError::NoSuchImage { number, count: held_out.count() });
    }
    Ok(held_out.bytes(number).to_vec())
}

/// Returns the image that the run's float generator draws for a latent.
pub fn float_image(run: &mut PreparedRun, latent: &[i8], class: usize) -> Vec<u8> {
    draw_float(run, &[to_float(latent)], class).swap_remove(0)
}

/// Returns height, width and channels of a run's images.
pub fn shape_of(run: &PreparedRun) -> [usize; 3] {
    image_shape(run)
}

/// How closely an edit followed the strokes: mean differences of pixels, in levels of 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EditDistances {
    /// Mean difference from the colors of the strokes, under the strokes, before and after the edit; `None` without strokes.
    pub under_strokes: Option<(f64, f64)>,
    /// Mean difference between the images before and after the edit, outside the strokes.
    pub elsewhere: f64,
}

impl EditDistances {
    /// Compares the images before and after an edit with the strokes.
    pub fn new(target: &ProjectionTarget, before: &[u8], after: &[u8]) -> Self {
        let channels = target.shape[2];
        let wanted = to_bytes(&target.target, (-1.0, 1.0));
        let apart = |a: &[u8], b: &[u8], under: bool| {
            let pixels = a.chunks_exact(channels).zip(b.chunks_exact(channels)).zip(&target.weight);
            let differences: Vec<f64> = pixels
                .filter(|(_, weight)| (**weight > 0.0) == under)
                .flat_map(|((a, b), _)| a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))))
                .collect();
            differences.iter().sum::<f64>() / differences.len().max(1) as f64
        };
        let strokes = target.weight.iter().any(|&w| w > 0.0);
        Self {
            under_strokes: strokes.then(|| (apart(before, &wanted, true), apart(after, &wanted, true))),
            elsewhere: apart(before, after, false),
        }
    }
}
