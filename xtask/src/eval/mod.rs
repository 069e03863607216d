//! `eval`: how good a generator is, as a float network and in integers, and how sure that is.

pub(crate) mod pictures;
pub(crate) mod words;

use crate::console;
use crate::exporting::Chosen;
use crate::failure::Failure;
use crate::judge::POINTS;
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use ganlet_sim::host::ModelFile;
use ganlet_trainer::data::Dataset;
use ganlet_trainer::evaluate::{self, Evaluation, PointsQuality, Quality, intervals};
use ganlet_trainer::metrics::ConfidenceInterval;
use ganlet_trainer::quantize::LayoutChoice;
use ganlet_trainer::recipe::{NAMED, Recipe};
use ganlet_trainer::run::{self, CheckpointChoice, PictureSplit};
use pictures::{Amount, SETS};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Measure a trained generator: distances to held-out real data, their noise, and what 8-bit integers change.
///
/// The column "real" is what as many real training pictures get: no generator can be expected to beat it. A run folder is measured in
/// float and in int8, a model file in int8 alone; several runs are measured one by one, with intervals over them. docs/EVALUATION.md
/// tells what each number means.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask eval runs/00001-faces
  cargo xtask eval faces.model --samples 2000 --json
  cargo xtask eval runs/00001-ring runs/00002-ring runs/00003-ring    intervals over training seeds")]
pub(crate) struct Args {
    /// A run folder or a .model file; or several runs of one recipe
    #[arg(value_name = "RUN|MODEL", required = true)]
    pub(crate) what: Vec<PathBuf>,
    /// Pictures (or points) to generate in each set [default: 2000 pictures, 2500 points]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// Disjoint sets of latents to measure, for 95 % confidence intervals [default: 3; 1 each of several runs]
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<usize>,
    /// Which checkpoint of a run: best, last, or its step
    #[arg(long, value_name = "best|last|STEP", default_value = "best")]
    pub(crate) checkpoint: CheckpointChoice,
    /// The data to measure a model file against [default: that of the recipe it is named after]
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Print JSON on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// Pictures that are judged unless told otherwise.
const PICTURES: usize = 2000;
/// Most pictures that may be asked for, and most sets of them.
const MOST: usize = 1_000_000;
const MOST_SETS: usize = 100;

/// What was measured of a run or a model.
enum Measured {
    Pictures(Box<Evaluation>),
    Points(Points),
}

/// Points, and the intervals of their numbers.
#[derive(Serialize)]
struct Points {
    #[serde(flatten)]
    quality: PointsQuality,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    intervals: BTreeMap<String, ConfidenceInterval>,
    #[serde(skip)]
    dimensions: usize,
}

/// Several runs; the JSON of `eval --json RUN RUN`.
#[derive(Serialize)]
struct Several {
    method: &'static str,
    runs: Vec<serde_json::Value>,
    intervals: BTreeMap<String, BTreeMap<String, ConfidenceInterval>>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.samples.filter(|n| !(32..=MOST).contains(n)) {
        return Err(Failure::unusable(format!("--samples {n}: expected 32 to {MOST}")));
    }
    if let Some(n) = args.seeds.filter(|n| !(1..=MOST_SETS).contains(n)) {
        return Err(Failure::unusable(format!("--seeds {n}: expected 1 to {MOST_SETS} sets of latents")));
    }
    if let Some(missing) = args.what.iter().find(|path| !path.exists()) {
        return Err(Failure::unusable(format!("{}: there is no such run folder or model file", missing.display())));
    }
    let measured = args.what.iter().map(|path| of(path, &args)).collect::<Result<Vec<_>, _>>()?;
    match &measured[..] {
        [one] => show(one, args.json),
        all => show_several(&args.what, all, args.json),
    }
}

/// Measures one run or model file.
fn of(path: &Path, args: &Args) -> Result<Measured, Failure> {
    let sets = args.seeds.unwrap_or(if args.what.len() > 1 { 1 } else { SETS });
    let amount = Amount { pictures: args.samples.unwrap_or(PICTURES), sets };
    if path.is_file() {
        return model(path, args.data.as_deref(), amount);
    }
    let mut chosen = Chosen::open_at(path, args.checkpoint)?;
    if let Some(mixture) = chosen.loaded.mixture.clone() {
        let n = args.samples.unwrap_or(POINTS);
        let judge = |set: usize| evaluate::points(&chosen.trainer.samples(set as u32, n), &mixture);
        let list = (0..sets).map(judge).collect::<Result<Vec<_>, _>>();
        let list = list.map_err(|e| Failure::unusable(e.to_string()))?;
        let numbers: Vec<_> = list.iter().map(PointsQuality::numbers).collect();
        let Some(quality) = list.into_iter().next() else { return Err(Failure::failed("nothing was measured")) };
        return Ok(Measured::Points(Points {
            quality,
            intervals: intervals(&numbers),
            dimensions: mixture.shape()[0],
        }));
    }
    let quantized = chosen.quantize(LayoutChoice::Compact)?;
    Ok(Measured::Pictures(Box::new(pictures::run(&mut chosen, amount, Some(&quantized))?)))
}

/// Measures a model file alone, against the data of the recipe that it is named after, or against `data`.
fn model(path: &Path, data: Option<&str>, amount: Amount) -> Result<Measured, Failure> {
    let file = ModelFile::read(path).map_err(|e| Failure::unusable(e.to_string()))?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    let named = NAMED.iter().find(|n| n.0 == model.name()).and_then(|n| Recipe::open(n.0, &[]).ok());
    let mut recipe = named.ok_or_else(|| {
        let message = format!("{}: made by no named recipe; measure its run folder instead", path.display());
        Failure::unusable(message)
    })?;
    if let Some(data) = data {
        recipe.data.source = data.to_owned();
    }
    let loaded = run::load_data(&recipe).map_err(|e| Failure::unusable(e.to_string()))?;
    let Some(PictureSplit { train, held_out }) = &loaded.pictures else {
        return Err(Failure::unusable("points cannot be measured here"));
    };
    let (w, h) = model.size();
    let made = [usize::from(h), usize::from(w), usize::from(model.channels())];
    if held_out.shape() != made {
        return Err(Failure::unusable(format!(
            "{}: makes pictures of {made:?} [height, width, channels], the data of {} are {:?}: name its own data with --data, \
             or measure its run folder",
            path.display(),
            recipe.name,
            held_out.shape()
        )));
    }
    let evaluation = pictures::model((train, held_out), amount, file.bytes(), &model)?;
    Ok(Measured::Pictures(Box::new(evaluation)))
}

fn show(measured: &Measured, json: bool) -> Result<(), Failure> {
    let text = match (measured, json) {
        (_, true) => format!("{}\n", serde_json::to_string_pretty(&measured.json()?)?),
        (Measured::Pictures(evaluation), false) => words::pictures(evaluation),
        (Measured::Points(p), false) => words::points(&p.quality, &p.intervals, p.dimensions),
    };
    console::print(&text)
}

fn show_several(paths: &[PathBuf], all: &[Measured], json: bool) -> Result<(), Failure> {
    let kinds = |m: &Measured| m.numbers().into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    if let Some(other) = all.iter().position(|m| kinds(m) != kinds(&all[0])) {
        return Err(Failure::unusable(format!(
            "{} and {} are not of one kind (points, pictures of a run, model file): measure them one by one",
            paths[0].display(),
            paths[other].display()
        )));
    }
    let of_kind = |kind: &'static str| {
        let find = |m: &Measured| m.numbers().into_iter().find(|n| n.0 == kind).map(|n| n.1);
        intervals(&all.iter().filter_map(find).collect::<Vec<_>>())
    };
    let over: BTreeMap<String, _> = kinds(&all[0]).into_iter().map(|kind| (kind.to_owned(), of_kind(kind))).collect();
    if json {
        let run = |(path, m): (&PathBuf, &Measured)| -> Result<serde_json::Value, Failure> {
            let mut value = m.json()?;
            value["run"] = path.display().to_string().into();
            Ok(value)
        };
        let runs = paths.iter().zip(all).map(run).collect::<Result<_, _>>()?;
        let several = Several { method: "Student's t, 95 %, over runs", runs, intervals: over };
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&several)?));
    }
    let mut text = words::several(&over, all.len());
    if let Measured::Pictures(first) = &all[0] {
        let kind = if first.int8.is_some() { "int8" } else { "float" };
        if let Some(interval) = over.get(kind).and_then(|k| k.get("frechet")) {
            text += &words::headline(&format!("{kind} Fréchet distance"), interval, first.floor, "runs");
        }
    }
    console::print(&text)
}

impl Measured {
    fn json(&self) -> Result<serde_json::Value, Failure> {
        Ok(match self {
            Self::Pictures(evaluation) => serde_json::to_value(evaluation)?,
            Self::Points(points) => serde_json::to_value(points)?,
        })
    }

    /// The numbers of each kind of sample: the means over the sets, where there were several.
    fn numbers(&self) -> Vec<(&'static str, Vec<(String, f64)>)> {
        let mean = |intervals: Option<&BTreeMap<String, ConfidenceInterval>>, numbers: Vec<(String, f64)>| {
            let of = |name: &String| intervals.and_then(|i| i.get(name)).map(|i| i.mean);
            numbers.into_iter().map(|(name, value)| (name.clone(), of(&name).unwrap_or(value))).collect()
        };
        match self {
            Self::Pictures(e) => {
                let kind = |name: &'static str, q: &Option<Quality>| {
                    q.as_ref().map(|q| (name, mean(e.intervals.get(name), q.numbers())))
                };
                [kind("float", &e.float), kind("int8", &e.int8)].into_iter().flatten().collect()
            }
            Self::Points(p) => vec![("points", mean(Some(&p.intervals), p.quality.numbers()))],
        }
    }
}
