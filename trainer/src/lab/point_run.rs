//! Trains one recipe on a mixture of Gaussians and measures the points that its generator draws.
use super::{LabContext, LabError};
use crate::data::{Dataset, GaussianMixture};
use crate::draw::{Image, Scatter, animation};
use crate::evaluate::{self, PointsQuality};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::Trainer;
use std::time::Instant;

/// Generated points per measurement, as in the protocol of VEEGAN and PacGAN.
pub(super) const POINTS: usize = 2500;
/// Points of each kind in a figure.
const DRAWN: usize = 1000;
/// Frames in the animation of a run.
const FRAMES: u64 = 40;

/// The measurements of one run.
pub(super) struct FinishedRun {
    pub(super) seed: u64,
    pub(super) quality: PointsQuality,
    /// Training time, without the time for figures.
    pub(super) seconds: f64,
    /// Step at which a value stopped being finite. The points of such a run count as NaN, so they are near no mode.
    pub(super) diverged: Option<u64>,
}

impl FinishedRun {
    /// Reverse KL divergence over the modes; infinite if no point reaches a mode.
    pub(super) fn reverse_kl(&self) -> f64 {
        self.quality.reverse_kl.unwrap_or(f64::INFINITY)
    }

    /// Standard deviations within the modes as multiples of σ, in ascending order; 0 for modes with too few points.
    pub(super) fn sorted_spreads(&self) -> Vec<f64> {
        let mut all: Vec<_> = self.quality.spread.iter().map(|s| s.unwrap_or(0.0)).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

/// Trains `recipe` with `seed` and measures it; `None` if the user stopped the run.
///
/// With a `title`, also returns a scatter plot of the points and saves an animation of the run. A run that diverges is a result.
pub(super) fn run(
    recipe: &Recipe,
    seed: u64,
    mixture: &GaussianMixture,
    title: Option<&str>,
    context: &mut LabContext<'_>,
) -> Result<Option<(FinishedRun, Option<Image>)>, LabError> {
    let steps = recipe.train.steps;
    let mut trainer = Trainer::new(recipe.clone(), std::sync::Arc::new(mixture.clone()), seed, steps, context.threads)?;
    let (start, mut frames) = (Instant::now(), Vec::new());
    let steps_per_frame = (steps / FRAMES).max(1);
    let (mut drawing, mut diverged) = (0.0, None);
    while trainer.step() < steps && diverged.is_none() {
        if (context.stop)() {
            return Ok(None);
        }
        if let Some(title) = title.filter(|_| trainer.step().is_multiple_of(steps_per_frame)) {
            let before = Instant::now();
            frames.push(scatter(&mut trainer, mixture, title));
            drawing += before.elapsed().as_secs_f64();
        }
        diverged = trainer.advance().err().map(|_| trainer.step() + 1);
    }
    let seconds = start.elapsed().as_secs_f64() - drawing;
    let mut points = trainer.samples(0, POINTS);
    if diverged.is_some() {
        points.fill(f32::NAN);
    }
    let quality = evaluate::points(&points, mixture)?;
    let panel = title.map(|title| scatter(&mut trainer, mixture, title));
    if let (Some(title), Some(last)) = (title, &panel) {
        frames.push(last.clone());
        (context.save)(&format!("{}-{title}.gif", mixture.name()), &animation(&frames, 120))?;
    }
    Ok(Some((FinishedRun { seed, quality, seconds, diverged }, panel)))
}

fn scatter(trainer: &mut Trainer, mixture: &GaussianMixture, title: &str) -> Image {
    let pairs = |v: &[f32]| v.chunks_exact(2).map(|p| (f64::from(p[0]), f64::from(p[1]))).collect::<Vec<_>>();
    let mut real = vec![0.0; 2 * DRAWN];
    mixture.batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
    let generated = trainer.samples(1, DRAWN);
    let title = format!("{title}, step {}", trainer.step());
    Scatter { title, real: &pairs(&real), generated: &pairs(&generated) }.image().halved()
}

/// Places panels of equal size in rows of up to `columns`.
pub(super) fn panel_grid(panels: &[Image], columns: usize) -> Image {
    let (w, h) = panels.first().map_or((1, 1), |p| (p.width(), p.height()));
    let columns = panels.len().clamp(1, columns);
    let mut sheet = Image::new(columns * w, panels.len().div_ceil(columns) * h, [252, 252, 251]);
    for (i, panel) in panels.iter().enumerate() {
        sheet.place(panel, (i % columns * w, i / columns * h), 1);
    }
    sheet
}
