//! The smallest playground: G(z) = wz + b against D(x) = sigmoid(ax + c), every number in sight.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{Dataset, GaussianMixture};
use crate::draw::canvas::{AXIS, DARK, FINE, PAPER, SOFT, disc, line, text};
use crate::draw::{Image, Plot, PlotSeries, animation};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::{Player, StateKey, StepReport, Trainer};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;
use serde_json::json;

/// Where w, b, a and c start.
pub const START: [f32; 4] = [0.6, 0.0, 0.5, 0.0];
/// The line reaches from minus to plus this.
const REACH: f64 = 2.5;
/// Points of a row.
const SHOWN: usize = 60;

/// What is read at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    step: u64,
    /// w, b, a, c.
    numbers: [f32; 4],
    report: Option<StepReport>,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Reading {
    fn of(trainer: &Trainer, report: Option<StepReport>) -> Self {
        let store = trainer.store();
        let values = |player| StateKey::Weights(player).values(store);
        let (g, d) = (values(Player::Generator), values(Player::Discriminator));
        Self { step: trainer.step(), numbers: [g[0], g[1], d[0], d[1]], report }
    }

    /// G(z).
    fn made(&self, z: f32) -> f32 {
        self.numbers[0] * z + self.numbers[1]
    }

    /// D(x).
    fn judged(&self, x: f32) -> f32 {
        sigmoid(self.numbers[2] * x + self.numbers[3])
    }

    fn row(&self, z: f32) -> Vec<String> {
        let x = self.made(z);
        let losses = self.report.map_or_else(
            || "No updates yet.".to_owned(),
            |r| format!("D {:.4}, G {:.4}", r.discriminator_loss, r.generator_loss),
        );
        let mut cells = vec![self.step.to_string()];
        cells.extend([x, self.judged(x)].map(|v| format!("{v:.3}")));
        cells.extend(self.numbers.map(|v| format!("{v:.4}")));
        cells.push(losses);
        cells
    }
}

/// Plays `steps` steps with the latent at `z`.
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
    let mut readings = vec![Reading::of(&trainer, None)];
    let (every, mut frames) = ((steps / 60).max(1), vec![drawn(&readings[0], z, &mixture)]);
    let mut stopped = false;
    while trainer.step() < steps {
        if (context.stop)() {
            stopped = true;
            break;
        }
        let report = trainer.advance()?;
        let reading = Reading::of(&trainer, Some(report));
        if reading.step.is_multiple_of(every) {
            frames.push(drawn(&reading, z, &mixture));
        }
        readings.push(reading);
    }
    let mut table = ResultTable::new(&[">step", ">G(z)", ">D(G(z))", ">w", ">b", ">a", ">c", "losses"]);
    let shown = |r: &&Reading| r.step <= 5 || r.step.is_multiple_of((steps / 10).max(1));
    readings.iter().filter(shown).for_each(|r| table.rows.push(r.row(z)));
    let series = ["w", "b", "a", "c"].iter().enumerate().map(|(i, name)| {
        PlotSeries::new(*name, readings.iter().map(|r| (r.step as f64, f64::from(r.numbers[i]))).collect())
    });
    let plot = Plot {
        title: "G(z) = wz + b against D(x) = sigmoid(ax + c)".into(),
        x_label: "step".into(),
        y_label: "value".into(),
        series: series.collect(),
        ..Plot::default()
    };
    (context.save)("playground.png", &plot.png())?;
    (context.save)("playground.svg", plot.svg().as_bytes())?;
    (context.save)("playground.gif", &animation(&frames, 120))?;
    let notes = vec![
        "a line cannot make two bumps, and plain gradient descent circles: what one sees is the chase, not its end"
            .to_owned(),
        "at the equilibrium D is 1/2: the losses are D 2 ln 2 = 1.386 and G ln 2 = 0.693".to_owned(),
    ];
    let steps: Vec<_> = readings
        .iter()
        .map(|r| {
            let [w, b, a, c] = r.numbers;
            json!({
                "step": r.step,
                "made": r.made(z),
                "judged": r.judged(r.made(z)),
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

/// Two rows, real and generated, the discriminator over them, and where z is sent.
fn drawn(reading: &Reading, z: f32, mixture: &GaussianMixture) -> Image {
    let (left, right, width) = (96.0, 660.0, 684);
    let across = |x: f64| left + (x.clamp(-REACH, REACH) + REACH) / (2.0 * REACH) * (right - left);
    let mut fine = Image::new(width * FINE, 300 * FINE, PAPER);
    let (mut real, mut latents) = (vec![0.0; SHOWN], vec![0.0; SHOWN]);
    mixture.batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
    Key { seed: 0, stream: 1, step: 0 }.normal(&mut latents);
    for y in [190.0, 240.0] {
        line(&mut fine, (left, y), (right, y), AXIS, 1.0);
    }
    let down = |d: f32| 150.0 - 80.0 * f64::from(d);
    line(&mut fine, (left, down(0.5)), (right, down(0.5)), [228, 230, 234], 1.0);
    for i in 0..=400 {
        let x = -REACH + 2.0 * REACH * f64::from(i) / 400.0;
        disc(&mut fine, (across(x), down(reading.judged(x as f32))), 1.2, [37, 99, 214]);
    }
    real.iter().for_each(|x| disc(&mut fine, (across(f64::from(*x)), 190.0), 2.6, [222, 84, 78]));
    latents.iter().for_each(|v| disc(&mut fine, (across(f64::from(reading.made(*v))), 240.0), 2.6, [22, 140, 88]));
    let x = reading.made(z);
    disc(&mut fine, (across(f64::from(x)), 240.0), 5.0, DARK);
    let mut paper = fine.reduced(FINE);
    let [w, b, a, c] = reading.numbers;
    text(&mut paper, &format!("step {}", reading.step), (24.0, 12.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
    let told = format!("z = {z:.2}   G(z) = {x:.3}   D(G(z)) = {:.3}", reading.judged(x));
    text(&mut paper, &told, (24.0, 36.0), &FONT_7X13, DARK, Alignment::Left);
    let told = format!("w = {w:.3}  b = {b:.3}  a = {a:.3}  c = {c:.3}");
    text(&mut paper, &told, (24.0, 268.0), &FONT_7X13, SOFT, Alignment::Left);
    let losses = reading.report.map_or_else(
        || "No updates yet.".to_owned(),
        |r| format!("loss D {:.3}  G {:.3}", r.discriminator_loss, r.generator_loss),
    );
    text(&mut paper, &losses, (right, 268.0), &FONT_7X13, SOFT, Alignment::Right);
    for (word, y) in [("D(x)", 104.0), ("Real", 184.0), ("Generated", 234.0)] {
        text(&mut paper, word, (24.0, y), &FONT_7X13, SOFT, Alignment::Left);
    }
    paper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_reads_as_it_should_and_the_first_steps_stay_the_same() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = playground(5, 0.0, &mut context).unwrap();
        let start: Vec<_> = found.table.rows[0].iter().map(String::as_str).collect();
        assert_eq!(start, ["0", "0.000", "0.500", "0.6000", "0.0000", "0.5000", "0.0000", "No updates yet."]);
        assert_eq!(found.table.rows.len(), 6);
        let numbers: Vec<_> = found.table.rows.iter().map(|r| r[3..7].join(" ")).collect();
        assert_eq!(numbers[1..], GOLDEN);
        let told = &found.values["steps"];
        assert!((told[0]["judged"].as_f64().unwrap() - 0.5).abs() < 1e-6 && told[0]["discriminator_loss"].is_null());
        assert!(told[5]["discriminator_loss"].as_f64().unwrap() > 0.5 && told[5]["made"] == told[5]["b"]);
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
