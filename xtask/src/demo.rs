//! `demo`: the main job from pictures to an emulated device, in one command.

use crate::console::{self, Tint};
use crate::eval;
use crate::eval::pictures::{Amount, SETS};
use crate::exporting::{self, Chosen};
use crate::failure::Failure;
use crate::training::{self, RUNS};
use clap::Args as ClapArgs;
use ganlet_sim::host::{self, Device, ModelFile, Script, Simulator};
use ganlet_trainer::evaluate;
use ganlet_trainer::files;
use ganlet_trainer::quantize::LayoutChoice;
use ganlet_trainer::quantize::Quantized;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::report::{Page, PageFigure, PageTable};
use ganlet_trainer::run::{self, Run, RunFolder, RunOutcome, figures};
use ganlet_trainer::train::Trainer;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Train, export, check, simulate and report on the faces that come with the project.
///
/// Nothing is downloaded. The folder then holds generator.model (the int8 generator), samples.png, device.png (an emulated panel),
/// walk.gif, report.html (open it in a browser) and summary.json.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask demo                          about ten minutes on two cores, build included
  cargo xtask demo --minutes 1 --out quick  a first look; the faces are still blurred")]
pub(crate) struct Args {
    /// Minutes of training [default: what the recipe says]
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Folder for the results; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// Pictures of each kind that the distances are measured on.
const PICTURES: usize = 2000;
/// Pictures of samples.png.
const SAMPLES: usize = 64;

/// What `summary.json` holds.
#[derive(Serialize)]
struct Summary {
    minutes: f64,
    frechet_float: f64,
    frechet_int8: f64,
    frechet_floor: f64,
    frechet_int8_low: Option<f64>,
    frechet_int8_high: Option<f64>,
    psnr_mean_db: f64,
    psnr_min_db: f64,
    model_bytes: usize,
    ram_bytes: usize,
    bit_exact: bool,
    steps: u64,
    parameters: usize,
    macs: u64,
    device: &'static str,
    recall: f64,
    precision: f64,
    memorization: Option<f64>,
    different_at_least: Option<f64>,
    alarms: usize,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let start = Instant::now();
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file(&args.out, e))?;
    let recipe = Recipe::open("faces", &[])?;
    let loaded = run::load_data(&recipe)?;
    let mut trainer = Trainer::new(recipe.clone(), loaded.train.clone(), 1, recipe.train.steps, 0)?;
    if let Some(minutes) = args.minutes {
        let steps = training::steps_in(&mut trainer, minutes)?;
        trainer.set_steps(steps);
    }
    let folder = RunFolder::create(Path::new(RUNS), None, &recipe)?;
    console::note(&console::on_stderr(Tint::Bold, "1/4 train"));
    training::introduce(&trainer, &loaded.notes);
    let (run, end) = training::go(trainer, folder, &loaded)?;
    if end == RunOutcome::Stopped {
        console::note(&format!("stopped; what was trained is in {}", run.folder.path().display()));
        return Err(Failure::failed("the demo was stopped before it was complete"));
    }
    phase("2/4 export")?;
    let mut chosen = Chosen::open(run.folder.path())?;
    let quantized = chosen.quantize(LayoutChoice::Compact)?;
    let write = |name: &str, bytes: &[u8]| files::write(args.out.join(name), bytes);
    write("generator.model", &quantized.file)?;
    console::note(&format!("{}", quantized.report));
    phase("3/4 check")?;
    let bit_exact = exporting::bit_exact(&quantized)?;
    let amount = Amount { pictures: PICTURES, sets: SETS };
    let evaluation = eval::pictures::run(&mut chosen, amount, Some(&quantized))?;
    console::note(&eval::words::pictures(&evaluation));
    phase("4/4 simulate")?;
    let bytes = evaluate::int8_pictures(&quantized.file, 1, SAMPLES, |_, _| {})?;
    let samples = figures::picture_grid(&bytes, &chosen.checkpoint.shape, 8).png();
    write("samples.png", &samples)?;
    let (device, walk) = simulate(&quantized.file, &args.out)?;
    let sure = evaluation.intervals.get("int8").and_then(|k| k.get("frechet"));
    let (float, int8) = (evaluation.float.as_ref(), evaluation.int8.as_ref());
    let survey = int8.and_then(|q| q.survey.as_ref());
    let summary = Summary {
        minutes: start.elapsed().as_secs_f64() / 60.0,
        frechet_float: float.map_or(f64::NAN, |q| q.frechet),
        frechet_int8: int8.map_or(f64::NAN, |q| q.frechet),
        frechet_floor: evaluation.floor,
        frechet_int8_low: sure.map(|i| i.low),
        frechet_int8_high: sure.map(|i| i.high),
        psnr_mean_db: quantized.report.psnr.mean_db,
        psnr_min_db: quantized.report.psnr.min_db,
        model_bytes: quantized.report.flash_bytes,
        ram_bytes: quantized.report.arena_bytes,
        bit_exact,
        steps: chosen.checkpoint.step,
        parameters: chosen.trainer.generator().len(),
        macs: quantized.report.macs,
        device: Device::DEFAULT,
        recall: int8.map_or(f64::NAN, |q| q.recall),
        precision: int8.map_or(f64::NAN, |q| q.precision),
        memorization: survey.and_then(|s| s.memorization),
        different_at_least: survey.map(|s| s.support.at_least),
        alarms: run.alarms.len(),
    };
    let json = serde_json::to_value(&summary)?;
    write("summary.json", format!("{}\n", serde_json::to_string_pretty(&json)?).as_bytes())?;
    let page = page(&quantized, &run, json, [samples, device, walk]);
    write("report.html", page.as_bytes())?;
    let out = args.out.display();
    console::note(&format!("{:.1} minutes; the run is in {}", summary.minutes, run.folder.path().display()));
    console::note(&format!("open {out}/report.html, or play: cargo xtask sim {out}/generator.model"));
    if !bit_exact {
        return Err(Failure::failed("streamed rows differ from the whole-tensor computation: see summary.json"));
    }
    Ok(())
}

/// Announces the next part, unless Ctrl-C was pressed.
fn phase(name: &str) -> Result<(), Failure> {
    if training::interrupted() {
        return Err(Failure::failed("the demo was stopped before it was complete"));
    }
    console::note(&console::on_stderr(Tint::Bold, name));
    Ok(())
}

/// Writes the device's picture and the tour of its app; gives both files.
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

fn page(
    quantized: &Quantized,
    run: &Run<'_>,
    json: serde_json::Value,
    [samples, device, walk]: [Vec<u8>; 3],
) -> String {
    let figure = |caption: &str, file| Some(PageFigure { caption: caption.into(), file });
    let layers = quantized.report.layers.iter().map(|l| {
        let (h, w, c) = l.shape;
        let cells = [l.weight_bytes.to_string(), l.macs.to_string(), l.ring_bytes.to_string()];
        [vec![l.kind.to_owned(), format!("{h}x{w}x{c}")], cells.to_vec()].concat()
    });
    let header = ["layer", "output", "weights, bytes", "multiply-accumulates", "RAM, bytes"];
    Page {
        title: "Faces from a microcontroller".into(),
        lead: "A GAN was trained on pixel-art faces, its generator shrunk to 8-bit integers, and every picture on this page \
               was drawn by the runtime that a device runs, row by row."
            .into(),
        samples: figure("Samples of the integer generator: seeds 1 to 64, not chosen", samples),
        device: figure("The app on an emulated 240x240 panel", device),
        walk: figure("A tour of the app: gallery, latent walk, knobs", walk),
        alarms: Some(run.alarms.iter().map(ToString::to_string).collect()),
        networks: Some(figures::networks_svg(&run.trainer, &run.folder.log_entries())),
        losses: Some(figures::loss_plot(&run.trainer.recipe().name, &run.folder.log_entries())),
        numbers: json.as_object().cloned().unwrap_or_default(),
        layers: PageTable { header: header.map(str::to_owned).to_vec(), rows: layers.collect() },
    }
    .html()
}
