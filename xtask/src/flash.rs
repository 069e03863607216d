//! `flash`: writes the firmware of a board, with a model inside, to the board or to a file for its boot loader.

use crate::console;
use crate::failure::Failure;
use crate::firmware::board;
use crate::model_file::{self, WorkLimit};
use crate::opening;
use crate::process;
use crate::table::grouped;
use clap::Args as ClapArgs;
use clap::builder::{PathBufValueParser, TypedValueParser};
use ganlet_runtime::Model;
use ganlet_sim::host::{BoardInfo, FlashPlan, FlashRoute, FlashSegment, ModelPlace, uf2_file};
use ganlet_trainer::files;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Write firmware with a model to a board
///
/// Checks first that model and firmware fit the flash and RAM of the chip. probe-rs flashes most boards through their debug port; boards
/// with a UF2 boot loader also accept the file that --uf2 writes. With --own-region, the model is in its own region of flash, outside of
/// the program. --model-only then replaces it without building anything.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask flash out/generator.model --board pico --uf2 faces.uf2    a file to copy to the USB drive of a Pico
  cargo xtask flash runs/00001-faces --board nrf52840-dk                writes through the debug port with probe-rs
  cargo xtask flash out/generator.model --board pico2 --dry-run         print the steps only
  cargo xtask flash out/generator.model --board pico2 --own-region --uf2 app.uf2    firmware for any model, and this one
  cargo xtask flash other.model --board pico2 --model-only --uf2 other.uf2          another model for it
  cargo xtask flash --list-boards")]
pub(crate) struct Args {
    /// A .model file or a run folder [default: the newest run, or the pixel faces that come with the project]
    #[arg(value_name = "RUN|MODEL")]
    what: Option<PathBuf>,
    /// Name of the board
    #[arg(long, value_name = "B", required_unless_present = "list_boards")]
    board: Option<String>,
    /// Write a UF2 file for the board's boot loader
    #[arg(long, value_name = "F", value_parser = PathBufValueParser::new().try_map(named_uf2))]
    uf2: Option<PathBuf>,
    /// File of saved latents, as written by `project`, `edit` and `curate`, to build in with the model
    #[arg(long, value_name = "F", conflicts_with_all = ["own_region", "model_only"])]
    latents: Option<PathBuf>,
    /// Build firmware that reads its model from a region of flash, and write both
    #[arg(long)]
    own_region: bool,
    /// Write only the model, to the region that firmware of --own-region reads
    #[arg(long, conflicts_with = "own_region")]
    model_only: bool,
    /// Print the steps without doing them
    #[arg(long)]
    dry_run: bool,
    /// List the boards and stop
    #[arg(long)]
    list_boards: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let (Some(name), false) = (&args.board, args.list_boards) else {
        return console::print(&list());
    };
    let board = board::named(name)?;
    let route = FlashRoute::new(board, args.uf2.as_deref()).map_err(board::unusable)?;
    if let (Some(path), false) = (&args.uf2, args.dry_run) {
        console::writable(path)?;
        files::check_output(path, is_own, None).map_err(Failure::unusable)?;
    }
    let opened = opening::model(args.what.as_deref(), WorkLimit::NONE)?;
    let origin = &opened.origin;
    let model = Model::from_bytes(opened.file.bytes()).map_err(|e| Failure::file(origin, e))?;
    let region = if args.own_region || args.model_only { Some(board::region(board)?) } else { None };
    if let Some(latents) = &args.latents {
        model_file::latent_bytes(latents, &model)?;
    }
    // The steps run in other folders, and --dry-run prints them to be typed elsewhere, so paths are absolute.
    let whole = |path: &Path| path.canonicalize().map_err(|e| Failure::file(path, e));
    let (path, latents) = (opened.path()?, args.latents.as_deref().map(whole).transpose()?);
    let plan = FlashPlan { board, model: &path, latents: latents.as_deref(), region, program: !args.model_only };
    if region.is_some() {
        console::note(&board::check_region(board, origin, &model)?.to_string());
    } else {
        console::note(&board::check(board, origin, &model)?.to_string());
    }
    if args.dry_run {
        return console::print(&format!("{}nothing was done\n", plan.steps(route)));
    }
    // Building takes a minute, so a missing program is reported before it.
    if route == FlashRoute::DebugPort && process::which(board.tool.program()).is_none() {
        return Err(Failure::failed(missing(board)));
    }
    let program = if plan.program { Some(build(&plan)?) } else { None };
    match route {
        FlashRoute::Uf2 { family, file: to } => write_uf2(&plan, program.as_deref(), opened.file.bytes(), family, to),
        FlashRoute::DebugPort => write(&plan, program.as_deref()),
    }
}

/// Accepts names of UF2 files; other tools take a file with another extension for what its name says.
fn named_uf2(path: PathBuf) -> Result<PathBuf, &'static str> {
    let named = path.extension().is_none_or(|e| e.eq_ignore_ascii_case("uf2"));
    if named { Ok(path) } else { Err("this option writes UF2: expected a name that ends in .uf2") }
}

/// Whether the file at `path` is a UF2 file with a model, or with firmware that reads one.
fn is_own(path: &Path) -> bool {
    const UF2: &[u8] = b"UF2\n";
    fs::read(path)
        .is_ok_and(|file| file.starts_with(UF2) && file.windows(Model::MAGIC.len()).any(|w| w == Model::MAGIC))
}

fn build(plan: &FlashPlan<'_>) -> Result<PathBuf, Failure> {
    let FlashPlan { board, model, .. } = plan;
    let toolchain = board::toolchain(board)?;
    let with = match plan.place() {
        ModelPlace::Inside { .. } => format!("with {}", model.display()),
        ModelPlace::Region(_) => "for any model".to_owned(),
    };
    console::note(&format!("building {} {with} ({})", board.name, toolchain.describe()));
    board::link(board, &toolchain, plan.place())
}

/// Writes the UF2 file `to` with the program, if there is one, and with the model if it has its own region.
fn write_uf2(
    plan: &FlashPlan<'_>,
    program: Option<&Path>,
    model: &[u8],
    family: u32,
    to: &Path,
) -> Result<(), Failure> {
    let mut segments = program.map_or(Ok(Vec::new()), board::segments)?;
    if let Some(region) = plan.region {
        segments.push(FlashSegment { address: region.at as u32, bytes: model.to_vec() });
    }
    console::note(&format!("{} bytes of flash in total", grouped(FlashSegment::total(&segments) as u64)));
    files::write(to, uf2_file(&segments, family))?;
    console::note(&format!(
        "wrote {}: hold BOOTSEL while plugging the board in, and copy the file to the drive that appears",
        to.display()
    ));
    Ok(())
}

/// Writes the program, if there is one, and the model through the debug port.
fn write(plan: &FlashPlan<'_>, program: Option<&Path>) -> Result<(), Failure> {
    let board = plan.board;
    for command in plan.commands(program) {
        console::note(&command.to_string());
        match Command::new(command.program).args(&command.arguments).stdin(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            Ok(_) => {
                return Err(Failure::failed(format!(
                    "{} could not write the {}: is the board connected through its debug port, and {}{}",
                    command.program,
                    board.name,
                    board.tool.advice(),
                    or_uf2(board)
                )));
            }
            Err(_) => return Err(Failure::failed(missing(board))),
        }
    }
    Ok(())
}

fn missing(board: &BoardInfo) -> String {
    format!("{} is missing: {}{}", board.tool.program(), board.tool.installation(), or_uf2(board))
}

/// The alternative to the debug port, if the board has one.
fn or_uf2(board: &BoardInfo) -> &'static str {
    if board.uf2.is_some() { "\n--uf2 FILE writes a file for the boot loader, which needs no probe" } else { "" }
}

fn list() -> String {
    let line = |board: &BoardInfo| {
        let tools = [Some(board.tool.program()), board.uf2.map(|_| "UF2"), board.emulated.map(|_| "emulated")];
        let tools: Vec<&str> = tools.into_iter().flatten().collect();
        format!("  {:<13}{:<60}{}\n", board.name, board.device().describe(), tools.join(", "))
    };
    BoardInfo::all().iter().map(line).collect()
}
