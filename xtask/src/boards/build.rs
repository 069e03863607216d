//! Building a board's firmware with a model inside.

use super::Board;
use crate::bench::firmware::{folder, root};
use crate::console;
use crate::failure::Failure;
use crate::toolchain::Way;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The compiler for a board's target, installed where that needs no questions; else the remedy.
pub(crate) fn way(board: &Board) -> Result<Way, String> {
    let told = |what: &str| console::note(&format!("installing: {what}"));
    Way::present(board.target)
        .map_or_else(|| Way::find(board.target, told), Ok)
        .map_err(|missing| format!("no compiler for {}: {}", board.target, missing.remedy))
}

/// The folder of a board's package.
pub(crate) fn package(board: &Board) -> PathBuf {
    root().join("firmware-sim/boards").join(board.name)
}

/// The command that links the firmware.
pub(crate) fn command(board: &Board, way: &Way, model: &Path) -> Result<Command, Failure> {
    let mut command = way.cargo("build", board.target);
    command.current_dir(package(board)).env("CARGO_TARGET_DIR", kept()).env("GANLET_MODEL", model);
    let linker = Way::linker_flag(&|what: &str| console::note(&format!("installing: {what}")));
    let linker =
        linker.map_err(|missing| Failure::failed(format!("no linker for {}: {}", board.target, missing.remedy)))?;
    // What this process was built with is no concern of the firmware.
    command.env("RUSTFLAGS", linker.unwrap_or_default()).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["--release", "--locked", "--quiet"]);
    Ok(command)
}

fn kept() -> PathBuf {
    root().join("target/cross/boards")
}

/// Links the firmware of `board` with the model in the file `model`; gives the linked file.
pub(crate) fn build(board: &Board, way: &Way, model: &Path) -> Result<PathBuf, Failure> {
    let model = model.canonicalize().map_err(|e| Failure::file(model, e))?;
    let mut command = command(board, way, &model)?;
    let failed = |why: String| Failure::failed(format!("{}: cannot build: {why}", package(board).display()));
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let built = kept().join(board.target).join("release/firmware");
    let own = folder()?.join(format!("firmware-{}.elf", board.name));
    fs::copy(&built, &own).map_err(|e| Failure::file(&built, e))?;
    Ok(own)
}
