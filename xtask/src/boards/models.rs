//! Models to weigh firmware with: a recipe's generator before any training, which takes the same flash and RAM as after it.

use crate::bench::firmware::folder;
use crate::failure::Failure;
use ganlet_trainer::quantise::{self, Options};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;
use std::path::PathBuf;

/// The recipes whose models every board is weighed with.
pub(crate) const RECIPES: [&str; 2] = ["faces", "digits"];
/// Weights do not decide sizes: a few latents calibrate well enough.
const LATENTS: u32 = 16;

/// Writes the model of the named recipe, its weights as they are drawn from seed 1; gives the file.
pub(crate) fn untrained(name: &str) -> Result<PathBuf, Failure> {
    let path = folder()?.join(format!("{name}.model"));
    let unusable = |e: &dyn std::fmt::Display| Failure::unusable(e.to_string());
    let recipe = Recipe::open(name, &[]).map_err(|e| unusable(&e))?;
    let data = run::load(&recipe).map_err(|e| unusable(&e))?.train;
    let mut trainer = Trainer::new(recipe.clone(), data, 1, 0, 1)?;
    let generator = trainer.generator().clone();
    let (weights, statistics) = trainer.averaged();
    let net = quantise::fold(name, &generator, weights, statistics, recipe.data.range);
    let options = Options { calibration: LATENTS, comparison: LATENTS, ..Options::default() };
    let quantised = quantise::quantise(&net, &options).map_err(|e| unusable(&e))?;
    std::fs::write(&path, &quantised.file).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}
