//! Builds the binaries of `firmware-sim/bench` for emulated cores.

use super::machines::{self, Machine};
use super::report_installation;
use crate::failure::Failure;
use crate::process::{folder, root};
use crate::toolchain::Toolchain;
use ganlet_sim::host::Core;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A binary of `firmware-sim/bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// Draws an image of a model and counts instructions.
    Bench,
    /// Runs the same layers with embedded-nn.
    Peer,
    /// Contains the runtime and nothing else.
    Size,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Peer => "peer",
            Self::Size => "size",
        }
    }
}

/// The folder of the package.
fn package() -> PathBuf {
    root().join("firmware-sim/bench")
}

/// The target folder of a core's builds. Cargo's folder for a target does not depend on compiler flags, so a core with its own flags
/// needs its own folder, or builds would overwrite each other.
fn target_folder(core: Core) -> PathBuf {
    root().join("target/cross").join(machines::cpu(core).unwrap_or("bench"))
}

/// A cargo command for the package, with the flags and the memory map of a core's `machine`.
pub(crate) fn cargo(
    toolchain: &Toolchain,
    core: Core,
    machine: &Machine,
    subcommand: &str,
) -> Result<Command, Failure> {
    let target = machines::target(core);
    let flags =
        Toolchain::firmware_flags(target, machines::cpu(core), &report_installation).map_err(Failure::failed)?;
    let mut command = toolchain.cargo(subcommand, target);
    command.current_dir(package()).env("CARGO_TARGET_DIR", target_folder(core)).env("MACHINE", machine.name);
    command.env("RUSTFLAGS", flags).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", machines::opt_level(core));
    // The flags of this process's own build do not apply to firmware.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").args(["--release", "--locked", "--quiet"]);
    Ok(command)
}

/// Builds `program` for a core's `machine`; returns the path of the linked file.
pub(crate) fn build(
    toolchain: &Toolchain,
    core: Core,
    machine: &Machine,
    program: Program,
) -> Result<PathBuf, Failure> {
    let (name, target) = (program.name(), machines::target(core));
    let linked = folder()?.join(format!("{name}-{core}-{}.elf", machine.name));
    // Cores that share a target folder also share the linked file: one at a time, until it is copied.
    let _lock = lock(&folder()?.join(format!("{}.lock", machines::cpu(core).unwrap_or("bench"))))?;
    let mut command = cargo(toolchain, core, machine, "build")?;
    let failed =
        |why: String| Failure::failed(format!("{}: cannot build {name} for {target}: {why}", package().display()));
    let output = command.args(["--bin", name]).stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let built = target_folder(core).join(target).join("release").join(name);
    fs::copy(&built, &linked).map_err(|e| Failure::file(&built, e))?;
    Ok(linked)
}

/// Waits for an exclusive lock on a file, which is released when the returned handle is dropped.
pub(crate) fn lock(path: &Path) -> Result<fs::File, Failure> {
    fs::File::create(path).and_then(|file| file.lock().map(|()| file)).map_err(|e| Failure::file(path, e))
}
