//! `doctor`: what is installed, what is missing, what each is for and how to get it.

use crate::console;
use crate::failure::Failure;
use crate::sim;
use crate::table::Table;
use crate::toolchain::{self, OLDEST_MINOR, Way};
use clap::Args as ClapArgs;
use std::path::Path;

/// Say what is installed, what is missing, what each is for and how to get it.
///
/// Fails only when something is missing that training, export and simulation need: a recent Rust and a C linker. Python, a graphics
/// card and development packages are needed for nothing.
#[derive(ClapArgs)]
#[command(after_help = "Example:
  cargo xtask doctor")]
pub(crate) struct Args {}

/// One line of the report.
struct Finding {
    what: &'static str,
    /// What was found; `None` when it is missing.
    found: Option<String>,
    purpose: &'static str,
    /// How to get it.
    remedy: String,
    /// Whether the main job needs it.
    required: bool,
}

impl Finding {
    fn program(what: &'static str, words: &[&str], purpose: &'static str, remedy: &str) -> Self {
        let found = toolchain::which(what).map(|path| toolchain::says(&path, words).unwrap_or_default());
        Self { what, found, purpose, remedy: remedy.to_owned(), required: false }
    }

    fn needed(self) -> Self {
        Self { required: true, ..self }
    }
}

/// Runs the command.
pub(crate) fn run(_: Args) -> Result<(), Failure> {
    let findings: Vec<Finding> = [host(), checks(), devices(), screens()].into_iter().flatten().collect();
    let mut table = Table::new(&["", "what", "needed for", "found, or how to get it"]);
    for f in &findings {
        let (mark, words) = match &f.found {
            Some(found) => ("ok", found.clone()),
            None if f.required => ("MISSING", f.remedy.clone()),
            None => ("-", f.remedy.clone()),
        };
        table.row([mark.into(), f.what.into(), f.purpose.into(), words]);
    }
    console::print(&table.lines())?;
    let missing: Vec<&str> = findings.iter().filter(|f| f.required && f.found.is_none()).map(|f| f.what).collect();
    if !missing.is_empty() {
        return Err(Failure::failed(format!("training, export and simulation need: {}", missing.join(", "))));
    }
    console::print("\nAll that training, export and simulation need is here: `cargo xtask demo` will run.\n")
}

fn host() -> Vec<Finding> {
    let version = toolchain::says(Path::new("rustc"), &["--version"]);
    let rustc = Finding {
        what: "rustc",
        found: version.filter(|v| toolchain::minor_version(v).is_some_and(|minor| minor >= OLDEST_MINOR)),
        purpose: "everything",
        remedy: format!("Rust 1.{OLDEST_MINOR} or later: https://rustup.rs, or rustup update"),
        required: true,
    };
    let cores = std::thread::available_parallelism().map(|n| format!("{n} cores")).ok();
    vec![
        rustc,
        Finding::program("cargo", &["--version"], "everything", "https://rustup.rs").needed(),
        Finding::program("cc", &["--version"], "linking", "a C compiler, as in apt-get install gcc libc6-dev").needed(),
        Finding { what: "processor", found: cores, purpose: "training", remedy: String::new(), required: false },
    ]
}

fn checks() -> Vec<Finding> {
    let program = Finding::program;
    vec![
        program("cargo-clippy", &["--version"], "cargo xtask test", "rustup component add clippy"),
        program("cargo-fmt", &["--version"], "cargo xtask test", "rustup component add rustfmt"),
    ]
}

fn devices() -> Vec<Finding> {
    let target = |what: &'static str, purpose| Finding {
        what,
        found: Way::present(what).map(|way| way.describe().to_owned()),
        purpose,
        remedy: format!("rustup target add {what}; cargo xtask test sets it up where it can"),
        required: false,
    };
    let qemu = |what, package: &str| {
        Finding::program(
            what,
            &["--version"],
            "emulated boards",
            &format!("apt-get install --no-install-recommends {package}"),
        )
    };
    vec![
        target("thumbv6m-none-eabi", "Cortex-M0"),
        target("thumbv7m-none-eabi", "Cortex-M3"),
        target("thumbv7em-none-eabihf", "Cortex-M4F, M7"),
        target("thumbv8m.main-none-eabihf", "Cortex-M33, M55"),
        target("riscv32imac-unknown-none-elf", "RISC-V"),
        qemu("qemu-system-arm", "qemu-system-arm"),
        qemu("qemu-system-riscv32", "qemu-system-misc"),
        // An X server has no option that tells its version and ends.
        Finding {
            what: "Xvfb",
            found: toolchain::which("Xvfb").map(|file| file.display().to_string()),
            purpose: "tests of windows",
            remedy: "apt-get install --no-install-recommends xvfb xdotool".to_owned(),
            required: false,
        },
        Finding::program(
            "probe-rs",
            &["--version"],
            "writing to boards",
            "https://probe.rs; Pico boards also take --uf2",
        ),
        Finding::program("openocd", &["--version"], "writing to the lm3s6965evb", "apt-get install openocd"),
    ]
}

fn screens() -> Vec<Finding> {
    let found = sim::has_display().then(|| match std::env::var("DISPLAY") {
        Ok(name) if !name.is_empty() => format!("DISPLAY={name}"),
        _ => "the desktop".to_owned(),
    });
    let remedy = "set DISPLAY; without one, sim draws in the terminal or writes --png and --gif".to_owned();
    vec![Finding { what: "display", found, purpose: "sim --window", remedy, required: false }]
}
