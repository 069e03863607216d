//! Builds the firmware of a board, with a model inside or with a region of flash for one.

use super::bench::lock;
use super::report_installation;
use crate::failure::Failure;
use crate::process::{folder, root};
use crate::toolchain::Toolchain;
use ganlet_runtime::Model;
use ganlet_sim::host::{BoardError, BoardInfo, FlashSegment, ModelFit, ModelPlace, ModelRegion, RegionFit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the board with this name.
pub(crate) fn named(name: &str) -> Result<&'static BoardInfo, Failure> {
    BoardInfo::named(name).map_err(unusable)
}

/// Returns the region for models of a board.
pub(crate) fn region(board: &BoardInfo) -> Result<ModelRegion, Failure> {
    board.region().map_err(unusable)
}

/// A command line that does not suit the board.
pub(crate) fn unusable(error: BoardError) -> Failure {
    Failure::unusable(error.to_string())
}

/// Checks that firmware with the model of the file `path` inside fits the board.
pub(crate) fn check(board: &BoardInfo, path: &Path, model: &Model<'_>) -> Result<ModelFit, Failure> {
    board.check(model).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
}

/// Checks that the model of the file `path` fits the board's region for models.
pub(crate) fn check_region(board: &BoardInfo, path: &Path, model: &Model<'_>) -> Result<RegionFit, Failure> {
    board.check_region(model).map_err(|e| match e {
        BoardError::TooLargeForRegion(_) => Failure::failed(format!("{}: {e}", path.display())),
        _ => unusable(e),
    })
}

/// The compiler for a board's target, installed if that needs no questions.
pub(crate) fn toolchain(board: &BoardInfo) -> Result<Toolchain, Failure> {
    Toolchain::require(board.target, &report_installation).map_err(Failure::failed)
}

/// The folder of a board's package.
fn package(board: &BoardInfo) -> PathBuf {
    root().join("firmware-sim/boards").join(board.name)
}

/// The target folder of all boards.
fn target_folder() -> PathBuf {
    root().join("target/cross/boards")
}

/// A cargo command for a board's package, with the compiler flags of the package's own configuration.
pub(crate) fn cargo(
    board: &BoardInfo,
    toolchain: &Toolchain,
    place: ModelPlace<'_>,
    subcommand: &str,
) -> Result<Command, Failure> {
    // RUSTFLAGS replaces the flags of the package's configuration file.
    let cpu = board.target.starts_with("thumbv8m.main").then_some("cortex-m33");
    let flags = Toolchain::firmware_flags(board.target, cpu, &report_installation).map_err(Failure::failed)?;
    let mut command = toolchain.cargo(subcommand, board.target);
    command.current_dir(package(board)).env("CARGO_TARGET_DIR", target_folder());
    ModelPlace::VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
    command.envs(place.variables()).env("RUSTFLAGS", flags);
    // The flags of this process's own build do not apply to firmware.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").args(["--release", "--locked", "--quiet"]);
    Ok(command)
}

/// Links the firmware of `board` with a model file, and optionally a file of saved latents; returns the path of the linked file.
pub(crate) fn build(
    board: &BoardInfo,
    toolchain: &Toolchain,
    model: &Path,
    latents: Option<&Path>,
) -> Result<PathBuf, Failure> {
    let whole = |path: &Path| path.canonicalize().map_err(|e| Failure::file(path, e));
    let (model, latents) = (whole(model)?, latents.map(whole).transpose()?);
    link(board, toolchain, ModelPlace::Inside { model: &model, latents: latents.as_deref() })
}

/// Links the firmware of `board` for a model in `place`; returns the path of the linked file.
pub(crate) fn link(board: &BoardInfo, toolchain: &Toolchain, place: ModelPlace<'_>) -> Result<PathBuf, Failure> {
    let folder = folder()?;
    // Boards with the same target share the linked file: one at a time, until it is copied.
    let lock = lock(&folder.join("firmware.lock"))?;
    let mut command = cargo(board, toolchain, place, "build")?;
    let failed = |why: String| Failure::failed(format!("{}: cannot build: {why}", package(board).display()));
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let built = target_folder().join(board.target).join("release/firmware");
    let linked = folder.join(format!("firmware-{}.elf", board.name));
    fs::copy(&built, &linked).map_err(|e| Failure::file(&built, e))?;
    drop(lock);
    if let ModelPlace::Region(region) = place {
        let end = FlashSegment::end(&segments(&linked)?);
        if end > region.at {
            return Err(Failure::failed(format!(
                "{}: the program ends at {end:#x}, but the region for models starts at {:#x}",
                board.name, region.at
            )));
        }
    }
    Ok(linked)
}

/// Reads what a linked program loads into flash.
pub(crate) fn segments(program: &Path) -> Result<Vec<FlashSegment>, Failure> {
    let elf = fs::read(program).map_err(|e| Failure::file(program, e))?;
    FlashSegment::of_program(&elf).map_err(|e| Failure::file(program, e))
}
