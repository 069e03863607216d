//! `eval`: how good a generator is, as a float network and in integers.

use crate::console;
use crate::exporting::{self, Chosen};
use crate::failure::Failure;
use crate::judge::{FIRST_SEED, POINTS};
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use ganlet_sim::host::ModelFile;
use ganlet_trainer::data::Dataset;
use ganlet_trainer::evaluate::{self, Evaluation, Evaluator};
use ganlet_trainer::quantise::Layouts;
use ganlet_trainer::recipe::{NAMED, Recipe};
use ganlet_trainer::run;
use std::path::PathBuf;

/// Measure a trained generator: distances to held-out real data, and what 8-bit integers change.
///
/// The distances are Fréchet distances over the features of a fixed network; the floor is the distance of as many real training
/// pictures, which no generator can be expected to beat. A run folder is measured in float and in int8, a model file in int8 alone.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask eval runs/00001-faces
  cargo xtask eval faces.model --samples 2000 --json")]
pub(crate) struct Args {
    /// A run folder or a .model file
    #[arg(value_name = "RUN|MODEL")]
    pub(crate) what: PathBuf,
    /// Pictures to generate
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// The data to measure a model file against [default: that of the recipe it is named after]
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Print JSON on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// Pictures that are judged unless told otherwise.
const PICTURES: usize = 2000;
/// Most pictures that may be asked for.
const MOST: usize = 1_000_000;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(n) = args.samples.filter(|n| !(32..=MOST).contains(n)) {
        return Err(Failure::unusable(format!("--samples {n}: expected 32 to {MOST}")));
    }
    if !args.what.exists() {
        return Err(Failure::unusable(format!("{}: there is no such run folder or model file", args.what.display())));
    }
    if args.what.is_file() {
        return model(&args);
    }
    let mut chosen = Chosen::open(&args.what)?;
    if let Some(mixture) = &chosen.loaded.mixture {
        let values = chosen.trainer.samples(0, args.samples.unwrap_or(POINTS));
        let quality = evaluate::points(&values, mixture).map_err(|e| Failure::unusable(e.to_string()))?;
        if args.json {
            return console::print(&format!("{}\n", serde_json::to_string_pretty(&quality)?));
        }
        let kl = quality.reverse_kl.map_or("none".into(), |kl| format!("{kl:.4}"));
        let ceiling = if mixture.shape()[0] == 1 { 99.7 } else { 98.9 };
        return console::print(&format!(
            "  {} of {} modes, {:.1} % within 3 sigma of one ({ceiling} % of a true Gaussian), reverse KL {kl}\n",
            quality.modes,
            quality.of,
            100.0 * quality.high_quality
        ));
    }
    let quantised = chosen.quantise(Layouts::Compact)?;
    let evaluation = chosen.evaluate(args.samples.unwrap_or(PICTURES), Some(&quantised))?;
    show(&evaluation, args.json)
}

/// Measures a model file alone, against the data of the recipe that it is named after, or against `--data`.
fn model(args: &Args) -> Result<(), Failure> {
    let file = ModelFile::read(&args.what).map_err(|e| Failure::unusable(e.to_string()))?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(&args.what, e))?;
    let named = NAMED.iter().find(|n| n.0 == model.name()).and_then(|n| Recipe::open(n.0, &[]).ok());
    let mut recipe = named.ok_or_else(|| {
        let message = format!("{}: made by no named recipe; measure its run folder instead", args.what.display());
        Failure::unusable(message)
    })?;
    if let Some(data) = &args.data {
        recipe.data.source = data.clone();
    }
    let loaded = run::load(&recipe).map_err(|e| Failure::unusable(e.to_string()))?;
    let Some((train, held_out)) = &loaded.pictures else {
        return Err(Failure::unusable("points cannot be measured here"));
    };
    let (w, h) = model.size();
    let made = [usize::from(h), usize::from(w), usize::from(model.channels())];
    if held_out.shape() != made {
        return Err(Failure::unusable(format!(
            "{}: makes pictures of {made:?} [height, width, channels], the data of {} are {:?}: name its own data with --data, \
             or measure its run folder",
            args.what.display(),
            recipe.name,
            held_out.shape()
        )));
    }
    let mut evaluator = Evaluator::new(held_out, train, 0).map_err(|e| Failure::unusable(e.to_string()))?;
    let n = args.samples.unwrap_or(PICTURES);
    console::note(&format!("drawing and judging {n} pictures of the integer model"));
    let bytes = evaluate::int8_pictures(file.bytes(), FIRST_SEED, n, |_, _| {})?;
    let int8 = exporting::judged_of_classes(&mut evaluator, &bytes, (n, model.classes().into()))?;
    let evaluation = Evaluation {
        samples: n,
        references: evaluator.references(),
        floor: evaluator.floor(n).map_err(|e| Failure::unusable(e.to_string()))?,
        float: None,
        int8: Some(int8),
        psnr_mean_db: None,
        psnr_min_db: None,
        features: evaluator.identity().clone(),
        class_names: evaluator.class_names().to_vec(),
        real_as_labelled: evaluator.real_as_labelled(),
    };
    show(&evaluation, args.json)
}

fn show(evaluation: &Evaluation, json: bool) -> Result<(), Failure> {
    if json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(evaluation)?));
    }
    console::print(&exporting::words(evaluation))
}
