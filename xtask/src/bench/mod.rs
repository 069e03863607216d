//! `bench`: what the project costs, measured.

mod anchors;
pub(crate) mod cores;
mod data;
pub(crate) mod device;
pub(crate) mod emulator;
pub(crate) mod firmware;
pub(crate) mod gate;
mod host;
mod layers;
pub(crate) mod measure;
mod page;
mod peers;
mod report;
mod speed;

use crate::failure::Failure;
use clap::{Args as ClapArgs, Subcommand};

/// Measure what the project costs.
#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Data(data::Args),
    Device(device::Args),
    Host(host::Args),
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Data(args) => data::run(args),
        What::Device(args) => device::run(args),
        What::Host(args) => host::run(args),
    }
}
