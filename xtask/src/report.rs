//! `report`: writes the page of a run, with samples, real images, curves, devices and layers.

use crate::console;
use crate::failure::Failure;
use crate::opening;
use crate::table::grouped;
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use ganlet_sim::host::{Device, ModelFile, ModelFit, ModelWork};
use ganlet_trainer::evaluate::Comparison;
use ganlet_trainer::export::PreparedRun;
use ganlet_trainer::files;
use ganlet_trainer::quantize::{LayoutChoice, Quantized};
use ganlet_trainer::report::{Page, PageTable};
use ganlet_trainer::run::{CheckpointChoice, ChoiceReason, RunFolder, TrainingData, restore_trainer};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Write the page of a run: samples beside real images, curves, devices and layers
///
/// `train` writes it at the end of a run, and this command anew. The page contains its images, so that it can be moved and opened in any
/// browser, on a phone as well.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask report                                        the newest run
  cargo xtask report runs/00001-faces --checkpoint last
  cargo xtask report runs/00001-faces --out faces.html")]
pub(crate) struct Args {
    /// A run folder, or "latest" for the newest run
    #[arg(value_name = "RUN", default_value = "latest")]
    run: PathBuf,
    /// The checkpoint: best, last, or a step
    #[arg(long, value_name = "best|last|STEP", default_value = "best")]
    checkpoint: CheckpointChoice,
    /// The images of the run, if they have moved
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// The file to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The file of a run folder that holds its page.
const FILE: &str = "report.html";

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let folder = opening::folder(&args.run)?;
    if let Some(out) = &args.out {
        files::check_output(out, Page::recognize, None).map_err(Failure::unusable)?;
    }
    let out = args.out.unwrap_or_else(|| folder.path().join(FILE));
    console::writable(&out)?;
    let mut run = opening::run(&args.run, args.checkpoint)?;
    let data = match (opening::data(&run, args.data.as_deref()), &args.data) {
        (Ok(data), _) => Some(data),
        (Err(e), Some(_)) => return Err(Failure::unusable(e)),
        (Err(e), None) => {
            console::note(&format!(
                "without real images, because the data cannot be read; --data names their new place: {e}"
            ));
            None
        }
    };
    let comparison = compare(&mut run, data.as_ref());
    let quantized = quantize(&run);
    let page = page(&folder, (&mut run, data.as_ref()), comparison.as_ref(), quantized.as_ref());
    files::write(&out, page.html())?;
    console::note(&format!("wrote {}: open it in a browser", out.display()));
    Ok(())
}

/// What was found while the page of a run was written.
pub(crate) struct Report {
    /// The comparison of its samples with real images.
    pub(crate) comparison: Option<Comparison>,
    /// Whether the generator can be exported.
    pub(crate) exportable: bool,
    /// Step of the checkpoint that the page shows and `export` takes.
    pub(crate) step: u64,
    /// Why that one is taken.
    pub(crate) reason: ChoiceReason,
}

/// Writes the page of a run into its folder.
pub(crate) fn write(folder: &RunFolder, data: &TrainingData) -> Result<Report, Failure> {
    let mut run = PreparedRun::open(folder, CheckpointChoice::Best)?;
    let comparison = compare(&mut run, Some(data));
    let quantized = quantize(&run);
    let page = page(folder, (&mut run, Some(data)), comparison.as_ref(), quantized.as_ref());
    folder.write(FILE, page.html())?;
    Ok(Report { comparison, exportable: quantized.is_some(), step: run.checkpoint.step, reason: run.reason })
}

/// Compares the samples of a run with its images; `None` for points, or if there are too few images.
pub(crate) fn compare(run: &mut PreparedRun, data: Option<&TrainingData>) -> Option<Comparison> {
    Comparison::of(&mut run.trainer, data?.images.as_ref()?).ok()
}

/// Quantizes a run; `None` if it cannot be exported.
fn quantize(run: &PreparedRun) -> Option<Quantized> {
    run.quantize(LayoutChoice::Compact).ok()
}

/// Returns the page of a run with the devices and layers of its model.
pub(crate) fn page(
    folder: &RunFolder,
    (run, data): (&mut PreparedRun, Option<&TrainingData>),
    comparison: Option<&Comparison>,
    quantized: Option<&Quantized>,
) -> Page {
    // Figures of points show real points beside the generated ones.
    let with_points = data.filter(|data| data.mixture.is_some());
    let mut trainer = with_points.and_then(|data| restore_trainer(&run.checkpoint, data, run.checkpoint.steps, 0).ok());
    let mut page = Page::of_run(folder, trainer.as_mut().unwrap_or(&mut run.trainer), data, comparison);
    let Some(quantized) = quantized else { return page };
    page.layers = layers(quantized);
    page.numbers = numbers(quantized, run.checkpoint.step);
    let file = ModelFile::of(&quantized.file);
    if let Ok(model) = Model::from_bytes(file.bytes()) {
        page.devices = devices(&model);
    }
    page
}

fn numbers(quantized: &Quantized, steps: u64) -> Map<String, Value> {
    let report = &quantized.report;
    let numbers = json!({
        "steps": steps,
        "psnr_mean_db": report.psnr.mean_db,
        "psnr_min_db": report.psnr.min_db,
        "model_bytes": report.flash_bytes,
        "ram_bytes": report.arena_bytes,
        "macs": report.macs,
    });
    numbers.as_object().cloned().unwrap_or_default()
}

fn layers(quantized: &Quantized) -> PageTable {
    let header = ["layer", "output", "weights, bytes", "multiply-accumulates", "RAM, bytes"];
    let rows = quantized.report.layers.iter().map(|l| {
        let (h, w, c) = l.shape;
        let cells = [u64::from(l.weight_bytes), l.macs, l.ring_bytes.into()].map(grouped);
        [vec![l.kind.to_owned(), format!("{w}x{h}x{c}")], cells.to_vec()].concat()
    });
    PageTable { header: header.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// Returns a table of all devices: memory that the model needs, time of an image, and whether it fits.
fn devices(model: &Model<'_>) -> PageTable {
    let header = [
        "device",
        "chip",
        "flash, bytes",
        "free",
        "RAM, bytes",
        "free",
        "instructions of an image, estimated",
        "verdict",
    ];
    let row = |device: &Device| {
        let fit: ModelFit = device.fit_of(model);
        let chip = device.chip;
        let numbers = [fit.flash, chip.flash - chip.firmware_flash, fit.ram, chip.ram - chip.firmware_ram];
        let work = ModelWork::estimate(model, chip.core);
        let instructions = work.map_or_else(String::new, |work| grouped(work.image.instructions));
        let verdict = if fit.fits() { "fits" } else { "too large" };
        let [flash, flash_of, ram, ram_of] = numbers.map(|n| grouped(n as u64));
        vec![device.name.into(), chip.name.into(), flash, flash_of, ram, ram_of, instructions, verdict.into()]
    };
    PageTable { header: header.map(str::to_owned).to_vec(), rows: Device::all().iter().map(row).collect() }
}
