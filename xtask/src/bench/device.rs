//! `bench device`: the reference generators on emulated cores.

use super::cores::Core;
use super::gate::Committed;
use super::measure::{Cost, PeerCost, Subject, measure, measure_peer};
use super::{emulator, firmware, report};
use crate::console;
use crate::failure::Failure;
use crate::size;
use clap::{Args as ClapArgs, ValueEnum};
use ganlet_runtime::encode::LayoutChoice;
use ganlet_trainer::quantize::reference_models::REFERENCE_MODELS;
use std::fs;
use std::path::PathBuf;

/// Draw a picture on emulated microcontrollers and count instructions, RAM, stack and code.
///
/// Instructions are counted exactly by the emulator (QEMU), loading a model apart from drawing; they are not cycles. The
/// picture must be the same as on this machine. Models are generators of fixed shapes with random weights.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench device                                all models on all cores: minutes
  cargo xtask bench device --core m4 --model digits28     one of each: seconds
  cargo xtask bench device --core m4 --model my.model     a model of your own
  cargo xtask bench device --json > counts.json")]
pub(crate) struct Args {
    /// Cores to measure; all if left out
    #[arg(long, value_enum, value_delimiter = ',')]
    core: Vec<Core>,
    /// digits28, dcgan64-16, dcgan64-64, or a model file; all three if left out
    #[arg(long, value_delimiter = ',')]
    model: Vec<String>,
    /// How weights lie in flash; every way if left out
    #[arg(long, value_enum, value_delimiter = ',')]
    layout: Vec<Layout>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the counts of the reference generators to tests/device-counts.json, which the tests compare with
    #[arg(long)]
    record: bool,
}

/// The generators that the program `peer` knows; the largest one's whole tensors do not fit into its RAM.
const PEER_MODELS: [&str; 2] = ["digits28", "dcgan64-16"];

/// The layout of a model of the user's own.
const AS_EXPORTED: &str = "as exported";

/// A way for weights to lie in flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// One byte a weight
    Compact,
    /// Ready words at twice the flash
    Fast,
}

impl Layout {
    /// All that the runtime knows.
    pub(crate) const ALL: [Self; 2] = [Self::Compact, Self::Fast];

    const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let cores = if args.core.is_empty() { Core::ALL.to_vec() } else { args.core };
    let layouts = if args.layout.is_empty() { Layout::ALL.to_vec() } else { args.layout };
    let subjects = subjects(&args.model, &layouts)?;
    let (costs, peers) = all(&cores, &subjects, true)?;
    let code = cores.iter().map(|&core| size::weigh(core)).collect::<Result<Vec<_>, _>>()?;
    if args.record {
        let references: Vec<Cost> = costs.iter().filter(|c| c.layout != AS_EXPORTED).cloned().collect();
        let path = Committed::record(&references)?;
        console::note(&format!("written: {}", path.display()));
    }
    let text = if args.json { report::json(&costs, &peers, &code) } else { report::text(&costs, &peers, &code) };
    console::print(&text)
}

/// The models to measure: references by name, files by path.
pub(crate) fn subjects(names: &[String], layouts: &[Layout]) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    for reference in REFERENCE_MODELS.iter().filter(|r| wanted(r.name)) {
        for layout in layouts {
            let bytes = match layout {
                Layout::Compact => reference.file()?,
                Layout::Fast => reference.builder().layouts(LayoutChoice::Fast).finish()?,
            };
            subjects.push(Subject { name: reference.name.to_owned(), layout: layout.name(), bytes });
        }
    }
    for name in names.iter().filter(|n| REFERENCE_MODELS.iter().all(|r| r.name != **n)) {
        let path = PathBuf::from(name);
        let bytes = fs::read(&path).map_err(|e| {
            let known = REFERENCE_MODELS.map(|r| r.name).join(", ");
            Failure::file(&path, format!("{e}; a model is a file, or one of {known}"))
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        subjects.push(Subject { name, layout: AS_EXPORTED, bytes });
    }
    Ok(subjects)
}

/// Measures every subject on every core; with `peers`, the same layers by `embedded-nn` too.
pub(crate) fn all(cores: &[Core], subjects: &[Subject], peers: bool) -> Result<(Vec<Cost>, Vec<PeerCost>), Failure> {
    let told = |what: &str| console::note(&format!("installing: {what}"));
    let folder = firmware::folder()?;
    let (mut costs, mut by_peer) = (Vec::new(), Vec::<PeerCost>::new());
    for &core in cores {
        let way = firmware::way(core, told).map_err(Failure::failed)?;
        for subject in subjects {
            let machine = core.machine(subject.bytes.len());
            emulator::find(machine.emulator, &told).map_err(Failure::failed)?;
            console::note(&format!("{}: {} {} on {}", core.name(), subject.name, subject.layout, machine.name));
            let program = firmware::build(&way, core, machine.name, "bench")?;
            let model = folder.join(format!("{}-{}.model", subject.name, subject.layout.replace(' ', "-")));
            fs::write(&model, &subject.bytes).map_err(|e| Failure::file(&model, e))?;
            let cost = measure(core, machine, &program, &model, subject)?;
            costs.push(Cost { compiler: way.compiler(), ..cost });
            let known = PEER_MODELS.contains(&subject.name.as_str());
            if peers && known && by_peer.iter().all(|p| p.core != core || p.model != subject.name) {
                // Whole tensors need more than a micro:bit has.
                let machine = core.machine(usize::MAX);
                let program = firmware::build(&way, core, machine.name, "peer")?;
                by_peer.push(measure_peer(core, machine, &program, &model, subject)?);
            }
        }
    }
    Ok((costs, by_peer))
}
