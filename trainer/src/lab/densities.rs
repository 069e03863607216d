//! A GAN in one dimension: plots the data, the generator and the discriminator at four stages of training, and as an animation.
use super::figure::DensityFigure;
use super::theory::{criterion, optimal_discriminator};
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::GaussianMixture;
use crate::draw::{Image, animation};
use crate::recipe::Recipe;
use crate::train::{Player, Trainer};
use serde_json::json;

/// Points of each curve.
const POINTS: usize = 241;
/// Range of the data space.
const RANGE: (f64, f64) = (-2.0, 3.0);
/// Latents per density estimate, at evenly spaced quantiles.
const LATENTS: usize = 4000;
/// Bandwidth of the kernel density estimate.
const BANDWIDTH: f64 = 0.07;
/// Arrows from latents to samples.
const ARROWS: usize = 25;
/// Numbers of steps that train the discriminator alone, then the generator alone, then both.
const DISCRIMINATOR_ALONE: u64 = 800;
const GENERATOR_ALONE: u64 = 2;
const TOGETHER: u64 = 6000;
/// Steps per frame of the animation.
const STEPS_PER_FRAME: u64 = 100;

/// Changes to the recipe `bimodal-1d+non-saturating`.
const SETTINGS: [&str; 8] = [
    "train.batch_size=256",
    "train.ema=0",
    "train.steps=7000",
    "discriminator.hidden=[32, 32]",
    "generator.hidden=[32, 32]",
    "objective.regularizer={kind=\"r1\", gamma=0.004}",
    "schedule={kind=\"linear\", from=0.4, to=0.0}",
    "optimizer.learning_rate=0.002",
];

/// -log 4, the minimum of C(G).
const MIN_CRITERION: f64 = -1.386_294_361_119_890_6;

/// The state of both networks at one step.
struct DensitySnapshot {
    discriminator: Vec<f64>,
    generated: Vec<f64>,
    arrows: Vec<(f64, f64)>,
    /// Smallest and largest D(x) where the two densities sum to more than 0.1.
    discriminator_range: (f64, f64),
    /// Largest |D - D*| where the two densities sum to more than 0.1.
    error: f64,
    criterion: f64,
}

/// The quantile of the standard normal distribution for probability `u`, by bisection.
fn quantile(u: f64) -> f64 {
    let below = |x: f64| {
        // The Taylor series of the error function.
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

/// The data space: positions, data density and latents.
struct DataLine {
    x: Vec<f64>,
    data: Vec<f64>,
    latents: Vec<f32>,
}

impl DataLine {
    fn new(mixture: &GaussianMixture) -> Self {
        let step = (RANGE.1 - RANGE.0) / (POINTS - 1) as f64;
        let x: Vec<_> = (0..POINTS).map(|i| RANGE.0 + step * i as f64).collect();
        let latents = (0..LATENTS).map(|i| quantile((i as f64 + 0.5) / LATENTS as f64) as f32).collect();
        Self { data: x.iter().map(|x| mixture.density(*x)).collect(), x, latents }
    }

    fn dx(&self) -> f64 {
        self.x[1] - self.x[0]
    }

    /// Evaluates both networks.
    fn snapshot(&self, trainer: &mut Trainer) -> DensitySnapshot {
        let points: Vec<_> = self.x.iter().map(|x| *x as f32).collect();
        let scores = trainer.scores(&points).unwrap_or_else(|| vec![0.0; points.len()]);
        let discriminator: Vec<_> = scores.iter().map(|s| sigmoid(f64::from(*s))).collect();
        let samples: Vec<_> = trainer.samples_of(&self.latents).iter().map(|v| f64::from(*v)).collect();
        let norm = LATENTS as f64 * BANDWIDTH * std::f64::consts::TAU.sqrt();
        let bell = |x: f64| samples.iter().map(|m| (-0.5 * ((x - m) / BANDWIDTH).powi(2)).exp()).sum::<f64>() / norm;
        let generated: Vec<_> = self.x.iter().map(|x| bell(*x)).collect();
        let mass: Vec<_> = (0..POINTS).filter(|&i| self.data[i] + generated[i] > 0.1).collect();
        let optimal: Vec<_> = self.data.iter().zip(&generated).map(|(p, q)| optimal_discriminator(*p, *q)).collect();
        let ends = |values: &[f64]| {
            let seen = mass.iter().map(|&i| values[i]);
            seen.fold((1.0f64, 0.0f64), |(low, high), v| (low.min(v), high.max(v)))
        };
        let arrows = (0..ARROWS).map(|i| {
            let at = (i * LATENTS + LATENTS / 2) / ARROWS;
            ((at as f64 + 0.5) / LATENTS as f64, samples[at])
        });
        DensitySnapshot {
            arrows: arrows.collect(),
            discriminator_range: ends(&discriminator),
            error: mass.iter().map(|&i| (discriminator[i] - optimal[i]).abs()).fold(0.0, f64::max),
            criterion: criterion(&self.data, &generated, self.dx()),
            discriminator,
            generated,
        }
    }

    fn image(&self, snapshot: &DensitySnapshot, title: &str) -> Image {
        let optimal: Vec<_> =
            self.data.iter().zip(&snapshot.generated).map(|(p, q)| optimal_discriminator(*p, *q)).collect();
        let subtitle = format!(
            "C(G) + log 4 = {:.4}   largest |D - D*| = {:.3}",
            snapshot.criterion - MIN_CRITERION,
            snapshot.error
        );
        DensityFigure {
            title,
            subtitle: &subtitle,
            x: &self.x,
            data: &self.data,
            generated: &snapshot.generated,
            discriminator: &snapshot.discriminator,
            optimal: &optimal,
            arrows: &snapshot.arrows,
            max_density: 1.5,
        }
        .image()
    }
}

/// Trains on a Gaussian and draws (a) the start, (b) a nearly optimal discriminator, (c) the effect of generator steps, (d) the end.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn densities(context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let recipe = Recipe::open("bimodal-1d+non-saturating", &SETTINGS.map(str::to_owned))?;
    let mixture = GaussianMixture::unimodal();
    let line = DataLine::new(&mixture);
    let total = DISCRIMINATOR_ALONE + GENERATOR_ALONE + TOGETHER;
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(mixture), 3, total, context.threads)?;
    for _ in 0..15 {
        trainer.advance_one(Player::Discriminator)?;
    }
    let mut frames = Vec::new();
    let mut table = ResultTable::new(&["stage", ">step", ">D min", ">max", ">|D - D*|", ">C(G) + log 4"]);
    let (mut values, mut images) = (Vec::new(), Vec::new());
    let mut stopped = false;
    let stages = [
        ("a", "near the start", 0, None),
        ("b", "discriminator nearly optimal", DISCRIMINATOR_ALONE, Some(Player::Discriminator)),
        ("c", "after generator updates", GENERATOR_ALONE, Some(Player::Generator)),
        ("d", "the end", TOGETHER, None),
    ];
    'stages: for (letter, title, steps, alone) in stages {
        for step in 0..steps {
            if (context.stop)() {
                stopped = true;
                break 'stages;
            }
            if step % STEPS_PER_FRAME == 0 {
                let snapshot = line.snapshot(&mut trainer);
                frames.push(line.image(&snapshot, &format!("step {}", trainer.step())));
            }
            match alone {
                Some(player) => trainer.advance_one(player)?,
                None => trainer.advance()?,
            };
        }
        let snapshot = line.snapshot(&mut trainer);
        let title = format!("({letter}) {title}");
        (context.progress)(&title);
        let image = line.image(&snapshot, &title);
        (context.save)(&format!("densities-{letter}.png"), &image.png())?;
        let (low, high) = snapshot.discriminator_range;
        let above = snapshot.criterion - MIN_CRITERION;
        table.push([
            title,
            trainer.step().to_string(),
            format!("{low:.3}"),
            format!("{high:.3}"),
            format!("{:.3}", snapshot.error),
            format!("{above:.4}"),
        ]);
        values.push(json!({ "moment": letter, "step": trainer.step(), "discriminator": [low, high], "error": snapshot.error, "criterion": snapshot.criterion }));
        frames.push(image.clone());
        images.push(image);
    }
    if !images.is_empty() {
        (context.save)("densities.png", &super::point_run::panel_grid(&images, 2).png())?;
        (context.save)("densities.gif", &animation(&frames, 120))?;
    }
    let notes = vec![
        "D should be close to the optimal D* = p/(p+q) in (b) and 1/2 everywhere in (d); C(G) uses a kernel density estimate of the samples"
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
    fn the_discriminator_is_one_half_at_the_last_stage() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        let found = densities(&mut context).unwrap();
        let moments = &found.values["moments"];
        let end = |i: usize| moments[3]["discriminator"][i].as_f64().unwrap();
        assert!(end(0) > 0.45 && end(1) < 0.55, "{moments}");
        assert!(moments[1]["error"].as_f64().unwrap() < moments[0]["error"].as_f64().unwrap());
    }
}
