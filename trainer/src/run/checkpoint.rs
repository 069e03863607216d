//! Checkpoints: everything that a run needs to continue, in one safetensors file.
//!
//! Every weight is a tensor with its own name (`generator.weights/0.weight`). The file also holds both optimizers' moments, the
//! exponential moving average of the generator, and its batch norm statistics. Random numbers need no state: they are keyed by
//! seed and step, which are in the metadata with the recipe.
use super::RunError;
use crate::exec::Store;
use crate::files;
use crate::nets::NetworkError;
use crate::nn::Network;
use crate::recipe::Recipe;
use crate::train::{Player, StateKey, state_tensors};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// Version of the file's layout; other versions are rejected.
const VERSION: &str = "2";

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
        let mut bytes: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for entry in self.store.entries() {
            for tensor in state_tensors(&entry.name, &generator, &discriminator) {
                let run = &entry.values[tensor.at..][..tensor.len()];
                let raw = run.iter().flat_map(|v| v.to_le_bytes()).collect();
                bytes.push((format!("{}/{}", entry.name, tensor.key), tensor.dims.clone(), raw));
            }
        }
        let views = bytes
            .iter()
            .map(|(name, dims, raw)| TensorView::new(Dtype::F32, dims.clone(), raw).map(|view| (name.as_str(), view)));
        let views: Vec<_> = views.collect::<Result<_, _>>().map_err(|e| RunError::new(path, e))?;
        let shape: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        let metadata = HashMap::from([
            ("version".to_owned(), VERSION.to_owned()),
            ("recipe".to_owned(), self.recipe.to_toml()),
            ("seed".to_owned(), self.seed.to_string()),
            ("step".to_owned(), self.step.to_string()),
            ("steps".to_owned(), self.steps.to_string()),
            ("shape".to_owned(), shape.join("x")),
        ]);
        let file = safetensors::serialize(views, Some(metadata)).map_err(|e| RunError::new(path, e))?;
        files::write(path, file).map_err(|e| RunError::of_write(&e))
    }

    /// Reads a checkpoint that [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Self, RunError> {
        let file = std::fs::read(path).map_err(|e| RunError::io(path, &e))?;
        let wrong = |what: String| RunError::new(path, format!("this is not a checkpoint of this version: {what}"));
        let (_, head) = SafeTensors::read_metadata(&file).map_err(|e| wrong(e.to_string()))?;
        let tensors = SafeTensors::deserialize(&file).map_err(|e| wrong(e.to_string()))?;
        let metadata = head.metadata().clone().unwrap_or_default();
        let text = |key: &str| metadata.get(key).cloned().ok_or_else(|| wrong(format!("`{key}` is missing")));
        let number = |key: &str| text(key)?.parse::<u64>().map_err(|e| wrong(format!("`{key}`: {e}")));
        if text("version")? != VERSION {
            return Err(wrong(format!(
                "it has version {}, expected {VERSION}. The run was made by another version of ganlet: use that version, or train again",
                text("version")?
            )));
        }
        let recipe = Recipe::parse("in the checkpoint", &text("recipe")?, &[]).map_err(|e| wrong(e.to_string()))?;
        let shape = text("shape")?.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>();
        let shape = shape.map_err(|e| wrong(format!("`shape`: {e}")))?;
        if !matches!(shape.len(), 1 | 3) || shape.iter().any(|&n| n == 0 || n > 4096) {
            return Err(wrong(format!("`shape` {shape:?} is neither the shape of an image nor of a point")));
        }
        let (seed, step, steps) = (number("seed")?, number("step")?, number("steps")?);
        let mut checkpoint = Self { recipe, seed, step, steps, shape, store: Store::default() };
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
