//! `bench device`: measures the reference generators on emulated cores.

use super::measure::{ImageCost, MeasuredModel, PeerCost, measure, measure_cycles, measure_peer};
use super::{cycles, record, report};
use crate::console;
use crate::failure::Failure;
use crate::firmware::bench::{self, Program};
use crate::firmware::machines::{self, Machine};
use crate::firmware::report_installation;
use crate::process::{self, folder};
use crate::size;
use crate::toolchain::Toolchain;
use clap::{Args as ClapArgs, ValueEnum};
use ganlet_runtime::encode::LayoutChoice;
use ganlet_sim::host::{Core, MeasuredLayout};
use ganlet_trainer::quantize::reference_models::REFERENCE_MODELS;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Draw an image on emulated microcontrollers and count instructions, RAM, stack and code
///
/// QEMU counts executed instructions exactly, separately for loading the model and for drawing; they are not cycles. The image must
/// equal the one drawn on this machine. Models are generators of fixed shapes with random weights.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench device                                all models on all cores: minutes
  cargo xtask bench device --core m4 --model digits28     one of each: seconds
  cargo xtask bench device --core m4 --model my.model     a model of your own
  cargo xtask bench device --cycles --core m3             also the cycles of each class of instructions
  cargo xtask bench device --json > counts.json")]
pub(crate) struct Args {
    /// Cores to measure [default: all]
    #[arg(long, value_parser = machines::core_parser(), value_delimiter = ',')]
    core: Vec<Core>,
    /// digits28, dcgan64-16, dcgan64-64, or a model file [default: these three]
    #[arg(long, value_delimiter = ',')]
    model: Vec<String>,
    /// Layouts of the weights in flash [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    layout: Vec<Layout>,
    /// Also estimate clock cycles, by published timings of Cortex-M0+, M3 and M4 without wait states
    ///
    /// A plugin of QEMU counts the executions of every instruction. The timing of some instructions depends on their operands or on
    /// the alignment of code, so the result is a range. Without --core, these three cores are measured.
    #[arg(long)]
    cycles: bool,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
    /// Write the counts of the reference generators to firmware-sim/device-counts.json, which the tests compare with
    #[arg(long)]
    record: bool,
}

/// The reference generators that the program `peer` contains; the whole tensors of the largest one do not fit into RAM.
const PEER_MODELS: [&str; 2] = ["digits28", "dcgan64-16"];

/// A layout of weights in flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// One byte for each weight
    Compact,
    /// Words that kernels read directly, at twice the flash
    Fast,
}

impl Layout {
    /// Every layout.
    pub(crate) const ALL: [Self; 2] = [Self::Compact, Self::Fast];

    const fn measured(self) -> MeasuredLayout {
        match self {
            Self::Compact => MeasuredLayout::Compact,
            Self::Fast => MeasuredLayout::Fast,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let cores = cores(&args)?;
    let layouts = if args.layout.is_empty() { Layout::ALL.to_vec() } else { args.layout };
    let models = models(&args.model, &layouts)?;
    let plugin = if args.cycles { Some(cycles::build_plugin()?) } else { None };
    let (costs, peers) = measure_all(&cores, &models, &Extras { peers: !args.cycles, plugin })?;
    let code = cores.iter().map(|&core| size::measure(core)).collect::<Result<Vec<_>, _>>()?;
    if args.record {
        let references: Vec<ImageCost> =
            costs.iter().filter(|c| c.layout != MeasuredLayout::AsExported).cloned().collect();
        let path = record::write(&references)?;
        console::note(&format!("wrote {}", path.display()));
    }
    let text = if args.json { report::json(&costs, &peers, &code) } else { report::text(&costs, &peers, &code) };
    console::print(&text)
}

/// The cores to measure.
fn cores(args: &Args) -> Result<Vec<Core>, Failure> {
    let modeled = cycles::MODELED;
    if let Some(core) = args.core.iter().find(|core| args.cycles && !modeled.contains(core)) {
        let known = modeled.map(Core::name).join(", ");
        return Err(Failure::unusable(format!("--cycles --core {core}: there is a model of cycles for {known} only")));
    }
    Ok(match (args.core.is_empty(), args.cycles) {
        (false, _) => args.core.clone(),
        (true, true) => modeled.to_vec(),
        (true, false) => Core::ALL.to_vec(),
    })
}

/// What to measure beside instructions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Whether `embedded-nn` also runs the layers.
    pub(crate) peers: bool,
    /// The plugin of QEMU that counts executions, from which cycles are computed.
    pub(crate) plugin: Option<PathBuf>,
}

/// The models to measure: reference generators by name, files by path.
pub(crate) fn models(names: &[String], layouts: &[Layout]) -> Result<Vec<MeasuredModel>, Failure> {
    let mut models = Vec::new();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    for reference in REFERENCE_MODELS.iter().filter(|r| wanted(r.name)) {
        for layout in layouts {
            let bytes = match layout {
                Layout::Compact => reference.file()?,
                Layout::Fast => reference.builder().layouts(LayoutChoice::Fast).finish()?,
            };
            models.push(MeasuredModel { name: reference.name.to_owned(), layout: layout.measured(), bytes });
        }
    }
    for name in names.iter().filter(|n| REFERENCE_MODELS.iter().all(|r| r.name != **n)) {
        let path = PathBuf::from(name);
        let bytes = fs::read(&path).map_err(|e| {
            let known = REFERENCE_MODELS.map(|r| r.name).join(", ");
            Failure::file(&path, format!("{e}; expected a model file or one of {known}"))
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        models.push(MeasuredModel { name, layout: MeasuredLayout::AsExported, bytes });
    }
    Ok(models)
}

/// Measures every model on every core.
pub(crate) fn measure_all(
    cores: &[Core],
    models: &[MeasuredModel],
    extras: &Extras,
) -> Result<(Vec<ImageCost>, Vec<PeerCost>), Failure> {
    let (mut costs, mut by_peer) = (Vec::new(), Vec::<PeerCost>::new());
    for &core in cores {
        let mut firmware = CoreFirmware::new(core)?;
        for model in models {
            let machine = machines::machine(core, model.bytes.len());
            process::require_emulator(machine.emulator, &report_installation).map_err(Failure::failed)?;
            console::note(&format!("{core}: {} {} on {}", model.name, model.layout, machine.name));
            let program = firmware.program(&machine, Program::Bench)?;
            // Cores are measured at the same time, so each has separate files.
            let path = folder()?.join(format!("{core}-{}-{}.model", model.name, model.layout.name().replace(' ', "-")));
            fs::write(&path, &model.bytes).map_err(|e| Failure::file(&path, e))?;
            let cost = measure(core, &machine, &program, &path, model)?;
            let cycles = match &extras.plugin {
                Some(plugin) => {
                    // The clock of a micro:bit is too slow to compare counts exactly.
                    let machine = machines::machine(core, usize::MAX);
                    let program = firmware.program(&machine, Program::Bench)?;
                    Some(measure_cycles(core, &machine, [&program, &path, plugin], model)?)
                }
                None => None,
            };
            costs.push(ImageCost { cycles, compiler: firmware.toolchain.compiler(), ..cost });
            let known = PEER_MODELS.contains(&model.name.as_str());
            if extras.peers && known && by_peer.iter().all(|p| p.core != core || p.model != model.name) {
                // Whole tensors need more RAM than a micro:bit has.
                let machine = machines::machine(core, usize::MAX);
                let program = firmware.program(&machine, Program::Peer)?;
                by_peer.push(measure_peer(core, &machine, &program, &path, model)?);
            }
        }
    }
    Ok((costs, by_peer))
}

/// The programs of a core, each built once.
struct CoreFirmware {
    core: Core,
    toolchain: Toolchain,
    built: BTreeMap<(&'static str, Program), PathBuf>,
}

impl CoreFirmware {
    fn new(core: Core) -> Result<Self, Failure> {
        let toolchain = Toolchain::require(machines::target(core), &report_installation).map_err(Failure::failed)?;
        Ok(Self { core, toolchain, built: BTreeMap::new() })
    }

    fn program(&mut self, machine: &Machine, program: Program) -> Result<PathBuf, Failure> {
        let key = (machine.name, program);
        if let Some(path) = self.built.get(&key) {
            return Ok(path.clone());
        }
        let path = bench::build(&self.toolchain, self.core, machine, program)?;
        self.built.insert(key, path.clone());
        Ok(path)
    }
}
