//! `emulate`: runs the unchanged firmware of a board, with a model inside, in QEMU.

pub(crate) mod board;
mod monitor;
mod qmp;
mod screen;
mod st7789;
mod window;

use crate::console;
use crate::failure::Failure;
use crate::firmware::board as firmware;
use crate::image_file::{AnimationFile, ImageFile};
use crate::model_file::{self, WorkLimit};
use crate::opening::{self, OpenedModel};
use crate::sim;
use crate::table::grouped;
use board::{EmulatedBoard, RamUse};
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use ganlet_sim::SavedLatents;
use ganlet_sim::host::{self, BoardInfo, DevicePortrait, Frame, FrameCost, ModelWork, Script, ScriptStep, Simulator};
use ganlet_trainer::files;
use std::convert::Infallible;
use std::path::PathBuf;

/// A script that visits every screen and presses every button.
pub(crate) const EVERY_SCREEN: &str = "right,down,left,up,wait:2,select,wait:3,right,wait:3,up,wait:1,select,right,right,down,left,select,wait:2,right,down,select,right,wait:76,select,wait:1,select";

/// Run the unchanged firmware of a board, with a model inside, in QEMU
///
/// With --png or --gif, a script presses the buttons, and the emulated panel is written with the same case around it as by `sim`, so that
/// both files can be compared. Without these options a window opens: the arrow keys press the emulated buttons, Enter selects, Esc quits.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask emulate --board lm3s6965evb --png oled.png     the newest run
  cargo xtask emulate runs/00001-faces --board microbit --png leds.png
  cargo xtask emulate out/generator.model --board lm3s6965evb --png oled.png
  cargo xtask emulate out/generator.model --board lm3s6965evb --press right,select,wait:20 --gif walk.gif
  cargo xtask emulate out/generator.model --board lm3s6965evb")]
pub(crate) struct Args {
    /// A .model file or a run folder [default: the newest run, or the pixel faces that come with the project]
    #[arg(value_name = "RUN|MODEL")]
    what: Option<PathBuf>,
    /// Name of the board
    #[arg(long, value_name = "B")]
    board: String,
    /// Buttons to press first, separated by commas: left, right, up, down, select, wait:FRAMES
    #[arg(long, value_name = "SCRIPT")]
    press: Option<String>,
    /// Frames to wait after that
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    frames: u32,
    /// File of saved latents, as written by `project`, `edit` and `curate`, to show before seed 0
    #[arg(long, value_name = "F", conflicts_with = "own_region")]
    latents: Option<PathBuf>,
    /// Build firmware for any model, and load this one into the region of flash that the firmware reads
    #[arg(long)]
    own_region: bool,
    /// Write an image of the device after the script, a .png or a .gif
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Write an animation of the script, or of a tour of the app
    #[arg(long, value_name = "F")]
    gif: Option<AnimationFile>,
    #[command(flatten)]
    work: WorkLimit,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let board = emulated(&args.board)?;
    let outputs = args.png.iter().map(ImageFile::path).chain(args.gif.iter().map(AnimationFile::path));
    outputs.into_iter().try_for_each(console::writable)?;
    let writes_files = args.png.is_some() || args.gif.is_some();
    if !writes_files && !sim::has_display() {
        return Err(Failure::unusable(
            "there is no display for a window (DISPLAY is not set)\n\
             --png FILE writes an image of the emulated device, --gif FILE an animation",
        ));
    }
    let mut script = script(&args)?;
    let opened = opening::model(args.what.as_deref(), args.work)?;
    let path = &opened.origin;
    let model = Model::from_bytes(opened.file.bytes()).map_err(|e| Failure::file(path, e))?;
    if args.own_region {
        firmware::check_region(board, path, &model)?;
    } else {
        firmware::check(board, path, &model)?;
    }
    let stored = args.latents.as_ref().map_or(Ok(Vec::new()), |path| model_file::latent_bytes(path, &model))?;
    // The simulator plays the same script first: it knows the cost of a frame, and when the last image has all levels of its pyramid.
    let device = board.device();
    let simulator = Simulator::new(opened.file.bytes(), device)?.with_saved(SavedLatents::new(&stored));
    let mut simulator = simulator.with_work(ModelWork::estimate(&model, device.chip.core));
    let Ok(()) = simulator.play(&script, |_| Ok::<_, Infallible>(()));
    while args.png.is_some() && simulator.app().unfinished() {
        simulator.tick();
        script.0.push(ScriptStep::Wait(1));
    }
    let mut emulated = start(board, &args, &opened)?;
    if let Some(why) = emulated.refusal() {
        console::note(&format!("the firmware rejects the model and shows no images: {why}"));
    }
    if !writes_files {
        emulated.play(&script, |_, _| Ok(()))?;
        let title = format!("ganlet: {} on {}, emulated", files::one_line(model.name()), board.name);
        return host::run_window(&mut window::BoardWindow {
            board: emulated,
            title,
            look: DevicePortrait::of(&device),
        });
    }
    let sent = record(board, &args, &mut emulated, &script)?;
    if let Some(bytes) = sent {
        console::print(&format!("{}\n", FrameCost { bytes, ..simulator.cost() }))?;
    }
    let arena = if args.own_region { firmware::region(board)?.arena } else { model.arena_len_of(device.chip.family) };
    let RamUse { statics, stack, ram } = emulated.memory()?;
    let [s, a, k, t, r] = [statics, arena as u64, stack, statics + stack, ram].map(grouped);
    console::print(&format!("RAM in use: {s} bytes of data (arena {a}) + {k} of stack = {t} of {r}\n"))
}

/// Returns the board with this name, if QEMU has it.
fn emulated(name: &str) -> Result<&'static BoardInfo, Failure> {
    let board = firmware::named(name)?;
    if board.emulated.is_none() {
        let names: Vec<&str> = BoardInfo::all().iter().filter(|b| b.emulated.is_some()).map(|b| b.name).collect();
        return Err(Failure::unusable(format!(
            "QEMU does not emulate {}; expected one of {}; `cargo xtask sim` shows every panel",
            board.name,
            names.join(", ")
        )));
    }
    Ok(board)
}

/// Builds the firmware and starts it.
fn start(board: &'static BoardInfo, args: &Args, opened: &OpenedModel) -> Result<EmulatedBoard, Failure> {
    let model = opened.path()?;
    if args.own_region {
        return EmulatedBoard::with_region(board, &model);
    }
    let toolchain = firmware::toolchain(board)?;
    console::note(&format!("building {} with {} ({})", board.name, opened.origin.display(), toolchain.describe()));
    EmulatedBoard::start(board, &firmware::build(board, &toolchain, &model, args.latents.as_deref())?)
}

/// Plays the script and writes the files; returns the bytes that the last frame sent, if the bus is monitored.
fn record(
    board: &BoardInfo,
    args: &Args,
    emulated: &mut EmulatedBoard,
    script: &Script,
) -> Result<Option<u32>, Failure> {
    let (mut frames, mut sent) = (Vec::<Frame>::new(), None);
    emulated.play(script, |frame, bytes| {
        if args.gif.is_none() {
            frames.clear();
        }
        frames.push(frame);
        // A frame without changes sends nothing.
        sent = bytes.filter(|&n| n > 0).or(sent);
        Ok(())
    })?;
    let device = board.device();
    if let (Some(file), Some(frame)) = (&args.png, frames.last()) {
        file.write_frame(&DevicePortrait::of(&device).portrait(frame), board.name)?;
    }
    if let Some(file) = &args.gif {
        let stored = host::save_frames(file.path(), &device, &frames)?;
        console::note(&format!("wrote {} ({stored} frames on {})", file.path().display(), board.name));
    }
    Ok(sent)
}

fn script(args: &Args) -> Result<Script, Failure> {
    let given = args.press.as_deref().map(str::parse::<Script>).transpose();
    let mut script = match given.map_err(|e| Failure::unusable(e.to_string()))? {
        Some(script) => script,
        None if args.gif.is_some() && args.frames == 0 => Script::tour(),
        None => Script(Vec::new()),
    };
    if args.frames > 0 {
        script.0.push(ScriptStep::Wait(args.frames));
    }
    Ok(script)
}
