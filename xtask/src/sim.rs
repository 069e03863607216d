//! `sim`: shows a model on an emulated device: in a window, in the terminal, or in a file.

use crate::console;
use crate::failure::Failure;
use crate::image_file::{AnimationFile, ImageFile};
use crate::model_file::{self, WorkLimit};
use crate::opening;
use crate::seeds::latent_seed;
use clap::{ArgGroup, Args as ClapArgs};
use ganlet_sim::SavedLatents;
use ganlet_sim::host::{self, Device, ModelWork, Script, SimError, Simulator, TerminalGraphics};
use ganlet_trainer::files;
use std::convert::Infallible;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// Show a model on an emulated device, with the app that boards run: gallery, latent walk, knobs
///
/// Arrow keys are the device's buttons, Enter is select, Esc quits. Without an output option, the command opens a window if there is a
/// display, and otherwise draws in the terminal. A model that does not fit the device is rejected with the number of missing bytes.
#[derive(ClapArgs)]
#[command(group(ArgGroup::new("output").args(["png", "gif", "terminal", "window"])), after_help = "Examples:
  cargo xtask sim                                 the newest run; if there is none, faces that come with the project
  cargo xtask sim runs/00001-faces --png face.png
  cargo xtask sim out/generator.model
  cargo xtask sim out/generator.model --device oled-128x64 --terminal
  cargo xtask sim out/generator.model --seed 7 --press right,select,wait:20 --png walk.png
  cargo xtask sim out/generator.model --device badge-160x80 --gif tour.gif
  cargo xtask sim --list-devices")]
pub(crate) struct Args {
    /// A .model file or a run folder [default: the newest run, or the pixel faces that come with the project]
    #[arg(value_name = "RUN|MODEL")]
    what: Option<PathBuf>,
    /// Name of the device
    #[arg(long, value_name = "D", default_value = Device::DEFAULT)]
    device: String,
    /// The first image; a seed gives the same image on every machine
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = latent_seed, allow_negative_numbers = true)]
    seed: u32,
    /// Show the latents in this file first; `project`, `edit` and `curate` write such files
    #[arg(long, value_name = "F", conflicts_with = "seed")]
    latents: Option<PathBuf>,
    /// Buttons to press first, separated by commas: left, right, up, down, select, wait:FRAMES
    #[arg(long, value_name = "SCRIPT")]
    press: Option<String>,
    /// Write an image of the device, a .png or a .gif
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Write an animation of the pressed buttons, or of a tour of the app
    #[arg(long, value_name = "F")]
    gif: Option<AnimationFile>,
    /// Draw in this terminal
    #[arg(long)]
    terminal: bool,
    /// Terminal graphics: blocks, kitty or sixel [default: detected from the terminal]
    #[arg(long, value_name = "HOW", requires = "terminal")]
    graphics: Option<TerminalGraphics>,
    /// Open a window
    #[arg(long)]
    window: bool,
    #[command(flatten)]
    work: WorkLimit,
    /// List the devices and stop
    #[arg(long)]
    list_devices: bool,
}

/// Where the device is drawn.
enum Output {
    Png(ImageFile),
    Gif(AnimationFile),
    Terminal,
    Window,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if args.list_devices {
        return console::print(&devices());
    }
    let device = Device::named(&args.device).map_err(unusable)?;
    let script = args.press.as_deref().map(str::parse::<Script>).transpose().map_err(unusable)?;
    let output = output(&args).or_else(|e| {
        // A missing model is the first thing to report.
        args.what.as_deref().map(opening::model_in).transpose()?;
        Err(e)
    })?;
    let opened = opening::model(args.what.as_deref(), args.work)?;
    let path = &opened.origin;
    let simulator = Simulator::new(opened.file.bytes(), device).map_err(|e| match e {
        SimError::TooLarge(_) => Failure::failed(format!(
            "{}: {e}\ntrain a model that fits with `cargo xtask train --fit {}`, or name a larger device with --device; --list-devices lists \
             them",
            files::shown(path),
            device.name
        )),
        _ => Failure::file(path, e),
    })?;
    if let Some(names) = opened.class_names.of(simulator.model().classes().into()).describe_all() {
        console::note(&format!("classes: {}", files::one_line(&names)));
    }
    let work = ModelWork::estimate(simulator.model(), device.chip.core);
    let stored = match &args.latents {
        Some(path) => model_file::latent_bytes(path, simulator.model())?,
        None => Vec::new(),
    };
    let simulator = match args.latents {
        Some(_) => simulator.with_saved(SavedLatents::new(&stored)),
        None => simulator.with_seed(args.seed),
    };
    let simulator = simulator.with_work(work);
    // Files show no time, so that they equal the files of an emulated board, which has no real clock.
    let mut simulator = match output {
        Output::Terminal | Output::Window => simulator.with_time(),
        Output::Png(_) | Output::Gif(_) => simulator,
    };
    if let Output::Gif(file) = &output {
        let frames = host::save_gif(file.path(), &mut simulator, &script.unwrap_or_else(Script::tour))?;
        console::note(&format!("wrote {} ({frames} frames on {})", file.path().display(), device.name));
        return console::print(&costs(&simulator));
    }
    if let Some(script) = script {
        let Ok(()) = simulator.play(&script, |_| Ok::<_, Infallible>(()));
    }
    match &output {
        Output::Png(file) => {
            simulator.finish();
            file.write_frame(&simulator.portrait(), device.name)?;
            console::print(&costs(&simulator))?;
        }
        Output::Window => host::run_window(&mut simulator)?,
        _ => host::run_terminal(&mut simulator, args.graphics.unwrap_or_else(TerminalGraphics::of_terminal))?,
    }
    Ok(())
}

/// Returns the requested output, or a window or the terminal if one is available.
fn output(args: &Args) -> Result<Output, Failure> {
    if let Some(file) = &args.png {
        return Ok(Output::Png(file.clone()));
    }
    if let Some(file) = &args.gif {
        return Ok(Output::Gif(file.clone()));
    }
    if args.window || (!args.terminal && has_display()) {
        return Ok(Output::Window);
    }
    if args.terminal || io::stdout().is_terminal() {
        return Ok(Output::Terminal);
    }
    Err(Failure::unusable(
        "there is neither a display (DISPLAY is not set) nor a terminal to draw on:\n\
         --png FILE writes an image of the device, --gif FILE an animation",
    ))
}

/// Returns whether a window can be expected to open.
pub(crate) fn has_display() -> bool {
    !cfg!(all(unix, not(target_os = "macos"))) || std::env::var_os("DISPLAY").is_some_and(|name| !name.is_empty())
}

/// Returns the cost of the current frame, and the flash and RAM that the model uses.
fn costs(simulator: &Simulator<'_>) -> String {
    format!("{}\n{}\n", simulator.cost(), simulator.fit().budget())
}

fn devices() -> String {
    let line = |d: &Device| format!("  {:<18}{}\n", d.name, d.describe());
    Device::all().iter().map(line).collect()
}

fn unusable(error: impl Into<SimError>) -> Failure {
    Failure::unusable(error.into().to_string())
}
