//! The part of the tests that links the runtime alone and checks its code.

use super::checks::{self, Checks};
use crate::failure::Failure;
use crate::firmware::{bench, machines};
use crate::size;
use crate::toolchain::Toolchain;
use ganlet_sim::host::Core;

/// Largest code of the runtime on a Cortex-M4 with every kind of layer; the goal is 12 KB.
const TEXT_BUDGET: u64 = 19_600;

/// Cores whose firmware is linted: one for each instruction set that the source distinguishes.
const LINTED: [Core; 2] = [Core::M4, Core::Rv32];

/// Sets up the compiler for a core if that needs no questions; else returns the remedy.
pub(super) fn prepare(core: Core, report: &dyn Fn(&str)) -> Result<(), String> {
    Toolchain::require(machines::target(core), report).map(|_| ())
}

/// Links the runtime for a core: it contains no floats, panics or allocations, and its code is within the budget.
pub(super) fn code(core: Core) -> Result<Checks, Failure> {
    let (target, size) = (machines::target(core), size::measure(core)?);
    let contents = &size.contents;
    let mut checks = Checks::default();
    if LINTED.contains(&core) {
        lint(core, &mut checks)?;
    }
    for (what, symbols) in [("float", &contents.float), ("panic", &contents.panic), ("allocation", &contents.alloc)] {
        checks.check(symbols.is_empty(), || format!("{target}: {what} symbols: {}", symbols.join(", ")));
    }
    if core == Core::M4 {
        let vfp = contents.vfp_instructions;
        checks.check(vfp == Some(0), || format!("{target}: {} floating-point instructions", vfp.unwrap_or(0)));
        let text = contents.text;
        checks.check(text <= TEXT_BUDGET, || format!("{target}: {text} bytes of code, the budget is {TEXT_BUDGET}"));
    }
    Ok(checks)
}

/// Lints the package of the measured programs for a core.
fn lint(core: Core, checks: &mut Checks) -> Result<(), Failure> {
    let toolchain = Toolchain::require(machines::target(core), &|_| ()).map_err(Failure::failed)?;
    let command = bench::cargo(&toolchain, core, &machines::machine(core, usize::MAX), "clippy")?;
    checks::lint(command, &format!("firmware-sim/bench for {}", machines::target(core)), checks);
    Ok(())
}
