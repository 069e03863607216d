//! `flash`: the firmware of a board with a model inside, written to the board or to a file for its boot loader.

pub(crate) mod gate;
mod uf2;

use crate::boards::{self, Board, Writer, build};
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
/// probe-rs; those with a UF2 boot loader also take the file that --uf2 writes.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask flash out/generator.model --board pico --uf2 faces.uf2    copy that to the drive of a Pico with BOOTSEL held
  cargo xtask flash out/generator.model --board nrf52840-dk             by probe-rs
  cargo xtask flash out/generator.model --board pico2 --dry-run         every step, and none of them done
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
            Self::ProbeRs(_) => "probe-rs",
            Self::OpenOcd(_) => "openocd",
        }
    }

    /// What writes `firmware` and starts it.
    fn lines(self, firmware: &Path) -> Vec<Line> {
        let file = firmware.display().to_string();
        let line = |words: &[&str]| (self.program(), words.iter().map(|w| (*w).to_owned()).collect());
        match self {
            Self::ProbeRs(chip) => {
                vec![line(&["download", "--chip", chip, "--verify", &file]), line(&["reset", "--chip", chip])]
            }
            Self::OpenOcd(board) => vec![line(&["-f", board, "-c", &format!("program {{{file}}} verify reset exit")])],
        }
    }

    const fn installation(self) -> &'static str {
        match self {
            Self::ProbeRs(_) => "https://probe.rs/docs/getting-started/installation",
            Self::OpenOcd(_) => "apt-get install openocd, or https://openocd.org",
        }
    }

    /// What to look at when writing failed.
    const fn advice(self) -> &'static str {
        match self {
            Self::ProbeRs(_) => {
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
    let file = boards::read(path)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    let fit = board.check(path, &model)?;
    console::note(&fit.to_string());
    if args.dry_run {
        return console::print(&steps(board, path, &route));
    }
    // Building takes a minute: what stops the last step is told first.
    if matches!(route, Route::Debugger) && toolchain::which(board.writer.program()).is_none() {
        return Err(Failure::failed(missing(board)));
    }
    let way = build::way(board).map_err(Failure::failed)?;
    console::note(&format!("building {} with {} ({})", board.name, path.display(), way.describe()));
    let firmware = build::build(board, &way, path)?;
    let elf = fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let stretches = uf2::stretches(&elf).map_err(|e| Failure::file(&firmware, e))?;
    let flash = uf2::bytes(&stretches);
    console::note(&format!("{} bytes of flash in all", grouped(flash as u64)));
    match route {
        Route::Uf2(family, to) => {
            fs::write(to, uf2::file(&stretches, family))
                .map_err(|e| Failure::failed(format!("cannot write {}: {e}", to.display())))?;
            console::note(&format!(
                "wrote {}: hold BOOTSEL while plugging the board in, and copy the file to the drive that appears",
                to.display()
            ));
            Ok(())
        }
        Route::Debugger => write(board, &firmware),
    }
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

fn write(board: &Board, firmware: &Path) -> Result<(), Failure> {
    for (program, words) in board.writer.lines(firmware) {
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

fn steps(board: &Board, model: &Path, route: &Route<'_>) -> String {
    let firmware = Path::new("target/device").join(format!("firmware-{}.elf", board.name));
    let mut out = format!(
        "1. in firmware-sim/boards/{}: GANLET_MODEL={} cargo build --release --locked --target {}\n\
         2. copy the linked program to {}\n",
        board.name,
        model.display(),
        board.target,
        firmware.display()
    );
    let more = match route {
        Route::Uf2(family, to) => vec![
            format!("write {} for the family {family:#010x}", to.display()),
            "by hand: hold BOOTSEL, plug the board in, copy the file to its drive".to_owned(),
        ],
        Route::Debugger => {
            let lines = board.writer.lines(&firmware);
            lines.into_iter().map(|(program, words)| format!("{program} {}", quoted(&words))).collect()
        }
    };
    for (number, step) in (3..).zip(more) {
        out += &format!("{number}. {step}\n");
    }
    out + "nothing was done\n"
}

/// Words as one would type them.
fn quoted(words: &[String]) -> String {
    let word = |w: &String| if w.contains(' ') { format!("'{w}'") } else { w.clone() };
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
