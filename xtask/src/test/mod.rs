//! `test`: everything that must hold, on this machine and as far as the device part can be built.

mod device;
mod host;
mod summary;
mod windows;

use crate::console;
use crate::failure::Failure;
use clap::Args as ClapArgs;
use std::time::{Duration, Instant};

/// Run all tests, the format and lint checks, and the builds for microcontrollers.
///
/// A missing cross target is set up where that needs no questions (rustup; apt as root), else the device part is reported as NOT RUN
/// with the remedy. With CI=true in the environment --require-device is implied. The last line reads `N passed, N failed`.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask test                   everything
  cargo xtask test --host-only       without the device part: nothing is installed
  cargo xtask test --device-only     microcontrollers alone: builds, code size, pictures and instruction counts
  CI=true cargo xtask test           a part that cannot run has failed")]
pub(crate) struct Args {
    /// Leave the device part out
    #[arg(long, conflicts_with = "require_device")]
    host_only: bool,
    /// The device part alone
    #[arg(long, conflicts_with = "host_only")]
    device_only: bool,
    /// Those of the device parts alone whose name contains this, such as "pico" or ": emulated"
    #[arg(long, value_name = "WORD", conflicts_with = "host_only")]
    only: Option<String>,
    /// A device part that cannot run has failed
    #[arg(long)]
    require_device: bool,
}

/// How a part went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many checks held.
    Passed(usize),
    /// So many checks held, so many did not.
    Failed { passed: usize, failed: usize, why: String },
    /// It could not run; what to do about that.
    NotRun(String),
}

/// A part of the tests, done.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

impl Part {
    /// Does `work` and notes how long it took.
    fn timed(name: impl Into<String>, work: impl FnOnce() -> Verdict) -> Self {
        let name = name.into();
        console::note(&console::on_stderr(console::Tint::Bold, &format!("\n== {name}")));
        let start = Instant::now();
        let verdict = work();
        Self { name, verdict, took: start.elapsed() }
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let required = args.require_device || std::env::var_os("CI").is_some_and(|ci| ci == "true");
    let mut parts = if args.device_only || args.only.is_some() { Vec::new() } else { host::parts() };
    if !args.host_only {
        parts.extend(device::parts(args.only.as_deref().unwrap_or_default()));
    }
    if let (Some(word), true) = (&args.only, parts.is_empty()) {
        return Err(Failure::unusable(format!("no device part has \"{word}\" in its name")));
    }
    let (text, all_well) = summary::of(&parts, required && !args.host_only);
    console::print(&text)?;
    if all_well { Ok(()) } else { Err(Failure::failed("")) }
}
