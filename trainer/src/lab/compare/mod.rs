//! Five generative models on one line of data: how near each comes, how long it takes, whether it knows a density.
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

/// Numbers to learn from, and to draw.
const LEARNT: usize = 4000;
const DRAWN: usize = 20_000;
/// The histogram over which distributions are compared.
const BINS: usize = 60;
const REACH: f64 = 2.5;

/// Pixels of a panel of the figure.
const PANEL: (usize, usize) = (400, 300);

/// A model that was fitted: what it draws, and how.
struct Fitted {
    name: &'static str,
    /// Its place among generative models (Goodfellow 2016, figure 9).
    kind: &'static str,
    drawn: Vec<f64>,
    seconds: f64,
}

/// Fits a model and draws from it; nothing when it was stopped.
type Model<'a> = dyn FnMut(&mut LabContext<'_>) -> Result<Option<Vec<f64>>, LabError> + 'a;

/// Draws `n` standard normals of a stream.
fn normals(stream: u32, n: usize) -> Vec<f64> {
    let mut values = vec![0.0; n];
    Key { seed: 2, stream, step: 0 }.normal(&mut values);
    values.into_iter().map(f64::from).collect()
}

/// The letters of a model's name, small.
fn file_name(model: &str) -> String {
    let letters = model.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    letters.collect::<String>().replace("--", "-")
}

fn bars(values: &[f64]) -> Vec<f64> {
    histogram(ArrayView1::from(values), -REACH, REACH, BINS)
}

/// Jensen-Shannon divergence of `values` to the true law, by exact mass in each bar.
fn divergence(values: &[f64], mixture: &GaussianMixture) -> f64 {
    let width = 2.0 * REACH / BINS as f64;
    let mass = |i: usize| {
        let at = |k: usize| -REACH + width * (i as f64 + (k as f64 + 0.5) / 8.0);
        (0..8).map(|k| mixture.density(at(k))).sum::<f64>() / 8.0 * width
    };
    jensen_shannon(&bars(values), &(0..BINS).map(mass).collect::<Vec<_>>())
}

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

/// Fits all models to the same numbers.
pub fn compare(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let mixture = GaussianMixture::bimodal();
    let mut data = vec![0.0; LEARNT];
    mixture.batch(Key { seed: 1, stream: 0, step: 0 }, &mut data);
    let data: Vec<f64> = data.into_iter().map(f64::from).collect();
    let (mut fitted, mut stopped) = (Vec::new(), false);
    let mut fit = |name, kind, context: &mut LabContext<'_>, model: &mut Model<'_>| {
        if !stopped {
            (context.progress)(name);
            let start = Instant::now();
            // One that was cut short would be compared with those that were not.
            match model(context)? {
                Some(drawn) => fitted.push(Fitted { name, kind, drawn, seconds: start.elapsed().as_secs_f64() }),
                None => stopped = true,
            }
            stopped |= (context.stop)();
        }
        Ok::<(), LabError>(())
    };
    fit("Gaussian", "explicit, exact", context, &mut |_| Ok(Some(gaussian::single(&data, DRAWN))))?;
    fit("mixture by EM", "explicit, exact", context, &mut |_| Ok(Some(gaussian::mixture(&data, DRAWN))))?;
    fit("RBM, CD-1", "explicit, Markov chain", context, &mut |_| Ok(Some(rbm::restricted(&data, DRAWN))))?;
    fit("VAE", "explicit, a bound", context, &mut |w| vae::autoencoder(&data, DRAWN, w))?;
    fit("GAN", "implicit, direct", context, &mut |w| gan(&mixture, w))?;
    // Stopped after the last model, nothing is missing.
    stopped &= fitted.len() < 5;
    if fitted.is_empty() {
        return Ok(LabResults { stopped, ..LabResults::default() });
    }
    let mut floor = vec![0.0; DRAWN];
    mixture.batch(Key { seed: 9, stream: 0, step: 0 }, &mut floor);
    let floor = divergence(&floor.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), &mixture);
    let mut table = ResultTable::new(&["model", "density", ">Jensen-Shannon to the data's law", ">seconds"]);
    let middle = |i: usize| -REACH + 2.0 * REACH * (i as f64 + 0.5) / BINS as f64;
    let curve = |values: &[f64]| {
        // What lies beyond the figure would heap up in its outermost bars.
        let inside: Vec<_> = values.iter().copied().filter(|v| v.abs() < REACH).collect();
        let bars = bars(&inside);
        let share = inside.len() as f64 / values.len().max(1) as f64;
        let sum: f64 = bars.iter().sum::<f64>() * 2.0 * REACH / BINS as f64;
        bars.iter().enumerate().map(|(i, b)| (middle(i), share * b / sum.max(1e-12))).collect::<Vec<_>>()
    };
    let law: Vec<_> = (0..BINS).map(|i| (middle(i), mixture.density(middle(i)))).collect();
    let mut panels = Vec::new();
    let mut values = Vec::new();
    for model in &fitted {
        let js = divergence(&model.drawn, &mixture);
        table.push([model.name.into(), model.kind.into(), format!("{js:.4}"), format!("{:.2}", model.seconds)]);
        values.push(json!({ "model": model.name, "kind": model.kind, "js": js, "seconds": model.seconds }));
        // A panel each: one spike would flatten all others, and good models would hide the data.
        let plot = Plot {
            title: format!("{}, Jensen-Shannon {js:.3}", model.name),
            x_label: "x".into(),
            y_label: "density".into(),
            series: vec![PlotSeries::new("data's law", law.clone()), PlotSeries::new("drawn", curve(&model.drawn))],
            ..Plot::default()
        };
        (context.save)(&format!("compare-{}.svg", file_name(model.name)), plot.svg().as_bytes())?;
        panels.push(plot.image(PANEL.0, PANEL.1));
    }
    table.push(["true law".into(), "".into(), format!("{floor:.4}"), "".into()]);
    (context.save)("compare.png", &panel_grid(&panels, 3).png())?;
    let notes = vec![format!(
        "{LEARNT} numbers to learn from (the GAN draws its own batches), {DRAWN} drawn from each; the last line is what the true law gets"
    )];
    let values = json!({ "lab": "compare", "models": values, "floor": floor, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_but_one_gaussian_finds_both_bumps() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = compare(&mut context).unwrap();
        let models = found.values["models"].as_array().unwrap();
        let js = |i: usize| models[i]["js"].as_f64().unwrap();
        assert!(js(0) > 0.1 && js(1) < 0.01, "{models:?}");
        assert!((2..5).all(|i| js(i) < 0.8 * js(0)), "{models:?}");
    }
}
