//! The part of the tests that compares emulated boards with the simulator, frame by frame, and measures their RAM.

use super::checks::Checks;
use crate::emulate::EVERY_SCREEN;
use crate::emulate::board::{EMULATOR, EmulatedBoard};
use crate::failure::Failure;
use crate::firmware::{board, samples};
use crate::model_file::{self, WorkLimit};
use crate::process::{self, root};
use crate::toolchain::Toolchain;
use ganlet_runtime::Model;
use ganlet_sim::Button;
use ganlet_sim::host::{BoardInfo, Script, Simulator};
use std::convert::Infallible;
use std::path::PathBuf;

/// The committed models that boards are emulated with.
const MODELS: [&str; 3] = [
    "runtime/tests/golden/kinds-v2.model",
    "runtime/tests/golden/tiny-v2.model",
    "runtime/tests/golden/palette-v4.model",
];
/// RAM of the LM3S6965EVB, stack included.
const RAM_BUDGET: u64 = 48 << 10;

/// Sets up compiler and emulator if that needs no questions; else returns the remedy.
pub(super) fn prepare(board: &BoardInfo, report: &dyn Fn(&str)) -> Result<(), String> {
    Toolchain::require(board.target, report)?;
    process::require_emulator(EMULATOR, report)
}

/// Builds the firmware with each model, plays the session, compares frame by frame with the simulator.
pub(super) fn images(board: &'static BoardInfo) -> Result<Checks, Failure> {
    let script: Script = EVERY_SCREEN.parse().map_err(|e| Failure::failed(format!("{EVERY_SCREEN}: {e}")))?;
    let toolchain = board::toolchain(board)?;
    let mut checks = Checks::default();
    let mut paths: Vec<PathBuf> = MODELS.iter().map(|name| root().join(name)).collect();
    for recipe in samples::RECIPES.into_iter().chain(["ring", samples::CLASSES]) {
        paths.push(samples::model(recipe)?);
    }
    paths.push(samples::scored()?);
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = model_file::read(&path, WorkLimit::DEFAULT)?;
        let (mut expected, mut costs) = (Vec::new(), Vec::new());
        let mut simulator = Simulator::new(file.bytes(), board.device())?;
        let Ok(()) = simulator.play(&script, |simulator| {
            expected.push(simulator.frame());
            costs.push(simulator.cost().bytes);
            Ok::<_, Infallible>(())
        });
        let mut emulated = EmulatedBoard::start(board, &board::build(board, &toolchain, &path, None)?)?;
        let (mut found, mut sent) = (Vec::new(), Vec::new());
        emulated.play(&script, |frame, bytes| {
            found.push(frame);
            sent.extend(bytes.map(|bytes| (found.len() - 1, bytes)));
            Ok(())
        })?;
        let differing = expected.iter().zip(&found).position(|(a, b)| a != b);
        checks.check(differing.is_none() && expected.len() == found.len(), || {
            format!("{}: {name}: frame {differing:?} of {} differs from the simulator's", board.name, expected.len())
        });
        let wrong = sent.iter().find(|(frame, bytes)| *bytes != 0 && costs.get(*frame) != Some(bytes));
        checks.check(wrong.is_none(), || {
            let (frame, bytes) = wrong.copied().unwrap_or_default();
            format!(
                "{}: {name}: frame {frame} sent {bytes} bytes, the simulator counts {:?}",
                board.name,
                costs.get(frame)
            )
        });
        let memory = emulated.memory()?;
        checks.check(memory.total() <= RAM_BUDGET.min(memory.ram), || {
            format!("{}: {name}: {memory:?} is more than {RAM_BUDGET} bytes of RAM", board.name)
        });
    }
    Ok(checks)
}

/// Compares models in their own region of flash with the simulator. For models that the firmware rejects, checks the message on the panel.
pub(super) fn regions(board: &'static BoardInfo) -> Result<Checks, Failure> {
    let script: Script =
        "right,select,wait:2,select,right,select".parse().map_err(|e| Failure::failed(format!("{e}")))?;
    let mut checks = Checks::default();
    for recipe in samples::RECIPES {
        let path = samples::model(recipe)?;
        let file = model_file::read(&path, WorkLimit::DEFAULT)?;
        let model = Model::from_bytes(file.bytes())?;
        board::check_region(board, &path, &model)?;
        // The last page of the app shows the size of the arena, which must be that of the model in either place.
        let mut simulator = Simulator::new(file.bytes(), board.device())?;
        let mut expected = Vec::new();
        let Ok(()) = simulator.play(&script, |simulator| {
            expected.push(simulator.frame());
            Ok::<_, Infallible>(())
        });
        let mut emulated = EmulatedBoard::with_region(board, &path)?;
        let mut found = Vec::new();
        emulated.play(&script, |frame, _| {
            found.push(frame);
            Ok(())
        })?;
        checks.check(emulated.refusal().is_none() && found == expected, || {
            format!(
                "{}: {recipe} in a region shows other frames than the simulator, or {:?}",
                board.name,
                emulated.refusal()
            )
        });
    }
    let large = samples::large_arena()?;
    checks.check(
        board::check_region(board, &large, &Model::from_bytes(model_file::read(&large, WorkLimit::DEFAULT)?.bytes())?)
            .is_err(),
        || format!("{}: a model that is too large for the arena is accepted", board.name),
    );
    // The firmware's source is a file that is not a model.
    let nothing = root().join("firmware-sim/boards/model.rs");
    let needed = Model::from_bytes(model_file::read(&large, WorkLimit::DEFAULT)?.bytes())?
        .arena_len_of(board.device().chip.family);
    for (path, word) in [(large, needed.to_string()), (nothing, "no model".to_owned())] {
        let mut emulated = EmulatedBoard::with_region(board, &path)?;
        let why = emulated.refusal().unwrap_or_default().to_owned();
        checks.check(why.contains(&word), || format!("{}: \"{why}\" does not say {word}", board.name));
        let expected = Simulator::refusal(&board.device(), &why);
        let found = emulated.frame()?;
        checks.check(found == expected, || format!("{}: the panel does not show \"{why}\"", board.name));
        // Buttons still work, and change nothing.
        emulated.press(Button::Right)?;
        checks.check(emulated.frame()? == expected, || format!("{}: a button changes the notice", board.name));
    }
    Ok(checks)
}
