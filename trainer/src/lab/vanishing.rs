//! Vanishing gradients: measures how the generator's gradient shrinks as the discriminator improves, and which methods preserve it.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::GaussianMixture;
use crate::draw::{Plot, PlotSeries};
use crate::loss::Loss;
use crate::recipe::Recipe;
use crate::train::{Player, Trainer};
use serde_json::json;

/// Numbers of discriminator steps after which the gradient of the unchanged generator is measured.
const MEASURED_AT: [u64; 9] = [0, 5, 10, 25, 50, 100, 200, 400, 800];
/// Methods that are compared. `data.scale` places the modes four times as far apart as in the data set, so that the discriminator
/// can separate everything.
const METHODS: [&str; 8] =
    ["minimax", "non-saturating", "smooth-labels", "noise", "r1", "wasserstein-gp", "least-squares", "relativistic"];

/// Methods in the figure. Label smoothing and R1 would cover the curve of the plain non-saturating loss.
const DRAWN: [&str; 6] = ["minimax", "non-saturating", "noise", "wasserstein-gp", "least-squares", "relativistic"];

/// Trains discriminators against a fixed generator and measures the generator's gradient norm.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn vanishing(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let last = MEASURED_AT[MEASURED_AT.len() - 1];
    let mut table =
        ResultTable::new(&["method", ">D(G(z)) at 800", ">gradient norm at 0", ">at 50", ">at 800", ">preserved"]);
    let (mut values, mut series, mut stopped) = (Vec::new(), Vec::new(), false);
    for method in METHODS {
        if (context.stop)() {
            stopped = true;
            break;
        }
        (context.progress)(method);
        let settings = [
            "data.scale=4",
            "train.discriminator_steps=1",
            "optimizer.learning_rate=0.003",
            "technique.noise_until=1000",
        ];
        let mut settings = settings.map(str::to_owned).to_vec();
        // The noise is as wide as the gap between the distributions.
        settings.extend((method == "noise").then(|| "technique.noise=2".to_owned()));
        let recipe = Recipe::open(&format!("bimodal-1d+{method}"), &settings)?;
        let mixture = GaussianMixture::bimodal();
        let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture), 1, last + 1, context.threads)?;
        let norms = gradient_norms(&mut trainer)?;
        // The scores of other losses are not logits.
        let logits = matches!(trainer.recipe().objective.loss, Loss::Minimax | Loss::NonSaturating);
        let end = logits.then(|| mean_d(&mut trainer));
        let at = |step: u64| MEASURED_AT.iter().position(|l| *l == step).map_or(f64::NAN, |i| norms[i].1);
        let kept = at(last) / at(0);
        table.push([
            method.into(),
            end.map_or("-".into(), |d| format!("{d:.4}")),
            format!("{:.2e}", at(0)),
            format!("{:.2e}", at(50)),
            format!("{:.2e}", at(last)),
            format!("{:.1} %", 100.0 * kept),
        ]);
        values.push(json!({ "method": method, "d_fake": end, "gradients": norms, "kept": kept }));
        if DRAWN.contains(&method) {
            series.push(PlotSeries::new(method, norms.iter().map(|(s, v)| (s + 1.0, *v)).collect()));
        }
    }
    let plot = Plot {
        log_x: true,
        log_y: true,
        title: "Gradient of G while only D is trained".into(),
        x_label: "discriminator updates + 1; the generator is fixed".into(),
        y_label: "gradient norm of G".into(),
        series,
    };
    context.save_plot("vanishing", &plot)?;
    let notes = vec![
        "the minimax gradient vanishes as D becomes certain; the other methods preserve it (Goodfellow et al. 2014, section 3; Arjovsky & Bottou 2017)".to_owned(),
    ];
    Ok(LabResults {
        table,
        notes,
        values: json!({ "lab": "vanishing", "methods": values, "stopped": stopped }),
        stopped,
    })
}

/// The generator's gradient norm after each number of discriminator steps in [`MEASURED_AT`]. The generator stays unchanged.
fn gradient_norms(trainer: &mut Trainer) -> Result<Vec<(f64, f64)>, LabError> {
    let mut norms = Vec::new();
    for step in 0..=MEASURED_AT[MEASURED_AT.len() - 1] {
        if MEASURED_AT.contains(&step) {
            let (store, at) = (trainer.store().clone(), trainer.step());
            // The mean over a few batches. The weights are restored after each.
            let mut sum = 0.0;
            for _ in 0..8 {
                sum += f64::from(trainer.advance_one(Player::Generator)?.generator_gradient_norm) / 8.0;
                let here = trainer.step();
                trainer.restore(store.clone(), here);
            }
            trainer.restore(store, at);
            norms.push((step as f64, sum));
        }
        trainer.advance_one(Player::Discriminator)?;
    }
    Ok(norms)
}

/// Mean D(G(z)) of a discriminator whose scores are logits.
fn mean_d(trainer: &mut Trainer) -> f64 {
    let samples = trainer.samples(0, 500);
    let scores = trainer.scores(&samples).unwrap_or_default();
    scores.iter().map(|s| 1.0 / (1.0 + f64::from(-s).exp())).sum::<f64>() / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimax_gradient_vanishes_and_remedies_preserve_theirs() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = vanishing(&mut context).unwrap();
        let kept = |name: &str| {
            let all = found.values["methods"].as_array().unwrap();
            all.iter().find(|m| m["method"] == name).unwrap()["kept"].as_f64().unwrap()
        };
        assert!(kept("minimax") < 0.1, "{}", kept("minimax"));
        for name in METHODS.iter().filter(|w| **w != "minimax") {
            assert!(kept(name) > 0.9, "{name}: {}", kept(name));
        }
        let d_fake = |name: &str| found.table.rows.iter().find(|r| r[0] == name).unwrap()[1].clone();
        assert_eq!((d_fake("relativistic").as_str(), d_fake("wasserstein-gp").as_str()), ("-", "-"));
        assert!(d_fake("minimax").parse::<f64>().unwrap() < 0.05);
    }
}
