//! The part of the tests that lints and links the firmware of a board, and checks that it fits the flash and RAM reserved for it.

use super::checks::{self, Checks};
use crate::failure::Failure;
use crate::firmware::{board, elf, samples};
use crate::model_file::{self, WorkLimit};
use crate::process::root;
use crate::toolchain::Toolchain;
use ganlet_runtime::Model;
use ganlet_sim::host::{BoardInfo, FlashSegment, ModelPlace};
use std::fs;
use std::path::Path;

/// A committed model with every kind of layer, which boards are built with in addition to the models of recipes.
const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

/// Deepest stack of the app, measured on emulated boards and rounded up.
const STACK: u64 = 10 << 10;

/// Sets up the compiler for a board if that needs no questions; else returns the remedy.
pub(super) fn prepare(board: &BoardInfo, report: &dyn Fn(&str)) -> Result<(), String> {
    Toolchain::require(board.target, report).map(|_| ())
}

/// Lints the firmware, builds it with each model and measures it.
pub(super) fn links(board: &'static BoardInfo) -> Result<Checks, Failure> {
    let mut checks = Checks::default();
    let mut paths = vec![root().join(MODEL)];
    for recipe in samples::RECIPES {
        paths.push(samples::model(recipe)?);
    }
    let place = ModelPlace::Inside { model: &paths[0], latents: None };
    let clippy = board::cargo(board, &board::toolchain(board)?, place, "clippy")?;
    checks::lint(clippy, &format!("firmware-sim/boards/{}", board.name), &mut checks);
    for path in &paths {
        measure(board, path, &mut checks)?;
    }
    Ok(checks)
}

fn measure(board: &BoardInfo, path: &Path, checks: &mut Checks) -> Result<(), Failure> {
    let file = model_file::read(path, WorkLimit::DEFAULT)?;
    let model = Model::from_bytes(file.bytes()).map_err(|e| Failure::file(path, e))?;
    let fit = board::check(board, path, &model)?;
    let firmware = board::build(board, &board::toolchain(board)?, path, None)?;
    let bytes = fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&firmware, e))?;
    let segments = FlashSegment::total(&board::segments(&firmware)?) as u64;
    let name = format!("{} with {}", board.name, path.display());
    checks.check(contents.in_flash == segments, || {
        format!("{name}: sections for flash have {} bytes, segments {segments}", contents.in_flash)
    });
    let chip = board.device().chip;
    let flash = contents.in_flash.saturating_sub(model.flash_bytes() as u64);
    checks.check(flash > 0 && flash <= chip.firmware_flash as u64, || {
        format!("{name}: {flash} bytes of flash without the model, {} are reserved", chip.firmware_flash)
    });
    let ram = contents.in_ram.saturating_sub(fit.ram as u64) + STACK;
    checks.check(ram <= chip.firmware_ram as u64, || {
        format!("{name}: {ram} bytes of RAM without the arena, stack included, {} are reserved", chip.firmware_ram)
    });
    Ok(())
}
