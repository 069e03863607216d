//! Compares five generative models on one-dimensional data: accuracy, training time and kind of density.
mod gaussian;
mod rbm;
mod vae;

use super::point_run::panel_grid;
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{Dataset, GaussianMixture};
use crate::draw::{Plot, PlotSeries};
use crate::metrics::{histogram, jensen_shannon};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::Trainer;
use ndarray::ArrayView1;
use serde_json::json;
use std::time::Instant;

/// Size of the training set.
const TRAINED: usize = 4000;
/// Samples drawn from each model.
const DRAWN: usize = 20_000;
/// Bins of the histogram over which distributions are compared.
const BINS: usize = 60;
/// The histogram covers -REACH..REACH.
const REACH: f64 = 2.5;
/// Number of models.
const MODELS: usize = 5;
/// Width and height of a panel of the figure, in pixels.
const PANEL: (usize, usize) = (400, 300);

/// A fitted model and its samples.
struct FittedModel {
    name: &'static str,
    /// Kind of density in the taxonomy of generative models (Goodfellow 2016, figure 9).
    density: &'static str,
    samples: Vec<f64>,
    seconds: f64,
}

/// Draws `n` standard normal numbers from a random stream.
fn normals(stream: u32, n: usize) -> Vec<f64> {
    let mut values = vec![0.0; n];
    Key { seed: 2, stream, step: 0 }.normal(&mut values);
    values.into_iter().map(f64::from).collect()
}

/// The name of a model as part of a file name.
fn file_name(model: &str) -> String {
    let letters = model.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    letters.collect::<String>().replace("--", "-")
}

/// The histogram of `values`.
fn bins(values: &[f64]) -> Vec<f64> {
    histogram(ArrayView1::from(values), -REACH, REACH, BINS)
}

/// Jensen-Shannon divergence between the histogram of `values` and the probability of each bin.
fn divergence(values: &[f64], mixture: &GaussianMixture) -> f64 {
    let width = 2.0 * REACH / BINS as f64;
    let mass = |i: usize| {
        let at = |k: usize| -REACH + width * (i as f64 + (k as f64 + 0.5) / 8.0);
        (0..8).map(|k| mixture.density(at(k))).sum::<f64>() / 8.0 * width
    };
    jensen_shannon(&bins(values), &(0..BINS).map(mass).collect::<Vec<_>>())
}

/// Trains a GAN and draws from it; `None` if the user stopped it.
fn gan(mixture: &GaussianMixture, context: &mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> {
    let settings = [
        "train.steps=4000",
        "generator.latent=2",
        "generator.hidden=[64, 64]",
        "train.batch_size=256",
        "train.ema=0.999",
        "discriminator.hidden=[64, 64]",
        "objective.regularizer.gamma=0.02",
        "schedule={kind=\"linear\", from=0.5, to=0.0}",
    ];
    let recipe = Recipe::open("bimodal-1d", &settings.map(str::to_owned))?;
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture.clone()), 1, 4000, context.threads)?;
    for _ in 0..4000 {
        if (context.stop)() {
            return Ok(None);
        }
        trainer.advance()?;
    }
    Ok(Some(trainer.samples(0, DRAWN).into_iter().map(f64::from).collect()))
}

/// Fits all models, one after the other, until the user stops.
fn fit_all(
    data: &[f64],
    mixture: &GaussianMixture,
    context: &mut LabContext<'_>,
) -> Result<(Vec<FittedModel>, bool), LabError> {
    type Fit<'a> = Box<dyn FnOnce(&mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> + 'a>;
    let models: [(&str, &str, Fit<'_>); MODELS] = [
        ("Gaussian", "explicit, exact", Box::new(|_| Ok(Some(gaussian::single(data, DRAWN))))),
        ("mixture by EM", "explicit, exact", Box::new(|_| Ok(Some(gaussian::mixture(data, DRAWN))))),
        ("RBM, CD-1", "explicit, Markov chain", Box::new(|_| Ok(Some(rbm::restricted(data, DRAWN))))),
        ("VAE", "explicit, a bound", Box::new(|context| vae::autoencoder(data, DRAWN, context))),
        ("GAN", "implicit, direct", Box::new(|context| gan(mixture, context))),
    ];
    let mut fitted = Vec::new();
    for (name, density, fit) in models {
        (context.progress)(name);
        let start = Instant::now();
        // A model whose training was stopped early is omitted, because it would be compared with fully trained ones.
        let Some(samples) = fit(context)? else { return Ok((fitted, true)) };
        fitted.push(FittedModel { name, density, samples, seconds: start.elapsed().as_secs_f64() });
        if (context.stop)() {
            break;
        }
    }
    let stopped = fitted.len() < MODELS;
    Ok((fitted, stopped))
}

/// The middle of a bin.
fn bin_center(i: usize) -> f64 {
    -REACH + 2.0 * REACH * (i as f64 + 0.5) / BINS as f64
}

/// The density of samples, estimated by a histogram.
fn density(samples: &[f64]) -> Vec<(f64, f64)> {
    // Samples outside the figure would otherwise accumulate in the outermost bins.
    let inside: Vec<_> = samples.iter().copied().filter(|v| v.abs() < REACH).collect();
    let bins = bins(&inside);
    let share = inside.len() as f64 / samples.len().max(1) as f64;
    let sum: f64 = bins.iter().sum::<f64>() * 2.0 * REACH / BINS as f64;
    bins.iter().enumerate().map(|(i, b)| (bin_center(i), share * b / sum.max(1e-12))).collect()
}

/// Fits five models to the same samples of a mixture of two Gaussians and compares them.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn compare(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let mixture = GaussianMixture::bimodal();
    let draw = |seed, n| {
        let mut values = vec![0.0; n];
        mixture.batch(Key { seed, stream: 0, step: 0 }, &mut values);
        values.into_iter().map(f64::from).collect::<Vec<f64>>()
    };
    let (fitted, stopped) = fit_all(&draw(1, TRAINED), &mixture, context)?;
    if fitted.is_empty() {
        return Ok(LabResults { stopped, ..LabResults::default() });
    }
    let floor = divergence(&draw(9, DRAWN), &mixture);
    let mut table = ResultTable::new(&["model", "density", ">Jensen-Shannon divergence", ">seconds"]);
    let true_density: Vec<_> = (0..BINS).map(|i| (bin_center(i), mixture.density(bin_center(i)))).collect();
    let (mut panels, mut values) = (Vec::new(), Vec::new());
    for model in &fitted {
        let js = divergence(&model.samples, &mixture);
        table.push([model.name.into(), model.density.into(), format!("{js:.4}"), format!("{:.2}", model.seconds)]);
        values.push(json!({ "model": model.name, "kind": model.density, "js": js, "seconds": model.seconds }));
        // One panel per model. In a common plot, a spike of one model would flatten all the others, and good models would hide the data.
        let plot = Plot {
            title: format!("{}, Jensen-Shannon {js:.3}", model.name),
            x_label: "x".into(),
            y_label: "density".into(),
            series: vec![
                PlotSeries::new("data", true_density.clone()),
                PlotSeries::new("model", density(&model.samples)),
            ],
            ..Plot::default()
        };
        (context.save)(&format!("compare-{}.svg", file_name(model.name)), plot.svg().as_bytes())?;
        panels.push(plot.image(PANEL.0, PANEL.1));
    }
    table.push(["true distribution".into(), "".into(), format!("{floor:.4}"), "".into()]);
    (context.save)("compare.png", &panel_grid(&panels, 3).png())?;
    let notes = vec![format!(
        "{TRAINED} training samples (the GAN draws its own batches), {DRAWN} samples of each model; the last row is the divergence of samples from the true distribution"
    )];
    let values = json!({ "lab": "compare", "models": values, "floor": floor, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_except_the_single_gaussian_finds_both_modes() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = compare(&mut context).unwrap();
        let models = found.values["models"].as_array().unwrap();
        let js = |i: usize| models[i]["js"].as_f64().unwrap();
        assert!(js(0) > 0.1 && js(1) < 0.01, "{models:?}");
        assert!((2..5).all(|i| js(i) < 0.8 * js(0)), "{models:?}");
    }
}
