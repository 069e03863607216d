//! One measurement: a model drawn by an emulated core, its counts read, its picture checked against this machine's.

use super::cores::{Core, Machine};
use super::{emulator, layers};
use crate::failure::Failure;
use ganlet_runtime::{Generator, Model};
use std::path::Path;
use std::time::Duration;

/// The picture that the firmware draws.
const SEED: u32 = 1;

/// A model file to measure.
pub(crate) struct Subject {
    /// Its name in tables.
    pub(crate) name: String,
    /// How its weights lie.
    pub(crate) layout: &'static str,
    /// The file, read.
    pub(crate) bytes: Vec<u8>,
}

/// What a picture costs on a core.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    pub(crate) core: Core,
    pub(crate) machine: &'static str,
    pub(crate) model: String,
    pub(crate) layout: &'static str,
    pub(crate) macs: u64,
    /// Instructions of the picture; of loading and checking the model.
    pub(crate) instructions: u64,
    pub(crate) load_instructions: u64,
    pub(crate) layers: Vec<layers::LayerCost>,
    pub(crate) arena_bytes: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) flash_bytes: u64,
    pub(crate) checksum: String,
    /// Which compiler built the firmware.
    pub(crate) compiler: String,
}

/// FNV-1a of the rows that this machine's runtime makes.
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

/// What a firmware printed: lines of a key and a value.
struct Printed {
    who: String,
    text: String,
}

impl Printed {
    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '))
    }

    fn text(&self, key: &str) -> Result<&str, Failure> {
        self.values(key).next().ok_or_else(|| self.odd(&format!("the firmware printed no {key}")))
    }

    fn number(&self, key: &str) -> Result<u64, Failure> {
        self.text(key)?.parse().map_err(|e| self.odd(&format!("{key}: {e}")))
    }

    fn numbers(&self, key: &str) -> Result<Vec<u64>, Failure> {
        self.values(key).map(|v| v.parse().map_err(|e| self.odd(&format!("{key}: {e}")))).collect()
    }

    fn odd(&self, what: &str) -> Failure {
        Failure::failed(format!("{}: {what}\n{}", self.who, self.text))
    }
}

/// Runs `firmware` in `machine` with the model in the file `model`.
fn run(machine: Machine, firmware: &Path, model: &Path, subject: &Subject, macs: u64) -> Result<Printed, Failure> {
    let arguments = machine.arguments(&firmware.to_string_lossy(), &model.to_string_lossy());
    // An emulator makes some hundred million instructions a second; a busy machine, a tenth of that.
    let limit = Duration::from_secs(60 + macs / 1_000_000);
    let text = emulator::run(machine.emulator, &arguments, limit)?;
    Ok(Printed { who: format!("{} on {}", subject.name, machine.name), text })
}

/// Draws `subject`, which lies in the file `model`, by `firmware` in `machine`.
pub(crate) fn measure(
    core: Core,
    machine: Machine,
    firmware: &Path,
    model: &Path,
    subject: &Subject,
) -> Result<Cost, Failure> {
    let checked = Model::from_bytes(&subject.bytes).map_err(|e| Failure::file(model, e))?;
    let printed = run(machine, firmware, model, subject, checked.macs())?;
    let rows = printed.numbers("row")?;
    if rows.len() != usize::from(checked.size().1) {
        return Err(printed.odd("another number of rows than the picture has"));
    }
    let (found, expected) = (printed.text("checksum")?, checksum(&checked)?);
    if found != expected {
        return Err(printed.odd(&format!("the picture's checksum is {found}, on this machine it is {expected}")));
    }
    Ok(Cost {
        core,
        machine: machine.name,
        model: subject.name.clone(),
        layout: subject.layout,
        macs: checked.macs(),
        instructions: rows.iter().sum(),
        load_instructions: printed.number("load")?,
        layers: layers::split(&checked, &rows),
        arena_bytes: printed.number("arena")?,
        stack_bytes: printed.number("stack")?,
        flash_bytes: subject.bytes.len() as u64,
        checksum: found.to_owned(),
        compiler: String::new(),
    })
}

/// What the same layers cost by `embedded-nn`.
#[derive(Clone, Debug)]
pub(crate) struct PeerCost {
    pub(crate) core: Core,
    pub(crate) model: String,
    /// Multiply-accumulates and instructions of each layer.
    pub(crate) layers: Vec<(u64, u64)>,
    /// Bytes of the two largest tensors that exist together.
    pub(crate) ram_bytes: u64,
}

impl PeerCost {
    /// Instructions of all layers.
    pub(crate) fn instructions(&self) -> u64 {
        self.layers.iter().map(|(_, n)| n).sum()
    }
}

/// Runs the layers of `subject`, one of the generators that the program `peer` knows.
pub(crate) fn measure_peer(
    core: Core,
    machine: Machine,
    firmware: &Path,
    model: &Path,
    subject: &Subject,
) -> Result<PeerCost, Failure> {
    let checked = Model::from_bytes(&subject.bytes).map_err(|e| Failure::file(model, e))?;
    // It needs about ten times as long.
    let printed = run(machine, firmware, model, subject, 10 * checked.macs())?;
    let instructions = printed.numbers("layer")?;
    let layers: Vec<(u64, u64)> = checked.layers().map(|l| l.macs).zip(instructions).collect();
    if layers.len() != checked.layers().count() {
        return Err(printed.odd("another number of layers than the model has"));
    }
    Ok(PeerCost { core, model: subject.name.clone(), layers, ram_bytes: printed.number("ram")? })
}
