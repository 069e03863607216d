//! The training steps that `bench host` measures: those of a GAN, or those of a published example.

use super::examples::{Example, ExampleTrainer, Examples};
use crate::failure::Failure;
use ganlet_trainer::exec::cpu::Cpu;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run;
use ganlet_trainer::train::Trainer;

/// The configurations of GANs: name, recipe, settings. A step updates both networks with Adam.
const GANS: [(&str, &str, &[&str]); 6] = [
    (
        "bimodal1d",
        "bimodal-1d",
        &["objective.loss=\"non-saturating\"", "objective.regularizer={kind=\"none\"}", "optimizer.beta1=0.5"],
    ),
    (
        "ring2d",
        "ring",
        &[
            "train.batch_size=512",
            "generator.latent=2",
            "generator.hidden=[128, 128]",
            "discriminator.hidden=[128, 128]",
            "discriminator.fourier_features=0",
            "objective.penalty_to=1.0",
            "objective.loss=\"non-saturating\"",
            "objective.regularizer={kind=\"none\"}",
        ],
    ),
    ("dcgan28", "digits-dcgan", &[]),
    (
        "dcgan64",
        "digits-dcgan",
        &[
            "data.source=\"blobs\"",
            "data.size=[64, 64]",
            "generator.latent=128",
            "generator.widths=[512, 256, 128, 64]",
            "discriminator.widths=[64, 128, 256, 512]",
            "train.batch_size=16",
        ],
    ),
    (
        "wgangp28",
        "digits-dcgan",
        &[
            "objective.loss=\"wasserstein\"",
            "objective.regularizer={kind=\"gradient-penalty\", lambda=10.0}",
            "discriminator.batch_norm=false",
            "train.discriminator_steps=5",
        ],
    ),
    ("faces-small", "faces-small", &[]),
];

/// Names of all configurations.
pub(crate) fn names() -> Vec<&'static str> {
    let examples = [Example::LeNet5, Example::TinyMlp].map(Example::name);
    GANS.iter().map(|c| c.0).chain(examples).collect()
}

/// Creates the training run of a GAN.
pub(crate) fn gan(config: &str, threads: usize) -> Result<Trainer, Failure> {
    let Some((_, recipe, settings)) = GANS.iter().find(|c| c.0 == config) else {
        return Err(Failure::unusable(format!("no configuration {config}")));
    };
    let settings: Vec<_> = settings.iter().map(|s| (*s).to_owned()).collect();
    let recipe = Recipe::open(recipe, &settings)?;
    let data = run::load_data(&recipe)?.train;
    Ok(Trainer::new(recipe, data, 1, 1 << 40, threads)?)
}

/// A training run whose steps are measured.
pub(crate) enum Workload {
    Gan(Box<Trainer>),
    /// A network that sees the same batch in every step.
    Example {
        trainer: Box<ExampleTrainer>,
        batch: Examples,
        size: usize,
    },
}

impl Workload {
    /// Creates the training run of a configuration.
    pub(crate) fn new(config: &str, threads: usize) -> Result<Self, Failure> {
        let Some(example) = Example::named(config) else { return Ok(Self::Gan(Box::new(gan(config, threads)?))) };
        let size = example.batch();
        let trainer = Box::new(ExampleTrainer::new(example, size, threads));
        Ok(Self::Example { trainer, batch: example.synthetic(size, 1), size })
    }

    /// Runs one step.
    pub(crate) fn advance(&mut self) -> Result<(), Failure> {
        match self {
            Self::Gan(trainer) => trainer.advance().map(|_| ()).map_err(Failure::from),
            Self::Example { trainer, batch, .. } => trainer.update(&batch.inputs, &batch.targets).map(|_| ()),
        }
    }

    /// Examples in the batches of all updates of a step.
    pub(crate) fn samples(&self) -> f64 {
        match self {
            Self::Gan(trainer) => {
                let train = &trainer.recipe().train;
                train.batch_size as f64 * (f64::from(train.discriminator_steps) + 1.0)
            }
            Self::Example { size, .. } => *size as f64,
        }
    }

    /// Steps after which their work repeats: the period of lazy penalties.
    pub(crate) fn period(&self) -> u64 {
        match self {
            Self::Gan(trainer) => u64::from(trainer.recipe().objective.regularizer.every().max(1)),
            Self::Example { .. } => 1,
        }
    }

    pub(crate) fn executor(&mut self) -> &mut Cpu {
        match self {
            Self::Gan(trainer) => trainer.executor(),
            Self::Example { trainer, .. } => trainer.executor(),
        }
    }

    /// Bytes of working memory and store.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Gan(trainer) => trainer.bytes(),
            Self::Example { trainer, .. } => trainer.bytes(),
        }
    }

    /// Floating-point operations of the products of a step.
    pub(crate) fn flops(&self) -> f64 {
        match self {
            Self::Gan(trainer) => trainer.flops(),
            Self::Example { trainer, .. } => trainer.flops(),
        }
    }
}
