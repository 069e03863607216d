//! The smallest GAN, G(z) = wz + b against D(x) = sigmoid(ax + c), with all weights and losses at every step.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{Dataset, GaussianMixture};
use crate::draw::canvas::{AXIS, BACKGROUND, DARK, SOFT, SUPERSAMPLING, disc, line, text};
use crate::draw::{Image, Plot, PlotSeries, animation};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::{Player, StateKey, StepReport, Trainer};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;
use serde_json::json;

/// Initial values of w, b, a and c.
pub const START: [f32; 4] = [0.6, 0.0, 0.5, 0.0];
/// The figure covers -REACH..REACH.
const REACH: f64 = 2.5;
/// Points per row of the figure.
const DRAWN: usize = 60;

/// The complete state of the GAN at one step.
#[derive(Clone, Copy, Debug)]
struct PlaygroundState {
    step: u64,
    /// The weights w, b, a and c.
    weights: [f32; 4],
    report: Option<StepReport>,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl PlaygroundState {
    fn of(trainer: &Trainer, report: Option<StepReport>) -> Self {
        let store = trainer.store();
        let values = |player| StateKey::Weights(player).values(store);
        let (g, d) = (values(Player::Generator), values(Player::Discriminator));
        Self { step: trainer.step(), weights: [g[0], g[1], d[0], d[1]], report }
    }

    /// G(z).
    fn generate(&self, z: f32) -> f32 {
        self.weights[0] * z + self.weights[1]
    }

    /// D(x).
    fn discriminate(&self, x: f32) -> f32 {
        sigmoid(self.weights[2] * x + self.weights[3])
    }

    fn table_row(&self, z: f32) -> Vec<String> {
        let x = self.generate(z);
        let losses = self.report.map_or_else(
            || "No updates yet.".to_owned(),
            |r| format!("D {:.4}, G {:.4}", r.discriminator_loss, r.generator_loss),
        );
        let mut cells = vec![self.step.to_string()];
        cells.extend([x, self.discriminate(x)].map(|v| format!("{v:.3}")));
        cells.extend(self.weights.map(|v| format!("{v:.4}")));
        cells.push(losses);
        cells
    }
}

/// Trains for `steps` steps and follows the sample of the latent `z`.
///
/// # Errors
/// When `z` is out of range, training diverges or a figure cannot be written.
pub fn playground(steps: u64, z: f32, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    if !z.is_finite() || f64::from(z.abs()) > REACH {
        return Err(LabError::Request(format!("--z {z}: expected a number between -{REACH} and {REACH}")));
    }
    let recipe = Recipe::open("playground-1d", &[])?;
    let mixture = GaussianMixture::bimodal();
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture.clone()), 1, steps.max(1), 1)?;
    let [w, b, a, c] = START;
    for (key, pair) in [
        (StateKey::Weights(Player::Generator), [w, b]),
        (StateKey::Ema, [w, b]),
        (StateKey::Weights(Player::Discriminator), [a, c]),
    ] {
        trainer.state_mut(key).into_iter().for_each(|v| v.copy_from_slice(&pair));
    }
    let mut states = vec![PlaygroundState::of(&trainer, None)];
    let (steps_per_frame, mut frames) = ((steps / 60).max(1), vec![frame(&states[0], z, &mixture)]);
    let mut stopped = false;
    while trainer.step() < steps {
        if (context.stop)() {
            stopped = true;
            break;
        }
        let report = trainer.advance()?;
        let state = PlaygroundState::of(&trainer, Some(report));
        if state.step.is_multiple_of(steps_per_frame) {
            frames.push(frame(&state, z, &mixture));
        }
        states.push(state);
    }
    let mut table = ResultTable::new(&[">step", ">G(z)", ">D(G(z))", ">w", ">b", ">a", ">c", "losses"]);
    let shown = |r: &&PlaygroundState| r.step <= 5 || r.step.is_multiple_of((steps / 10).max(1));
    states.iter().filter(shown).for_each(|r| table.rows.push(r.table_row(z)));
    let series = ["w", "b", "a", "c"].iter().enumerate().map(|(i, name)| {
        PlotSeries::new(*name, states.iter().map(|r| (r.step as f64, f64::from(r.weights[i]))).collect())
    });
    let plot = Plot {
        title: "G(z) = wz + b against D(x) = sigmoid(ax + c)".into(),
        x_label: "step".into(),
        y_label: "value".into(),
        series: series.collect(),
        ..Plot::default()
    };
    context.save_plot("playground", &plot)?;
    (context.save)("playground.gif", &animation(&frames, 120))?;
    let notes = vec![
        "a linear generator cannot draw two modes, and plain gradient descent circles around the equilibrium without reaching it"
            .to_owned(),
        "at the equilibrium D is 1/2; the loss of D is 2 ln 2 = 1.386, that of G is ln 2 = 0.693".to_owned(),
    ];
    let steps: Vec<_> = states
        .iter()
        .map(|r| {
            let [w, b, a, c] = r.weights;
            json!({
                "step": r.step,
                "made": r.generate(z),
                "d_fake": r.discriminate(r.generate(z)),
                "w": w,
                "b": b,
                "a": a,
                "c": c,
                "discriminator_loss": r.report.map(|r| r.discriminator_loss),
                "generator_loss": r.report.map(|r| r.generator_loss),
            })
        })
        .collect();
    Ok(LabResults {
        table,
        notes,
        values: json!({ "lab": "playground", "z": z, "steps": steps, "stopped": stopped }),
        stopped,
    })
}

/// A row of real and a row of generated points below the discriminator's curve; a large dot marks G(z).
fn frame(state: &PlaygroundState, z: f32, mixture: &GaussianMixture) -> Image {
    let (left, right, width) = (96.0, 660.0, 684);
    let across = |x: f64| left + (x.clamp(-REACH, REACH) + REACH) / (2.0 * REACH) * (right - left);
    let mut fine = Image::new(width * SUPERSAMPLING, 300 * SUPERSAMPLING, BACKGROUND);
    let (mut real, mut latents) = (vec![0.0; DRAWN], vec![0.0; DRAWN]);
    mixture.batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
    Key { seed: 0, stream: 1, step: 0 }.normal(&mut latents);
    for y in [190.0, 240.0] {
        line(&mut fine, (left, y), (right, y), AXIS, 1.0);
    }
    let down = |d: f32| 150.0 - 80.0 * f64::from(d);
    line(&mut fine, (left, down(0.5)), (right, down(0.5)), [228, 230, 234], 1.0);
    for i in 0..=400 {
        let x = -REACH + 2.0 * REACH * f64::from(i) / 400.0;
        disc(&mut fine, (across(x), down(state.discriminate(x as f32))), 1.2, [37, 99, 214]);
    }
    real.iter().for_each(|x| disc(&mut fine, (across(f64::from(*x)), 190.0), 2.6, [222, 84, 78]));
    latents.iter().for_each(|v| disc(&mut fine, (across(f64::from(state.generate(*v))), 240.0), 2.6, [22, 140, 88]));
    let x = state.generate(z);
    disc(&mut fine, (across(f64::from(x)), 240.0), 5.0, DARK);
    let mut paper = fine.reduced(SUPERSAMPLING);
    let [w, b, a, c] = state.weights;
    text(&mut paper, &format!("step {}", state.step), (24.0, 12.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
    let sample = format!("z = {z:.2}   G(z) = {x:.3}   D(G(z)) = {:.3}", state.discriminate(x));
    text(&mut paper, &sample, (24.0, 36.0), &FONT_7X13, DARK, Alignment::Left);
    let weights = format!("w = {w:.3}  b = {b:.3}  a = {a:.3}  c = {c:.3}");
    text(&mut paper, &weights, (24.0, 268.0), &FONT_7X13, SOFT, Alignment::Left);
    let losses = state.report.map_or_else(
        || "No updates yet.".to_owned(),
        |r| format!("loss D {:.3}  G {:.3}", r.discriminator_loss, r.generator_loss),
    );
    text(&mut paper, &losses, (right, 268.0), &FONT_7X13, SOFT, Alignment::Right);
    for (label, y) in [("D(x)", 104.0), ("Real", 184.0), ("Generated", 234.0)] {
        text(&mut paper, label, (24.0, y), &FONT_7X13, SOFT, Alignment::Left);
    }
    paper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_steps_equal_the_recorded_ones() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = playground(5, 0.0, &mut context).unwrap();
        let start: Vec<_> = found.table.rows[0].iter().map(String::as_str).collect();
        assert_eq!(start, ["0", "0.000", "0.500", "0.6000", "0.0000", "0.5000", "0.0000", "No updates yet."]);
        assert_eq!(found.table.rows.len(), 6);
        let numbers: Vec<_> = found.table.rows.iter().map(|r| r[3..7].join(" ")).collect();
        assert_eq!(numbers[1..], GOLDEN);
        let steps = &found.values["steps"];
        assert!((steps[0]["d_fake"].as_f64().unwrap() - 0.5).abs() < 1e-6 && steps[0]["discriminator_loss"].is_null());
        assert!(steps[5]["discriminator_loss"].as_f64().unwrap() > 0.5 && steps[5]["made"] == steps[5]["b"]);
        assert!(playground(1, 9.0, &mut context).unwrap_err().to_string().contains("--z 9"));
    }

    /// w, b, a and c after each of the first five steps of seed 1.
    const GOLDEN: [&str; 5] = [
        "0.5912 0.0199 0.4742 -0.0025",
        "0.5856 0.0379 0.4455 0.0011",
        "0.5872 0.0540 0.4162 0.0034",
        "0.5835 0.0689 0.3697 0.0052",
        "0.5817 0.0834 0.3690 0.0020",
    ];
}
