//! Flash and RAM of a board's firmware with a model inside: as linked, and the stack as measured on an emulated board.

use crate::console;
use crate::emulate::EVERY_SCREEN;
use crate::emulate::board::EmulatedBoard;
use crate::failure::Failure;
use crate::firmware::board;
use crate::firmware::elf::{self, ProgramContents};
use crate::firmware::samples;
use crate::model_file::{self, WorkLimit};
use crate::table::{Table, grouped};
use ganlet_runtime::Model;
use ganlet_sim::host::BoardInfo;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Measurements of a board's firmware with a model inside.
#[derive(Clone, Debug)]
pub(crate) struct FirmwareSize {
    pub(crate) board: &'static BoardInfo,
    pub(crate) model: String,
    pub(crate) contents: ProgramContents,
    /// Bytes of the model file.
    pub(crate) model_bytes: u64,
    /// Bytes of the model's arena, which is part of the static data.
    pub(crate) arena: u64,
    /// The deepest stack in a session through every screen, if QEMU has the board.
    pub(crate) stack: Option<u64>,
    /// Bytes of flash on the chip.
    pub(crate) chip_flash: u64,
    /// Bytes of RAM on the chip.
    pub(crate) chip_ram: u64,
}

impl FirmwareSize {
    /// Static data and the deepest stack.
    pub(crate) fn ram(&self) -> Option<u64> {
        Some(self.contents.in_ram + self.stack?)
    }
}

/// The boards with these names, or every board for `all`.
pub(crate) fn named(names: &[String]) -> Result<Vec<&'static BoardInfo>, Failure> {
    if names.iter().any(|name| name == "all") {
        return Ok(BoardInfo::all().iter().collect());
    }
    names.iter().map(|name| board::named(name)).collect()
}

/// Measures the firmware of every board with every model in `given`, or with the sample models if there are none.
pub(crate) fn measure_all(boards: &[&'static BoardInfo], given: &[PathBuf]) -> Result<Vec<FirmwareSize>, Failure> {
    let paths = match given {
        [] => samples::RECIPES.into_iter().map(samples::model).collect::<Result<Vec<_>, _>>()?,
        given => given.to_vec(),
    };
    let mut sizes = Vec::new();
    for board in boards {
        for path in &paths {
            match board::check(board, path, &Model::from_bytes(model_file::read(path, WorkLimit::DEFAULT)?.bytes())?) {
                Ok(_) => sizes.push(measure(board, path)?),
                Err(failure) => console::note(&format!("skipped: {}", failure.message)),
            }
        }
    }
    Ok(sizes)
}

/// Links the firmware of a board with a model; if QEMU has the board, plays a session to measure the stack.
fn measure(board: &'static BoardInfo, path: &Path) -> Result<FirmwareSize, Failure> {
    let toolchain = board::toolchain(board)?;
    console::note(&format!("building {} with {} ({})", board.name, path.display(), toolchain.describe()));
    let firmware = board::build(board, &toolchain, path, None)?;
    let bytes = std::fs::read(&firmware).map_err(|e| Failure::file(&firmware, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&firmware, e))?;
    let file = model_file::read(path, WorkLimit::DEFAULT)?;
    let model = Model::from_bytes(file.bytes())?;
    let fit = board.device().fit_of(&model);
    let stack = match board.emulated {
        None => None,
        Some(_) => {
            let mut emulated = EmulatedBoard::start(board, &firmware)?;
            emulated.play(&EVERY_SCREEN.parse()?, |_, _| Ok(()))?;
            Some(emulated.memory()?.stack)
        }
    };
    let chip = &fit.device.chip;
    Ok(FirmwareSize {
        board,
        model: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        contents,
        model_bytes: fit.flash as u64,
        arena: fit.ram as u64,
        stack,
        chip_flash: chip.flash as u64,
        chip_ram: chip.ram as u64,
    })
}

/// The measurements as JSON.
pub(crate) fn as_json(sizes: &[FirmwareSize]) -> Vec<Value> {
    let row = |size: &FirmwareSize| {
        let c = &size.contents;
        json!({"name": size.board.name, "model": size.model, "text": c.text, "rodata": c.rodata, "data": c.data,
            "bss": c.bss, "float_symbols": c.float.len(), "panic_symbols": c.panic.len(), "flash_bytes": c.in_flash,
            "model_bytes": size.model_bytes, "static_bytes": c.in_ram, "arena_bytes": size.arena,
            "stack_bytes": size.stack, "flash": size.chip_flash, "ram": size.chip_ram})
    };
    sizes.iter().map(row).collect()
}

/// The measurements as a table.
pub(crate) fn as_text(sizes: &[FirmwareSize]) -> String {
    let mut table = Table::new(&[
        "board",
        "model",
        ">firmware",
        ">model",
        ">flash",
        ">of chip",
        ">data",
        ">(arena)",
        ">stack",
        ">RAM",
        ">of chip",
    ]);
    for size in sizes {
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), grouped);
        let c = &size.contents;
        table.row([
            size.board.name.into(),
            size.model.clone(),
            grouped(c.in_flash.saturating_sub(size.model_bytes)),
            grouped(size.model_bytes),
            grouped(c.in_flash),
            grouped(size.chip_flash),
            grouped(c.in_ram),
            grouped(size.arena),
            number(size.stack),
            number(size.ram()),
            grouped(size.chip_ram),
        ]);
    }
    format!(
        "Bytes of each board's firmware with a model inside. For emulated boards the deepest stack was measured in a \
         session through every screen:\n\n{}",
        table.lines()
    )
}
