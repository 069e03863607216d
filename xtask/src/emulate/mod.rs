//! `emulate`: the real firmware of a board, with a model inside, in an emulated machine.

pub(crate) mod gate;
pub(crate) mod machine;
mod qmp;
mod screen;
mod st7789;
mod tap;
mod window;

use crate::boards::{self, Board, build};
use crate::builtin;
use crate::console;
use crate::estimate;
use crate::failure::Failure;
use crate::sim;
use crate::table::grouped;
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use ganlet_sim::Kept;
use ganlet_sim::host::{self, Cost, Look, Script, Simulator, Step};
use machine::{Machine, Memory};
use std::convert::Infallible;
use std::path::PathBuf;

/// A session through every screen, with every button.
pub(crate) const EVERY_SCREEN: &str = "right,down,left,up,wait:2,select,wait:3,right,wait:3,up,wait:1,select,right,right,down,left,select,wait:2,right,down,select,wait:2,select";

/// Run a board's own firmware, with a model inside, in an emulated machine.
///
/// With --png or --gif the buttons are pressed by a script and the emulated panel's pixels are written in the same frame as by `sim`,
/// so that the two files can be compared. Without an output option a window opens: the arrow keys are the emulated buttons, Enter is select,
/// Esc ends.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask emulate --board lm3s6965evb --png oled.png     the committed pixel faces
  cargo xtask emulate out/generator.model --board lm3s6965evb --png oled.png
  cargo xtask emulate out/generator.model --board lm3s6965evb --press right,select,wait:20 --gif walk.gif
  cargo xtask emulate out/generator.model --board lm3s6965evb")]
pub(crate) struct Args {
    /// The model file [default: the committed pixel faces, firmware-sim/models/faces.model]
    #[arg(value_name = "FILE.model")]
    file: Option<PathBuf>,
    /// The board, by name
    #[arg(long, value_name = "B")]
    board: String,
    /// Buttons pressed first: a list of left, right, up, down, select and wait:FRAMES
    #[arg(long, value_name = "SCRIPT")]
    press: Option<String>,
    /// Frames that pass after that
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    frames: u32,
    /// Kept latents, as `project` and `edit` write them, to show before seed 0
    #[arg(long, value_name = "F", conflicts_with = "own_region")]
    latents: Option<PathBuf>,
    /// Build firmware for any model, and put this one into the region of flash where it looks for it
    #[arg(long)]
    own_region: bool,
    /// Write a picture of the device as it is in the end
    #[arg(long, value_name = "F")]
    png: Option<PathBuf>,
    /// Write an animation of the script, or of a tour of the app
    #[arg(long, value_name = "F")]
    gif: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let board = Board::named(&args.board)?;
    if board.machine.is_none() {
        let names: Vec<&str> = Board::all().iter().filter(|b| b.machine.is_some()).map(|b| b.name).collect();
        return Err(Failure::unusable(format!(
            "the emulator has no {}; it has {}; `cargo xtask sim` shows every panel",
            board.name,
            names.join(", ")
        )));
    }
    [&args.png, &args.gif].into_iter().flatten().try_for_each(|path| console::writable(path))?;
    let mut script = script(&args)?;
    let path = builtin::model_or_faces(args.file.clone());
    let file = boards::read(&path)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(&path, e))?;
    if args.own_region {
        board.check_region(&path, &model)?;
    } else {
        board.check(&path, &model)?;
    }
    let kept = args.latents.as_ref().map_or(Ok(Vec::new()), |path| boards::latents(path, &model))?;
    // The simulator shows the same, and tells how many pictures that takes and when the last one has its finest level.
    let device = board.device()?;
    let simulator = Simulator::new(file.bytes(), device)?.with_kept(Kept::new(&kept));
    let mut simulator = simulator.with_instructions(estimate::instructions(&model, device.chip.core));
    let Ok(()) = simulator.play(&script, |_| Ok::<_, Infallible>(()));
    while args.png.is_some() && simulator.app().unfinished() {
        simulator.tick();
        script.0.push(Step::Wait(1));
    }
    let shown = args.png.is_some() || args.gif.is_some();
    if !shown && !sim::has_display() {
        return Err(Failure::unusable(
            "there is no display (DISPLAY is not set) for a window\n\
             --png FILE writes a picture of the emulated device, --gif FILE an animation",
        ));
    }
    let mut machine = if args.own_region {
        Machine::with_region(board, &path)?
    } else {
        let way = build::way(board).map_err(Failure::failed)?;
        console::note(&format!("building {} with {} ({})", board.name, path.display(), way.describe()));
        Machine::start(board, &build::build_with(board, &way, &path, args.latents.as_deref())?)?
    };
    if let Some(why) = machine.refusal() {
        console::note(&format!("the firmware shows no pictures: {why}"));
    }
    if !shown {
        machine.play(&script, |_, _| Ok(()))?;
        let title = format!("ganlet: {} on {}, emulated", model.name(), board.name);
        return host::run_window(&mut window::Live { machine, title, look: Look::of(&device) });
    }
    let (mut frames, mut sent) = (Vec::new(), None);
    let keep_all = args.gif.is_some();
    machine.play(&script, |frame, bytes| {
        if !keep_all {
            frames.clear();
        }
        frames.push(frame);
        // A frame that did not change sends nothing.
        sent = bytes.filter(|&n| n > 0).or(sent);
        Ok(())
    })?;
    if let (Some(path), Some(frame)) = (&args.png, frames.last()) {
        Look::of(&device).portrait(frame).save_png(path)?;
        console::note(&format!("wrote {} ({})", path.display(), board.name));
    }
    if let Some(path) = &args.gif {
        let stored = host::save_frames(path, &device, &frames)?;
        console::note(&format!("wrote {} ({stored} frames on {})", path.display(), board.name));
    }
    let Memory { statics, stack, ram } = machine.memory()?;
    let [s, k, t, r] = [statics, stack, statics + stack, ram].map(grouped);
    if let Some(bytes) = sent {
        console::print(&format!("{}\n", Cost { bytes, ..simulator.cost() }))?;
    }
    console::print(&format!(
        "RAM in use: {s} bytes of data (arena {}) + {k} of stack = {t} of {r}\n",
        grouped(if args.own_region { board.region()?.arena } else { model.arena_len_of(device.chip.family) } as u64)
    ))
}

fn script(args: &Args) -> Result<Script, Failure> {
    let given = args.press.as_deref().map(str::parse::<Script>).transpose();
    let mut script = match given.map_err(|e| Failure::unusable(e.to_string()))? {
        Some(script) => script,
        None if args.gif.is_some() && args.frames == 0 => Script::tour(),
        None => Script(Vec::new()),
    };
    if args.frames > 0 {
        script.0.push(Step::Wait(args.frames));
    }
    Ok(script)
}
