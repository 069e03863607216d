//! `flash`: the firmware of a board with a model inside, written to the board or to a file for its boot loader.

pub(crate) mod gate;
pub(crate) mod uf2;

use crate::boards::build::Place;
use crate::boards::{self, Board, Region, Writer, build};
use crate::console;
use crate::failure::Failure;
use crate::table::grouped;
use crate::toolchain;
use clap::Args as ClapArgs;
use ganlet_runtime::Model;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) use uf2::{RP2040, RP2350_ARM};

/// Put a board's firmware, with a model inside, on the board.
///
/// Flash and RAM are checked against the chip before anything is built. Boards are written through their debug port, most of them by
/// probe-rs; those with a UF2 boot loader also take the file that --uf2 writes. With --own-region the model is not part of the program but lies in a
/// region of flash of its own, where --model-only replaces it later without building anything.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask flash out/generator.model --board pico --uf2 faces.uf2    copy that to the drive of a Pico with BOOTSEL held
  cargo xtask flash out/generator.model --board nrf52840-dk             by probe-rs
  cargo xtask flash out/generator.model --board pico2 --dry-run         every step, and none of them done
  cargo xtask flash out/generator.model --board pico2 --own-region --uf2 app.uf2    firmware for any model, and this one
  cargo xtask flash other.model --board pico2 --model-only --uf2 other.uf2          another model for it
  cargo xtask flash --list-boards")]
pub(crate) struct Args {
    /// The model file
    #[arg(value_name = "FILE.model", required_unless_present = "list_boards")]
    file: Option<PathBuf>,
    /// The board, by name
    #[arg(long, value_name = "B", required_unless_present = "list_boards")]
    board: Option<String>,
    /// Write a file for the board's boot loader
    #[arg(long, value_name = "F")]
    uf2: Option<PathBuf>,
    /// Kept latents, as `project` and `edit` write them, to build in with the model
    #[arg(long, value_name = "F", conflicts_with_all = ["own_region", "model_only"])]
    latents: Option<PathBuf>,
    /// Build firmware that takes its model from a region of flash, and write both
    #[arg(long)]
    own_region: bool,
    /// Write the model alone, to the region where firmware of --own-region looks for it
    #[arg(long, conflicts_with = "own_region")]
    model_only: bool,
    /// Print every step and do none
    #[arg(long)]
    dry_run: bool,
    /// List the boards and stop
    #[arg(long)]
    list_boards: bool,
}

/// How the firmware reaches the board.
enum Route<'a> {
    Debugger,
    Uf2(u32, &'a Path),
}

/// A command line: the program and its words.
type Line = (&'static str, Vec<String>);

impl Writer {
    const fn program(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => "probe-rs",
            Self::OpenOcd(_) => "openocd",
        }
    }

    /// What writes a linked program, or with an address a file as it is, and starts the board.
    fn lines(self, file: &Path, at: Option<usize>) -> Vec<Line> {
        let file = file.display().to_string();
        let line = |words: &[&str]| (self.program(), words.iter().map(|w| (*w).to_owned()).collect());
        match (self, at) {
            (Self::ProbeRs(chip), None) => {
                vec![line(&["download", "--chip", chip, "--verify", &file]), line(&["reset", "--chip", chip])]
            }
            (Self::ProbeRs(chip), Some(at)) => {
                let at = format!("{at:#x}");
                let words =
                    ["download", "--chip", chip, "--verify", "--binary-format", "bin", "--base-address", &at, &file];
                vec![line(&words), line(&["reset", "--chip", chip])]
            }
            (Self::ProbeRsIdf(chip), _) => {
                vec![
                    line(&["download", "--chip", chip, "--binary-format", "idf", &file]),
                    line(&["reset", "--chip", chip]),
                ]
            }
            (Self::OpenOcd(board), at) => {
                let at = at.map_or_else(String::new, |at| format!(" {at:#x}"));
                vec![line(&["-f", board, "-c", &format!("program {{{file}}}{at} verify reset exit")])]
            }
        }
    }

    const fn installation(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => "https://probe.rs/docs/getting-started/installation",
            Self::OpenOcd(_) => "apt-get install openocd, or https://openocd.org",
        }
    }

    /// What to look at when writing failed.
    const fn advice(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => {
                "does `probe-rs list` show a probe? On Linux its udev rules must be installed: \
                 https://probe.rs/docs/getting-started/probe-setup"
            }
            Self::OpenOcd(_) => "may this user open its USB device? On Linux OpenOCD's udev rules must be installed",
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let (Some(path), Some(name), false) = (&args.file, &args.board, args.list_boards) else {
        return console::print(&list()?);
    };
    let board = Board::named(name)?;
    let route = route(board, args.uf2.as_deref())?;
    if let (Some(path), false) = (&args.uf2, args.dry_run) {
        console::writable(path)?;
    }
    let file = boards::read(path)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    let region = if args.own_region || args.model_only { Some(board.region()?) } else { None };
    if let Some(latents) = &args.latents {
        boards::latents(latents, &model)?;
    }
    // Steps are done in other folders, and printed to be done by hand.
    let whole = |path: &Path| path.canonicalize().map_err(|e| Failure::file(path, e));
    let (path, latents) = (whole(path)?, args.latents.as_deref().map(whole).transpose()?);
    let plan = Plan { board, path: &path, latents: latents.as_deref(), region, program: !args.model_only };
    if region.is_some() {
        console::note(&board.check_region(&path, &model)?);
    } else {
        console::note(&board.check(&path, &model)?.to_string());
    }
    if args.dry_run {
        return console::print(&plan.steps(&route));
    }
    // Building takes a minute: what stops the last step is told first.
    if matches!(route, Route::Debugger) && toolchain::which(board.writer.program()).is_none() {
        return Err(Failure::failed(missing(board)));
    }
    let firmware = if plan.program { Some(plan.build()?) } else { None };
    match route {
        Route::Uf2(family, to) => {
            let mut stretches = match &firmware {
                Some(firmware) => stretches(firmware)?,
                None => Vec::new(),
            };
            if let Some(region) = region {
                stretches.push(uf2::Stretch { address: region.at as u32, bytes: file.bytes().to_vec() });
            }
            console::note(&format!("{} bytes of flash in all", grouped(uf2::bytes(&stretches) as u64)));
            fs::write(to, uf2::file(&stretches, family))
                .map_err(|e| Failure::failed(format!("cannot write {}: {e}", to.display())))?;
            console::note(&format!(
                "wrote {}: hold BOOTSEL while plugging the board in, and copy the file to the drive that appears",
                to.display()
            ));
            Ok(())
        }
        Route::Debugger => {
            plan.files(firmware.as_deref()).into_iter().try_for_each(|(file, at)| write(board, file, at))
        }
    }
}

/// What is to be written.
struct Plan<'p> {
    board: &'p Board,
    /// The model.
    path: &'p Path,
    /// The file of kept latents.
    latents: Option<&'p Path>,
    /// The region that it goes to, if it is not part of the program.
    region: Option<Region>,
    /// Whether the program is built and written.
    program: bool,
}

impl Plan<'_> {
    fn place(&self) -> Place<'_> {
        self.region.map_or(Place::Inside(self.path, self.latents), Place::Region)
    }

    fn build(&self) -> Result<PathBuf, Failure> {
        let Self { board, path, region, .. } = self;
        let way = build::way(board).map_err(Failure::failed)?;
        let with = region.map_or_else(|| format!("with {}", path.display()), |_| "for any model".to_owned());
        console::note(&format!("building {} {with} ({})", board.name, way.describe()));
        match region {
            Some(region) => build::link(board, &way, Place::Region(*region)),
            None => build::build_with(board, &way, path, self.latents),
        }
    }

    /// The files that are written one after the other, and the address of those that do not tell it themselves.
    fn files<'f>(&'f self, firmware: Option<&'f Path>) -> Vec<(&'f Path, Option<usize>)> {
        let model = self.region.map(|region| (self.path, Some(region.at)));
        // The board starts after the last one.
        firmware.map(|path| (path, None)).into_iter().chain(model).collect()
    }

    fn steps(&self, route: &Route<'_>) -> String {
        let board = self.board;
        let firmware = Path::new("target/device").join(format!("firmware-{}.elf", board.name));
        let mut steps = Vec::new();
        if self.program {
            let variables: String = self
                .place()
                .variables()
                .iter()
                .map(|(name, value)| format!("{name}={} ", quoted(std::slice::from_ref(value))))
                .collect();
            steps.push(format!(
                "in firmware-sim/boards/{}: {variables}cargo build --release --locked --target {}",
                board.name, board.target
            ));
            steps.push(format!(
                "copy firmware-sim/boards/{}/target/{}/release/firmware to {}",
                board.name,
                board.target,
                firmware.display()
            ));
        }
        match route {
            Route::Uf2(family, to) => {
                let with = self.region.map_or(String::new(), |region| format!(", with the model at {:#x}", region.at));
                steps.push(format!("write {} for the family {family:#010x}{with}", to.display()));
                steps.push("by hand: hold BOOTSEL, plug the board in, copy the file to its drive".to_owned());
            }
            Route::Debugger => {
                for (file, at) in self.files(self.program.then_some(&firmware)) {
                    let lines = board.writer.lines(file, at);
                    steps.extend(lines.into_iter().map(|(program, words)| format!("{program} {}", quoted(&words))));
                }
            }
        }
        let lines: String = (1..).zip(steps).map(|(number, step)| format!("{number}. {step}\n")).collect();
        lines + "nothing was done\n"
    }
}

/// What a linked program puts into flash.
fn stretches(firmware: &Path) -> Result<Vec<uf2::Stretch>, Failure> {
    let elf = fs::read(firmware).map_err(|e| Failure::file(firmware, e))?;
    uf2::stretches(&elf).map_err(|e| Failure::file(firmware, e))
}

fn route<'a>(board: &Board, uf2: Option<&'a Path>) -> Result<Route<'a>, Failure> {
    match (uf2, board.uf2) {
        (Some(to), Some(family)) => Ok(Route::Uf2(family, to)),
        (None, _) => Ok(Route::Debugger),
        (Some(_), None) => {
            let names: Vec<&str> = Board::all().iter().filter(|b| b.uf2.is_some()).map(|b| b.name).collect();
            Err(Failure::unusable(format!(
                "{} has no boot loader for UF2 files; {} have; leave --uf2 away to write through the debug port",
                board.name,
                names.join(", ")
            )))
        }
    }
}

fn write(board: &Board, file: &Path, at: Option<usize>) -> Result<(), Failure> {
    for (program, words) in board.writer.lines(file, at) {
        console::note(&format!("{program} {}", words.join(" ")));
        match Command::new(program).args(&words).stdin(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            Ok(_) => {
                return Err(Failure::failed(format!(
                    "{program} could not write the {}: is the board plugged in by its debug port, and {}{}",
                    board.name,
                    board.writer.advice(),
                    or_uf2(board)
                )));
            }
            Err(_) => return Err(Failure::failed(missing(board))),
        }
    }
    Ok(())
}

fn missing(board: &Board) -> String {
    format!("{} is missing: {}{}", board.writer.program(), board.writer.installation(), or_uf2(board))
}

/// The other way, where there is one.
fn or_uf2(board: &Board) -> &'static str {
    if board.uf2.is_some() { "\n--uf2 FILE writes a file for the boot loader, which needs no probe" } else { "" }
}

/// Words as one would type them.
fn quoted(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    let word = |w: &String| if w.chars().all(plain) { w.clone() } else { format!("'{}'", w.replace('\'', "'\\''")) };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn list() -> Result<String, Failure> {
    let mut out = String::new();
    for board in Board::all() {
        let device = board.device()?;
        let ways = [Some(board.writer.program()), board.uf2.map(|_| "UF2"), board.machine.map(|_| "emulated")];
        let ways: Vec<&str> = ways.into_iter().flatten().collect();
        out += &format!("  {:<13}{:<60}{}\n", board.name, device.describe(), ways.join(", "));
    }
    Ok(out)
}
