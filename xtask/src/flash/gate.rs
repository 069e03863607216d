//! The device part of the tests: every board's firmware links, and takes no more flash than was reserved for it.

use super::uf2;
use crate::bench::firmware::root;
use crate::bench::gate::Outcome;
use crate::boards::{self, Board, build};
use crate::failure::Failure;
use ganlet_runtime::Model;
use std::fs;

/// The committed model with which boards are built.
const MODEL: &str = "runtime/tests/golden/kinds-v1.model";

/// Sets up the compiler where that needs no questions; else tells the remedy.
pub(crate) fn prepare(board: &Board, _: &dyn Fn(&str)) -> Result<(), String> {
    build::way(board).map(|_| ())
}

/// Builds the firmware and weighs it.
pub(crate) fn links(board: &Board) -> Result<Outcome, Failure> {
    let path = root().join(MODEL);
    let file = boards::read(&path)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(&path, e))?;
    board.check(&path, &model)?;
    let way = build::way(board).map_err(Failure::failed)?;
    let firmware = build::build(board, &way, &path)?;
    let elf = fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let stretches = uf2::stretches(&elf).map_err(|e| Failure::file(&firmware, e))?;
    let bytes = uf2::bytes(&stretches).saturating_sub(model.flash_bytes());
    let reserved = board.device()?.chip.firmware_flash;
    let mut outcome = Outcome::default();
    outcome.check(bytes > 0 && bytes <= reserved, || {
        format!("{}: the firmware takes {bytes} bytes of flash beside the model; {reserved} are reserved", board.name)
    });
    Ok(outcome)
}
