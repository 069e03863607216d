//! The classic picture of a GAN on a line: data, generator and discriminator at four moments, and as an animation.
use super::figure::Densities;
use super::theory::{best, criterion};
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::GaussianMixture;
use crate::draw::{Image, animation};
use crate::recipe::Recipe;
use crate::train::{Player, Trainer};
use serde_json::json;

/// Points of the curves, and the ends of the line.
const PLACES: usize = 241;
const ENDS: (f64, f64) = (-2.0, 3.0);
/// Latents of a density, evenly between 0 and 1.
const LATENTS: usize = 4000;
/// Width of the bell that smooths them.
const SMOOTHING: f64 = 0.07;
const ARROWS: usize = 25;
/// Steps of each network alone, then of both.
const DISCRIMINATOR_ALONE: u64 = 800;
const GENERATOR_ALONE: u64 = 2;
const TOGETHER: u64 = 6000;
/// Steps from frame to frame of the animation.
const EVERY: u64 = 100;

/// -log 4.
const LEAST: f64 = -1.386_294_361_119_890_6;

/// What is seen at one moment.
struct Moment {
    discriminator: Vec<f64>,
    generated: Vec<f64>,
    arrows: Vec<(f64, f64)>,
    /// Mean of D where there is mass.
    judged: (f64, f64),
    /// Largest |D - D*| where there is mass.
    error: f64,
    criterion: f64,
}

/// The number below which a standard normal lies with probability `u`, by bisection.
fn quantile(u: f64) -> f64 {
    let below = |x: f64| {
        // Abramowitz & Stegun 7.1.26 would do; a sum is exact enough and needs no constants.
        let (mut sum, mut term, mut k) = (x, x, 1.0);
        while term.abs() > 1e-12 {
            term *= -x * x / (2.0 * k);
            sum += term / (2.0 * k + 1.0);
            k += 1.0;
        }
        0.5 + sum / std::f64::consts::TAU.sqrt()
    };
    let (mut low, mut high) = (-4.0, 4.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if below(middle) < u { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

struct Line {
    x: Vec<f64>,
    data: Vec<f64>,
    latents: Vec<f32>,
}

impl Line {
    fn new(mixture: &GaussianMixture) -> Self {
        let step = (ENDS.1 - ENDS.0) / (PLACES - 1) as f64;
        let x: Vec<_> = (0..PLACES).map(|i| ENDS.0 + step * i as f64).collect();
        let latents = (0..LATENTS).map(|i| quantile((i as f64 + 0.5) / LATENTS as f64) as f32).collect();
        Self { data: x.iter().map(|x| mixture.density(*x)).collect(), x, latents }
    }

    fn dx(&self) -> f64 {
        self.x[1] - self.x[0]
    }

    fn look(&self, trainer: &mut Trainer) -> Moment {
        let points: Vec<_> = self.x.iter().map(|x| *x as f32).collect();
        let scores = trainer.scores(&points).unwrap_or_else(|| vec![0.0; points.len()]);
        let discriminator: Vec<_> = scores.iter().map(|s| sigmoid(f64::from(*s))).collect();
        let made: Vec<_> = trainer.samples_of(&self.latents).iter().map(|v| f64::from(*v)).collect();
        let norm = LATENTS as f64 * SMOOTHING * std::f64::consts::TAU.sqrt();
        let bell = |x: f64| made.iter().map(|m| (-0.5 * ((x - m) / SMOOTHING).powi(2)).exp()).sum::<f64>() / norm;
        let generated: Vec<_> = self.x.iter().map(|x| bell(*x)).collect();
        let mass: Vec<_> = (0..PLACES).filter(|&i| self.data[i] + generated[i] > 0.1).collect();
        let best: Vec<_> = self.data.iter().zip(&generated).map(|(p, q)| best(*p, *q)).collect();
        let ends = |values: &[f64]| {
            let seen = mass.iter().map(|&i| values[i]);
            seen.fold((1.0f64, 0.0f64), |(low, high), v| (low.min(v), high.max(v)))
        };
        let arrows = (0..ARROWS).map(|i| {
            let at = (i * LATENTS + LATENTS / 2) / ARROWS;
            ((at as f64 + 0.5) / LATENTS as f64, made[at])
        });
        Moment {
            arrows: arrows.collect(),
            judged: ends(&discriminator),
            error: mass.iter().map(|&i| (discriminator[i] - best[i]).abs()).fold(0.0, f64::max),
            criterion: criterion(&self.data, &generated, self.dx()),
            discriminator,
            generated,
        }
    }

    fn image(&self, moment: &Moment, title: &str) -> Image {
        let best: Vec<_> = self.data.iter().zip(&moment.generated).map(|(p, q)| best(*p, *q)).collect();
        let told =
            format!("C(G) - (-log 4) = {:.4}   largest |D - best D| = {:.3}", moment.criterion - LEAST, moment.error);
        Densities {
            title,
            told: &told,
            x: &self.x,
            data: &self.data,
            generated: &moment.generated,
            discriminator: &moment.discriminator,
            best: &best,
            arrows: &moment.arrows,
            highest: 1.5,
        }
        .image()
    }
}

/// Trains on a bell and draws (a) the start, (b) the discriminator near its best, (c) after steps of the generator, (d) the end.
pub fn densities(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let settings = [
        "train.batch_size=256",
        "train.ema=0",
        "train.steps=7000",
        "discriminator.hidden=[32, 32]",
        "generator.hidden=[32, 32]",
        "objective.regularizer={kind=\"r1\", gamma=0.004}",
        "schedule={kind=\"linear\", from=0.4, to=0.0}",
        "optimizer.learning_rate=0.002",
    ];
    let recipe = Recipe::open("bimodal-1d+non-saturating", &settings.map(str::to_owned))?;
    let mixture = GaussianMixture::bell();
    let line = Line::new(&mixture);
    let total = DISCRIMINATOR_ALONE + GENERATOR_ALONE + TOGETHER;
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture), 3, total, context.threads)?;
    for _ in 0..15 {
        trainer.advance_one(Player::Discriminator)?;
    }
    let mut frames = Vec::new();
    let mut table = ResultTable::new(&["moment", ">step", ">D from", ">to", ">|D - D*|", ">C(G) + log 4"]);
    let (mut values, mut images) = (Vec::new(), Vec::new());
    let mut stopped = false;
    let stages = [
        ("a", "near the start", 0, None),
        ("b", "the discriminator near its best", DISCRIMINATOR_ALONE, Some(Player::Discriminator)),
        ("c", "after steps of the generator", GENERATOR_ALONE, Some(Player::Generator)),
        ("d", "the end", TOGETHER, None),
    ];
    'stages: for (letter, words, steps, alone) in stages {
        for step in 0..steps {
            if (context.stop)() {
                stopped = true;
                break 'stages;
            }
            if step % EVERY == 0 {
                let moment = line.look(&mut trainer);
                frames.push(line.image(&moment, &format!("step {}", trainer.step())));
            }
            match alone {
                Some(player) => trainer.advance_one(player)?,
                None => trainer.advance()?,
            };
        }
        let moment = line.look(&mut trainer);
        let title = format!("({letter}) {words}");
        (context.progress)(&title);
        let image = line.image(&moment, &title);
        (context.save)(&format!("densities-{letter}.png"), &image.png())?;
        let (low, high) = moment.judged;
        let above = moment.criterion - LEAST;
        table.push([
            title,
            trainer.step().to_string(),
            format!("{low:.3}"),
            format!("{high:.3}"),
            format!("{:.3}", moment.error),
            format!("{above:.4}"),
        ]);
        values.push(json!({ "moment": letter, "step": trainer.step(), "discriminator": [low, high], "error": moment.error, "criterion": moment.criterion }));
        frames.push(image.clone());
        images.push(image);
    }
    if !images.is_empty() {
        (context.save)("densities.png", &super::point_run::panel_grid(&images, 2).png())?;
        (context.save)("densities.gif", &animation(&frames, 120))?;
    }
    let notes = vec![
        "D should follow best D = p/(p+q) in (b) and be 1/2 everywhere in (d); C(G) is estimated from smoothed samples"
            .to_owned(),
    ];
    Ok(LabResults {
        table,
        notes,
        values: json!({ "lab": "densities", "moments": values, "stopped": stopped }),
        stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_a_normal() {
        for (u, z) in [(0.5, 0.0), (0.841_344_746, 1.0), (0.022_750_132, -2.0)] {
            assert!((quantile(u) - z).abs() < 1e-6);
        }
    }

    #[test]
    fn the_last_of_the_four_moments_has_a_discriminator_at_a_half() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = densities(&mut context).unwrap();
        let moments = &found.values["moments"];
        let end = |i: usize| moments[3]["discriminator"][i].as_f64().unwrap();
        assert!(end(0) > 0.45 && end(1) < 0.55, "{moments}");
        assert!(moments[1]["error"].as_f64().unwrap() < moments[0]["error"].as_f64().unwrap());
    }
}
