//! `size`: flash and RAM of the runtime's code and of board firmware, and symbols that must not be in the runtime.

mod boards;

use crate::console;
use crate::failure::Failure;
use crate::firmware::bench::{self, Program};
use crate::firmware::elf::{self, ProgramContents};
use crate::firmware::{machines, report_installation};
use crate::table::{Table, grouped};
use crate::toolchain::Toolchain;
use clap::Args as ClapArgs;
use ganlet_sim::host::Core;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Measure the linked runtime: code, constants and RAM, and that it contains no floats, panics or allocations
///
/// The measured program loads a model and draws all rows; it can run every kind of layer and has no start-up code. With --board, the
/// firmware of boards is measured instead, by default with the models of the recipes `faces` and `digits` inside.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask size                   Cortex-M0 and Cortex-M4F
  cargo xtask size --core m55,rv32   Cortex-M55 and RISC-V
  cargo xtask size --board all       the firmware of every board, with two models
  cargo xtask size --board pico --model out/generator.model
  cargo xtask size --json")]
pub(crate) struct Args {
    /// Cores to link for
    #[arg(long, value_parser = machines::core_parser(), value_delimiter = ',', default_value = "m0,m4")]
    core: Vec<Core>,
    /// Measure the firmware of these boards, or of "all"
    #[arg(long, value_name = "B", value_delimiter = ',', conflicts_with = "core")]
    board: Vec<String>,
    /// Model files to build into the firmware
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "board")]
    model: Vec<PathBuf>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// The measured runtime on a core.
#[derive(Clone, Debug)]
pub(crate) struct CodeSize {
    pub(crate) core: Core,
    pub(crate) contents: ProgramContents,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !args.board.is_empty() {
        let sizes = boards::measure_all(&boards::named(&args.board)?, &args.model)?;
        let text = if args.json {
            format!("{:#}\n", json!({"rows": boards::as_json(&sizes)}))
        } else {
            boards::as_text(&sizes)
        };
        return console::print(&text);
    }
    let sizes = args.core.iter().map(|&core| measure(core)).collect::<Result<Vec<_>, _>>()?;
    console::print(&if args.json { format!("{:#}\n", json!({"rows": rows(&sizes)})) } else { as_text(&sizes) })
}

/// Links the runtime for a core and measures it.
pub(crate) fn measure(core: Core) -> Result<CodeSize, Failure> {
    let toolchain = Toolchain::require(machines::target(core), &report_installation).map_err(Failure::failed)?;
    let program = bench::build(&toolchain, core, &machines::machine(core, usize::MAX), Program::Size)?;
    let bytes = std::fs::read(&program).map_err(|e| Failure::file(&program, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&program, e))?;
    Ok(CodeSize { core, contents })
}

/// The sizes as JSON.
pub(crate) fn rows(sizes: &[CodeSize]) -> Vec<Value> {
    let row = |size: &CodeSize| {
        let c = &size.contents;
        json!({"name": machines::target(size.core), "core": size.core, "text": c.text, "rodata": c.rodata, "data": c.data,
            "bss": c.bss, "float_symbols": c.float.len(), "panic_symbols": c.panic.len(),
            "alloc_symbols": c.alloc.len(), "vfp_instructions": c.vfp_instructions})
    };
    sizes.iter().map(row).collect()
}

/// The sizes as a table.
pub(crate) fn as_text(sizes: &[CodeSize]) -> String {
    let mut table = Table::new(&[
        "core",
        "target",
        ">text",
        ">rodata",
        ">data",
        ">bss",
        ">floats",
        ">panics",
        ">allocations",
        ">VFP",
    ]);
    for size in sizes {
        let c = &size.contents;
        table.row([
            size.core.name().into(),
            machines::target(size.core).into(),
            grouped(c.text),
            grouped(c.rodata),
            grouped(c.data),
            grouped(c.bss),
            c.float.len().to_string(),
            c.panic.len().to_string(),
            c.alloc.len().to_string(),
            c.vfp_instructions.map_or("-".into(), |n| n.to_string()),
        ]);
    }
    let mut out = format!(
        "Bytes of the runtime with every kind of layer, and counts of symbols that must not be in it:\n\n{}",
        table.lines()
    );
    for CodeSize { core, contents } in sizes {
        for name in contents.float.iter().chain(&contents.panic).chain(&contents.alloc) {
            out += &format!("\n{}: {name}", machines::target(*core));
        }
    }
    out
}
