//! `doctor`: lists the programs that the project uses, whether they are installed, and how to get them.

use crate::console;
use crate::failure::Failure;
use crate::process;
use crate::sim;
use crate::table::Table;
use crate::toolchain::{self, OLDEST_MINOR, Toolchain};
use clap::Args as ClapArgs;
use std::path::Path;

/// List the programs that the project uses, whether they are installed, and how to get them
///
/// Fails only if something is missing that training, export and simulation need: a recent Rust and a C linker. Nothing needs Python, a
/// graphics card or development packages.
#[derive(ClapArgs)]
#[command(after_help = "Example:
  cargo xtask doctor")]
pub(crate) struct Args {}

/// A program or another requirement.
struct Requirement {
    name: &'static str,
    /// Its version or place; `None` if it is missing.
    found: Option<String>,
    purpose: &'static str,
    /// How to get it.
    remedy: String,
    /// Whether training, export and simulation need it.
    required: bool,
}

impl Requirement {
    fn program(name: &'static str, words: &[&str], purpose: &'static str, remedy: &str) -> Self {
        let found = process::which(name).map(|path| process::first_line(&path, words).unwrap_or_default());
        Self { name, found, purpose, remedy: remedy.to_owned(), required: false }
    }

    fn needed(self) -> Self {
        Self { required: true, ..self }
    }
}

/// Runs the command.
pub(crate) fn run(_: Args) -> Result<(), Failure> {
    let findings: Vec<Requirement> = [host(), checks(), devices(), screens()].into_iter().flatten().collect();
    let mut table = Table::new(&["", "program", "needed for", "found, or how to get it"]);
    for f in &findings {
        let (mark, words) = match &f.found {
            Some(found) => ("ok", found.clone()),
            None if f.required => ("MISSING", f.remedy.clone()),
            None => ("-", f.remedy.clone()),
        };
        table.row([mark.into(), f.name.into(), f.purpose.into(), words]);
    }
    console::print(&table.lines())?;
    let missing: Vec<&str> = findings.iter().filter(|f| f.required && f.found.is_none()).map(|f| f.name).collect();
    if !missing.is_empty() {
        return Err(Failure::failed(format!("training, export and simulation need: {}", missing.join(", "))));
    }
    console::print(
        "\nEverything that training, export and simulation need is installed: `cargo xtask demo` will run.\n",
    )
}

fn host() -> Vec<Requirement> {
    let version = process::first_line(Path::new("rustc"), &["--version"]);
    let rustc = Requirement {
        name: "rustc",
        found: version.filter(|v| toolchain::minor_version(v).is_some_and(|minor| minor >= OLDEST_MINOR)),
        purpose: "everything",
        remedy: format!("Rust 1.{OLDEST_MINOR} or later: https://rustup.rs, or rustup update"),
        required: true,
    };
    let cores = std::thread::available_parallelism().map(|n| format!("{n} cores")).ok();
    vec![
        rustc,
        Requirement::program("cargo", &["--version"], "everything", "https://rustup.rs").needed(),
        Requirement::program(
            "cc",
            &["--version"],
            "linking",
            "a C compiler: apt-get install gcc libc6-dev, or that of your system",
        )
        .needed(),
        Requirement { name: "processor", found: cores, purpose: "training", remedy: String::new(), required: false },
    ]
}

fn checks() -> Vec<Requirement> {
    let program = Requirement::program;
    vec![
        program("cargo-clippy", &["--version"], "cargo xtask test", "rustup component add clippy"),
        program("cargo-fmt", &["--version"], "cargo xtask test", "rustup component add rustfmt"),
    ]
}

fn devices() -> Vec<Requirement> {
    let target = |name: &'static str, purpose| Requirement {
        name,
        found: Toolchain::present(name).map(|toolchain| toolchain.describe().to_owned()),
        purpose,
        remedy: format!("rustup target add {name}; cargo xtask test installs it if it can"),
        required: false,
    };
    let qemu = |name, package: &str| {
        Requirement::program(
            name,
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
        // Xvfb has no option that prints its version and exits.
        Requirement {
            name: "Xvfb",
            found: process::which("Xvfb").map(|file| file.display().to_string()),
            purpose: "testing windows",
            remedy: "apt-get install --no-install-recommends xvfb xdotool".to_owned(),
            required: false,
        },
        Requirement::program(
            "probe-rs",
            &["--version"],
            "writing to boards",
            "https://probe.rs; Pico boards also take --uf2",
        ),
        Requirement::program("openocd", &["--version"], "writing to the lm3s6965evb", "apt-get install openocd"),
    ]
}

fn screens() -> Vec<Requirement> {
    let found = sim::has_display().then(|| match std::env::var("DISPLAY") {
        Ok(name) if !name.is_empty() => format!("DISPLAY={name}"),
        _ => "the desktop".to_owned(),
    });
    let remedy = "set DISPLAY; without one, sim draws in the terminal or writes --png and --gif".to_owned();
    vec![Requirement { name: "display", found, purpose: "sim --window", remedy, required: false }]
}
