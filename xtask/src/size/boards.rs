//! What a board's firmware takes with a model inside: flash and data as it was linked, the stack as an emulated board measured it.

use super::elf::{self, Contents};
use crate::boards::{self, Board, build, models};
use crate::console;
use crate::emulate::machine::Machine;
use crate::emulate::{EVERY_SCREEN, gate};
use crate::failure::Failure;
use crate::table::{Table, grouped};
use ganlet_runtime::Model;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A board's firmware with a model inside.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) board: &'static Board,
    pub(crate) model: String,
    pub(crate) contents: Contents,
    /// Bytes of the model's file.
    pub(crate) model_bytes: u64,
    /// Bytes of the model's arena, which is part of the data.
    pub(crate) arena: u64,
    /// The most that the stack had in a session through every screen, where the board is emulated.
    pub(crate) stack: Option<u64>,
    /// All of the chip.
    pub(crate) chip: Total,
}

/// Bytes of a chip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Total {
    pub(crate) flash: u64,
    pub(crate) ram: u64,
}

impl Load {
    /// Data and the deepest stack.
    pub(crate) fn ram(&self) -> Option<u64> {
        Some(self.contents.in_ram + self.stack?)
    }
}

/// The boards by name, all of them for `all`.
pub(crate) fn named(names: &[String]) -> Result<Vec<&'static Board>, Failure> {
    if names.iter().any(|name| name == "all") {
        return Ok(Board::all().iter().collect());
    }
    names.iter().map(|name| Board::named(name)).collect()
}

/// Links the firmware of every board with every model; without any given, those of the recipes, young.
pub(crate) fn weigh_all(boards: &[&'static Board], given: &[PathBuf]) -> Result<Vec<Load>, Failure> {
    let paths = match given {
        [] => models::RECIPES.into_iter().map(models::young).collect::<Result<Vec<_>, _>>()?,
        given => given.to_vec(),
    };
    let mut loads = Vec::new();
    for board in boards {
        for path in &paths {
            match board.check(path, &Model::from_bytes(boards::read(path)?.bytes())?) {
                Ok(_) => loads.push(weigh(board, path)?),
                Err(failure) => console::note(&format!("left out: {}", failure.message)),
            }
        }
    }
    Ok(loads)
}

/// Links the firmware of a board with a model; an emulated board then plays a session.
pub(crate) fn weigh(board: &'static Board, path: &Path) -> Result<Load, Failure> {
    let way = build::way(board).map_err(Failure::failed)?;
    console::note(&format!("building {} with {} ({})", board.name, path.display(), way.describe()));
    let firmware = build::build(board, &way, path)?;
    let bytes = std::fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&firmware, e))?;
    let file = boards::read(path)?;
    let model = Model::from_bytes(file.bytes())?;
    let fit = board.device()?.fit_of(&model);
    let stack = match board.machine {
        None => None,
        Some(_) => {
            gate::emulator(board, &|what: &str| console::note(&format!("installing: {what}")))
                .map_err(Failure::failed)?;
            let mut machine = Machine::start(board, &firmware)?;
            machine.play(&EVERY_SCREEN.parse()?, |_, _| Ok(()))?;
            Some(machine.memory()?.stack)
        }
    };
    let chip = &fit.device.chip;
    Ok(Load {
        board,
        model: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        contents,
        model_bytes: fit.flash as u64,
        arena: fit.ram as u64,
        stack,
        chip: Total { flash: chip.flash as u64, ram: chip.ram as u64 },
    })
}

/// The rows of a table for other programs.
pub(crate) fn as_json(loads: &[Load]) -> Vec<Value> {
    let row = |load: &Load| {
        let c = &load.contents;
        json!({"name": load.board.name, "model": load.model, "text": c.text, "rodata": c.rodata, "data": c.data,
            "bss": c.bss, "float_symbols": c.float.len(), "panic_symbols": c.panic.len(), "flash_bytes": c.in_flash,
            "model_bytes": load.model_bytes, "static_bytes": c.in_ram, "arena_bytes": load.arena,
            "stack_bytes": load.stack, "flash": load.chip.flash, "ram": load.chip.ram})
    };
    loads.iter().map(row).collect()
}

/// The same for people.
pub(crate) fn as_text(loads: &[Load]) -> String {
    let mut table = Table::new(&[
        "board",
        "model",
        ">firmware",
        ">model",
        ">flash",
        ">of",
        ">data",
        ">(arena)",
        ">stack",
        ">RAM",
        ">of",
    ]);
    for load in loads {
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), grouped);
        let c = &load.contents;
        table.row([
            load.board.name.into(),
            load.model.clone(),
            grouped(c.in_flash.saturating_sub(load.model_bytes)),
            grouped(load.model_bytes),
            grouped(c.in_flash),
            grouped(load.chip.flash),
            grouped(c.in_ram),
            grouped(load.arena),
            number(load.stack),
            number(load.ram()),
            grouped(load.chip.ram),
        ]);
    }
    format!(
        "Bytes of each board's firmware with a model inside; the stack at its deepest in a session through every screen, \
         where the board is emulated:\n\n{}",
        table.lines()
    )
}
