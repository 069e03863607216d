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

/// Draws `subject`, which lies in the file `model`, by `firmware` in `machine`.
pub(crate) fn measure(
    core: Core,
    machine: Machine,
    firmware: &Path,
    model: &Path,
    subject: &Subject,
) -> Result<Cost, Failure> {
    let checked = Model::from_bytes(&subject.bytes).map_err(|e| Failure::file(model, e))?;
    let arguments = machine.arguments(&firmware.to_string_lossy(), &model.to_string_lossy());
    // Emulators make more than 50 million instructions a second, busy machines included.
    let limit = Duration::from_secs(60 + checked.macs() / 2_000_000);
    let out = emulator::run(machine.emulator, &arguments, limit)?;
    let odd = |what: &str| Failure::failed(format!("{} on {}: {what}\n{out}", subject.name, machine.name));
    let values = |key: &str| {
        let words = out.lines().filter_map(|line| line.split_once(' '));
        words.filter(|(k, _)| *k == key).map(|(_, v)| v.to_owned()).collect::<Vec<_>>()
    };
    let text = |key: &str| values(key).into_iter().next().ok_or_else(|| odd(&format!("the firmware printed no {key}")));
    let number = |key: &str| text(key)?.parse().map_err(|e| odd(&format!("{key}: {e}")));
    let rows: Vec<u64> = values("row").iter().filter_map(|v| v.parse().ok()).collect();
    if rows.len() != usize::from(checked.size().1) {
        return Err(odd("another number of rows than the picture has"));
    }
    let (found, expected) = (text("checksum")?, checksum(&checked)?);
    if found != expected {
        return Err(odd(&format!("the picture's checksum is {found}, on this machine it is {expected}")));
    }
    Ok(Cost {
        core,
        machine: machine.name,
        model: subject.name.clone(),
        layout: subject.layout,
        macs: checked.macs(),
        instructions: rows.iter().sum(),
        load_instructions: number("load")?,
        layers: layers::split(&checked, &rows),
        arena_bytes: number("arena")?,
        stack_bytes: number("stack")?,
        flash_bytes: subject.bytes.len() as u64,
        checksum: found,
    })
}
