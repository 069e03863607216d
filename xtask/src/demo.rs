//! `demo`: trains, exports, checks, simulates and reports in one command.

use crate::console::{self, TextStyle};
use crate::eval::{self, tables};
use crate::export;
use crate::failure::Failure;
use crate::opening;
use crate::training::{self, RUNS};
use clap::Args as ClapArgs;
use ganlet_sim::host::{self, Device, ModelFile, Script, Simulator};
use ganlet_trainer::evaluate::{self, SampleAmount, evaluate_run, int8_images};
use ganlet_trainer::export::{ExportSummary, PreparedRun, SummaryInputs, bit_exact};
use ganlet_trainer::files;
use ganlet_trainer::quantize::{LayoutChoice, Quantized};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::report::{Page, PageFigure, PageTable};
use ganlet_trainer::run::{CheckpointChoice, Run, RunFolder, RunOutcome, TrainingData, figures, load_data};
use ganlet_trainer::train::Trainer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Train, quantize, check and simulate a generator of faces, and write a report
///
/// The faces are part of the project; nothing is downloaded. The output folder will contain generator.model (the int8 generator),
/// samples.png, device.png (an emulated display), walk.gif, report.html (open it in a browser) and summary.json.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask demo                          about ten minutes on two cores, including the build
  cargo xtask demo --minutes 1 --out quick  a first look; the faces are still blurred")]
pub(crate) struct Args {
    /// Minutes of training [default: the number of steps in the recipe]
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Folder for the results; created if it does not exist
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
}

/// Images in samples.png.
const SAMPLES: usize = 64;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let start = Instant::now();
    console::own_folder(&args.out, Some("generator.model"))?;
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file(&args.out, e))?;
    let data = load_data(&Recipe::open("faces", &[])?)?;
    let trained = train(&args, &data)?;
    announce("2/4 export")?;
    let mut run = PreparedRun::open(&trained.folder, CheckpointChoice::Best)?;
    opening::report_choice(&trained.folder, &run);
    let quantized = run.quantize(LayoutChoice::Compact)?;
    let write = |name: &str, bytes: &[u8]| files::write(args.out.join(name), bytes);
    write("generator.model", &quantized.file)?;
    console::note(&quantized.report.to_string());
    announce("3/4 check")?;
    let bit_exact = bit_exact(&quantized)?;
    let Some(split) = &data.images else { return Err(Failure::failed("the data set of faces has no images")) };
    let amount = SampleAmount { samples: evaluate::IMAGES, sets: evaluate::SETS };
    let progress = eval::Progress::new();
    let evaluation = evaluate_run(&mut run.trainer, split, Some(&quantized), amount, &mut |p| progress.show(p))?;
    drop(progress);
    console::note(&tables::images(&evaluation));
    export::warn(trained.folder.path(), &run, &quantized.report, Some(&evaluation));
    announce("4/4 simulate")?;
    let bytes = int8_images(&quantized.file, 1, SAMPLES, |_, _| {})?;
    let samples = figures::sheet(&bytes, &run.checkpoint.shape, 8).png();
    write("samples.png", &samples)?;
    let (device, walk) = simulate(&quantized.file, &args.out)?;
    let summary = ExportSummary::new(SummaryInputs {
        run: &run,
        quantized: &quantized,
        evaluation: &evaluation,
        bit_exact,
        minutes: start.elapsed().as_secs_f64() / 60.0,
        device: Device::DEFAULT,
        alarms: trained.alarms.len(),
    });
    let json = serde_json::to_value(&summary)?;
    write("summary.json", format!("{}\n", serde_json::to_string_pretty(&json)?).as_bytes())?;
    write("report.html", page(&quantized, &trained, json, [samples, device, walk]).as_bytes())?;
    let out = args.out.display();
    console::note(&format!("{:.1} minutes; the run is in {}", summary.minutes, trained.folder.path().display()));
    console::note(&format!("open {out}/report.html, or play: cargo xtask sim {out}/generator.model"));
    if !bit_exact {
        return Err(Failure::failed("streamed rows differ from the whole-tensor computation: see summary.json"));
    }
    Ok(())
}

/// Trains the faces in a new run folder.
fn train<'d>(args: &Args, data: &'d TrainingData) -> Result<Run<'d>, Failure> {
    let recipe = Recipe::open("faces", &[])?;
    let mut trainer = Trainer::new(recipe.clone(), Arc::clone(&data.train), 1, recipe.train.steps, 0)?;
    if let Some(minutes) = args.minutes {
        let steps = training::steps_in(&mut trainer, minutes)?;
        trainer.set_steps(steps);
    }
    let folder = RunFolder::create(Path::new(RUNS), None, &recipe)?;
    console::note(&console::on_stderr(TextStyle::Bold, "1/4 train"));
    training::introduce(&trainer, &data.notes);
    let (run, outcome) = training::train(Run::new(trainer, folder)?, data)?;
    if outcome == RunOutcome::Stopped {
        console::note(&format!("stopped; the unfinished run is in {}", run.folder.path().display()));
        return Err(stopped());
    }
    Ok(run)
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
    let entries = run.folder.log_entries();
    Page {
        title: "Faces from a microcontroller".into(),
        lead: "A GAN was trained on pixel-art faces, and its generator was quantized to 8-bit integers. Every image on this page was \
               drawn row by row by the runtime that devices run."
            .into(),
        samples: figure("Samples of the int8 generator: seeds 1 to 64, not selected", samples),
        device: figure("The app on an emulated 240x240 display", device),
        walk: figure("A tour of the app: gallery, latent walk, knobs", walk),
        alarms: Some(run.alarms.iter().map(ToString::to_string).collect()),
        networks: Some(figures::networks_svg(&run.trainer, &entries)),
        losses: Some(figures::loss_plot(&run.trainer.recipe().name, &entries)),
        numbers: json.as_object().cloned().unwrap_or_default(),
        layers: PageTable { header: header.map(str::to_owned).to_vec(), rows: layers.collect() },
    }
    .html()
}
