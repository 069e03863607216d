//! `data`: what to train on.

use crate::console;
use crate::failure::Failure;
use clap::{Args as ClapArgs, Subcommand};
use ganlet_trainer::data::{Options, pack};
use std::path::PathBuf;

/// Prepare data sets.
#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Pack(Pack),
}

/// Decode pictures once into a file that training streams from the disk, for sets larger than memory.
///
/// Grey pictures of a folder become three equal channels. One picture in five, 2,000 at most, is held out for measuring.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data pack photos/ --size 64x64 --out photos.pack
  cargo xtask train portraits-64 --data photos.pack")]
struct Pack {
    /// A folder of pictures, or an IDX or NPZ file
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Width and height that pictures are brought to [default: near the most common size, 64 at most]
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let What::Pack(args) = args.what;
    let size = args.size.as_deref().map(sides).transpose()?;
    let notes = pack(&args.source, &Options { size, ..Options::default() }, &args.out)
        .map_err(|e| Failure::unusable(e.to_string()))?;
    notes.iter().for_each(|n| console::note(n));
    console::note(&format!("train on it: cargo xtask train portraits-64 --data {}", args.out.display()));
    Ok(())
}

/// Width and height from "64x64".
fn sides(text: &str) -> Result<(usize, usize), Failure> {
    let side = |s: &str| s.parse().ok().filter(|n| (1..=4096).contains(n));
    let parsed = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
    parsed
        .ok_or_else(|| Failure::unusable(format!("--size {text}: expected width and height of 1 to 4096, as in 64x64")))
}
