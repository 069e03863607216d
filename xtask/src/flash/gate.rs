//! The device part of the tests: every board's firmware links, and takes no more flash than was reserved for it.

use super::uf2;
use crate::bench::firmware::root;
use crate::bench::gate::Outcome;
use crate::boards::{self, Board, build, models};
use crate::failure::Failure;
use crate::size::elf;
use ganlet_runtime::Model;
use std::fs;
use std::path::Path;

/// A committed model with every kind of layer, with which boards are built beside those of recipes.
const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

/// Stack of the app at its deepest, rounded up: what emulated boards measure.
const STACK: u64 = 10 << 10;

/// Sets up the compiler where that needs no questions; else tells the remedy.
pub(crate) fn prepare(board: &Board, _: &dyn Fn(&str)) -> Result<(), String> {
    build::way(board).map(|_| ())
}

/// Builds the firmware with each model and weighs it.
pub(crate) fn links(board: &Board) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let mut paths = vec![root().join(MODEL)];
    for recipe in models::RECIPES {
        paths.push(models::young(recipe)?);
    }
    for path in paths {
        weigh(board, &path, &mut outcome)?;
    }
    Ok(outcome)
}

fn weigh(board: &Board, path: &Path, outcome: &mut Outcome) -> Result<(), Failure> {
    let file = boards::read(path)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    let fit = board.check(path, &model)?;
    let way = build::way(board).map_err(Failure::failed)?;
    let firmware = build::build(board, &way, path)?;
    let bytes = fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&firmware, e))?;
    let stretches = uf2::stretches(&bytes).map_err(|e| Failure::file(&firmware, e))?;
    let name = format!("{} with {}", board.name, path.display());
    outcome.check(contents.in_flash == uf2::bytes(&stretches) as u64, || {
        format!("{name}: sections for flash have {} bytes, segments {}", contents.in_flash, uf2::bytes(&stretches))
    });
    let chip = board.device()?.chip;
    let flash = contents.in_flash.saturating_sub(model.flash_bytes() as u64);
    outcome.check(flash > 0 && flash <= chip.firmware_flash as u64, || {
        format!("{name}: {flash} bytes of flash beside the model; {} are reserved", chip.firmware_flash)
    });
    let ram = contents.in_ram.saturating_sub(fit.ram as u64) + STACK;
    outcome.check(ram <= chip.firmware_ram as u64, || {
        format!("{name}: {ram} bytes of RAM beside the arena, stack included; {} are reserved", chip.firmware_ram)
    });
    Ok(())
}
