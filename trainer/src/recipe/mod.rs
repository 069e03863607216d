//! What a run does, as a TOML file: data, networks, objective, optimizer, lengths and intervals.
//!
//! Unknown keys are errors. The named recipes are files of this crate; `--set key=value` changes a copy.
mod check;
mod methods;
mod settings;
mod technique;

use crate::loss::{Labels, Loss};
use crate::nets::{Discriminator, DiscriminatorOptions, Generator, NetworkError};
use crate::nn::Network;
use crate::optim::{Optimizer, Schedule};
use crate::regularize::Regularizer;
pub use methods::{METHODS, Method};
use serde::{Deserialize, Serialize};
pub use settings::KEYS;
use settings::{flatten, nearest, set};
use std::fmt;
pub use technique::{Augment, Technique};

/// The recipes that need no file, by name.
pub const NAMED: [(&str, &str); 14] = [
    ("faces", include_str!("../../recipes/faces.toml")),
    ("digits", include_str!("../../recipes/digits.toml")),
    ("digits-dcgan", include_str!("../../recipes/digits-dcgan.toml")),
    ("bimodal-1d", include_str!("../../recipes/bimodal-1d.toml")),
    ("ring", include_str!("../../recipes/ring.toml")),
    ("grid", include_str!("../../recipes/grid.toml")),
    ("playground-1d", include_str!("../../recipes/playground-1d.toml")),
    ("digits-classes", include_str!("../../recipes/digits-classes.toml")),
    ("faces-separable", include_str!("../../recipes/faces-separable.toml")),
    ("faces-residual", include_str!("../../recipes/faces-residual.toml")),
    ("faces-pyramid", include_str!("../../recipes/faces-pyramid.toml")),
    ("faces-mapped", include_str!("../../recipes/faces-mapped.toml")),
    ("celeba-dcgan", include_str!("../../recipes/celeba-dcgan.toml")),
    ("portraits-64", include_str!("../../recipes/portraits-64.toml")),
];

/// Everything that decides what a run computes, but for the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name; run folders carry it.
    pub name: String,
    /// A sentence for people.
    pub about: String,
    /// What to imitate.
    pub data: Data,
    /// The network that makes examples.
    pub generator: Generator,
    /// The network that judges them.
    pub discriminator: Discriminator,
    /// What both minimize.
    pub objective: Objective,
    /// How weights follow gradients.
    pub optimizer: Optimizer,
    /// How the step size changes over the run.
    #[serde(default = "constant")]
    pub schedule: Schedule,
    /// What helps beside the objective.
    #[serde(default)]
    pub technique: Technique,
    /// How weights start.
    #[serde(default)]
    pub init: Init,
    /// Lengths and intervals.
    pub train: Train,
}

/// How weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Variance by the inputs of a layer and the activation behind it (He et al. 2015).
    #[default]
    He,
    /// Variance by inputs and outputs, 2/(in + out) (Glorot & Bengio 2010).
    Glorot,
}

fn constant() -> Schedule {
    Schedule::Constant
}

/// What to imitate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// A built-in set, or a path.
    pub source: String,
    /// Pictures are brought to this [width, height].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// What black and white become.
    #[serde(default = "range")]
    pub range: [f32; 2],
    /// Draw each picture mirrored half of the time.
    #[serde(default)]
    pub flip: bool,
    /// Classes that generator and discriminator are told; 0 for none. The data must have as many.
    #[serde(default)]
    pub classes: usize,
    /// Share of your own pictures that is held out for measuring; built-in sets are split as they always are where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f32>,
    /// Points are multiplied by this for training, and samples divided by it.
    #[serde(default = "unit")]
    pub scale: f32,
}

fn range() -> [f32; 2] {
    [-1.0, 1.0]
}

fn unit() -> f32 {
    1.0
}

/// What both networks minimize.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The adversarial loss.
    pub loss: Loss,
    /// A penalty on the discriminator's slope.
    #[serde(default = "none")]
    pub regularizer: Regularizer,
    /// BEGAN's γ: error of generated examples over that of real ones; small for quality, large for variety.
    #[serde(default = "half")]
    pub began_gamma: f32,
    /// BEGAN's λ: how fast its balance k follows.
    #[serde(default = "gain")]
    pub began_lambda: f32,
    /// Factor that the penalty has come to at the end of the run, by equal ratios from 1.
    #[serde(default = "unit")]
    pub penalty_to: f32,
    /// Share of the run before the penalty begins to fade.
    #[serde(default)]
    pub penalty_from: f32,
}

impl Objective {
    /// Factor of the penalty at `step` of `steps`: 1 up to `penalty_from`, then by equal ratios to `penalty_to`.
    pub fn penalty_at(&self, step: u64, steps: u64) -> f32 {
        let done = step as f32 / steps.max(1) as f32;
        let faded = (done - self.penalty_from) / (1.0 - self.penalty_from);
        self.penalty_to.powf(faded.max(0.0))
    }
}

fn half() -> f32 {
    0.5
}

fn gain() -> f32 {
    0.001
}

fn none() -> Regularizer {
    Regularizer::None
}

/// Lengths and intervals, in steps; a step is the discriminator's updates and then the generator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Steps of a whole run, unless the command line says otherwise.
    pub steps: u64,
    /// Examples of a batch.
    pub batch_size: usize,
    /// Discriminator updates of a step.
    #[serde(default = "one")]
    pub discriminator_steps: u32,
    /// Generator updates of a step.
    #[serde(default = "one")]
    pub generator_steps: u32,
    /// How far apart the discriminator's mean judgments of real and generated examples must lie, 0 to 1, for it to leave out the rest
    /// of its updates of a step; 0 to make them all.
    #[serde(default)]
    pub discriminator_margin: f32,
    /// Steps at the start of the run in which the generator is updated before the discriminator.
    #[serde(default)]
    pub generator_first: u64,
    /// How the discriminator sees real and generated examples: matters where it normalizes over a batch.
    #[serde(default)]
    pub batches: Batches,
    /// Whether gradients compute normalized values and activations again instead of keeping them: less memory, more work, the
    /// same numbers.
    #[serde(default)]
    pub recompute: bool,
    /// Memory of the averaged generator, which is the one that is shown and exported.
    #[serde(default = "ema")]
    pub ema: f32,
    /// From one line of the log to the next.
    #[serde(default = "log_every")]
    pub log_every: u64,
    /// From one sample grid to the next.
    #[serde(default = "sample_every")]
    pub sample_every: u64,
    /// From one plot of the losses to the next; 0 for one at the end.
    #[serde(default)]
    pub plot_every: u64,
    /// From one checkpoint, with its measurement, to the next.
    #[serde(default = "save_every")]
    pub save_every: u64,
    /// How often a run that diverges or collapses may go back to its last good checkpoint, each time with a third of the rate.
    #[serde(default)]
    pub rollbacks: u32,
}

/// How the discriminator sees real and generated examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Batches {
    /// Split for discriminators in which the examples of a batch meet, else mixed, which is the same and faster.
    #[default]
    Auto,
    /// A batch of real ones, then a batch of generated ones.
    Split,
    /// Both kinds in one batch.
    Mixed,
}

fn one() -> u32 {
    1
}
fn ema() -> f32 {
    0.995
}
fn log_every() -> u64 {
    20
}
fn sample_every() -> u64 {
    200
}
fn save_every() -> u64 {
    500
}

/// A recipe that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError(String);

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecipeError {}

impl Recipe {
    /// The recipe called `name`, or the one in the file of that path, with `settings` ("key=value") applied.
    ///
    /// Methods may follow a `+` each: `ring+minimax+packed-2`.
    pub fn open(name: &str, settings: &[String]) -> Result<Self, RecipeError> {
        if let Some((base, methods)) = name.split_once('+') {
            let fail = |e| RecipeError(format!("recipe {name}: {e}"));
            let mut all = methods::settings(methods.split('+')).map_err(fail)?;
            all.push(format!("name=\"{}\"", name.replace('"', "")));
            all.extend_from_slice(settings);
            return Self::open(base, &all);
        }
        if std::path::Path::new(name).is_dir() {
            return Err(RecipeError(format!("{name} is a folder, not a recipe; name pictures with --data {name}")));
        }
        let file = || {
            std::fs::read_to_string(name).map_err(|e| {
                let names: Vec<_> = NAMED.iter().map(|r| r.0).collect();
                let near = nearest(name, NAMED.iter().map(|r| r.0)).join(", ");
                RecipeError(format!(
                    "no recipe is called \"{name}\" and no file either ({e}); the nearest: {near}; there are: {}",
                    names.join(", ")
                ))
            })
        };
        let text = NAMED.iter().find(|r| r.0 == name).map_or_else(file, |r| Ok(r.1.to_owned()))?;
        Self::parse(name, &text, settings)
    }

    /// Reads the TOML `text`; `origin` is named in errors.
    pub fn parse(origin: &str, text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let fail = |e: String| RecipeError(format!("recipe {origin}: {}", e.trim_end()));
        let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| fail(e.to_string()))?;
        for setting in settings {
            set(&mut table, setting).map_err(|e| fail(format!("--set {setting}: {e}")))?;
        }
        let unread = |e: toml::de::Error| {
            fail(format!(
                "{}\ndocs/RECIPES.md tells every key, its range, and which must be told",
                e.to_string().trim_end()
            ))
        };
        // Without changes straight from the text, so that errors show the line.
        let recipe: Self = if settings.is_empty() { toml::from_str(text) } else { table.try_into() }.map_err(unread)?;
        recipe.check().map_err(fail)?;
        Ok(recipe)
    }

    /// Generator and discriminator for examples of `shape`.
    pub fn networks(&self, shape: &[usize]) -> Result<(Network, Network), NetworkError> {
        let generator = self.generator.network(shape, self.data.classes)?;
        let discriminator = self.discriminator.network(shape, self.discriminator_options())?;
        Ok(match self.init {
            Init::He => (generator, discriminator),
            Init::Glorot => (generator.glorot(), discriminator.glorot()),
        })
    }

    /// Properties of the discriminator that do not depend on its family.
    pub fn discriminator_options(&self) -> DiscriminatorOptions {
        let t = &self.technique;
        DiscriminatorOptions {
            packing: t.packing,
            minibatch: t.minibatch,
            spectral_norm: t.spectral_norm,
            classes: self.data.classes,
        }
    }

    /// Whether the discriminator is an autoencoder whose reconstruction errors are the scores (BEGAN).
    pub fn is_began(&self) -> bool {
        self.objective.loss == Loss::Began
    }

    /// Target probabilities of the discriminator.
    pub fn labels(&self) -> Labels {
        Labels { real: self.technique.label_real, fake: self.technique.label_fake }
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| format!("# {e}\n"))
    }

    /// The first key in which `other` differs, with both values; where the data lies does not count.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let flat = |recipe: &Self| {
            let table = recipe.to_toml().parse::<toml::Table>().unwrap_or_default();
            let mut all = Vec::new();
            flatten("", &toml::Value::Table(table), &mut all);
            all.retain(|(key, _)| key != "data.source");
            all
        };
        let (a, b) = (flat(self), flat(other));
        let value = |list: &[(String, String)], key: &str| {
            list.iter().find(|e| e.0 == key).map_or_else(|| "nothing".to_owned(), |e| e.1.clone())
        };
        let keys = a.iter().chain(&b).map(|e| &e.0);
        let differs = |key: &&String| value(&a, key) != value(&b, key);
        keys.into_iter().find(differs).map(|key| format!("{key}: {} against {}", value(&a, key), value(&b, key)))
    }
}
