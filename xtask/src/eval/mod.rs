//! `eval`: measures how good a generator is, in float and in int8, with confidence intervals.

mod progress;
pub(crate) mod tables;

use crate::console;
use crate::failure::Failure;
use crate::fit_steps::FitSteps;
use crate::model_file::{self, WorkLimit};
use crate::opening;
use clap::Args as ClapArgs;
use ganlet_trainer::data::Dataset;
use ganlet_trainer::evaluate::{
    self, Evaluation, Intervals, Metric, PointsEvaluation, Quality, RejectionError, SampleAmount, SampleSource,
    evaluate_model, evaluate_points, evaluate_run, evaluate_run_with_rejection, intervals, model_data,
};
use ganlet_trainer::quantize::LayoutChoice;
use ganlet_trainer::run::CheckpointChoice;
pub(crate) use progress::Progress;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Measure a generator: Fréchet distance, precision, recall and more, in float and int8
///
/// Images are compared with held-out real images. The column "real" shows the value for real training images instead of generated ones:
/// the best that a generator can be expected to reach. A run folder is measured in float and int8, a model file in int8 only. Several runs
/// are measured one by one, with confidence intervals over the runs. docs/EVALUATION.md explains every number.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask eval runs/00001-faces
  cargo xtask eval faces.model --samples 2000 --json
  cargo xtask eval mine.model --data photos/             a model of your own images
  cargo xtask eval runs/00001-digits --rejection 0.5     also the half of the images that the discriminator accepts
  cargo xtask eval runs/00001-ring runs/00002-ring runs/00003-ring    intervals over training seeds")]
pub(crate) struct Args {
    /// A run folder or a .model file, or several runs of one recipe
    #[arg(value_name = "RUN|MODEL", required = true)]
    pub(crate) what: Vec<PathBuf>,
    /// Images (or points) to generate in each set [default: 2000 images, 2500 points]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// Disjoint sets of latents, for 95 % confidence intervals [default: 3; 1 for each of several runs]
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<usize>,
    /// The checkpoint of a run: best, last, or a step
    #[arg(long, value_name = "best|last|STEP", default_value = "best")]
    pub(crate) checkpoint: CheckpointChoice,
    /// Factor on the latents of a run, 0 to 1, as in `export` [default: `export.truncation` of its recipe]
    #[arg(long, value_name = "T")]
    pub(crate) truncation: Option<f32>,
    /// The data to compare with [default: those of the run, or of the recipe that the model file is named after]
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Also measure the int8 images of a run that its discriminator accepts, this share of all, such as 0.5; `curate --help` says how
    #[arg(long, value_name = "SHARE")]
    pub(crate) rejection: Option<f64>,
    #[command(flatten)]
    pub(crate) fit: FitSteps,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) work: WorkLimit,
}

/// Largest values of `--samples` and `--seeds`.
const MOST_SAMPLES: usize = 1_000_000;
const MOST_SETS: usize = 100;

/// The evaluation of a run or a model file.
enum Evaluated {
    Images(Box<Evaluation>),
    Points(PointsEvaluation),
}

/// The JSON of `eval --json` for several runs.
#[derive(Serialize)]
struct SeveralRuns {
    method: &'static str,
    runs: Vec<serde_json::Value>,
    intervals: BTreeMap<SampleSource, Intervals>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.samples.filter(|n| !(32..=MOST_SAMPLES).contains(n)) {
        return Err(Failure::unusable(format!("--samples {n}: expected 32 to {MOST_SAMPLES}")));
    }
    if let Some(n) = args.seeds.filter(|n| !(1..=MOST_SETS).contains(n)) {
        return Err(Failure::unusable(format!("--seeds {n}: expected 1 to {MOST_SETS} sets of latents")));
    }
    if let Some(share) = args.rejection.filter(|share| !(*share > 0.0 && *share < 1.0)) {
        return Err(Failure::unusable(format!("--rejection: {}", RejectionError::Share(share))));
    }
    if args.fit.fit_steps.is_some() && args.rejection.is_none() {
        return Err(Failure::unusable("--fit-steps belongs to --rejection: give --rejection 0.5 too, or omit it"));
    }
    let mut args = args;
    for path in &mut args.what {
        *path = opening::model_in(path)?.into_owned();
    }
    check_comparable(&args)?;
    let evaluated = args.what.iter().map(|path| evaluated(path, &args)).collect::<Result<Vec<_>, _>>()?;
    match &evaluated[..] {
        [one] => show(one, args.json),
        all => show_several(&args.what, all, args.json),
    }
}

/// Refuses runs and model files that cannot be compared, before any of them is evaluated.
fn check_comparable(args: &Args) -> Result<(), Failure> {
    let [first, others @ ..] = &args.what[..] else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let expected = described(first, args)?;
    for other in others {
        let found = described(other, args)?;
        if found != expected {
            return Err(Failure::unusable(format!(
                "{} and {} cannot be compared: the first is {expected}, the second {found}; evaluate them one by one",
                first.display(),
                other.display()
            )));
        }
    }
    Ok(())
}

/// Describes a run or a model file, so that those with equal descriptions are comparable.
fn described(path: &Path, args: &Args) -> Result<String, Failure> {
    if path.is_file() {
        return Ok("a model file".into());
    }
    let checkpoint = opening::folder(path)?.choose(args.checkpoint).map_err(Failure::unusable)?.checkpoint;
    let kind = match checkpoint.shape[..] {
        [height, width, channels] => format!("a run of {width}x{height}x{channels} images"),
        _ => format!("a run of points of {} numbers", checkpoint.shape[0]),
    };
    let source = &checkpoint.recipe.data.source;
    Ok(if args.data.is_some() { kind } else { format!("{kind} of {source}") })
}

/// Evaluates one run or model file.
fn evaluated(path: &Path, args: &Args) -> Result<Evaluated, Failure> {
    let sets = args.seeds.unwrap_or(if args.what.len() > 1 { 1 } else { evaluate::SETS });
    let amount = SampleAmount { samples: args.samples.unwrap_or(evaluate::IMAGES), sets };
    let progress = Progress::new();
    let progress = &mut |p| progress.show(p);
    if path.is_file() {
        if args.rejection.is_some() {
            let why = "--rejection needs the discriminator of a run, not a model file: name the run that the model was exported from";
            return Err(Failure::file(path, why));
        }
        let file = model_file::read(path, args.work)?;
        let split = model_data(file.bytes(), args.data.as_deref()).map_err(|e| Failure::file(path, e))?;
        let (held_out, name) = (split.held_out.count(), split.held_out.name());
        console::note(&format!("{}: comparing with {held_out} held-out images of {name}", path.display()));
        let found = evaluate_model(file.bytes(), &split, amount, progress);
        return Ok(Evaluated::Images(Box::new(found.map_err(|e| Failure::file(path, e))?)));
    }
    let mut run = opening::run_truncated(path, args.checkpoint, args.truncation)?;
    let data = opening::data(&run, args.data.as_deref()).map_err(Failure::unusable)?;
    if let Some(mixture) = &data.mixture {
        if args.rejection.is_some() {
            return Err(Failure::unusable(format!("--rejection: {}", RejectionError::Points)));
        }
        let amount = SampleAmount { samples: args.samples.unwrap_or(evaluate::POINTS), sets };
        let found = evaluate_points(&mut run.trainer, mixture, amount).map_err(Failure::unusable)?;
        return Ok(Evaluated::Points(found));
    }
    let quantized = run.quantize(LayoutChoice::Compact).map_err(Failure::unusable)?;
    let Some(split) = &data.images else {
        return Err(Failure::file(path, "the data of this run are neither images nor a mixture"));
    };
    let found = match args.rejection {
        Some(share) => {
            let options = args.fit.options(share);
            evaluate_run_with_rejection(&mut run.trainer, split, &quantized, options, amount, progress)
        }
        None => evaluate_run(&mut run.trainer, split, Some(&quantized), amount, progress),
    };
    Ok(Evaluated::Images(Box::new(found.map_err(Failure::unusable)?)))
}

fn show(evaluated: &Evaluated, json: bool) -> Result<(), Failure> {
    let text = match (evaluated, json) {
        (_, true) => format!("{}\n", serde_json::to_string_pretty(&evaluated.json()?)?),
        (Evaluated::Images(evaluation), false) => tables::images(evaluation),
        (Evaluated::Points(points), false) => tables::points(points),
    };
    console::print(&text)
}

fn show_several(paths: &[PathBuf], all: &[Evaluated], json: bool) -> Result<(), Failure> {
    let sources = |e: &Evaluated| e.metrics().into_keys().collect::<Vec<_>>();
    let of_source = |source: SampleSource| {
        let metrics: Vec<_> = all.iter().filter_map(|e| e.metrics().remove(&source)).collect();
        (source, intervals(&metrics))
    };
    let intervals: BTreeMap<_, _> = sources(&all[0]).into_iter().map(of_source).collect();
    if json {
        let run = |(path, e): (&PathBuf, &Evaluated)| -> Result<serde_json::Value, Failure> {
            let mut value = e.json()?;
            value["run"] = path.display().to_string().into();
            Ok(value)
        };
        let runs = paths.iter().zip(all).map(run).collect::<Result<_, _>>()?;
        let several = SeveralRuns { method: "Student's t, 95 %, over runs", runs, intervals };
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&several)?));
    }
    let mut text = tables::several(&intervals, all.len());
    if let Evaluated::Images(first) = &all[0] {
        let source = tables::shown_source(first);
        if let Some(interval) = intervals.get(&source).and_then(|i| i.get(&Metric::Frechet)) {
            text += &tables::headline(&format!("{} Fréchet distance", source.name()), interval, first.floor, "runs");
        }
    }
    console::print(&text)
}

impl Evaluated {
    fn json(&self) -> Result<serde_json::Value, Failure> {
        Ok(match self {
            Self::Images(evaluation) => serde_json::to_value(evaluation)?,
            Self::Points(points) => serde_json::to_value(points)?,
        })
    }

    /// Returns the numbers by source: means over the sets if there were several.
    fn metrics(&self) -> BTreeMap<SampleSource, Vec<(Metric, f64)>> {
        let mean = |intervals: Option<&Intervals>, metrics: Vec<(Metric, f64)>| -> Vec<_> {
            let of = |metric: &Metric| intervals.and_then(|i| i.get(metric)).map(|i| i.mean);
            metrics.into_iter().map(|(metric, value)| (metric, of(&metric).unwrap_or(value))).collect()
        };
        match self {
            Self::Images(e) => {
                let of = |source: SampleSource, q: &Option<Quality>| {
                    q.as_ref().map(|q| (source, mean(e.intervals.get(&source), q.metrics())))
                };
                let accepted = e.accepted.as_ref().map(|accepted| accepted.quality.clone());
                let sources = [
                    of(SampleSource::Float, &e.float),
                    of(SampleSource::Int8, &e.int8),
                    of(SampleSource::Accepted, &accepted),
                ];
                sources.into_iter().flatten().collect()
            }
            Self::Points(p) => [(SampleSource::Points, mean(Some(&p.intervals), p.quality.metrics()))].into(),
        }
    }
}
