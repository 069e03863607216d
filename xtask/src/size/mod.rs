//! `size`: how much flash and RAM the runtime's code takes, and what must not be in it; what the firmware of boards takes.

pub(crate) mod boards;
pub(crate) mod elf;
mod vfp;

use crate::bench::cores::Core;
use crate::bench::firmware;
use crate::console;
use crate::failure::Failure;
use crate::table::{Table, grouped};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Link the runtime alone and weigh it: code, constants, RAM; floats, panics and allocations must be absent.
///
/// The program loads a model, binds it and makes all rows; it can run every kind of layer. There is no start-up code in it. With
/// --board the firmware of boards is weighed instead, models inside: by default those of the recipes `faces` and `digits`.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask size                   Cortex-M0 and Cortex-M4F
  cargo xtask size --core m55,rv32   others
  cargo xtask size --board all       the firmware of every board, with two models
  cargo xtask size --board pico --model out/generator.model
  cargo xtask size --json")]
pub(crate) struct Args {
    /// Cores to link for
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["m0", "m4"])]
    core: Vec<Core>,
    /// Boards whose firmware is weighed, or all
    #[arg(long, value_name = "B", value_delimiter = ',', conflicts_with = "core")]
    board: Vec<String>,
    /// Model files inside of the firmware
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "board")]
    model: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a linked probe holds.
#[derive(Clone, Debug)]
pub(crate) struct Weight {
    pub(crate) core: Core,
    pub(crate) contents: elf::Contents,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !args.board.is_empty() {
        let loads = boards::weigh_all(&boards::named(&args.board)?, &args.model)?;
        let text = if args.json {
            format!("{:#}\n", json!({"rows": boards::as_json(&loads)}))
        } else {
            boards::as_text(&loads)
        };
        return console::print(&text);
    }
    let weights = args.core.iter().map(|&core| weigh(core)).collect::<Result<Vec<_>, _>>()?;
    console::print(&if args.json { format!("{:#}\n", json!({"rows": rows(&weights)})) } else { as_text(&weights) })
}

/// Links the probe for a core and reads it.
pub(crate) fn weigh(core: Core) -> Result<Weight, Failure> {
    let way = firmware::way(core, |what| console::note(&format!("installing: {what}"))).map_err(Failure::failed)?;
    let machine = core.machine(usize::MAX);
    let program = firmware::build(&way, core, machine.name, "size")?;
    let bytes = std::fs::read(&program).map_err(|e| Failure::file(&program, e))?;
    let contents = elf::contents(&bytes).map_err(|e| Failure::file(&program, e))?;
    Ok(Weight { core, contents })
}

/// What the probes hold, as JSON.
pub(crate) fn rows(weights: &[Weight]) -> Vec<Value> {
    let row = |w: &Weight| {
        let c = &w.contents;
        json!({"name": w.core.target(), "core": w.core.name(), "text": c.text, "rodata": c.rodata, "data": c.data,
            "bss": c.bss, "float_symbols": c.float.len(), "panic_symbols": c.panic.len(),
            "alloc_symbols": c.alloc.len(), "vfp_instructions": c.vfp_instructions})
    };
    weights.iter().map(row).collect()
}

/// What the probes hold, as a table.
pub(crate) fn as_text(weights: &[Weight]) -> String {
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
    for w in weights {
        let c = &w.contents;
        table.row([
            w.core.name().into(),
            w.core.target().into(),
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
        "Bytes of the runtime with every kind of layer, and symbols that must not be there:\n\n{}",
        table.lines()
    );
    for w in weights {
        for name in w.contents.float.iter().chain(&w.contents.panic).chain(&w.contents.alloc) {
            out += &format!("\n{}: {name}", w.core.target());
        }
    }
    out
}
