//! The device part of the tests: emulated panels show what the simulator shows, in the RAM that was promised.

use super::EVERY_SCREEN;
use super::machine::{EMULATOR, Machine};
use crate::bench;
use crate::bench::firmware::root;
use crate::bench::gate::Outcome;
use crate::boards::{self, Board, build, models};
use crate::failure::Failure;
use ganlet_sim::host::{Script, Simulator};
use std::convert::Infallible;
use std::path::PathBuf;

/// The committed models with which boards are emulated.
const MODELS: [&str; 2] = ["runtime/tests/golden/kinds-v1.model", "runtime/tests/golden/tiny-v1.model"];
/// RAM of the LM3S6965EVB, stack included.
const RAM_BUDGET: u64 = 48 << 10;

/// Sets up compiler and emulator where that needs no questions; else tells the remedy.
pub(crate) fn prepare(board: &Board, told: &dyn Fn(&str)) -> Result<(), String> {
    build::way(board)?;
    emulator(board, told)
}

/// Sets up the emulator alone.
pub(crate) fn emulator(_: &Board, told: &dyn Fn(&str)) -> Result<(), String> {
    bench::emulator::find(EMULATOR, &|what: &str| told(what))
}

/// Builds the firmware with each model, plays the session, compares frame by frame with the simulator.
pub(crate) fn pictures(board: &'static Board) -> Result<Outcome, Failure> {
    let script: Script = EVERY_SCREEN.parse().map_err(|e| Failure::failed(format!("{EVERY_SCREEN}: {e}")))?;
    let way = build::way(board).map_err(Failure::failed)?;
    let mut outcome = Outcome::default();
    let mut paths: Vec<PathBuf> = MODELS.iter().map(|name| root().join(name)).collect();
    for recipe in models::RECIPES {
        paths.push(models::untrained(recipe)?);
    }
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = boards::read(&path)?;
        let (mut expected, mut costs) = (Vec::new(), Vec::new());
        let mut simulator = Simulator::new(file.bytes(), board.device()?)?;
        let Ok(()) = simulator.play(&script, |simulator| {
            expected.push(simulator.frame());
            costs.push(simulator.cost().bytes);
            Ok::<_, Infallible>(())
        });
        let mut machine = Machine::start(board, &build::build(board, &way, &path)?)?;
        let (mut found, mut sent) = (Vec::new(), Vec::new());
        machine.play(&script, |frame, bytes| {
            found.push(frame);
            sent.extend(bytes.map(|bytes| (found.len() - 1, bytes)));
            Ok(())
        })?;
        let differing = expected.iter().zip(&found).position(|(a, b)| a != b);
        outcome.check(differing.is_none() && expected.len() == found.len(), || {
            format!("{}: {name}: frame {differing:?} of {} differs from the simulator's", board.name, expected.len())
        });
        let wrong = sent.iter().find(|(frame, bytes)| *bytes != 0 && costs.get(*frame) != Some(bytes));
        outcome.check(wrong.is_none(), || {
            let (frame, bytes) = wrong.copied().unwrap_or_default();
            format!(
                "{}: {name}: frame {frame} sent {bytes} bytes, the simulator counts {:?}",
                board.name,
                costs.get(frame)
            )
        });
        let memory = machine.memory()?;
        outcome.check(memory.total() <= RAM_BUDGET.min(memory.ram), || {
            format!("{}: {name}: {memory:?} is more than {RAM_BUDGET} bytes of RAM", board.name)
        });
    }
    Ok(outcome)
}
