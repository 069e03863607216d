//! Checkpoints: everything that a run needs to continue, in one safetensors file.
//!
//! Every weight is a tensor with its own name (`generator.weights/0.weight`). The file also holds both optimizers' moments, the
//! exponential moving average of the generator, and its batch norm statistics. Random numbers need no state: they are keyed by
//! seed and step, which are in the metadata with the recipe, the state of the run and the identity of its data. Equal states give
//! equal files, byte for byte. The metadata end with the CRC-32 of the file.
use super::{DataRecord, RunError, RunState};
use crate::exec::Store;
use crate::files;
use crate::memory;
use crate::nets::NetworkError;
use crate::nn::{Layer, Network, TensorRole};
use crate::recipe::Recipe;
use crate::train::{Player, StateKey, state_tensors};
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Version of the file's layout; other versions are rejected.
const VERSION: &str = "3";
/// Name of the checksum in the metadata, and the digits that stand for it while it is computed.
const CHECKSUM: &str = "checksum";
const NO_CHECKSUM: &str = "00000000";

/// The state of a run at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The recipe of the run.
    pub recipe: Recipe,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of steps done.
    pub step: u64,
    /// Number of steps of the whole run.
    pub steps: u64,
    /// Shape of one training example.
    pub shape: Vec<usize>,
    /// The data of the run.
    pub data: DataRecord,
    /// State of the run apart from the weights.
    pub state: RunState,
    /// Weights and optimizer state.
    pub store: Store,
}

impl Checkpoint {
    /// Builds the generator and the discriminator that the weights belong to.
    ///
    /// # Errors
    /// If the recipe does not describe networks for data of this shape.
    pub fn networks(&self) -> Result<(Network, Network), NetworkError> {
        self.recipe.networks(&self.shape)
    }

    /// Returns the weights of the EMA generator, and its batch norm statistics, which are empty without batch norm.
    pub fn ema(&self) -> (&[f32], &[f32]) {
        (StateKey::Ema.values(&self.store), StateKey::BatchNorm.values(&self.store))
    }

    /// Multiplies `factor` into the weights with which the first layer of the EMA generator reads the latents. Binary latents and
    /// classes are not affected.
    pub(crate) fn truncate(&mut self, factor: f32) -> Result<(), NetworkError> {
        let (generator, _) = self.networks()?;
        let first = generator.tensors.iter().find(|t| t.key.role == TensorRole::Weight && t.dims.len() == 2);
        let (Some(first), false) = (first, factor == 1.0) else { return Ok(()) };
        let binary = generator.layers.iter().find_map(|layer| match layer {
            Layer::BinaryLatents { count } => Some(*count),
            _ => None,
        });
        let classed = usize::from(!self.recipe.class_shares().is_empty());
        let scaled = binary.unwrap_or(0)..self.recipe.generator.latent() - classed;
        if let Some(id) = self.store.find(StateKey::Ema.name()) {
            let rows = self.store.values_mut(id)[first.at..].chunks_exact_mut(first.dims[1]);
            rows.take(scaled.end).skip(scaled.start).flatten().for_each(|weight| *weight *= factor);
        }
        Ok(())
    }

    /// Returns the discriminator's weights.
    pub fn discriminator(&self) -> &[f32] {
        StateKey::Weights(Player::Discriminator).values(&self.store)
    }

    /// Writes the checkpoint atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RunError> {
        let (generator, discriminator) = self.networks().map_err(|e| RunError::new(path, e))?;
        let (mut header, mut data) = (Map::new(), Vec::with_capacity(self.store.bytes()));
        header.insert("__metadata__".into(), self.metadata());
        for entry in self.store.entries() {
            for tensor in state_tensors(&entry.name, &generator, &discriminator) {
                let at = data.len();
                entry.values[tensor.at..][..tensor.len()].iter().for_each(|v| data.extend(v.to_le_bytes()));
                let described = json!({ "dtype": "F32", "shape": tensor.dims, "data_offsets": [at, data.len()] });
                header.insert(format!("{}/{}", entry.name, tensor.key), described);
            }
        }
        let mut header = Value::Object(header).to_string();
        // Readers map the tensors, so that these begin at a multiple of their size.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let mut file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
        let at = checksum_at(&file).ok_or_else(|| RunError::new(path, "the header has no place for a checksum"))?;
        let checksum = format!("{:08x}", crc32(&file));
        file[at..at + checksum.len()].copy_from_slice(checksum.as_bytes());
        files::write(path, file).map_err(|e| RunError::of_write(&e))
    }

    /// Returns everything but the tensors, as text.
    fn metadata(&self) -> Value {
        let shape: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        json!({
            "version": VERSION,
            "recipe": self.recipe.to_toml(),
            "seed": self.seed.to_string(),
            "step": self.step.to_string(),
            "steps": self.steps.to_string(),
            "shape": shape.join("x"),
            "data": json!(self.data).to_string(),
            "state": json!(self.state).to_string(),
            CHECKSUM: NO_CHECKSUM,
        })
    }

    /// Reads a checkpoint that [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Self, RunError> {
        let file = files::read(path, memory::free() as u64).map_err(|e| RunError::io(path, &e))?;
        Self::parse(path, file)
    }

    /// Reads a checkpoint from the bytes of the file at `path`.
    fn parse(path: &Path, mut file: Vec<u8>) -> Result<Self, RunError> {
        let wrong = |what: String| RunError::new(path, format!("this is not a checkpoint of this version: {what}"));
        let (_, head) = SafeTensors::read_metadata(&file).map_err(|e| wrong(e.to_string()))?;
        let metadata = head.metadata().clone().unwrap_or_default();
        let text = |key: &str| metadata.get(key).cloned().ok_or_else(|| wrong(format!("`{key}` is missing")));
        let number = |key: &str| text(key)?.parse::<u64>().map_err(|e| wrong(format!("`{key}`: {e}")));
        if text("version")? != VERSION {
            return Err(wrong(format!(
                "it has version {}, expected {VERSION}. The run was made by another version of ganlet: use that version, or train again",
                text("version")?
            )));
        }
        verify(&mut file, &text(CHECKSUM)?).map_err(|e| RunError::new(path, e))?;
        let tensors = SafeTensors::deserialize(&file).map_err(|e| wrong(e.to_string()))?;
        let json = |key: &str, e: serde_json::Error| wrong(format!("`{key}`: {e}"));
        let data = serde_json::from_str(&text("data")?).map_err(|e| json("data", e))?;
        let state = serde_json::from_str(&text("state")?).map_err(|e| json("state", e))?;
        let recipe = Recipe::parse("in the checkpoint", &text("recipe")?, &[]).map_err(|e| wrong(e.to_string()))?;
        let shape = text("shape")?.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>();
        let shape = shape.map_err(|e| wrong(format!("`shape`: {e}")))?;
        if !matches!(shape.len(), 1 | 3) || shape.iter().any(|&n| n == 0 || n > 4096) {
            return Err(wrong(format!("`shape` {shape:?} is neither the shape of an image nor of a point")));
        }
        let (seed, step, steps) = (number("seed")?, number("step")?, number("steps")?);
        let mut checkpoint = Self { recipe, seed, step, steps, shape, data, state, store: Store::default() };
        let (generator, discriminator) = checkpoint.networks().map_err(|e| wrong(e.to_string()))?;
        crate::train::check_memory(&checkpoint.recipe, &generator, &discriminator).map_err(|e| wrong(e.to_string()))?;
        let template = crate::train::initial_store(&checkpoint.recipe, &generator, &discriminator, 0);
        for entry in template.entries() {
            let mut values = vec![0.0; entry.values.len()];
            for tensor in state_tensors(&entry.name, &generator, &discriminator) {
                let name = format!("{}/{}", entry.name, tensor.key);
                let view = tensors.tensor(&name).map_err(|e| wrong(format!("{name}: {e}")))?;
                if view.dtype() != Dtype::F32 || view.shape() != tensor.dims {
                    let found = format!("{:?} {:?}", view.dtype(), view.shape());
                    return Err(wrong(format!("{name}: found {found}, expected F32 {:?}", tensor.dims)));
                }
                for (v, raw) in values[tensor.at..].iter_mut().zip(view.data().chunks_exact(4)) {
                    *v = f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
                }
            }
            checkpoint.store.add(entry.name.clone(), values);
        }
        Ok(checkpoint)
    }
}

/// Returns where the digits of the checksum are in a file.
fn checksum_at(file: &[u8]) -> Option<usize> {
    // Quotes inside texts are escaped, so only the key itself looks like this.
    let key = format!("\"{CHECKSUM}\":\"");
    let header = &file[..file.len().min((u64::from_le_bytes(*file.first_chunk()?) as usize).saturating_add(8))];
    header.windows(key.len()).position(|bytes| bytes == key.as_bytes()).map(|at| at + key.len())
}

/// Compares the CRC-32 of a file with the one that its metadata state. The digits in the file are set to zeros.
fn verify(file: &mut [u8], stated: &str) -> Result<(), String> {
    let at =
        checksum_at(file).filter(|at| file[*at..].starts_with(stated.as_bytes()) && stated.len() == NO_CHECKSUM.len());
    let at = at.ok_or("the checksum cannot be found: the file was written by another program, which cannot be used")?;
    file[at..at + NO_CHECKSUM.len()].copy_from_slice(NO_CHECKSUM.as_bytes());
    let found = format!("{:08x}", crc32(file));
    if found == stated {
        return Ok(());
    }
    Err(format!("the file is damaged or was changed after it was saved: its checksum is {found}, expected {stated}"))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Run, RunFolder, load_data};
    use crate::train::Trainer;

    #[test]
    fn truncation_scales_the_weights_of_continuous_latents_only() {
        let settings = ["train.batch_size=8", "generator.hidden=[4]", "generator.binary_latents=1"].map(str::to_owned);
        let recipe = Recipe::open("ring", &settings).unwrap();
        let data = load_data(&recipe).unwrap();
        let path = std::env::temp_dir().join(format!("ganlet-truncation-{}", std::process::id()));
        let folder = RunFolder::create(Path::new("runs"), Some(&path), &recipe).unwrap();
        let mut run = Run::new(Trainer::new(recipe, data.train, 1, 1, 1).unwrap(), folder).unwrap();
        let before = run.checkpoint();
        let mut after = before.clone();
        after.truncate(0.5).unwrap();
        let (old, new) = (before.ema().0, after.ema().0);
        // Three latents, the first of them binary, and four hidden neurons.
        let factor = |i: usize| if (4..12).contains(&i) { 0.5 } else { 1.0 };
        assert!(old.iter().zip(new).enumerate().all(|(i, (old, new))| *new == old * factor(i)));
        assert_eq!(before.discriminator(), after.discriminator());
        after.truncate(1.0).unwrap();
        drop(run);
        std::fs::remove_dir_all(path).unwrap();
    }
}
