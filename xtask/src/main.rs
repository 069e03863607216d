//! `cargo xtask`: one command for each thing that people do with the project.
#![forbid(unsafe_code)]

mod bench;
mod boards;
mod console;
mod data;
mod demo;
mod doctor;
mod emulate;
mod estimate;
mod eval;
mod export;
mod exporting;
mod failure;
mod flash;
mod inspect;
mod judge;
mod lab;
mod latent;
mod profile;
mod sim;
mod size;
mod table;
mod test;
mod toolchain;
mod train;
mod training;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::panic;
use std::process::ExitCode;

const EXAMPLES: &str = "\
The whole path, from pictures to an emulated device:
  cargo xtask demo --out out                             all of it in one command, about ten minutes
or step by step:
  cargo xtask train faces --minutes 5                    leaves a folder such as runs/00001-faces
  cargo xtask export runs/00001-faces --out faces.model  the generator in 8-bit integers
  cargo xtask inspect faces.model                        its layers, flash, RAM, and the devices it fits
  cargo xtask sim faces.model --device oled-128x64       its pictures on a simulated panel
  cargo xtask emulate faces.model --board lm3s6965evb    the board's own firmware in an emulated machine

`cargo xtask COMMAND --help` explains a command and shows examples.";

/// Train a GAN on your own machine, shrink its generator to integers, run it on a microcontroller.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", after_help = EXAMPLES, max_term_width = 110)]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Train(train::Args),
    Data(data::Args),
    Eval(eval::Args),
    Lab(lab::Args),
    Grid(latent::grid::Args),
    Interpolate(latent::interpolate::Args),
    Project(latent::project::Args),
    Edit(latent::edit::Args),
    Export(export::Args),
    Inspect(inspect::Args),
    Sim(sim::Args),
    Emulate(emulate::Args),
    Flash(flash::Args),
    Bench(bench::Args),
    Size(size::Args),
    Test(test::Args),
    Doctor(doctor::Args),
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Train(args) => train::run(args),
        Command::Data(args) => data::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Grid(args) => latent::grid::run(args),
        Command::Interpolate(args) => latent::interpolate::run(args),
        Command::Project(args) => latent::project::run(args),
        Command::Edit(args) => latent::edit::run(args),
        Command::Export(args) => export::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Emulate(args) => emulate::run(args),
        Command::Flash(args) => flash::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Size(args) => size::run(args),
        Command::Test(args) => test::run(args),
        Command::Doctor(args) => doctor::run(args),
    }
}

fn main() -> ExitCode {
    let command = Xtask::parse().command;
    panic::set_hook(Box::new(|defect| {
        console::complain(&format!("a defect of ganlet, not of your input: {defect}\nPlease report this line."));
    }));
    match panic::catch_unwind(|| run(command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if !failure.message.is_empty() {
                console::complain(&failure.message);
            }
            ExitCode::from(failure.code)
        }
        Err(_) => ExitCode::from(failure::FAILED),
    }
}
