//! The device part of the tests: emulated panels show what the simulator shows, in the RAM that was promised.

use super::EVERY_SCREEN;
use super::machine::{EMULATOR, Machine};
use crate::bench;
use crate::bench::firmware::root;
use crate::bench::gate::Outcome;
use crate::boards::{self, Board, build, models};
use crate::failure::Failure;
use ganlet_runtime::Model;
use ganlet_sim::Button;
use ganlet_sim::host::{Script, Simulator};
use std::convert::Infallible;
use std::path::PathBuf;

/// The committed models with which boards are emulated.
const MODELS: [&str; 2] = ["runtime/tests/golden/kinds-v2.model", "runtime/tests/golden/tiny-v2.model"];
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
    for recipe in models::RECIPES.into_iter().chain(["ring", models::CLASSES]) {
        paths.push(models::young(recipe)?);
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

/// Pictures of models in a region of flash of their own, and what the panel tells of those that cannot be shown.
pub(crate) fn regions(board: &'static Board) -> Result<Outcome, Failure> {
    let script: Script =
        "right,select,wait:2,select,right,select".parse().map_err(|e| Failure::failed(format!("{e}")))?;
    let mut outcome = Outcome::default();
    for recipe in models::RECIPES {
        let path = models::young(recipe)?;
        let file = boards::read(&path)?;
        let model = Model::from_bytes(file.bytes())?;
        board.check_region(&path, &model)?;
        // The app tells the arena's size on its last page: that of the model, wherever it lies.
        let mut simulator = Simulator::new(file.bytes(), board.device()?)?;
        let mut expected = Vec::new();
        let Ok(()) = simulator.play(&script, |simulator| {
            expected.push(simulator.frame());
            Ok::<_, Infallible>(())
        });
        let mut machine = Machine::with_region(board, &path)?;
        let mut found = Vec::new();
        machine.play(&script, |frame, _| {
            found.push(frame);
            Ok(())
        })?;
        outcome.check(machine.refusal().is_none() && found == expected, || {
            format!(
                "{}: {recipe} in a region shows other frames than the simulator, or {:?}",
                board.name,
                machine.refusal()
            )
        });
    }
    let hungry = models::hungry()?;
    outcome.check(board.check_region(&hungry, &Model::from_bytes(boards::read(&hungry)?.bytes())?).is_err(), || {
        format!("{}: a model that is too large for the arena is not refused before it is written", board.name)
    });
    // No model at all: the firmware's own source.
    let nothing = root().join("firmware-sim/boards/model.rs");
    let needed = Model::from_bytes(boards::read(&hungry)?.bytes())?.arena_len_of(board.device()?.chip.family);
    for (path, word) in [(hungry, needed.to_string()), (nothing, "no model".to_owned())] {
        let mut machine = Machine::with_region(board, &path)?;
        let why = machine.refusal().unwrap_or_default().to_owned();
        outcome.check(why.contains(&word), || format!("{}: \"{why}\" does not say {word}", board.name));
        let expected = Simulator::refusal(&board.device()?, &why);
        let found = machine.frame()?;
        outcome.check(found == expected, || format!("{}: the panel does not show \"{why}\"", board.name));
        // It still hears, and nothing changes.
        machine.press(Button::Right)?;
        outcome.check(machine.frame()? == expected, || format!("{}: a button changes the notice", board.name));
    }
    Ok(outcome)
}
