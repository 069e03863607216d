//! Finds or installs a compiler that builds for a microcontroller.
//!
//! Tried in this order:
//! 1. The target is installed.
//! 2. rustup adds the target.
//! 3. The compiler in use builds `core` from its sources.
//! 4. Debian's compiler builds `core`; apt-get installs it if no question has to be answered.
//!
//! If all of this fails, the error says how to install a compiler.

use crate::process::{first_line, install, succeeds_within, which};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Debian packages of a recent compiler with the sources of its library, and of its lints. Debian has them to build web browsers.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
/// Where these packages put their programs.
const DEBIAN_BIN: &str = "/usr/bin";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// The oldest minor version of Rust 1 that builds the project.
pub(crate) const OLDEST_MINOR: u32 = 90;
/// Time limit for rustup, in case the network does not answer.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// A compiler for a target, and where its library `core` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The compiler in use has the target's library.
    Installed,
    /// The compiler in use has the sources of `core`.
    Sources,
    /// Debian's compiler has the sources of `core`.
    Debian,
}

/// No compiler was found.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// What to install, and why that could not be done automatically.
    pub(crate) remedy: String,
}

impl Toolchain {
    /// Returns the compiler for `target` that is installed already.
    pub(crate) fn present(target: &str) -> Option<Self> {
        let sysroot = sysroot(Path::new("rustc"));
        if sysroot.as_deref().is_some_and(|root| has_target(root, target)) {
            Some(Self::Installed)
        } else if sysroot.as_deref().is_some_and(has_sources) {
            Some(Self::Sources)
        } else {
            debian_is_ready().then_some(Self::Debian)
        }
    }

    /// Returns the compiler that is installed already, else the result of [`Self::find`]; an error is a sentence for the user.
    pub(crate) fn require(target: &str, report: &dyn Fn(&str)) -> Result<Self, String> {
        Self::present(target)
            .map_or_else(|| Self::find(target, report), Ok)
            .map_err(|missing| format!("no compiler for {target}: {}", missing.remedy))
    }

    /// Returns the compiler that is installed, or installs one if that needs no questions; `report` receives what is installed.
    pub(crate) fn find(target: &str, report: &dyn Fn(&str)) -> Result<Self, Missing> {
        // An installed target is the fastest; the other toolchains build `core` first.
        match Self::present(target) {
            Some(Self::Installed) => return Ok(Self::Installed),
            present => {
                if add_with_rustup(target, report) {
                    return Ok(Self::Installed);
                }
                if let Some(toolchain) = present {
                    return Ok(toolchain);
                }
            }
        }
        let refused = install(&DEBIAN, report).err();
        if debian_is_ready() {
            return Ok(Self::Debian);
        }
        let refused = refused.unwrap_or_else(|| "its compiler is too old or has no sources".to_owned());
        Err(Missing {
            remedy: format!(
                "rustup target add {target}, or on Debian apt-get install {} ({refused})",
                DEBIAN.join(" ")
            ),
        })
    }

    /// A cargo command for `target`, without packages yet; its artifacts go to `target/cross`.
    pub(crate) fn cargo(&self, subcommand: &str, target: &str) -> Command {
        let mut command = match self {
            Self::Installed => Command::new("cargo"),
            Self::Sources => {
                let mut command = Command::new("cargo");
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Self::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env("PATH", debian_path());
                // The proxies of rustup set these for their own compiler.
                for name in ["CARGO", "LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "RUSTC_WRAPPER"] {
                    command.env_remove(name);
                }
                command
            }
        };
        command.arg(subcommand).args(["--target", target]).env("CARGO_TARGET_DIR", "target/cross");
        if *self != Self::Installed {
            command.arg("-Zbuild-std=core");
        }
        command
    }

    /// Name and version of the compiler, such as `rustc 1.95.0`.
    pub(crate) fn compiler(&self) -> String {
        let rustc = if *self == Self::Debian { DEBIAN_RUSTC } else { "rustc" };
        let line = first_line(Path::new(rustc), &["--version"]).unwrap_or_default();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The `RUSTFLAGS` for firmware: the processor, if the target alone does not use all of its instructions, and a linker if one is needed.
    ///
    /// An error is a sentence for the user.
    pub(crate) fn firmware_flags(target: &str, cpu: Option<&str>, report: &dyn Fn(&str)) -> Result<String, String> {
        let linker = Self::linker_flag(report);
        let linker = linker.map_err(|missing| format!("no linker for {target}: {}", missing.remedy))?;
        let cpu = cpu.map(|cpu| format!("-Ctarget-cpu={cpu}"));
        Ok(cpu.as_deref().into_iter().chain(linker).collect::<Vec<_>>().join(" "))
    }

    /// The compiler flag that selects Debian's linker, which is installed if necessary; none if the compiler has its own linker.
    fn linker_flag(report: &dyn Fn(&str)) -> Result<Option<&'static str>, Missing> {
        if folder_of_linker().is_some() {
            return Ok(None);
        }
        let refused = if which("ld.lld").is_none() { install(&["lld"], report).err() } else { None };
        match (which("ld.lld"), refused) {
            (Some(_), _) => Ok(Some("-Clinker=ld.lld")),
            (None, why) => Err(Missing {
                remedy: format!("apt-get install lld, the linker ({})", why.unwrap_or_else(|| "not found".to_owned())),
            }),
        }
    }

    /// A short description for messages.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Sources => "core built from the compiler's sources",
            Self::Debian => "core built by Debian's compiler",
        }
    }
}

/// Parses the minor version from `rustc 1.95.0 (…)`.
pub(crate) fn minor_version(line: &str) -> Option<u32> {
    line.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    first_line(rustc, &["--print", "sysroot"]).map(PathBuf::from)
}

fn has_target(sysroot: &Path, target: &str) -> bool {
    let libraries = fs::read_dir(sysroot.join("lib/rustlib").join(target).join("lib"));
    libraries
        .is_ok_and(|mut files| files.any(|f| f.is_ok_and(|f| f.file_name().to_string_lossy().starts_with("libcore-"))))
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

fn debian_is_ready() -> bool {
    let rustc = Path::new(DEBIAN_RUSTC);
    let recent =
        || first_line(rustc, &["--version"]).and_then(|v| minor_version(&v)).is_some_and(|v| v >= OLDEST_MINOR);
    Path::new(DEBIAN_CARGO).is_file()
        && rustc.is_file()
        && recent()
        && sysroot(rustc).is_some_and(|root| has_sources(&root))
}

/// The search path of Debian's cargo: the folder of `rust-lld`, the linker for these targets, then Debian's programs. `cargo clippy` would
/// otherwise find rustup's clippy, which looks for `core` in its own toolchain.
fn debian_path() -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let first = folder_of_linker().into_iter().chain([PathBuf::from(DEBIAN_BIN)]);
    env::join_paths(first.chain(env::split_paths(&path))).unwrap_or(path)
}

/// The folder of `rust-lld`, which is part of the compilers of rustup.
fn folder_of_linker() -> Option<PathBuf> {
    let rustlib = sysroot(Path::new("rustc")).map(|root| root.join("lib/rustlib"));
    let hosts = rustlib.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    hosts.map(|host| host.path().join("bin")).find(|bin| bin.join("rust-lld").is_file())
}

fn add_with_rustup(target: &str, report: &dyn Fn(&str)) -> bool {
    if which("rustup").is_none() {
        return false;
    }
    report(&format!("rustup target add {target}"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", target]).stdout(Stdio::null());
    succeeds_within(RUSTUP_LIMIT, command) && sysroot(Path::new("rustc")).is_some_and(|root| has_target(&root, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_versions_are_parsed() {
        assert_eq!(minor_version("rustc 1.95.0 (59807616e 2026-04-14)"), Some(95));
        assert_eq!(minor_version("rustc 1.96.0-nightly"), Some(96));
        assert_eq!(minor_version("clang 14"), None);
    }
}
