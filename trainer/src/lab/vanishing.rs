//! A discriminator that is too good: how the generator's gradient dies, and what keeps it alive.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::GaussianMixture;
use crate::draw::{Plot, PlotSeries};
use crate::loss::Loss;
use crate::recipe::Recipe;
use crate::train::{Player, Trainer};
use serde_json::json;

/// Discriminator steps after which the generator's gradient is measured, its weights standing still.
const LOOKS: [u64; 9] = [0, 5, 10, 25, 50, 100, 200, 400, 800];
/// Methods over the smallest GAN, with data twice as far away, so that a discriminator can tell everything apart.
const WAYS: [&str; 8] =
    ["minimax", "non-saturating", "smooth-labels", "noise", "r1", "wasserstein-gp", "least-squares", "relativistic"];

/// Those of the figure: labels of 0.9 and R1 alone run along the plain non-saturating loss, and would hide it.
const DRAWN: [&str; 6] = ["minimax", "non-saturating", "noise", "wasserstein-gp", "least-squares", "relativistic"];

/// Trains discriminators against a generator that stands still, and measures its gradient.
pub fn vanishing(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let last = LOOKS[LOOKS.len() - 1];
    let mut table =
        ResultTable::new(&["method", ">D(G(z)) at 800", ">gradient of G at 0", ">at 50", ">at 800", ">kept"]);
    let (mut values, mut series, mut stopped) = (Vec::new(), Vec::new(), false);
    for way in WAYS {
        if (context.stop)() {
            stopped = true;
            break;
        }
        (context.progress)(way);
        let settings = [
            "data.scale=4",
            "train.discriminator_steps=1",
            "optimizer.learning_rate=0.003",
            "technique.noise_until=1000",
        ];
        let mut settings = settings.map(str::to_owned).to_vec();
        // Noise that reaches as far as the gap does.
        settings.extend((way == "noise").then(|| "technique.noise=2".to_owned()));
        let recipe = Recipe::open(&format!("bimodal-1d+{way}"), &settings)?;
        let mixture = GaussianMixture::bimodal();
        let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture), 1, last + 1, context.threads)?;
        let mut seen = Vec::new();
        for step in 0..=last {
            if LOOKS.contains(&step) {
                let (store, at) = (trainer.store().clone(), trainer.step());
                // The mean over a few batches; every look leaves the weights as they were.
                let mut sum = 0.0;
                for _ in 0..8 {
                    sum += f64::from(trainer.advance_one(Player::Generator)?.generator_gradient_norm) / 8.0;
                    let here = trainer.step();
                    trainer.restore(store.clone(), here);
                }
                trainer.restore(store, at);
                seen.push((step as f64, sum));
            }
            trainer.advance_one(Player::Discriminator)?;
        }
        let judged = |t: &mut Trainer| {
            let made = t.samples(0, 500);
            let scores = t.scores(&made).unwrap_or_default();
            scores.iter().map(|s| 1.0 / (1.0 + f64::from(-s).exp())).sum::<f64>() / scores.len().max(1) as f64
        };
        // Other losses compare scores, which are no logits of a probability.
        let logits = matches!(trainer.recipe().objective.loss, Loss::Minimax | Loss::NonSaturating);
        let end = logits.then(|| judged(&mut trainer));
        let at = |step: u64| LOOKS.iter().position(|l| *l == step).map_or(f64::NAN, |i| seen[i].1);
        let kept = at(last) / at(0);
        table.push([
            way.into(),
            end.map_or("-".into(), |d| format!("{d:.4}")),
            format!("{:.2e}", at(0)),
            format!("{:.2e}", at(50)),
            format!("{:.2e}", at(last)),
            format!("{:.1} %", 100.0 * kept),
        ]);
        values.push(json!({ "method": way, "d_fake": end, "gradients": seen, "kept": kept }));
        if DRAWN.contains(&way) {
            series.push(PlotSeries::new(way, seen.iter().map(|(s, v)| (s + 1.0, *v)).collect()));
        }
    }
    let plot = Plot {
        log_x: true,
        log_y: true,
        title: "G's gradient while only the discriminator learns".into(),
        x_label: "discriminator steps + 1, the generator standing still".into(),
        y_label: "length of G's gradient".into(),
        series,
    };
    (context.save)("vanishing.png", &plot.png())?;
    (context.save)("vanishing.svg", plot.svg().as_bytes())?;
    let notes = vec![
        "minimax dies with the discriminator's certainty; the others keep a slope (Goodfellow et al. 2014, section 3; Arjovsky & Bottou 2017)".to_owned(),
    ];
    Ok(LabResults {
        table,
        notes,
        values: json!({ "lab": "vanishing", "methods": values, "stopped": stopped }),
        stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimax_gradient_dies_and_remedies_keep_theirs() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = vanishing(&mut context).unwrap();
        let kept = |name: &str| {
            let all = found.values["methods"].as_array().unwrap();
            all.iter().find(|m| m["method"] == name).unwrap()["kept"].as_f64().unwrap()
        };
        assert!(kept("minimax") < 0.1, "{}", kept("minimax"));
        for name in WAYS.iter().filter(|w| **w != "minimax") {
            assert!(kept(name) > 0.9, "{name}: {}", kept(name));
        }
        let said = |name: &str| found.table.rows.iter().find(|r| r[0] == name).unwrap()[1].clone();
        assert_eq!((said("relativistic").as_str(), said("wasserstein-gp").as_str()), ("-", "-"));
        assert!(said("minimax").parse::<f64>().unwrap() < 0.05);
    }
}
