//! Which compiler builds for a microcontroller on this machine, and how to get one where there is none.
//!
//! In this order: the target is installed; rustup adds it; the compiler has the library's sources and builds `core` from them;
//! Debian's compiler does, installed by apt where that needs no questions. Else the remedy is told.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's compiler with the sources of its library, kept recent for its browsers.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where that package puts the compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// The oldest minor version of Rust 1 that builds the project.
pub(crate) const OLDEST_MINOR: u32 = 90;
/// A network that answers nothing shall not hold up the tests for longer.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(180);
const APT_PATIENCE: Duration = Duration::from_secs(600);

/// A way to build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The compiler in use has the target's library.
    Installed,
    /// The compiler in use has the sources of `core`.
    Sources,
    /// Debian's compiler has them.
    Debian,
}

/// No way was found; what the user can do.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// What to install, and why that was not done here.
    pub(crate) remedy: String,
}

impl Way {
    /// The way that needs no installation, if there is one.
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

    /// The way that is present, or that can be installed without asking anybody; `told` hears what is being installed.
    pub(crate) fn find(target: &str, told: impl Fn(&str)) -> Result<Self, Missing> {
        // An installed target builds soonest, the other ways build `core` first.
        match Self::present(target) {
            Some(Self::Installed) => return Ok(Self::Installed),
            present => {
                if add_with_rustup(target, &told) {
                    return Ok(Self::Installed);
                }
                if let Some(way) = present {
                    return Ok(way);
                }
            }
        }
        let refused = install(&DEBIAN, &told).err();
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

    /// A cargo command for `target`, still without its packages; its artifacts are kept in `target/cross`.
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
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env("PATH", path_with_linker());
                // The proxies of rustup leave these behind for their own compiler.
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

    /// The compiler's name and version, such as `rustc 1.95.0`.
    pub(crate) fn compiler(&self) -> String {
        let rustc = if *self == Self::Debian { DEBIAN_RUSTC } else { "rustc" };
        let line = says(Path::new(rustc), &["--version"]).unwrap_or_default();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The flag that names a linker to the compiler, where it has none of its own: Debian's, installed if that needs no questions.
    pub(crate) fn linker_flag(told: &impl Fn(&str)) -> Result<Option<&'static str>, Missing> {
        if folder_of_linker().is_some() {
            return Ok(None);
        }
        let refused = if which("ld.lld").is_none() { install(&["lld"], told).err() } else { None };
        match (which("ld.lld"), refused) {
            (Some(_), _) => Ok(Some("-Clinker=ld.lld")),
            (None, why) => Err(Missing {
                remedy: format!("apt-get install lld, the linker ({})", why.unwrap_or_else(|| "not found".to_owned())),
            }),
        }
    }

    /// A few words on the way.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Sources => "core built from the compiler's sources",
            Self::Debian => "core built by Debian's compiler",
        }
    }
}

/// Installs Debian packages where that needs no questions: as root, with apt-get.
pub(crate) fn install(packages: &[&str], told: &impl Fn(&str)) -> Result<(), String> {
    if which("apt-get").is_none() {
        return Err("there is no apt-get here".to_owned());
    }
    if !is_root() {
        return Err("apt-get needs root, and this is another user".to_owned());
    }
    told(&format!("apt-get install {}", packages.join(" ")));
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-y"]).args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        within(APT_PATIENCE, command)
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // A fresh image has no lists of packages.
    if apt(&install) || (apt(&["update"]) && apt(&install)) { Ok(()) } else { Err("apt-get failed".to_owned()) }
}

/// The first program of this name on the path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The first line that a program prints, if it runs and succeeds.
pub(crate) fn says(program: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// The minor version of a compiler that says `rustc 1.95.0 (…)`.
pub(crate) fn minor_version(line: &str) -> Option<u32> {
    line.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    says(rustc, &["--print", "sysroot"]).map(PathBuf::from)
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
    let recent = || says(rustc, &["--version"]).and_then(|v| minor_version(&v)).is_some_and(|v| v >= OLDEST_MINOR);
    Path::new(DEBIAN_CARGO).is_file()
        && rustc.is_file()
        && recent()
        && sysroot(rustc).is_some_and(|root| has_sources(&root))
}

/// The path with a folder in front that holds `rust-lld`, which the targets link with.
fn path_with_linker() -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folder_of_linker().into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

/// The folder of `rust-lld`, which the compilers of rustup bring along.
fn folder_of_linker() -> Option<PathBuf> {
    let rustlib = sysroot(Path::new("rustc")).map(|root| root.join("lib/rustlib"));
    let hosts = rustlib.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    hosts.map(|host| host.path().join("bin")).find(|bin| bin.join("rust-lld").is_file())
}

fn add_with_rustup(target: &str, told: &impl Fn(&str)) -> bool {
    if which("rustup").is_none() {
        return false;
    }
    told(&format!("rustup target add {target}"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", target]).stdout(Stdio::null());
    within(RUSTUP_PATIENCE, command) && sysroot(Path::new("rustc")).is_some_and(|root| has_target(&root, target))
}

fn is_root() -> bool {
    says(Path::new("id"), &["-u"]).is_some_and(|id| id == "0")
}

/// Runs a command that may be waiting for a network; whether it succeeded in time.
fn within(patience: Duration, mut command: Command) -> bool {
    let Ok(mut child) = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(100)),
            _ => {
                // It is of no use any more, whether or not it can still be ended.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_compiler_prints_them() {
        assert_eq!(minor_version("rustc 1.95.0 (59807616e 2026-04-14)"), Some(95));
        assert_eq!(minor_version("rustc 1.96.0-nightly"), Some(96));
        assert_eq!(minor_version("clang 14"), None);
    }
}
