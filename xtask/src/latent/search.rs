//! What `project` and `edit` share: the search, its progress, what it leaves.

use super::{Artist, enlargement, sheet};
use crate::console;
use crate::exporting::Chosen;
use crate::failure::Failure;
use crate::training::{catch_interrupts, interrupted};
use ganlet_trainer::draw::{Image, Plot, PlotSeries, image_grid};
use ganlet_trainer::evaluate::FeatureNetwork;
use ganlet_trainer::files;
use ganlet_trainer::latent::{Found, ProjectionTarget, Projector, StoredLatent, Subject, numbers};
use ganlet_trainer::metrics::psnr;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Below this the picture that was found is another one.
pub(super) const NEAR_DB: f64 = 20.0;

/// Plans searches of a run's generator.
pub(super) fn projector(chosen: &Chosen, restarts: usize) -> Projector {
    let recipe = &chosen.checkpoint.recipe;
    let (weights, statistics) = chosen.checkpoint.ema();
    let subject = Subject {
        generator: chosen.trainer.generator(),
        weights,
        statistics,
        range: recipe.data.range,
        latent: recipe.generator.latent(),
    };
    let features = chosen.loaded.pictures.as_ref().and_then(|split| FeatureNetwork::of(&split.held_out));
    Projector::new(subject, features.as_ref(), restarts, 0)
}

/// Opens a run whose generator can be searched.
pub(super) fn open(path: &Path) -> Result<Chosen, Failure> {
    match Artist::open(path)? {
        Artist::Float(chosen) => Ok(*chosen),
        Artist::Int8(_) => Err(Failure::unusable(format!(
            "{}: integers have no gradient to follow; name the run that the model was exported from, and the model with --model to check \
             what its integers draw",
            path.display()
        ))),
    }
}

/// Height, width and channels of a run's pictures.
pub(super) fn shape(chosen: &Chosen) -> [usize; 3] {
    let shape = chosen.trainer.data().shape();
    [shape[0], shape[1], shape[2]]
}

/// Checks a class that was asked for; the first one where none was.
pub(super) fn class(classes: usize, asked: Option<usize>) -> Result<usize, Failure> {
    match asked {
        Some(class) if classes == 0 => {
            Err(Failure::unusable(format!("--class {class}: this generator was trained without classes")))
        }
        Some(class) if class >= classes => {
            Err(Failure::unusable(format!("--class {class}: expected 0 to {}", classes - 1)))
        }
        asked => Ok(asked.unwrap_or(0)),
    }
}

/// Runs `search` with a bar of progress; Ctrl-C ends it with what it has.
pub(super) fn watched(search: impl FnOnce(&mut dyn FnMut(usize, usize, f32) -> bool) -> Vec<Found>) -> Vec<Found> {
    catch_interrupts();
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("searching [{bar:40}] {pos}/{len} steps, {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let found = search(&mut |step, steps, least| {
        bar.set_length(steps as u64);
        bar.set_position(step as u64);
        bar.set_message(format!("loss {least:.4}"));
        !interrupted()
    });
    bar.finish_and_clear();
    found
}

/// What was found, as JSON tells it.
#[derive(Serialize)]
pub(super) struct Results {
    /// Of each search, the best one first.
    pub(super) searches: Vec<Search>,
    /// PSNR of the best latent's picture as a model file draws it, to the wish, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) int8_psnr_db: Option<f64>,
}

/// One search.
#[derive(Serialize)]
pub(super) struct Search {
    pub(super) loss: f32,
    pub(super) psnr_db: f64,
    pub(super) latent: Vec<i8>,
}

/// Where results go.
pub(super) struct Outputs<'a> {
    pub(super) latents: Option<&'a PathBuf>,
    pub(super) png: Option<&'a PathBuf>,
    pub(super) curve: Option<&'a PathBuf>,
    pub(super) model: Option<&'a PathBuf>,
}

/// Writes what was found; `before` stands first on the sheet.
pub(super) fn leave(
    found: &[Found],
    wish: &ProjectionTarget,
    class: Option<u16>,
    before: &[u8],
    outputs: &Outputs<'_>,
) -> Result<Results, Failure> {
    let Some(best) = found.first() else {
        return Err(Failure::failed("the search was stopped before it had anything"));
    };
    if let Some(path) = outputs.latents {
        let kept = StoredLatent { values: best.latent.clone(), class };
        files::write(path, format!("# a latent; cargo xtask sim MODEL --latents {}\n{kept}\n", path.display()))?;
        console::note(&format!("wrote {}", path.display()));
    }
    if let Some(path) = outputs.png {
        let pictures: Vec<&[u8]> = std::iter::once(before).chain(found.iter().map(|f| &f.picture[..])).collect();
        let larger = enlargement(wish.shape, 128);
        files::write(path, image_grid(&pictures, sheet(wish.shape), pictures.len().min(9), larger).png())?;
        console::note(&format!(
            "wrote {} (what was wished for, then the searches, the best one first)",
            path.display()
        ));
    }
    if let Some(path) = outputs.curve {
        files::write(path, curves(found).png())?;
        console::note(&format!("wrote {}", path.display()));
    }
    let int8 = match outputs.model {
        Some(path) => {
            let mut artist = Artist::open(path)?;
            if artist.latent()? != best.latent.len() || artist.shape()? != wish.shape {
                return Err(Failure::unusable(format!("{}: was made from another run", path.display())));
            }
            let drawn = artist.draw(&[numbers(&best.latent)], class.unwrap_or(0).into())?;
            let wished: Vec<u8> = ganlet_trainer::data::to_bytes(&wish.target, (-1.0, 1.0));
            wish.is_whole().then(|| psnr(&drawn[0], &wished))
        }
        None => None,
    };
    let searches =
        found.iter().map(|f| Search { loss: f.loss, psnr_db: f.psnr_db, latent: f.latent.clone() }).collect();
    Ok(Results { searches, int8_psnr_db: int8 })
}

/// The loss of every search, step by step.
fn curves(found: &[Found]) -> Plot {
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

/// A picture of bytes, enlarged for a screen.
pub(super) fn enlarged(bytes: &[u8], shape: [usize; 3]) -> Image {
    super::image(bytes, shape).enlarged(enlargement(shape, 128))
}
