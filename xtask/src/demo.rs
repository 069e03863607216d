//! `demo`: trains, exports, checks, simulates and reports in one command.

use crate::console::{self, TextStyle};
use crate::eval::{self, tables};
use crate::export;
use crate::failure::Failure;
use crate::fitting;
use crate::opening;
use crate::report;
use crate::training::{self, RUNS};
use clap::Args as ClapArgs;
use ganlet_sim::host::{self, Device, ModelFile, Script, Simulator};
use ganlet_trainer::evaluate::{self, Evaluation, SampleAmount, evaluate_run, int8_images};
use ganlet_trainer::export::{ExportSummary, PreparedRun, SummaryInputs, bit_exact};
use ganlet_trainer::files;
use ganlet_trainer::quantize::{LayoutChoice, Quantized};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::report::{Page, PageFigure};
use ganlet_trainer::run::{
    CheckpointChoice, ImageSplit, Run, RunFolder, RunOutcome, TrainingData, absolute_source, figures, load_with_classes,
};
use ganlet_trainer::train::Trainer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Train, quantize, check and simulate a generator of faces or of your own images, and write a report
///
/// The faces are part of the project; nothing is downloaded. --data names other images, which are resized to 16x16 as the faces are. The
/// output folder will contain generator.model (the int8 generator), samples.png, device.png (an emulated display), walk.gif, report.html
/// (open it in a browser) and summary.json.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask demo                          five to ten minutes on two cores, including the build
  cargo xtask demo --minutes 1 --out quick  a first look; the faces are still blurred
  cargo xtask demo --data photos/           the same with your own images, at 16x16")]
pub(crate) struct Args {
    /// Training data: a folder of images, an IDX, IDX.gz or NPZ file, a packed file, or a built-in set [default: faces]
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// Minutes of training [default: those that 10,000 steps take]
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Folder for the results; created if it does not exist
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// Training steps. Those of the recipe take two minutes more with AVX2, and make the images a little better still.
const STEPS: u64 = 10_000;
/// Images in samples.png.
const SAMPLES: usize = 64;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let start = Instant::now();
    // A run folder may hold an exported model, too.
    let mark = if args.out.join("recipe.toml").exists() { None } else { Some(opening::DEMO_MODEL) };
    console::own_folder(&args.out, mark)?;
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file(&args.out, e))?;
    let mut recipe = recipe(args.data.as_deref())?;
    let data = load_with_classes(&mut recipe, "faces").map_err(Failure::unusable)?;
    if data.images.is_none() {
        return Err(Failure::unusable(
            "demo: the data are points, and devices are to draw images: name images with --data",
        ));
    }
    let trained = train(&args, &recipe, &data)?;
    announce("2/4 export")?;
    let mut run = PreparedRun::open(&trained.folder, CheckpointChoice::Best)?;
    opening::report_choice(&trained.folder, &run);
    let quantized = run.quantize(LayoutChoice::Compact)?;
    let write = |name: &str, bytes: &[u8]| files::write(args.out.join(name), bytes);
    write("generator.model", &quantized.file)?;
    console::note(&quantized.report.to_string());
    announce("3/4 check")?;
    let bit_exact = bit_exact(&quantized)?;
    let evaluation = data.images.as_ref().and_then(|split| evaluation(&mut run, split, &quantized));
    export::warn(trained.folder.path(), &run, &quantized.report, evaluation.as_ref());
    announce("4/4 simulate")?;
    let bytes = int8_images(&quantized.file, 1, SAMPLES, |_, _| {})?;
    let samples = figures::sheet(&bytes, &run.checkpoint.shape, 8).png();
    write("samples.png", &samples)?;
    let (device, walk) = simulate(&quantized.file, &args.out)?;
    let summary = ExportSummary::new(SummaryInputs {
        run: &run,
        quantized: &quantized,
        evaluation: evaluation.as_ref(),
        bit_exact,
        minutes: start.elapsed().as_secs_f64() / 60.0,
        device: Device::DEFAULT,
        alarms: trained.alarms.len(),
    });
    let json = serde_json::to_value(&summary)?;
    write("summary.json", format!("{}\n", serde_json::to_string_pretty(&json)?).as_bytes())?;
    let page = page(&trained.folder, (&mut run, &data), &quantized, &json, [samples, device, walk]);
    write("report.html", page.as_bytes())?;
    let [page, model] = ["report.html", "generator.model"].map(|name| files::quoted(&args.out.join(name)));
    console::note(&format!("{:.1} minutes; the run is in {}", summary.minutes, trained.folder.path().display()));
    console::note(&format!("open {page}, or play: cargo xtask sim {model}"));
    if !bit_exact {
        return Err(Failure::failed("streamed rows differ from the whole-tensor computation: see summary.json"));
    }
    Ok(())
}

/// Returns the recipe of the faces, for other data if they are given.
fn recipe(data: Option<&str>) -> Result<Recipe, Failure> {
    let steps = || format!("train.steps={STEPS}");
    let Some(data) = data else { return Ok(Recipe::open("faces", &[steps()])?) };
    let mut recipe = Recipe::open(
        "faces",
        &[steps(), "name=demo".into(), "about=The demo on other images.".into(), "data.size=[16,16]".into()],
    )?;
    recipe.data.source = absolute_source(data);
    Ok(recipe)
}

/// Trains in a new run folder.
fn train<'d>(args: &Args, recipe: &Recipe, data: &'d TrainingData) -> Result<Run<'d>, Failure> {
    let mut trainer = Trainer::new(recipe.clone(), Arc::clone(&data.train), 1, recipe.train.steps, 0)?;
    if let Some(minutes) = args.minutes {
        let steps = training::steps_in(&mut trainer, minutes)?;
        trainer.set_steps(steps);
    }
    let folder = RunFolder::create(Path::new(RUNS), None, recipe)?;
    console::note(&console::on_stderr(TextStyle::Bold, "1/4 train"));
    training::announce(&folder);
    training::introduce(&trainer, &data.notes);
    fitting::report(recipe, data);
    let (run, outcome) = training::train(Run::new(trainer, folder)?, data, 0)?;
    if outcome == RunOutcome::Stopped {
        console::note(&format!("stopped; the unfinished run is in {}", run.folder.path().display()));
        return Err(stopped());
    }
    Ok(run)
}

/// Evaluates the run with its model; `None` if there are too few images.
fn evaluation(run: &mut PreparedRun, split: &ImageSplit, quantized: &Quantized) -> Option<Evaluation> {
    let amount = SampleAmount { samples: evaluate::IMAGES, sets: evaluate::SETS };
    let progress = eval::Progress::new();
    let found = evaluate_run(&mut run.trainer, split, Some(quantized), amount, &mut |p| progress.show(p));
    drop(progress);
    match &found {
        Ok(evaluation) => console::note(&tables::images(evaluation)),
        Err(e) => console::note(&format!("not evaluated: {e}")),
    }
    found.ok()
}

/// Announces the next part, unless Ctrl-C was pressed.
fn announce(part: &str) -> Result<(), Failure> {
    if training::interrupted() {
        return Err(stopped());
    }
    console::note(&console::on_stderr(TextStyle::Bold, part));
    Ok(())
}

fn stopped() -> Failure {
    console::note("the demo was stopped before it was complete");
    Failure::stopped()
}

/// Writes an image of the device and a tour of its app; returns the contents of both files.
fn simulate(model: &[u8], out: &Path) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let file = ModelFile::of(model);
    let device = || Device::named(Device::DEFAULT);
    let (png, gif) = (out.join("device.png"), out.join("walk.gif"));
    let mut simulator = Simulator::new(file.bytes(), device()?)?;
    simulator.finish();
    simulator.save_png(&png)?;
    host::save_gif(&gif, &mut Simulator::new(file.bytes(), device()?)?, &Script::tour())?;
    let read = |path: &Path| std::fs::read(path).map_err(|e| Failure::file(path, e));
    Ok((read(&png)?, read(&gif)?))
}

/// Returns the page of the run with the drawings of the int8 generator.
fn page(
    folder: &RunFolder,
    (run, data): (&mut PreparedRun, &TrainingData),
    quantized: &Quantized,
    json: &serde_json::Value,
    [samples, device, walk]: [Vec<u8>; 3],
) -> String {
    let figure = |caption: &str, file| Some(PageFigure { caption: caption.into(), file });
    let comparison = report::compare(run, Some(data));
    let page = report::page(folder, (run, Some(data)), comparison.as_ref(), Some(quantized));
    Page {
        title: "Images from a microcontroller".into(),
        lead: format!(
            "A GAN was trained on {}, and its generator was quantized to 8-bit integers. The generated images on this page were drawn row \
             by row by the runtime that devices run.",
            data.train.name()
        ),
        samples: figure("Samples of the int8 generator: seeds 1 to 64, not selected", samples),
        device: figure("The app on an emulated 240x240 display", device),
        walk: figure("A tour of the app: gallery, latent walk, knobs", walk),
        numbers: json.as_object().cloned().unwrap_or_default(),
        ..page
    }
    .html()
}
