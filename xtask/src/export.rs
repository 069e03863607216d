//! `export`: quantizes the generator of a run and writes it as a model file for microcontrollers.

use crate::console::{self, TextStyle};
use crate::eval::{self, tables};
use crate::failure::Failure;
use crate::opening;
use clap::{Args as ClapArgs, ValueEnum};
use ganlet_runtime::Model;
use ganlet_trainer::evaluate::{Evaluation, SampleAmount, evaluate_run};
use ganlet_trainer::export::{PreparedRun, QualityWarning};
use ganlet_trainer::files;
use ganlet_trainer::latent::ClassNames;
use ganlet_trainer::quantize::{LayoutChoice, QuantizationReport};
use ganlet_trainer::run::CheckpointChoice;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Quantize the generator of a run to int8 and write it as a .model file
///
/// Batch norm is folded into the layers before it, and the ranges of activations are calibrated over many latents. The report lists bytes,
/// multiply-accumulates and RAM of each layer. The runtime that ships on devices then draws 1,000 latents: PSNR and Fréchet distance show
/// how much quantization changed the images.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask export runs/00001-faces                    writes generator.model into the run folder
  cargo xtask export runs/00001-faces --out faces.model
  cargo xtask export runs/00001-faces --with-discriminator
  cargo xtask export runs/00001-faces --with-discriminator --fit-steps 1000
  cargo xtask export runs/00001-faces --layout auto --flash-budget 200000")]
pub(crate) struct Args {
    /// The run folder; its checkpoint with the best measurement is exported
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Bits per weight
    #[arg(long, value_enum, default_value = "8")]
    pub(crate) bits: WeightBits,
    /// Layout of the weights in flash
    #[arg(long, value_enum, default_value = "compact")]
    pub(crate) layout: WeightLayoutArg,
    /// Largest size of the file in bytes, for --layout auto
    #[arg(long, value_name = "BYTES", required_if_eq("layout", "auto"))]
    pub(crate) flash_budget: Option<u64>,
    /// Factor on the latents, 0 to 1: below 1, images are more typical and less diverse [default: `export.truncation` of the recipe]
    #[arg(long, value_name = "T")]
    pub(crate) truncation: Option<f32>,
    /// Export the discriminator too: the app on the device then shows D(G(z)) next to the knobs, and a slideshow of the best of four images
    #[arg(long)]
    pub(crate) with_discriminator: bool,
    /// Steps that fit the discriminator to the int8 images of the finished generator first, so that it finds the best ones, such as 1000
    /// [default: 0, none]
    #[arg(long, value_name = "N", requires = "with_discriminator")]
    pub(crate) fit_steps: Option<u64>,
    /// The data to compare with, if those of the run are no longer where they were
    #[arg(long, value_name = "D")]
    pub(crate) data: Option<String>,
    /// The file to write [default: generator.model in the run folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Values of `--bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightBits {
    /// 8 bits for all weights
    #[value(name = "8")]
    Eight,
    // Reserved for a later version; this one rejects them, so help does not list them.
    /// 4 bits where that costs little quality, else 8
    #[value(hide = true)]
    Mixed,
    /// 4 bits for all weights
    #[value(name = "4", hide = true)]
    Four,
}

/// Values of `--layout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightLayoutArg {
    /// One byte per weight
    Compact,
    /// Weights expanded to words: fewer instructions, twice the flash
    Fast,
    /// Fast for as many layers as the flash budget allows, small layers first
    Auto,
}

/// Images for the Fréchet distance of each network.
const IMAGES: usize = 1000;

/// Whether the file at `path` begins like a model file.
fn is_model(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(Model::MAGIC.len() as u64).read_to_end(&mut head));
    read.is_ok() && head == Model::MAGIC
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.bits != WeightBits::Eight {
        return Err(Failure::unusable("--bits: this version exports 8-bit weights only; omit the option"));
    }
    let folder = opening::folder(&args.run)?;
    let out = args.out.unwrap_or_else(|| folder.path().join("generator.model"));
    files::check_output(&out, is_model, None).map_err(Failure::unusable)?;
    let layouts = match (args.layout, args.flash_budget) {
        (WeightLayoutArg::Auto, Some(flash_bytes)) => LayoutChoice::Auto { flash_bytes },
        (WeightLayoutArg::Auto, None) | (_, Some(_)) => {
            return Err(Failure::unusable("--flash-budget and --layout auto belong together: give both or neither"));
        }
        (WeightLayoutArg::Compact, None) => LayoutChoice::Compact,
        (WeightLayoutArg::Fast, None) => LayoutChoice::Fast,
    };
    let mut run = opening::run_truncated(&args.run, CheckpointChoice::Best, args.truncation)?;
    let data = opening::data(&run, args.data.as_deref());
    if let (Err(e), true) = (&data, args.data.is_some()) {
        return Err(Failure::unusable(e));
    }
    let split = data.as_ref().ok().and_then(|data| data.images.as_ref());
    if let Some(steps) = args.fit_steps.and_then(NonZeroU64::new) {
        let Some(split) = split else {
            return Err(Failure::unusable("--fit-steps needs the training images of the run: name them with --data"));
        };
        console::note(&format!("fitting the discriminator to the generator's int8 images for {steps} steps"));
        let fit = run.fit_discriminator(&split.train, steps, &mut |_| {}).map_err(Failure::unusable)?;
        console::note(&format!("scores are {fit}"));
    }
    console::note("calibrating, quantizing and comparing with the float network over 1,000 latents");
    let quantized = if args.with_discriminator {
        let found =
            run.quantize_with_discriminator(layouts, split.map(|split| &split.held_out)).map_err(Failure::unusable)?;
        console::note(&found.scores.to_string());
        found.quantized
    } else {
        run.quantize(layouts).map_err(Failure::unusable)?
    };
    files::write(&out, &quantized.file)?;
    let names = if run.checkpoint.recipe.class_inputs() > 0 { ClassNames::of_run(&run) } else { ClassNames::default() };
    let named = names.write_beside(&out).map_err(|e| Failure::file(&ClassNames::path(&out), e))?;
    console::print(&format!("{}\n", quantized.report))?;
    let mut evaluation = None;
    if let Err(e) = &data {
        console::note(&format!("not compared with real images: {e}"));
    }
    if let Some(split) = split {
        let amount = SampleAmount { samples: IMAGES, sets: 1 };
        let progress = eval::Progress::new();
        match evaluate_run(&mut run.trainer, split, Some(&quantized), amount, &mut |p| progress.show(p)) {
            Ok(found) => console::print(&tables::images(evaluation.insert(found)))?,
            Err(e) => console::note(&format!("not evaluated: {e}")),
        }
    }
    warn(folder.path(), &run, &quantized.report, evaluation.as_ref());
    console::note(&format!("wrote {}", out.display()));
    if let Some(path) = named {
        console::note(&format!("wrote {}, the names of the classes", path.display()));
    }
    console::note(&format!("next: cargo xtask sim {0}   or: cargo xtask inspect {0}", files::quoted(&out)));
    Ok(())
}

/// Prints the warnings about the quality of an exported run, and what helps.
pub(crate) fn warn(folder: &Path, run: &PreparedRun, report: &QuantizationReport, evaluation: Option<&Evaluation>) {
    let rate = run.checkpoint.recipe.optimizer.learning_rate / 5.0;
    for warning in QualityWarning::all(report, evaluation) {
        console::note(&format!("{} {warning}", console::on_stderr(TextStyle::Bold, "warning:")));
        let recipe = files::quoted(&folder.join("recipe.toml"));
        console::note(&match warning {
            QualityWarning::DistanceChanged { .. } => {
                format!("  measure it with confidence intervals: cargo xtask eval {}", files::quoted(folder))
            }
            QualityWarning::Constant { .. } => format!(
                "  training has failed; a lower learning rate often helps: cargo xtask train {recipe} --set \
                 optimizer.learning_rate={rate:.1e}"
            ),
            _ => format!(
                "  a lower learning rate makes large weights rarer: cargo xtask train {recipe} --set \
                 optimizer.learning_rate={rate:.1e}"
            ),
        });
    }
}
