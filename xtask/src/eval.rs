//! `eval`: how good a generator is, as a float network and in integers.

use crate::failure::Failure;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// Measure a trained generator: distances to held-out real data, and what 8-bit integers change.
///
/// The distances are Fréchet distances over the features of a fixed network; the floor is the distance between two halves of the
/// real data, which no generator can be expected to beat. A run folder is measured in float and in int8, a model file in int8 alone.
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
    /// Print JSON on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let Args { what: _, samples: _, json: _ } = args;
    Err(Failure::failed("eval: not built in this branch"))
}
