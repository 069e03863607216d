//! Models to weigh firmware with: a recipe's generator after a few steps, which takes the same flash and RAM as after all of them.

use crate::bench::firmware::folder;
use crate::exporting;
use crate::failure::Failure;
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_trainer::quantize::{self, Options};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;
use std::path::PathBuf;

/// A recipe of classes, with which emulated boards play as well.
pub(crate) const CLASSES: &str = "digits-classes";
/// The recipes whose models every board is weighed with.
pub(crate) const RECIPES: [&str; 2] = ["faces", "digits"];
/// Weights do not decide sizes: a few latents calibrate well enough.
const LATENTS: u32 = 16;
/// Biases that start out equal take less flash, until they have been moved apart.
const STEPS: u64 = 20;

/// Writes the model of the named recipe as seed 1 makes it; gives the file.
pub(crate) fn young(name: &str) -> Result<PathBuf, Failure> {
    let path = folder()?.join(format!("{name}.model"));
    let unusable = |e: &dyn std::fmt::Display| Failure::unusable(e.to_string());
    let recipe = Recipe::open(name, &[]).map_err(|e| unusable(&e))?;
    let data = run::load_data(&recipe).map_err(|e| unusable(&e))?;
    let mut trainer = Trainer::new(recipe.clone(), data.train.clone(), 1, STEPS, 1)?;
    for _ in 0..STEPS {
        trainer.advance().map_err(|e| Failure::failed(e.to_string()))?;
    }
    let generator = trainer.generator().clone();
    let (weights, statistics) = trainer.averaged();
    let net = exporting::device_net(&recipe, &data, &generator, weights, statistics)?;
    let options = Options { calibration: LATENTS, comparison: LATENTS, ..Options::default() };
    let quantized = quantize::quantize(&net, &options).map_err(|e| unusable(&e))?;
    std::fs::write(&path, &quantized.file).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}

/// Writes a model of little flash whose arena is larger than any that firmware sets aside: wide rows of many channels.
pub(crate) fn hungry() -> Result<PathBuf, Failure> {
    const WIDTH: u16 = 512;
    const INNER: u16 = 64;
    let path = folder()?.join("hungry.model");
    let wide = Shape { h: 1, w: WIDTH, c: INNER };
    let spec = |op, input, weights: usize, bias: usize, scale: usize| LayerSpec {
        op,
        input,
        zero_point: 0,
        table: None,
        weights: vec![1; weights],
        wide: [0; 2],
        bias: vec![0; bias],
        scale: vec![1 << 25; scale],
    };
    let mut builder = ModelBuilder::new("hungry", 1);
    let (values, inner) = (wide.len() as usize, usize::from(INNER));
    let dense = builder.push(&spec(Op::Dense { shape: wide }, Source::Latent, values, inner, inner));
    builder.push(&spec(Op::ConvTranspose { k: 4, s: 2, p: 1, c: 1 }, dense, 16 * inner, 4, 1));
    std::fs::write(&path, builder.finish()?).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}
