//! The device part of the tests: counts stay what was committed, pictures are the same everywhere, budgets hold.

use super::cores::Core;
use super::device::{self, Layout};
use super::measure::{Cost, Subject};
use super::{emulator, firmware, page};
use crate::failure::Failure;
use crate::size::{self, Weight};
use ganlet_trainer::quantize::random_models::RandomNet;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// How far counts may be from the committed ones, by the same compiler and by another.
const TOLERANCE_PERCENT: f64 = 1.0;
const OTHER_COMPILER_PERCENT: f64 = 15.0;
/// Code of the runtime on a Cortex-M4, every kind of layer linked: what is reached; 12 KB is the goal.
const TEXT_BUDGET: u64 = 18_700;
/// RAM of a streamed picture, by model.
const ARENA_BUDGETS: [(&str, u64); 3] = [("digits28", 6 << 10), ("dcgan64-16", 14 << 10), ("dcgan64-64", 54 << 10)];
/// RAM of a machine that draws the classic DCGAN, stack included.
const RAM_BUDGET: u64 = 64 << 10;

/// The committed counts: `tests/device-counts.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Committed {
    pub(crate) rows: Vec<Row>,
}

/// The counts of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) core: String,
    pub(crate) model: String,
    pub(crate) layout: String,
    pub(crate) compiler: String,
    pub(crate) macs: u64,
    pub(crate) instructions: u64,
    pub(crate) load_instructions: u64,
    pub(crate) ram_bytes: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) checksum: String,
}

impl Row {
    fn new(cost: &Cost) -> Self {
        Self {
            core: cost.core.name().to_owned(),
            model: cost.model.clone(),
            layout: cost.layout.to_owned(),
            compiler: cost.compiler.clone(),
            macs: cost.macs,
            instructions: cost.instructions,
            load_instructions: cost.load_instructions,
            ram_bytes: cost.arena_bytes,
            stack_bytes: cost.stack_bytes,
            checksum: cost.checksum.clone(),
        }
    }

    fn key(&self) -> (&str, &str, &str) {
        (&self.core, &self.model, &self.layout)
    }
}

fn path() -> PathBuf {
    firmware::root().join("tests/device-counts.json")
}

impl Committed {
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = path();
        let text = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
        serde_json::from_str(&text).map_err(|e| Failure::file(&path, e))
    }

    /// Puts measured counts in the place of committed ones; writes the file, and the page that shows it.
    pub(crate) fn record(costs: &[Cost]) -> Result<PathBuf, Failure> {
        let path = path();
        let mut committed = if path.exists() { Self::read()? } else { Self::default() };
        for new in costs.iter().map(Row::new) {
            match committed.rows.iter_mut().find(|row| row.key() == new.key()) {
                Some(row) => *row = new,
                None => committed.rows.push(new),
            }
        }
        let order = |row: &Row| {
            let core = Core::ALL.iter().position(|c| c.name() == row.core);
            (core, ARENA_BUDGETS.iter().position(|(m, _)| *m == row.model), row.layout.clone())
        };
        committed.rows.sort_by_key(order);
        // A line for each row, so that a change is read row by row.
        let rows = committed.rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        fs::write(&path, format!("{{\"rows\": [\n{}\n]}}\n", rows.join(",\n"))).map_err(|e| Failure::file(&path, e))?;
        page::write(&committed.rows)?;
        Ok(path)
    }
}

/// How many checks held, and what did not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) held: usize,
    pub(crate) broken: Vec<String>,
}

impl Outcome {
    pub(crate) fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if holds {
            self.held += 1;
        } else {
            self.broken.push(otherwise());
        }
    }
}

/// Sets up the compiler for a core where that needs no questions; else tells the remedy.
pub(crate) fn prepare_code(core: Core, told: &dyn Fn(&str)) -> Result<(), String> {
    firmware::way(core, told).map(|_| ())
}

/// The same for the compiler and the emulator.
pub(crate) fn prepare_pictures(core: Core, told: &dyn Fn(&str)) -> Result<(), String> {
    prepare_code(core, told)?;
    emulator::find(core.machine(0).emulator, &told)
}

/// Draws the reference generators on a core and compares counts, pictures and RAM.
pub(crate) fn pictures(core: Core) -> Result<Outcome, Failure> {
    let committed = Committed::read()?;
    let (costs, _) = device::all(&[core], &device::subjects(&[], &Layout::ALL)?, false)?;
    let mut outcome = Outcome::default();
    for cost in &costs {
        compare(&committed, &Row::new(cost), &mut outcome);
    }
    random_nets(core, &mut outcome)?;
    Ok(outcome)
}

/// Networks of every kind of layer and of odd sizes, each in both layouts, some of extreme weights, that cores draw besides the reference generators.
const RANDOM_NETS: u64 = 12;

/// Draws random networks on a core: each picture must be the one that this machine's portable kernels make.
fn random_nets(core: Core, outcome: &mut Outcome) -> Result<(), Failure> {
    let subjects = (0..RANDOM_NETS).flat_map(|seed| {
        let net = if seed % 3 == 2 { RandomNet::extreme(seed) } else { RandomNet::new(seed) };
        [("compact", net.file), ("fast", net.fast)].map(|(layout, bytes)| Subject {
            name: format!("random-{seed}"),
            layout,
            bytes,
        })
    });
    let (costs, _) = device::all(&[core], &subjects.collect::<Vec<_>>(), false)?;
    // Another picture would have been an error.
    costs.iter().for_each(|_| outcome.check(true, String::new));
    Ok(())
}

fn compare(committed: &Committed, found: &Row, outcome: &mut Outcome) {
    let who = format!("{} {} {}", found.core, found.model, found.layout);
    let record = "if that is meant: cargo xtask bench device --record";
    let Some(row) = committed.rows.iter().find(|row| row.key() == found.key()) else {
        outcome.check(false, || format!("{who}: no committed counts; {record}"));
        return;
    };
    let same = row.compiler == found.compiler;
    let percent = if same { TOLERANCE_PERCENT } else { OTHER_COMPILER_PERCENT };
    let counts = [
        ("instructions", row.instructions, found.instructions),
        ("instructions to load", row.load_instructions, found.load_instructions),
    ];
    for (what, was, is) in counts {
        let change = (is as f64 / was as f64 - 1.0) * 100.0;
        let by = if same { String::new() } else { format!(" by {} instead of {}", found.compiler, row.compiler) };
        outcome.check(change.abs() <= percent, || format!("{who}: {is} {what}{by}, {change:+.1} % of {was}; {record}"));
    }
    outcome.check(row.checksum == found.checksum, || {
        format!("{who}: the picture's checksum is {}, committed is {}; {record}", found.checksum, row.checksum)
    });
    outcome.check(row.ram_bytes == found.ram_bytes, || {
        format!("{who}: {} bytes of arena, committed are {}; {record}", found.ram_bytes, row.ram_bytes)
    });
    if let Some((_, budget)) = ARENA_BUDGETS.iter().find(|(model, _)| *model == found.model) {
        outcome.check(found.ram_bytes <= *budget, || {
            format!("{who}: {} bytes of arena, the budget is {budget}", found.ram_bytes)
        });
    }
    let all = found.ram_bytes + found.stack_bytes;
    outcome.check(all <= RAM_BUDGET, || format!("{who}: {all} bytes of RAM and stack, the budget is {RAM_BUDGET}"));
}

/// Links the runtime alone for a core: nothing in it floats, panics or allocates, and its code is within budget.
pub(crate) fn code(core: Core) -> Result<Outcome, Failure> {
    let weight = size::weigh(core)?;
    let mut outcome = Outcome::default();
    check_code(&weight, &mut outcome);
    Ok(outcome)
}

fn check_code(weight: &Weight, outcome: &mut Outcome) {
    let (target, contents) = (weight.core.target(), &weight.contents);
    for (what, symbols) in [("float", &contents.float), ("panic", &contents.panic), ("allocation", &contents.alloc)] {
        outcome.check(symbols.is_empty(), || format!("{target}: {what} symbols: {}", symbols.join(", ")));
    }
    if weight.core == Core::M4 {
        let vfp = contents.vfp_instructions;
        outcome.check(vfp == Some(0), || format!("{target}: {} floating-point instructions", vfp.unwrap_or(0)));
        let text = contents.text;
        outcome.check(text <= TEXT_BUDGET, || format!("{target}: {text} bytes of code, the budget is {TEXT_BUDGET}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: u64) -> Row {
        Row {
            core: "m4".into(),
            model: "digits28".into(),
            layout: "compact".into(),
            compiler: "rustc 1.95.0".into(),
            macs: 50_000,
            instructions,
            load_instructions: 500,
            ram_bytes: 4000,
            stack_bytes: 5000,
            checksum: "0123".into(),
        }
    }

    fn broken(found: &Row) -> Vec<String> {
        let mut outcome = Outcome::default();
        compare(&Committed { rows: vec![row(100_000)] }, found, &mut outcome);
        assert_eq!(outcome.held + outcome.broken.len(), 6);
        outcome.broken
    }

    #[test]
    fn counts_may_change_by_one_percent_and_not_more() {
        assert!(broken(&row(100_000)).is_empty() && broken(&row(100_999)).is_empty());
        assert!(broken(&row(101_100))[0].contains("+1.1 % of 100000"), "{:?}", broken(&row(101_100)));
        assert!(broken(&row(98_000))[0].contains("--record"), "faster is told as well");
        let other = Row { compiler: "rustc 1.99.0".into(), ..row(110_000) };
        assert!(broken(&other).is_empty());
        assert!(broken(&Row { instructions: 120_000, ..other })[0].contains("by rustc 1.99.0 instead of rustc 1.95.0"));
    }

    #[test]
    fn another_picture_and_more_ram_are_told() {
        assert!(broken(&Row { checksum: "4567".into(), ..row(100_000) })[0].contains("4567, committed is 0123"));
        let found = broken(&Row { ram_bytes: 7000, stack_bytes: 60_000, ..row(100_000) });
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_model_that_was_never_committed_is_no_success() {
        let mut outcome = Outcome::default();
        compare(&Committed::default(), &row(1), &mut outcome);
        assert_eq!((outcome.held, outcome.broken.len()), (0, 1));
    }
}
