//! Measures one model on one emulated core, and checks the image against the one that this machine draws.

use super::cycles::{self, Code, CycleCount, Pieces};
use super::layers;
use crate::failure::Failure;
use crate::firmware::machines::Machine;
use crate::process;
use ganlet_runtime::{Generator, Model};
use ganlet_sim::host::{Core, MeasuredLayout};
use std::path::Path;
use std::time::Duration;

/// Seed of the image that the firmware draws.
const SEED: u32 = 1;

/// A model file to measure.
pub(crate) struct MeasuredModel {
    /// Its name in tables.
    pub(crate) name: String,
    /// Layout of its weights.
    pub(crate) layout: MeasuredLayout,
    /// Contents of the file.
    pub(crate) bytes: Vec<u8>,
}

/// The cost of an image on a core.
#[derive(Clone, Debug)]
pub(crate) struct ImageCost {
    pub(crate) core: Core,
    pub(crate) machine: &'static str,
    pub(crate) model: String,
    pub(crate) layout: MeasuredLayout,
    pub(crate) macs: u64,
    /// Instructions to draw the image.
    pub(crate) instructions: u64,
    /// Instructions to load and check the model.
    pub(crate) load_instructions: u64,
    pub(crate) layers: Vec<layers::LayerCost>,
    pub(crate) arena_bytes: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) flash_bytes: u64,
    pub(crate) checksum: String,
    /// Cycles to draw the image, if they were measured.
    pub(crate) cycles: Option<CycleCount>,
    /// Name and version of the compiler that built the firmware.
    pub(crate) compiler: String,
}

/// FNV-1a hash of the rows that the runtime draws on this machine.
pub(crate) fn checksum(model: &Model<'_>) -> Result<String, Failure> {
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(model, &mut arena)?;
    let mut rows = generator.rows(&model.latent(SEED));
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    while let Some(row) = rows.next_row() {
        for &byte in row {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    Ok(format!("{hash:016x}"))
}

/// Output of a firmware: lines of a key and a value.
struct Printed {
    name: String,
    text: String,
}

impl Printed {
    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '))
    }

    fn text(&self, key: &str) -> Result<&str, Failure> {
        self.values(key).next().ok_or_else(|| self.unexpected(&format!("the firmware printed no {key}")))
    }

    fn number(&self, key: &str) -> Result<u64, Failure> {
        self.text(key)?.parse().map_err(|e| self.unexpected(&format!("{key}: {e}")))
    }

    fn numbers(&self, key: &str) -> Result<Vec<u64>, Failure> {
        self.values(key).map(|v| v.parse().map_err(|e| self.unexpected(&format!("{key}: {e}")))).collect()
    }

    fn unexpected(&self, what: &str) -> Failure {
        Failure::failed(format!("{}: {what}\n{}", self.name, self.text))
    }
}

/// Runs `firmware` in `machine` with the model in the file `path`, with 2^`shift` nanoseconds for each instruction and with more arguments
/// for QEMU.
fn run(
    machine: &Machine,
    [firmware, path]: [&Path; 2],
    model: &MeasuredModel,
    macs: u64,
    shift: u32,
    more: &[String],
) -> Result<Printed, Failure> {
    let mut arguments = machine.arguments(&firmware.to_string_lossy(), &path.to_string_lossy(), shift);
    arguments.extend_from_slice(more);
    // QEMU executes a few hundred million instructions per second, and a tenth of that if this machine is busy.
    let limit = Duration::from_secs(60 + macs / 1_000_000);
    let text = process::output_within(machine.emulator, &arguments, limit)?;
    Ok(Printed { name: format!("{} on {}", model.name, machine.name), text })
}

/// Draws `model`, which is in the file `path`, with `firmware` on `machine`.
pub(crate) fn measure(
    core: Core,
    machine: &Machine,
    firmware: &Path,
    path: &Path,
    model: &MeasuredModel,
) -> Result<ImageCost, Failure> {
    let checked = Model::from_bytes(&model.bytes).map_err(|e| Failure::file(path, e))?;
    let printed = run(machine, [firmware, path], model, checked.macs(), 0, &[])?;
    let rows = printed.numbers("row")?;
    if rows.len() != usize::from(checked.size().1) {
        return Err(printed.unexpected("expected one count for each row of the image"));
    }
    let (found, expected) = (printed.text("checksum")?, checksum(&checked)?);
    if found != expected {
        return Err(printed.unexpected(&format!("the image's checksum is {found}, on this machine it is {expected}")));
    }
    Ok(ImageCost {
        core,
        machine: machine.name,
        model: model.name.clone(),
        layout: model.layout,
        macs: checked.macs(),
        instructions: rows.iter().sum(),
        load_instructions: printed.number("load")?,
        layers: layers::split(&checked, &rows),
        arena_bytes: printed.number("arena")?,
        stack_bytes: printed.number("stack")?,
        flash_bytes: model.bytes.len() as u64,
        checksum: found.to_owned(),
        cycles: None,
        compiler: String::new(),
    })
}

/// Largest difference of a row's instructions between the two counts, if QEMU's clock has less than one tick for each instruction.
const CLOCK_RESOLUTION: u64 = 100;
/// Largest image, in multiply-accumulates, whose pieces fit the clock at several ticks for each instruction; the two counts of it must be equal.
const SMALL: u64 = 1_000_000;

/// Counts the cycles of the image that [`measure`] draws, with the plugin of QEMU.
pub(crate) fn measure_cycles(
    core: Core,
    machine: &Machine,
    [firmware, path, plugin]: [&Path; 3],
    model: &MeasuredModel,
) -> Result<CycleCount, Failure> {
    let checked = Model::from_bytes(&model.bytes).map_err(|e| Failure::file(path, e))?;
    let (counts, small) = (path.with_extension("counts"), checked.macs() <= SMALL);
    let more = cycles::arguments(plugin, &counts);
    let shift = if small { 8 } else { 0 };
    // The plugin is called for every instruction.
    let printed = run(machine, [firmware, path], model, 10 * checked.macs(), shift, &more)?;
    let rows = printed.numbers("row")?;
    let count = Code::read(firmware)?.image(core, &Pieces::read(&counts)?, rows.len() as u64)?;
    let (found, clock) = (count.total().instructions, rows.iter().sum::<u64>());
    let tolerance = if small { 0 } else { CLOCK_RESOLUTION * rows.len() as u64 };
    if found.abs_diff(clock) > tolerance {
        return Err(Failure::failed(format!(
            "{core} {}: QEMU's plugin counted {found} instructions of the image, QEMU's clock {clock}; expected the same number",
            model.name
        )));
    }
    Ok(count)
}

/// The cost of the same layers in `embedded-nn`.
#[derive(Clone, Debug)]
pub(crate) struct PeerCost {
    pub(crate) core: Core,
    pub(crate) model: String,
    /// Multiply-accumulates and instructions of each layer.
    pub(crate) layers: Vec<(u64, u64)>,
    /// Bytes of the two largest tensors that exist at the same time.
    pub(crate) ram_bytes: u64,
}

impl PeerCost {
    /// The sum over all layers.
    pub(crate) fn instructions(&self) -> u64 {
        self.layers.iter().map(|(_, n)| n).sum()
    }
}

/// Runs the layers of `model`, one of the generators that the program `peer` contains.
pub(crate) fn measure_peer(
    core: Core,
    machine: &Machine,
    firmware: &Path,
    path: &Path,
    model: &MeasuredModel,
) -> Result<PeerCost, Failure> {
    let checked = Model::from_bytes(&model.bytes).map_err(|e| Failure::file(path, e))?;
    // embedded-nn takes about ten times as long.
    let printed = run(machine, [firmware, path], model, 10 * checked.macs(), 0, &[])?;
    let instructions = printed.numbers("layer")?;
    let layers: Vec<(u64, u64)> = checked.layers().map(|l| l.macs).zip(instructions).collect();
    if layers.len() != checked.layers().count() {
        return Err(printed.unexpected("expected one count for each layer of the model"));
    }
    Ok(PeerCost { core, model: model.name.clone(), layers, ram_bytes: printed.number("ram")? })
}
