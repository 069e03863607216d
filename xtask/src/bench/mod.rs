//! `bench`: measures training on this machine and images on emulated cores.

mod benchmarks_page;
mod cmsis_nn;
mod cycles;
mod data;
pub(crate) mod device;
mod examples;
mod host;
mod layers;
mod learn;
pub(crate) mod measure;
mod peers;
pub(crate) mod record;
mod report;
mod speed_page;
mod step_timing;
mod workload;

use crate::failure::Failure;
use clap::{Args as ClapArgs, Subcommand};

/// Measure speed and memory of training, data sets and devices
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench host                    training steps on this machine
  cargo xtask bench device --core m0        an image on an emulated Cortex-M0
  cargo xtask bench data                    reading images while training
  cargo xtask bench learn lenet5            published examples, trained to their end")]
pub(crate) struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    Data(data::Args),
    Device(device::Args),
    Host(host::Args),
    Learn(learn::Args),
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.benchmark {
        Benchmark::Data(args) => data::run(args),
        Benchmark::Device(args) => device::run(args),
        Benchmark::Host(args) => host::run(args),
        Benchmark::Learn(args) => learn::run(args),
    }
}
