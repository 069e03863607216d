//! `export`: the generator of a run as one file of integers for a microcontroller.

use crate::console;
use crate::eval::{pictures, words};
use crate::exporting::Chosen;
use crate::failure::Failure;
use clap::{Args as ClapArgs, ValueEnum};
use ganlet_runtime::Model;
use ganlet_trainer::files;
use ganlet_trainer::quantize::LayoutChoice;
use std::path::PathBuf;

/// Shrink the generator of a run to 8-bit integers and write it as one .model file.
///
/// Batch norms are folded, scales are calibrated over many latents, and the very code that ships on the device judges the result:
/// layer by layer bytes, multiply-accumulates and RAM, then PSNR and distance against the float network over 1,000 latents.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask export runs/00001-faces                    writes generator.model into the run folder
  cargo xtask export runs/00001-faces --out faces.model
  cargo xtask export runs/00001-faces --with-discriminator
  cargo xtask export runs/00001-faces --layout auto --flash-budget 200000")]
pub(crate) struct Args {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Bits of a weight
    #[arg(long, value_enum, default_value = "8")]
    pub(crate) bits: Bits,
    /// How weights lie in flash
    #[arg(long, value_enum, default_value = "compact")]
    pub(crate) layout: Layout,
    /// Most bytes of the file, for `--layout auto`
    #[arg(long, value_name = "BYTES", required_if_eq("layout", "auto"))]
    pub(crate) flash_budget: Option<u64>,
    /// Put the discriminator behind the picture: the app then tells D(G(z)) beside the knobs
    #[arg(long)]
    pub(crate) with_discriminator: bool,
    /// The file to write [default: generator.model in the run folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Bits of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bits {
    /// 8 bits everywhere
    #[value(name = "8")]
    Eight,
    // Named by the command line's design; this version refuses them, so help does not offer them.
    /// 4 bits where that costs little, else 8
    #[value(hide = true)]
    Mixed,
    /// 4 bits everywhere
    #[value(name = "4", hide = true)]
    Four,
}

/// How weights lie in flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// One byte a weight
    Compact,
    /// Ready words at twice the flash, for fewer instructions
    Fast,
    /// As many layers fast, small ones first, as the flash budget allows
    Auto,
}

/// Pictures of each kind that the distance is measured on.
const PICTURES: usize = 1000;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.bits != Bits::Eight {
        return Err(Failure::unusable("--bits: this version exports 8-bit weights alone; leave the option away"));
    }
    let out = args.out.unwrap_or_else(|| args.run.join("generator.model"));
    if std::fs::read(&out).is_ok_and(|old| !old.starts_with(&Model::MAGIC)) {
        return Err(Failure::unusable(format!(
            "{}: is no model file and will not be replaced: choose another --out",
            out.display()
        )));
    }
    let layouts = match (args.layout, args.flash_budget) {
        (Layout::Auto, Some(flash_bytes)) => LayoutChoice::Auto { flash_bytes },
        (Layout::Auto, None) | (_, Some(_)) => {
            return Err(Failure::unusable("--flash-budget: give it with --layout auto, and only there"));
        }
        (Layout::Compact, None) => LayoutChoice::Compact,
        (Layout::Fast, None) => LayoutChoice::Fast,
    };
    let mut chosen = Chosen::open(&args.run)?;
    let quantized =
        if args.with_discriminator { chosen.quantize_judged(layouts)? } else { chosen.quantize(layouts)? };
    files::write(&out, &quantized.file)?;
    console::print(&format!("{}\n", quantized.report))?;
    match pictures::run(&mut chosen, pictures::Amount { pictures: PICTURES, sets: 1 }, Some(&quantized)) {
        Ok(evaluation) => console::print(&words::pictures(&evaluation))?,
        Err(e) => console::note(&format!("not measured: {}", e.message)),
    }
    console::note(&format!("wrote {}", out.display()));
    console::note(&format!("next: cargo xtask sim {0}   or: cargo xtask inspect {0}", out.display()));
    Ok(())
}
