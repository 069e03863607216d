//! Mode collapse on mixtures of Gaussians, and what each remedy does against it.
use super::{Findings, LabError, Rows, Watch, each_once, median};
use crate::data::{Dataset, Mixture, Source, builtin};
use crate::draw::{Image, Scatter, animation};
use crate::evaluate::{self, PointsQuality};
use crate::nets::Discriminator;
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::Trainer;
use serde_json::json;
use std::time::Instant;

/// Points of a measurement: the protocol of VEEGAN and PacGAN.
const POINTS: usize = 2500;
/// Points of a figure.
const DRAWN: usize = 1000;
/// Steps of a remedy: long enough to collapse or not.
const REMEDY_STEPS: u64 = 4000;
/// A plain game: Adam with momentum, no average of the generator, rates and penalties that stay.
const CLASSIC: [&str; 6] = [
    "optimizer.beta1=0.5",
    "optimizer.beta2=0.999",
    "schedule={kind=\"constant\"}",
    "objective.penalty_to=1.0",
    "train.ema=0",
    "train.batch_size=128",
];
/// Rates of that game, the discriminator's first. On the ring the discriminator is four times as fast and soon too good for minimax, which rests on a
/// part of the modes; on the grid the generator is ten times as fast (Metz et al. 2017), and wanders where nothing holds it.
const RATES: [(&str, [&str; 2]); 2] = [
    ("ring", ["optimizer.learning_rate=0.004", "optimizer.generator_learning_rate=0.001"]),
    ("grid", ["optimizer.learning_rate=0.0001", "optimizer.generator_learning_rate=0.001"]),
];
/// The spread of every mode that is wanted, over σ.
const SPREAD: (f64, f64) = (0.7, 1.3);
/// Frames of the animation of a run.
const FRAMES: u64 = 40;

/// What is compared unless told otherwise: objectives, then remedies; "recipe" is the named recipe as it is, at its full length.
pub const REMEDIES: [&str; 29] = [
    "minimax",
    "non-saturating",
    "least-squares",
    "hinge",
    "wasserstein-clip",
    "wasserstein-gp",
    "relativistic",
    "began",
    "feature-matching",
    "smooth-labels",
    "two-sided-labels",
    "noise",
    "historical-averaging",
    "spectral-norm",
    "consensus",
    "r1",
    "lazy-r1",
    "r2",
    "r1r2",
    "minibatch-discrimination",
    "minibatch-stddev",
    "packed-2",
    "packed-4",
    "generator-first",
    "generator-twice",
    "discriminator-five",
    "balanced",
    "unrolled-5",
    "recipe",
];

/// What to compare.
#[derive(Clone, Debug)]
pub struct Points {
    /// "ring" or "grid".
    pub recipe: &'static str,
    /// Methods of [`crate::recipe::METHODS`], and "recipe".
    pub methods: Vec<String>,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Steps of every method but "recipe".
    pub steps: Option<u64>,
    /// Settings over all recipes.
    pub settings: Vec<String>,
}

/// The line to reach: modes, share of high quality, reverse KL.
struct Goal {
    high_quality: f64,
    reverse_kl: f64,
}

/// One finished run.
pub(super) struct Done {
    pub(super) seed: u64,
    pub(super) quality: PointsQuality,
    pub(super) seconds: f64,
    /// The step at which a number was not finite any more; its points count for nothing then.
    pub(super) diverged: Option<u64>,
}

impl Done {
    fn kl(&self) -> f64 {
        self.quality.reverse_kl.unwrap_or(f64::INFINITY)
    }

    /// Spreads of the modes over σ, ordered; 0 where points are too few to tell.
    fn spreads(&self) -> Vec<f64> {
        let mut all: Vec<_> = self.quality.spread.iter().map(|s| s.unwrap_or(0.0)).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// The run for programs.
    fn told(&self, method: &str, goal: &Goal) -> serde_json::Value {
        json!({
            "method": method,
            "seed": self.seed,
            "modes": self.quality.modes,
            "hq": self.quality.high_quality,
            "rkl": self.quality.reverse_kl,
            "spread": self.quality.spread,
            "wasserstein": self.quality.wasserstein,
            "wasserstein_floor": self.quality.wasserstein_floor,
            "seconds": self.seconds,
            "diverged": self.diverged,
            "reaches_goal": self.reaches(goal),
        })
    }

    fn reaches(&self, goal: &Goal) -> bool {
        let q = &self.quality;
        let spread = self.spreads().iter().all(|s| (SPREAD.0..=SPREAD.1).contains(s));
        q.modes == q.of && q.high_quality >= goal.high_quality && self.kl() <= goal.reverse_kl && spread
    }
}

/// Trains every method with every seed and measures it.
pub fn points(asked: &Points, watch: &mut Watch<'_>) -> Result<Findings, LabError> {
    let Source::Mixture(mixture) = builtin(asked.recipe)? else {
        return Err(LabError::Asked(format!("{} are no points", asked.recipe)));
    };
    let goal = match asked.recipe {
        "ring" => Goal { high_quality: 0.98, reverse_kl: 0.005 },
        _ => Goal { high_quality: 0.97, reverse_kl: 0.01 },
    };
    each_once("--methods", &asked.methods)?;
    if asked.methods.iter().any(|m| m.trim().is_empty()) {
        return Err(LabError::Asked(format!(
            "--methods: a name is missing; expected some of {}, with commas between",
            REMEDIES.join(", ")
        )));
    }
    // All recipes are opened before anything is trained.
    let recipes = asked.methods.iter().map(|m| Ok((m.clone(), opened(asked, m)?)));
    let recipes: Vec<(String, Recipe)> = recipes.collect::<Result<_, LabError>>()?;
    let mut findings = Findings {
        table: Rows::new(&[
            "method",
            ">steps",
            ">seeds",
            ">modes",
            ">least",
            ">HQ %",
            ">least",
            ">reverse KL",
            ">spread of modes",
            ">s a run",
        ]),
        ..Findings::default()
    };
    let (mut all, mut panels) = (Vec::new(), Vec::new());
    let (mut flat, mut medians) = (Vec::new(), serde_json::Map::new());
    for (method, recipe) in &recipes {
        let mut runs: Vec<Done> = Vec::new();
        for seed in 1..=asked.seeds {
            let first = (seed == 1).then_some(method.as_str());
            let Some((done, panel)) = run(recipe, seed, &mixture, first, watch)? else {
                findings.stopped = true;
                break;
            };
            (watch.tell)(&match done.diverged {
                Some(step) => format!("{method}, seed {seed}: diverged at step {step}"),
                None => format!(
                    "{method}, seed {seed}: {}/{} modes, {:.1} % of high quality, reverse KL {}, {:.0} s",
                    done.quality.modes,
                    done.quality.of,
                    100.0 * done.quality.high_quality,
                    number(done.kl(), 4),
                    done.seconds
                ),
            });
            panels.extend(panel);
            runs.push(done);
        }
        if !runs.is_empty() {
            findings.table.rows.push(row(method, recipe, &runs));
            let diverged: Vec<_> =
                runs.iter().filter_map(|d| Some(format!("seed {} at step {}", d.seed, d.diverged?))).collect();
            if !diverged.is_empty() {
                findings.notes.push(format!("{method} diverged: {}", diverged.join(", ")));
            }
            let told = values(method, recipe, &runs, &goal);
            medians.insert(method.clone(), told["median"].clone());
            all.push(told);
            flat.extend(runs.iter().map(|d| d.told(method, &goal)));
        }
        if findings.stopped {
            break;
        }
    }
    if !panels.is_empty() {
        (watch.keep)(&format!("{}.png", asked.recipe), &sheet(&panels, 4).png())?;
    }
    findings.notes.push(format!(
        "goal: all {} modes, {:.0} % within 3 sigma (a Gaussian has 98.9 %), reverse KL at most {}, spread of modes 0.7 to 1.3",
        mixture.means().len(),
        100.0 * goal.high_quality,
        goal.reverse_kl
    ));
    findings.values = json!({
        "lab": asked.recipe,
        "points": POINTS,
        "goal": {
            "modes": mixture.means().len(),
            "hq": goal.high_quality,
            "rkl": goal.reverse_kl,
            "spread": SPREAD,
        },
        "runs": flat,
        "median": medians,
        "methods": all,
        "stopped": findings.stopped,
    });
    Ok(findings)
}

/// The recipe of one method.
fn opened(asked: &Points, method: &str) -> Result<Recipe, LabError> {
    if method == "recipe" {
        return Ok(Recipe::open(asked.recipe, &asked.settings)?);
    }
    let steps = asked.steps.unwrap_or(REMEDY_STEPS);
    let rates = RATES.iter().filter(|r| r.0 == asked.recipe).flat_map(|r| r.1);
    let own = CLASSIC.into_iter().chain(rates).map(str::to_owned).chain([format!("train.steps={steps}")]);
    let settings: Vec<_> = own.chain(asked.settings.iter().cloned()).collect();
    let mut recipe = Recipe::open(&format!("{}+{method}", asked.recipe), &settings)?;
    // A plain discriminator, as those that collapse have it; not every family has the key.
    if let Discriminator::Mlp { fourier_features, .. } = &mut recipe.discriminator {
        *fourier_features = 0;
    }
    Ok(recipe)
}

/// One run; nothing when it was stopped. With `figure`, its points as a picture and the run as an animation. One that diverges is a
/// result too: it has no mode.
pub(super) fn run(
    recipe: &Recipe,
    seed: u64,
    mixture: &Mixture,
    figure: Option<&str>,
    watch: &mut Watch<'_>,
) -> Result<Option<(Done, Option<Image>)>, LabError> {
    let steps = recipe.train.steps;
    let mut trainer = Trainer::new(recipe.clone(), Box::new(mixture.clone()), seed, steps, watch.threads)?;
    let (start, mut frames) = (Instant::now(), Vec::new());
    let every = (steps / FRAMES).max(1);
    let (mut drawing, mut diverged) = (0.0, None);
    while trainer.step() < steps && diverged.is_none() {
        if (watch.stop)() {
            return Ok(None);
        }
        if figure.is_some() && trainer.step().is_multiple_of(every) {
            let before = Instant::now();
            frames.push(drawn(&mut trainer, mixture, figure.unwrap_or_default()));
            drawing += before.elapsed().as_secs_f64();
        }
        diverged = trainer.advance().err().map(|e| e.step);
    }
    let seconds = start.elapsed().as_secs_f64() - drawing;
    let mut points = trainer.samples(0, POINTS);
    if diverged.is_some() {
        points.fill(f32::NAN);
    }
    let quality = evaluate::points(&points, mixture)?;
    let panel = figure.map(|name| drawn(&mut trainer, mixture, name));
    if let (Some(name), Some(last)) = (figure, &panel) {
        frames.push(last.clone());
        (watch.keep)(&format!("{}-{name}.gif", mixture.name()), &animation(&frames, 120))?;
    }
    Ok(Some((Done { seed, quality, seconds, diverged }, panel)))
}

fn drawn(trainer: &mut Trainer, mixture: &Mixture, name: &str) -> Image {
    let pairs = |v: &[f32]| v.chunks_exact(2).map(|p| (f64::from(p[0]), f64::from(p[1]))).collect::<Vec<_>>();
    let mut real = vec![0.0; 2 * DRAWN];
    mixture.batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
    let generated = trainer.samples(1, DRAWN);
    let title = format!("{name}, step {}", trainer.step());
    Scatter { title, real: &pairs(&real), generated: &pairs(&generated) }.image().halved()
}

/// Panels of one size side by side.
pub(super) fn sheet(panels: &[Image], columns: usize) -> Image {
    let (w, h) = panels.first().map_or((1, 1), |p| (p.width(), p.height()));
    let columns = panels.len().clamp(1, columns);
    let mut sheet = Image::new(columns * w, panels.len().div_ceil(columns) * h, [252, 252, 251]);
    for (i, panel) in panels.iter().enumerate() {
        sheet.place(panel, (i % columns * w, i / columns * h), 1);
    }
    sheet
}

fn row(method: &str, recipe: &Recipe, runs: &[Done]) -> Vec<String> {
    let of = |value: fn(&Done) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let (modes, quality, kl) = (of(|d| d.quality.modes as f64), of(|d| 100.0 * d.quality.high_quality), of(Done::kl));
    // Of the modes that have points.
    let spreads: Vec<_> = runs.iter().flat_map(|d| d.quality.spread.iter().flatten().copied()).collect();
    let (narrow, wide) = (least(&spreads), spreads.iter().copied().fold(0.0, f64::max));
    let seconds = of(|d| d.seconds);
    [
        method.to_owned(),
        recipe.train.steps.to_string(),
        runs.len().to_string(),
        format!("{:.0}", median(&modes)),
        format!("{:.0}", least(&modes)),
        format!("{:.1}", median(&quality)),
        format!("{:.1}", least(&quality)),
        number(median(&kl), 4),
        if wide > 0.0 { format!("{narrow:.2} to {wide:.2}") } else { "none".into() },
        format!("{:.1}", median(&seconds)),
    ]
    .into()
}

/// A number, where there is one.
fn number(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "none".into() }
}

fn values(method: &str, recipe: &Recipe, runs: &[Done], goal: &Goal) -> serde_json::Value {
    let seeds: Vec<_> = runs.iter().map(|d| d.told(method, goal)).collect();
    let of = |value: fn(&Done) -> f64| median(&runs.iter().map(value).collect::<Vec<_>>());
    let spreads: Vec<_> = runs.iter().flat_map(Done::spreads).collect();
    json!({
        "method": method,
        "steps": recipe.train.steps,
        "median": {
            "modes": of(|d| d.quality.modes as f64),
            "hq": of(|d| d.quality.high_quality),
            "rkl": Some(of(Done::kl)).filter(|k| k.is_finite()),
            "spread": median(&spreads),
            "seconds": of(|d| d.seconds),
        },
        "collapsed": runs.iter().filter(|d| d.quality.modes < d.quality.of).count(),
        "seeds": seeds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_diverges_has_its_row_and_the_next_is_trained() {
        let mut watch = Watch { stop: &|| false, tell: &mut |_| {}, keep: &mut |_, _| Ok(()), threads: 1 };
        // Adam divides by the size of its gradients and bears the rate; plain descent does not.
        let settings = vec!["optimizer.learning_rate=10".to_owned()];
        let methods = ["momentum", "non-saturating"].map(str::to_owned).to_vec();
        let mut asked = Points { recipe: "ring", methods, seeds: 1, steps: Some(30), settings };
        let found = points(&asked, &mut watch).unwrap();
        assert_eq!(found.table.rows.len(), 2);
        assert!(found.notes[0].starts_with("momentum diverged: seed 1 at step"), "{:?}", found.notes);
        let runs = &found.values["runs"];
        assert!(runs[0]["diverged"].is_u64() && runs[0]["modes"] == 0 && runs[0]["rkl"].is_null());
        assert!(runs[1]["diverged"].is_null());
        asked.methods = vec![String::new()];
        assert!(points(&asked, &mut watch).unwrap_err().to_string().contains("--methods: a name is missing"));
    }
}
