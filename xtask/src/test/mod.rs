//! `test`: runs every check of the project, on this machine and for microcontrollers.

mod checks;
mod code;
mod counts;
mod device;
mod emulated;
mod firmware;
mod host;
mod part;
mod summary;
mod windows;

use crate::console;
use crate::failure::Failure;
use clap::Args as ClapArgs;

/// Run all tests and lints, build for microcontrollers, and test emulated devices
///
/// Installs a missing target or emulator if no question has to be answered (rustup; apt-get as root). A part that cannot run is reported as
/// NOT RUN with the remedy; with CI=true in the environment or with --require-device it counts as failed. The last line of the output
/// reads `N passed, N failed`.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask test                   everything
  cargo xtask test --host-only       only what needs this machine alone; installs nothing
  cargo xtask test --device-only     only microcontrollers: builds, code size, images, instruction counts
  cargo xtask test --only pico       only device parts with \"pico\" in their names
  CI=true cargo xtask test           a part that cannot run counts as failed")]
pub(crate) struct Args {
    /// Skip the device parts
    #[arg(long, conflicts_with = "require_device")]
    host_only: bool,
    /// Run only the device parts
    #[arg(long, conflicts_with = "host_only")]
    device_only: bool,
    /// Run only device parts whose names contain this, such as "pico" or ": emulated"
    #[arg(long, value_name = "WORD", conflicts_with = "host_only")]
    only: Option<String>,
    /// Count a device part that cannot run as failed
    #[arg(long)]
    require_device: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let required = args.require_device || std::env::var_os("CI").is_some_and(|ci| ci == "true");
    let mut results = Vec::new();
    if !args.device_only && args.only.is_none() {
        results.extend(part::run_all(vec![host::parts()]));
    }
    if !args.host_only {
        let groups = device::groups(args.only.as_deref().unwrap_or_default());
        if let (Some(word), true) = (&args.only, groups.is_empty()) {
            return Err(Failure::unusable(format!("no device part has \"{word}\" in its name")));
        }
        results.extend(part::run_all(groups));
    }
    let (text, all_passed) = summary::of(&results, required && !args.host_only);
    console::print(&text)?;
    if all_passed { Ok(()) } else { Err(Failure::failed("")) }
}
