//! From a run's checkpoint to a model file, and what the integers changed.

use crate::console;
use crate::failure::Failure;
use ganlet_runtime::{Generator, Model};
use ganlet_sim::host::ModelFile;
use ganlet_trainer::data::Dataset;
use ganlet_trainer::loss::Loss;
use ganlet_trainer::nn::Network;
use ganlet_trainer::quantize::{self, FloatNet, LayoutChoice, Options, Quantized, oracle};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{self, Checkpoint, CheckpointChoice, ChosenCheckpoint, RunFolder, TrainingData};
use ganlet_trainer::train::Trainer;
use std::path::Path;

/// Seeds whose streamed rows are compared with a whole-tensor computation.
const EXACT_SEEDS: u32 = 256;

/// A run, ready to make pictures: its chosen checkpoint, its data, its generator.
pub(crate) struct Chosen {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) loaded: TrainingData,
    pub(crate) trainer: Trainer,
}

impl Chosen {
    /// Opens the run at `path`; the checkpoint is the best measured one, else the newest.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Self::open_at(path, CheckpointChoice::Best)
    }

    /// Opens the run at `path` at one of its checkpoints.
    pub(crate) fn open_at(path: &Path, choice: CheckpointChoice) -> Result<Self, Failure> {
        let unusable = |e: &dyn std::fmt::Display| Failure::unusable(e.to_string());
        let folder =
            RunFolder::open(Path::new(crate::training::RUNS), &path.display().to_string()).map_err(|e| unusable(&e))?;
        let ChosenCheckpoint { checkpoint, reason } = folder.choose(choice).map_err(|e| unusable(&e))?;
        console::note(&format!("{}: checkpoint of step {}, {reason}", folder.path().display(), checkpoint.step));
        Self::of(checkpoint)
    }

    /// Prepares a checkpoint.
    pub(crate) fn of(checkpoint: Checkpoint) -> Result<Self, Failure> {
        let loaded = run::load_data(&checkpoint.recipe).map_err(|e| Failure::unusable(e.to_string()))?;
        let mut trainer =
            Trainer::new(checkpoint.recipe.clone(), loaded.train.clone(), checkpoint.seed, checkpoint.steps, 0)?;
        if trainer.data().shape() != checkpoint.shape {
            return Err(Failure::unusable(format!(
                "{}: the data is now of shape {:?}, the run was made with {:?}",
                checkpoint.recipe.data.source,
                trainer.data().shape(),
                checkpoint.shape
            )));
        }
        trainer.restore(checkpoint.store.clone(), checkpoint.step);
        Ok(Self { checkpoint, loaded, trainer })
    }

    /// Shrinks the generator to 8-bit integers, whose weights lie in flash as `layouts` says.
    pub(crate) fn quantize(&self, layouts: LayoutChoice) -> Result<Quantized, Failure> {
        self.quantize_net(&self.net()?, layouts)
    }

    /// The same with the discriminator behind the picture.
    pub(crate) fn quantize_judged(&self, layouts: LayoutChoice) -> Result<Quantized, Failure> {
        let net = judged(self.net()?, &self.checkpoint, &self.loaded, self.trainer.discriminator())?;
        let quantized = self.quantize_net(&net, layouts)?;
        console::note(&score_words(&net, &quantized)?);
        Ok(quantized)
    }

    fn net(&self) -> Result<FloatNet, Failure> {
        let recipe = &self.checkpoint.recipe;
        let (weights, statistics) = self.checkpoint.ema();
        device_net(recipe, &self.loaded, self.trainer.generator(), weights, statistics)
    }

    fn quantize_net(&self, net: &FloatNet, layouts: LayoutChoice) -> Result<Quantized, Failure> {
        console::note("calibrating and quantizing; comparing with the float network over 1,000 latents");
        quantize::quantize(net, &Options { layouts, ..Options::default() })
            .map_err(|e| Failure::unusable(e.to_string()))
    }
}

/// The generator of `recipe` as a device draws it: points of one or two numbers become a row of pixels, for a plot.
pub(crate) fn device_net(
    recipe: &Recipe,
    loaded: &TrainingData,
    generator: &Network,
    weights: &[f32],
    statistics: &[f32],
) -> Result<FloatNet, Failure> {
    let fold = |range| {
        quantize::fold(&recipe.name, generator, weights, statistics, range)
            .map(|net| FloatNet { classes: recipe.data.classes, ..net })
            .map_err(|e| Failure::unusable(e.to_string()))
    };
    let Some(mixture) = &loaded.mixture else {
        return fold(recipe.data.range);
    };
    let numbers = mixture.shape().iter().product::<usize>();
    if numbers > 2 {
        return Err(Failure::unusable(format!(
            "recipe {} makes points of {numbers} numbers: a device draws pictures, and points of one or two",
            recipe.name
        )));
    }
    let reach = mixture.reach() * recipe.data.scale;
    Ok(fold([-reach, reach])?.with_numbers_as_pixels())
}

/// Real pictures whose mean score counts as one half, where an objective teaches no more than differences.
const REAL: usize = 512;

/// The generator with its discriminator behind the picture.
fn judged(
    net: FloatNet,
    checkpoint: &Checkpoint,
    loaded: &TrainingData,
    discriminator: &Network,
) -> Result<FloatNet, Failure> {
    let recipe = &checkpoint.recipe;
    let Some(run::PictureSplit { held_out, .. }) = &loaded.pictures else {
        return Err(Failure::unusable(
            "--with-discriminator: these are points; a device shows scores beside pictures alone",
        ));
    };
    let differences = match recipe.objective.loss {
        Loss::Minimax | Loss::NonSaturating | Loss::FeatureMatching => false,
        Loss::Relativistic | Loss::Hinge | Loss::Wasserstein => true,
        loss => {
            return Err(Failure::unusable(format!(
                "--with-discriminator: the discriminator of {loss:?} gives no score that is a share of one"
            )));
        }
    };
    let discriminator =
        quantize::fold("discriminator", discriminator, checkpoint.discriminator(), &[], recipe.data.range)
            .map_err(|e| Failure::unusable(format!("--with-discriminator: {e}")))?;
    let [low, high] = recipe.data.range;
    let value = |&byte: &u8| low + f32::from(byte) / 255.0 * (high - low);
    let real: Vec<f32> = (0..held_out.count().min(REAL)).flat_map(|i| held_out.bytes(i)).map(value).collect();
    Ok(net.judged_by(discriminator, differences.then_some(&real)))
}

/// How far the integers' scores are from the float ones, of as many latents as rows are compared.
fn score_words(net: &FloatNet, quantized: &Quantized) -> Result<String, Failure> {
    let file = ModelFile::of(&quantized.file);
    let model = Model::from_bytes(file.bytes())?;
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena)?;
    let (mut sum, mut worst, mut total) = (0.0, 0.0_f64, 0.0);
    for seed in 0..EXACT_SEEDS {
        let latent = model.latent(seed);
        let float = f64::from(net.score(latent.values()).unwrap_or(0.0));
        let int8 = f64::from(generator.scored_rows(&latent).score().unwrap_or(0)) / 255.0;
        let off = (float - int8).abs();
        (sum, worst, total) = (sum + off, worst.max(off), total + int8);
    }
    let n = f64::from(EXACT_SEEDS);
    Ok(format!(
        "discriminator: mean D(G(z)) {:.2}; int8 is off by {:.3} on average, {worst:.3} at most, over {EXACT_SEEDS} seeds",
        total / n,
        sum / n
    ))
}

/// Whether the rows that the runtime streams equal a whole-tensor computation of the same integers, bit for bit.
pub(crate) fn bit_exact(quantized: &Quantized) -> Result<bool, Failure> {
    let file = ModelFile::of(&quantized.file);
    let model = Model::from_bytes(file.bytes())?;
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena)?;
    for seed in 0..EXACT_SEEDS {
        let latent = model.latent(seed);
        let whole = oracle::picture(&quantized.layers, latent.values());
        let mut streamed = Vec::with_capacity(whole.len());
        let mut rows = generator.rows(&latent);
        while let Some(row) = rows.next_row() {
            streamed.extend_from_slice(row);
        }
        if streamed != whole {
            return Ok(false);
        }
    }
    Ok(true)
}
