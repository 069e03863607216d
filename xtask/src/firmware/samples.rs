//! Sample models for firmware: the generator of a recipe after a few steps. It needs the same flash and RAM as a fully trained one.

use crate::failure::Failure;
use crate::process::folder;
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_trainer::export::device_net;
use ganlet_trainer::quantize::{self, QuantizeOptions};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A recipe with classes, which emulated boards are also tested with.
pub(crate) const CLASSES: &str = "digits-classes";
/// The recipes whose models every board is measured with.
pub(crate) const RECIPES: [&str; 2] = ["faces-small", "digits-small"];
/// Latents for calibration: a few are enough, because sizes do not depend on the weights.
const LATENTS: u32 = 16;
/// Training steps. A few are needed, because biases that still have their initial, equal values would take less flash.
const STEPS: u64 = 20;

/// Returns the file of the named recipe's model, trained with seed 1. The first call for a recipe trains it.
pub(crate) fn model(name: &str) -> Result<PathBuf, Failure> {
    static TRAINED: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // The lock is held during training, so that other threads wait for the result.
    let mut trained = TRAINED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = trained.get(name) {
        return Ok(path.clone());
    }
    let path = train(name)?;
    trained.insert(name.to_owned(), path.clone());
    Ok(path)
}

fn train(name: &str) -> Result<PathBuf, Failure> {
    let path = folder()?.join(format!("{name}.model"));
    let unusable = |e: &dyn std::fmt::Display| Failure::unusable(e.to_string());
    let recipe = Recipe::open(name, &[]).map_err(|e| unusable(&e))?;
    let data = run::load_data(&recipe).map_err(|e| unusable(&e))?;
    let mut trainer = Trainer::new(recipe, data.train.clone(), 1, STEPS, 1)?;
    for _ in 0..STEPS {
        trainer.advance().map_err(|e| Failure::failed(e.to_string()))?;
    }
    let net = device_net(&mut trainer, data.mixture.as_ref())?;
    let options = QuantizeOptions { calibration: LATENTS, comparison: LATENTS, ..QuantizeOptions::default() };
    let quantized = quantize::quantize(&net, &options).map_err(|e| unusable(&e))?;
    std::fs::write(&path, &quantized.file).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}

/// Writes a small model with a discriminator, whose scores differ from image to image.
pub(crate) fn scored() -> Result<PathBuf, Failure> {
    const LATENT: usize = 4;
    let path = folder()?.join("scored.model");
    let image = Shape { h: 16, w: 16, c: 1 };
    let dense = |shape: Shape, input: Source, inputs: usize| {
        let weights = (0..inputs * shape.len() as usize).map(|i| (i * i * 37 % 255) as u8 as i8).map(|w| w.max(-127));
        let op = Op::Dense { shape };
        LayerSpec {
            op,
            input,
            zero_point: 0,
            table: None,
            weights: weights.collect(),
            wide: [0; 2],
            bias: vec![0],
            scale: vec![1 << 24],
        }
    };
    let mut builder = ModelBuilder::new("scored", LATENT as u16);
    let drawn = builder.push(&dense(image, Source::Latent, LATENT));
    builder.images(&[0]);
    builder.push(&dense(Shape { h: 1, w: 1, c: 1 }, drawn, image.len() as usize));
    std::fs::write(&path, builder.finish()?).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}

/// Writes a small model that needs a larger arena than any firmware reserves: its rows are wide and have many channels.
pub(crate) fn large_arena() -> Result<PathBuf, Failure> {
    static WRITTEN: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*written {
        return Ok(path.clone());
    }
    const WIDTH: u16 = 512;
    const INNER: u16 = 64;
    let path = folder()?.join("large-arena.model");
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
    let mut builder = ModelBuilder::new("large-arena", 1);
    let (values, inner) = (wide.len() as usize, usize::from(INNER));
    let dense = builder.push(&spec(Op::Dense { shape: wide }, Source::Latent, values, inner, inner));
    builder.push(&spec(Op::ConvTranspose { k: 4, s: 2, p: 1, c: 1 }, dense, 16 * inner, 4, 1));
    std::fs::write(&path, builder.finish()?).map_err(|e| Failure::file(&path, e))?;
    *written = Some(path.clone());
    Ok(path)
}
