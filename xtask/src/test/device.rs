//! The device parts: everything that runs on microcontrollers builds for their cores, draws on emulated ones, and stays within its budgets.

use super::checks::Checks;
use super::part::{Part, PartOutcome};
use super::windows::{self, Window};
use super::{code, counts, emulated, firmware, host};
use crate::console;
use crate::failure::Failure;
use crate::firmware::report_installation;
use crate::process::root;
use crate::toolchain::Toolchain;
use ganlet_sim::host::{BoardInfo, Core, Device};

/// The targets for which the libraries are built without firmware: the smallest and the largest Arm core.
const TARGETS: [(&str, &str); 2] = [("thumbv6m-none-eabi", "Cortex-M0"), ("thumbv7em-none-eabihf", "Cortex-M4F")];

/// The libraries: a package, and the options that it is built with in addition to `--no-default-features`.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("ganlet-runtime", &[]),
    ("ganlet-runtime", &["--features", "graphics"]),
    // The firmware on the front page.
    ("ganlet-runtime", &["--features", "graphics", "--example", "device"]),
    ("ganlet-sim", &[]),
];

/// Cores whose code is measured.
const MEASURED: [Core; 6] = [Core::M0, Core::M3, Core::M4, Core::M33, Core::M55, Core::Rv32];

/// The device parts whose names contain `word`. The parts of a group share files.
///
/// Groups of cores and of boards alternate. The two kinds have separate target folders, so that they do not wait for each other.
pub(super) fn groups(word: &str) -> Vec<Vec<Part>> {
    let cores = std::iter::once(libraries()).chain(Core::ALL.map(core));
    // Emulated boards take longest and are first.
    let mut boards: Vec<_> = BoardInfo::all().iter().collect();
    boards.sort_by_key(|board| board.emulated.is_none());
    let simulator =
        check("simulator: window".to_owned(), Window::Simulator(Device::DEFAULT), windows::prepare, windows::check);
    let boards = boards.into_iter().map(board).chain([vec![simulator]]);
    let mut groups = Vec::new();
    let (mut cores, mut boards) = (cores.fuse(), boards.fuse());
    loop {
        match (boards.next(), cores.next()) {
            (None, None) => break,
            (board, core) => groups.extend([board, core].into_iter().flatten()),
        }
    }
    groups.iter_mut().for_each(|group| group.retain(|part| part.name.contains(word)));
    groups.retain(|group| !group.is_empty());
    groups
}

/// Builds of the libraries alone.
fn libraries() -> Vec<Part> {
    let part = |(target, core): (&'static str, &str), (package, options): (&'static str, &'static [&'static str])| {
        let with = options.last().map(|option| format!(" with {option}")).unwrap_or_default();
        Part::new(format!("{core}: {package}{with}"), move || {
            let toolchain = match Toolchain::find(target, &report_installation) {
                Ok(toolchain) => toolchain,
                Err(missing) => return PartOutcome::NotRun(missing.remedy),
            };
            let mut command = toolchain.cargo("build", target);
            command.current_dir(root()).args(["--release", "--locked", "--package", package, "--no-default-features"]);
            host::check(command.args(options))
        })
    };
    TARGETS.into_iter().flat_map(|target| LIBRARIES.map(|library| part(target, library))).collect()
}

/// Code and images of a core.
fn core(core: Core) -> Vec<Part> {
    let code = MEASURED.contains(&core).then(|| check(format!("{core}: code"), core, code::prepare, code::code));
    code.into_iter().chain([check(format!("{core}: images"), core, counts::prepare, counts::images)]).collect()
}

/// Firmware of a board, and sessions with it if it is emulated.
fn board(board: &'static BoardInfo) -> Vec<Part> {
    let name = board.name;
    let mut parts = vec![check(format!("{name}: firmware"), board, firmware::prepare, firmware::links)];
    if board.emulated.is_some() {
        parts.push(check(format!("{name}: emulated"), board, emulated::prepare, emulated::images));
        parts.push(check(format!("{name}: own region"), board, emulated::prepare, emulated::regions));
        let prepare: Prepare<Window> = |window, report| {
            if let Window::Emulator(board) = window {
                emulated::prepare(board, report)?;
            }
            windows::prepare(window, report)
        };
        parts.push(check(format!("{name}: window"), Window::Emulator(board), prepare, windows::check));
    }
    parts
}

/// Sets up what checks of a core or a board need and reports what is installed; else returns the remedy.
type Prepare<On> = fn(On, &dyn Fn(&str)) -> Result<(), String>;

/// A part that checks a core, a board or a window, if what it needs is installed or can be installed without questions.
fn check<On: Copy + Send + 'static>(
    name: String,
    on: On,
    prepare: Prepare<On>,
    checks: fn(On) -> Result<Checks, Failure>,
) -> Part {
    Part::new(name, move || {
        if let Err(remedy) = prepare(on, &report_installation) {
            return PartOutcome::NotRun(remedy);
        }
        match checks(on) {
            Ok(Checks { passed, failures }) if failures.is_empty() => PartOutcome::Passed(passed),
            Ok(Checks { passed, failures }) => {
                failures.iter().for_each(|message| console::note(message));
                let first_lines: Vec<&str> = failures.iter().filter_map(|message| message.lines().next()).collect();
                PartOutcome::Failed { passed, failed: failures.len(), why: first_lines.join("; ") }
            }
            Err(failure) => {
                console::note(&failure.message);
                let why = failure.message.lines().next().unwrap_or_default().to_owned();
                PartOutcome::Failed { passed: 0, failed: 1, why }
            }
        }
    })
}
