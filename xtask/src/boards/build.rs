//! Building a board's firmware with a model inside.

use super::{Board, Region};
use crate::bench::firmware::{folder, root};
use crate::console;
use crate::failure::Failure;
use crate::flash::uf2;
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

/// Where the firmware finds its model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'p> {
    /// In the program: this file, and with it the kept latents of another.
    Inside(&'p Path, Option<&'p Path>),
    /// In a region of flash.
    Region(Region),
}

impl Place<'_> {
    /// The variables that tell the build script.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Inside(model, latents) => {
                let latents = latents.map(|path| ("GANLET_LATENTS", path.display().to_string()));
                std::iter::once(("GANLET_MODEL", model.display().to_string())).chain(latents).collect()
            }
            Self::Region(Region { at, bytes, arena }) => vec![("GANLET_REGION", format!("{at},{bytes},{arena}"))],
        }
    }
}

/// The command that links the firmware.
fn command(board: &Board, way: &Way, place: Place<'_>) -> Result<Command, Failure> {
    let mut command = way.cargo("build", board.target);
    command.current_dir(package(board)).env("CARGO_TARGET_DIR", kept());
    ["GANLET_MODEL", "GANLET_LATENTS", "GANLET_REGION"].iter().for_each(|name| _ = command.env_remove(name));
    command.envs(place.variables());
    let linker = Way::linker_flag(&|what: &str| console::note(&format!("installing: {what}")));
    let linker =
        linker.map_err(|missing| Failure::failed(format!("no linker for {}: {}", board.target, missing.remedy)))?;
    // As the package's own configuration: this variable takes its place.
    let cpu = board.target.starts_with("thumbv8m.main").then_some("-Ctarget-cpu=cortex-m33");
    let flags: Vec<&str> = cpu.into_iter().chain(linker).collect();
    // What this process was built with is no concern of the firmware.
    command.env("RUSTFLAGS", flags.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["--release", "--locked", "--quiet"]);
    Ok(command)
}

fn kept() -> PathBuf {
    root().join("target/cross/boards")
}

/// Links the firmware of `board` with the model in the file `model`; gives the linked file.
pub(crate) fn build(board: &Board, way: &Way, model: &Path) -> Result<PathBuf, Failure> {
    build_with(board, way, model, None)
}

/// The same with the kept latents of a file, which were checked.
pub(crate) fn build_with(board: &Board, way: &Way, model: &Path, latents: Option<&Path>) -> Result<PathBuf, Failure> {
    let whole = |path: &Path| path.canonicalize().map_err(|e| Failure::file(path, e));
    let (model, latents) = (whole(model)?, latents.map(whole).transpose()?);
    link(board, way, Place::Inside(&model, latents.as_deref()))
}

/// Links the firmware of `board`; gives the linked file.
pub(crate) fn link(board: &Board, way: &Way, place: Place<'_>) -> Result<PathBuf, Failure> {
    // Boards of one target share the linked file's place: nobody else links until this one is copied.
    let folder = folder()?;
    let lock = folder.join("firmware.lock");
    let lock =
        fs::File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(|e| Failure::file(&lock, e))?;
    let mut command = command(board, way, place)?;
    let failed = |why: String| Failure::failed(format!("{}: cannot build: {why}", package(board).display()));
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let built = kept().join(board.target).join("release/firmware");
    let own = folder.join(format!("firmware-{}.elf", board.name));
    fs::copy(&built, &own).map_err(|e| Failure::file(&built, e))?;
    drop(lock);
    if let Place::Region(region) = place {
        let bytes = fs::read(&own).map_err(|e| Failure::file(&own, e))?;
        let end = uf2::stretches(&bytes).map_err(|e| Failure::file(&own, e))?;
        let end = end.iter().map(|s| s.address as usize + s.bytes.len()).max().unwrap_or(0);
        if end > region.at {
            return Err(Failure::failed(format!(
                "{}: the program ends at {end:#x}, behind the start of the models' region",
                board.name
            )));
        }
    }
    Ok(own)
}
