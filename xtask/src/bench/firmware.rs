//! Building the programs that run in emulated machines.

use super::cores::Core;
use crate::console;
use crate::failure::Failure;
use crate::toolchain::Way;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The folder of the whole project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where models and linked programs are kept.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let folder = root().join("target/device");
    fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, e))?;
    Ok(folder)
}

/// A compiler for a core: the one that is there, else one that can be installed without asking; else the remedy.
pub(crate) fn way(core: Core, told: impl Fn(&str)) -> Result<Way, String> {
    let target = core.target();
    let present = Way::present(target);
    present
        .map_or_else(|| Way::find(target, told), Ok)
        .map_err(|missing| format!("no compiler for {target}: {}", missing.remedy))
}

/// Builds `program` (a binary of `firmware-sim/bench`) for a core's `machine`; gives the linked file.
pub(crate) fn build(way: &Way, core: Core, machine: &str, program: &str) -> Result<PathBuf, Failure> {
    let package = root().join("firmware-sim/bench");
    let target = core.target();
    // Flags are not part of a target's folder: without one of their own, two cores would build over each other.
    let kept = root().join("target/cross").join(core.cpu().unwrap_or("bench"));
    let mut command = way.cargo("build", target);
    command.current_dir(&package).env("CARGO_TARGET_DIR", &kept).env("MACHINE", machine);
    let linker = Way::linker_flag(&|what: &str| console::note(&format!("installing: {what}")));
    let linker = linker.map_err(|missing| Failure::failed(format!("no linker for {target}: {}", missing.remedy)))?;
    let cpu = core.cpu().map(|cpu| format!("-Ctarget-cpu={cpu}"));
    let flags: Vec<&str> = cpu.as_deref().into_iter().chain(linker).collect();
    command.env("RUSTFLAGS", flags.join(" "));
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", core.opt_level());
    // The rows of a table come from this process: what it was built with is no concern of the firmware.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["--release", "--locked", "--quiet", "--bin", program]);
    let failed =
        |why: String| Failure::failed(format!("{}: cannot build {program} for {target}: {why}", package.display()));
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let built = kept.join(target).join("release").join(program);
    let kept = folder()?.join(format!("{program}-{}-{machine}.elf", core.name()));
    fs::copy(&built, &kept).map_err(|e| Failure::file(&built, e))?;
    Ok(kept)
}
