//! Mode collapse on two-dimensional mixtures of Gaussians, and the effect of each remedy.
use super::point_run::{FinishedRun, panel_grid, run};
use super::{LabContext, LabError, LabResults, ResultTable, each_once, median};
use crate::data::GaussianMixture;
use crate::nets::Discriminator;
use crate::recipe::Recipe;
use serde_json::json;

/// Steps per remedy, enough to see whether it collapses.
const REMEDY_STEPS: u64 = 4000;
/// Settings of a plain GAN: Adam with momentum, no EMA, constant learning rates and penalties, hidden layers of 128.
const CLASSIC: [&str; 7] = [
    "optimizer.beta1=0.5",
    "optimizer.beta2=0.999",
    "schedule={kind=\"constant\"}",
    "objective.penalty_to=1.0",
    "train.ema=0",
    "train.batch_size=128",
    "generator.hidden=[128, 128, 128]",
];
/// Hidden layers of the plain GAN's discriminator. The autoencoder of BEGAN has its own.
const CLASSIC_DISCRIMINATOR: &str = "discriminator.hidden=[128, 128]";
/// Accepted range of the standard deviation within each mode, as a multiple of σ.
const SPREAD: (f64, f64) = (0.7, 1.3);

/// The methods that are compared by default: objectives first, then remedies. `"recipe"` is the named recipe at its full length.
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

/// The mixture on which methods are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabMixture {
    /// Eight Gaussians on a circle.
    Ring,
    /// Twenty-five Gaussians on a square grid.
    Grid,
}

impl LabMixture {
    /// Name of the mixture and of the recipe for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Grid => "grid",
        }
    }

    fn mixture(self) -> GaussianMixture {
        match self {
            Self::Ring => GaussianMixture::ring(),
            Self::Grid => GaussianMixture::grid(),
        }
    }

    /// Learning rates of the plain GAN. On the ring, the discriminator learns four times as fast and soon becomes too good for the minimax
    /// loss, which then settles on a few modes. On the grid, the generator learns ten times as fast (Metz et al. 2017) and drifts unless
    /// something stabilizes it.
    fn learning_rates(self) -> [&'static str; 2] {
        match self {
            Self::Ring => ["optimizer.learning_rate=0.004", "optimizer.generator_learning_rate=0.001"],
            Self::Grid => ["optimizer.learning_rate=0.0001", "optimizer.generator_learning_rate=0.001"],
        }
    }

    fn goal(self) -> RequiredQuality {
        match self {
            Self::Ring => RequiredQuality { high_quality: 0.98, reverse_kl: 0.005 },
            Self::Grid => RequiredQuality { high_quality: 0.97, reverse_kl: 0.01 },
        }
    }
}

/// What [`points`] compares.
#[derive(Clone, Debug)]
pub struct PointsOptions {
    /// The data.
    pub mixture: LabMixture,
    /// Names from [`crate::recipe::METHODS`], and `"recipe"`.
    pub methods: Vec<String>,
    /// Seeds of each method; the figures show the first one.
    pub seeds: Vec<u64>,
    /// Steps of every method except `"recipe"`.
    pub steps: Option<u64>,
    /// Settings (`key=value`) that override those of every recipe.
    pub settings: Vec<String>,
}

/// Required metrics of a run, besides finding all modes with the right spread.
struct RequiredQuality {
    /// Minimum share of points within 3 σ of a mode.
    high_quality: f64,
    /// Maximum reverse KL divergence over the modes.
    reverse_kl: f64,
}

impl RequiredQuality {
    fn reached_by(&self, run: &FinishedRun) -> bool {
        let q = &run.quality;
        let spread = run.sorted_spreads().iter().all(|s| (SPREAD.0..=SPREAD.1).contains(s));
        q.modes == q.of && q.high_quality >= self.high_quality && run.reverse_kl() <= self.reverse_kl && spread
    }
}

/// Trains every method with every seed and measures the generated points.
///
/// # Errors
/// When a method or setting is unknown or listed twice, or a figure cannot be written. A run that diverges is a result, not an error.
pub fn points(options: &PointsOptions, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let (mixture, goal) = (options.mixture.mixture(), options.mixture.goal());
    let recipes = open_recipes(options)?;
    let headings = [
        "method",
        ">steps",
        ">seeds",
        ">modes",
        ">min",
        ">HQ %",
        ">min",
        ">reverse KL",
        ">spread / sigma",
        ">s per run",
    ];
    let mut results = LabResults { table: ResultTable::new(&headings), ..LabResults::default() };
    let mut panels = Vec::new();
    let (mut all_methods, mut all_runs, mut medians) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for (method, recipe) in &recipes {
        let mut runs: Vec<FinishedRun> = Vec::new();
        for (i, &seed) in options.seeds.iter().enumerate() {
            let title = (i == 0).then_some(method.as_str());
            let Some((finished, panel)) = run(recipe, seed, &mixture, title, context)? else {
                results.stopped = true;
                break;
            };
            (context.progress)(&format!("{method}, seed {seed}: {}", progress(&finished)));
            panels.extend(panel);
            runs.push(finished);
        }
        if !runs.is_empty() {
            results.table.rows.push(table_row(method, recipe, &runs));
            results.notes.extend(divergence_note(method, &runs));
            let values = method_values(method, recipe, &runs, &goal);
            medians.insert(method.clone(), values["median"].clone());
            all_methods.push(values);
            all_runs.extend(runs.iter().map(|run| run_values(run, method, &goal)));
        }
        if results.stopped {
            break;
        }
    }
    if !panels.is_empty() {
        (context.save)(&format!("{}.png", options.mixture.name()), &panel_grid(&panels, 4).png())?;
    }
    results.notes.push(format!(
        "goal: all {} modes, {:.0} % of points within 3 sigma (98.9 % for a Gaussian), reverse KL at most {}, spread of modes 0.7 to 1.3",
        mixture.means().len(),
        100.0 * goal.high_quality,
        goal.reverse_kl
    ));
    results.values = json!({
        "lab": options.mixture.name(),
        "points": super::point_run::POINTS,
        "goal": {
            "modes": mixture.means().len(),
            "hq": goal.high_quality,
            "rkl": goal.reverse_kl,
            "spread": SPREAD,
        },
        "runs": all_runs,
        "median": medians,
        "methods": all_methods,
        "stopped": results.stopped,
    });
    Ok(results)
}

/// Opens the recipes of all methods, so that a misspelled name is reported before any training.
fn open_recipes(options: &PointsOptions) -> Result<Vec<(String, Recipe)>, LabError> {
    each_once("--methods", &options.methods)?;
    if options.methods.iter().any(|m| m.trim().is_empty()) {
        return Err(LabError::Request(format!(
            "--methods: a name is missing; expected some of {}, separated by commas",
            REMEDIES.join(", ")
        )));
    }
    options.methods.iter().map(|method| Ok((method.clone(), method_recipe(options, method)?))).collect()
}

fn method_recipe(options: &PointsOptions, method: &str) -> Result<Recipe, LabError> {
    let name = options.mixture.name();
    if method == "recipe" {
        return Ok(Recipe::open(name, &options.settings)?);
    }
    let steps = options.steps.unwrap_or(REMEDY_STEPS);
    let autoencoder = method.split('+').any(|name| name == "began");
    let hidden = (!autoencoder).then_some(CLASSIC_DISCRIMINATOR);
    let plain = CLASSIC.into_iter().chain(hidden).chain(options.mixture.learning_rates()).map(str::to_owned);
    let settings: Vec<_> =
        plain.chain([format!("train.steps={steps}")]).chain(options.settings.iter().cloned()).collect();
    let mut recipe = Recipe::open(&format!("{name}+{method}"), &settings)?;
    // The discriminators that show mode collapse in the literature have no Fourier features. Not every family has the key.
    if let Discriminator::Mlp { fourier_features, .. } = &mut recipe.discriminator {
        *fourier_features = 0;
    }
    Ok(recipe)
}

fn progress(run: &FinishedRun) -> String {
    match run.diverged {
        Some(step) => format!("diverged at step {step}"),
        None => format!(
            "{}/{} modes, {:.1} % high quality, reverse KL {}, {:.0} s",
            run.quality.modes,
            run.quality.of,
            100.0 * run.quality.high_quality,
            finite_or_none(run.reverse_kl(), 4),
            run.seconds
        ),
    }
}

fn divergence_note(method: &str, runs: &[FinishedRun]) -> Option<String> {
    let diverged: Vec<_> =
        runs.iter().filter_map(|run| Some(format!("seed {} at step {}", run.seed, run.diverged?))).collect();
    (!diverged.is_empty()).then(|| format!("{method} diverged: {}", diverged.join(", ")))
}

fn table_row(method: &str, recipe: &Recipe, runs: &[FinishedRun]) -> Vec<String> {
    let of = |value: fn(&FinishedRun) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    let min = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let modes = of(|run| run.quality.modes as f64);
    let quality = of(|run| 100.0 * run.quality.high_quality);
    // Modes without enough points have no spread.
    let spreads: Vec<_> = runs.iter().flat_map(|run| run.quality.spread.iter().flatten().copied()).collect();
    let (narrow, wide) = (min(&spreads), spreads.iter().copied().fold(0.0, f64::max));
    [
        method.to_owned(),
        recipe.train.steps.to_string(),
        runs.len().to_string(),
        format!("{:.0}", median(&modes)),
        format!("{:.0}", min(&modes)),
        format!("{:.1}", median(&quality)),
        format!("{:.1}", min(&quality)),
        finite_or_none(median(&of(FinishedRun::reverse_kl)), 4),
        if wide > 0.0 { format!("{narrow:.2} to {wide:.2}") } else { "none".into() },
        format!("{:.1}", median(&of(|run| run.seconds))),
    ]
    .into()
}

fn finite_or_none(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "none".into() }
}

/// JSON of one method: the medians over its runs, and the runs.
fn method_values(method: &str, recipe: &Recipe, runs: &[FinishedRun], goal: &RequiredQuality) -> serde_json::Value {
    let seeds: Vec<_> = runs.iter().map(|run| run_values(run, method, goal)).collect();
    let of = |value: fn(&FinishedRun) -> f64| median(&runs.iter().map(value).collect::<Vec<_>>());
    let spreads: Vec<_> = runs.iter().flat_map(FinishedRun::sorted_spreads).collect();
    json!({
        "method": method,
        "steps": recipe.train.steps,
        "median": {
            "modes": of(|run| run.quality.modes as f64),
            "hq": of(|run| run.quality.high_quality),
            "rkl": Some(of(FinishedRun::reverse_kl)).filter(|k| k.is_finite()),
            "spread": median(&spreads),
            "seconds": of(|run| run.seconds),
        },
        "collapsed": runs.iter().filter(|run| run.quality.modes < run.quality.of).count(),
        "seeds": seeds,
    })
}

/// JSON of one run.
fn run_values(run: &FinishedRun, method: &str, goal: &RequiredQuality) -> serde_json::Value {
    json!({
        "method": method,
        "seed": run.seed,
        "modes": run.quality.modes,
        "hq": run.quality.high_quality,
        "rkl": run.quality.reverse_kl,
        "spread": run.quality.spread,
        "wasserstein": run.quality.wasserstein,
        "wasserstein_floor": run.quality.wasserstein_floor,
        "seconds": run.seconds,
        "diverged": run.diverged,
        "reaches_goal": goal.reached_by(run),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverging_method_is_reported_and_the_next_is_trained() {
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut |_, _| Ok(()), threads: 1 };
        // Adam normalizes its gradients and survives this learning rate; plain gradient descent diverges.
        let settings = vec!["optimizer.learning_rate=10".to_owned()];
        let methods = ["momentum", "non-saturating"].map(str::to_owned).to_vec();
        let mut options =
            PointsOptions { mixture: LabMixture::Ring, methods, seeds: vec![1], steps: Some(30), settings };
        let results = points(&options, &mut context).unwrap();
        assert_eq!(results.table.rows.len(), 2);
        assert!(results.notes[0].starts_with("momentum diverged: seed 1 at step"), "{:?}", results.notes);
        let runs = &results.values["runs"];
        assert!(runs[0]["diverged"].is_u64() && runs[0]["modes"] == 0 && runs[0]["rkl"].is_null());
        assert!(runs[1]["diverged"].is_null());
        options.methods = vec![String::new()];
        assert!(points(&options, &mut context).unwrap_err().to_string().contains("--methods: a name is missing"));
    }
}
