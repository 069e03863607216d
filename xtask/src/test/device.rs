//! The device part: what runs on microcontrollers builds for their cores, draws in emulated ones, and stays within its budgets.

use super::windows::{self, Subject};
use super::{Part, Verdict, host};
use crate::bench::cores::Core;
use crate::bench::gate::{self, Outcome};
use crate::boards::Board;
use crate::console;
use crate::emulate;
use crate::failure::Failure;
use crate::flash;
use crate::toolchain::Way;
use ganlet_sim::host::Device;

/// The cores, from the smallest instruction set to the largest.
const TARGETS: [(&str, &str); 2] = [("thumbv6m-none-eabi", "Cortex-M0"), ("thumbv7em-none-eabihf", "Cortex-M4F")];

/// What is built for each: a package and its features.
const BUILDS: [(&str, &[&str]); 4] = [
    ("ganlet-runtime", &[]),
    ("ganlet-runtime", &["--features", "graphics"]),
    // The front page's firmware.
    ("ganlet-runtime", &["--features", "graphics", "--example", "device"]),
    ("ganlet-sim", &[]),
];

/// Builds for cores, weighs the runtime, draws on emulated machines; what lacks a compiler or an emulator says so.
///
/// Only parts whose name contains `wanted` are run.
pub(super) fn parts(wanted: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut run = |name: String, work: &mut dyn FnMut() -> Verdict| {
        if name.contains(wanted) {
            parts.push(Part::timed(name, work));
        }
    };
    for (target, core) in TARGETS {
        for (package, features) in BUILDS {
            let with = features.last().map(|f| format!(" with {f}")).unwrap_or_default();
            run(format!("{core}: {package}{with}"), &mut || {
                let way = match Way::find(target, |what| console::note(&format!("installing: {what}"))) {
                    Ok(way) => way,
                    Err(missing) => return Verdict::NotRun(missing.remedy),
                };
                let mut command = way.cargo("build", target);
                command.args(["--release", "--locked", "--package", package, "--no-default-features"]).args(features);
                host::check(command)
            });
        }
    }
    for core in [Core::M0, Core::M3, Core::M4, Core::M33, Core::M55, Core::Rv32] {
        run(format!("{}: code", core.name()), &mut || verdict(core, gate::prepare_code, gate::code));
    }
    for core in Core::ALL {
        run(format!("{}: pictures", core.name()), &mut || verdict(core, gate::prepare_pictures, gate::pictures));
    }
    for board in Board::all() {
        run(format!("{}: firmware", board.name), &mut || verdict(board, flash::gate::prepare, flash::gate::links));
    }
    for board in Board::all().iter().filter(|board| board.machine.is_some()) {
        run(format!("{}: emulated", board.name), &mut || {
            verdict(board, emulate::gate::prepare, emulate::gate::pictures)
        });
        run(format!("{}: own region", board.name), &mut || {
            verdict(board, emulate::gate::prepare, emulate::gate::regions)
        });
        run(format!("{}: window", board.name), &mut || {
            let prepare: Prepare<Subject> = |subject, told| {
                if let Subject::Emulator(board) = subject {
                    emulate::gate::prepare(board, told)?;
                }
                windows::prepare(subject, told)
            };
            verdict(Subject::Emulator(board), prepare, windows::check)
        });
    }
    run("simulator: window".to_owned(), &mut || {
        verdict(Subject::Simulator(Device::DEFAULT), windows::prepare, windows::check)
    });
    parts
}

/// Sets up what checks on a core or a board need, telling what is installed; else gives the remedy.
type Prepare<On> = fn(On, &dyn Fn(&str)) -> Result<(), String>;

/// Runs checks on a core or a board, if what they need is here or can be installed without asking.
fn verdict<On: Copy>(on: On, prepare: Prepare<On>, checks: fn(On) -> Result<Outcome, Failure>) -> Verdict {
    if let Err(remedy) = prepare(on, &|what| console::note(&format!("installing: {what}"))) {
        return Verdict::NotRun(remedy);
    }
    match checks(on) {
        Ok(Outcome { held, broken }) if broken.is_empty() => Verdict::Passed(held),
        Ok(Outcome { held, broken }) => {
            broken.iter().for_each(|line| console::note(line));
            Verdict::Failed { passed: held, failed: broken.len(), why: broken.join("; ") }
        }
        Err(failure) => {
            console::note(&failure.message);
            let first = failure.message.lines().next().unwrap_or_default().to_owned();
            Verdict::Failed { passed: 0, failed: 1, why: first }
        }
    }
}
