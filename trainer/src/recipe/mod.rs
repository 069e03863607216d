//! Recipes: TOML files that define everything that a run computes, except the seed.
//!
//! Unknown keys are errors. The named recipes are compiled in, and `--set key=value` overrides a key for one run.
mod check;
mod keys;
mod methods;
mod names;
mod renamed;
mod sections;
mod settings;
mod size;
mod technique;

use crate::files;
use crate::loss::{Labels, Loss};
use crate::nets::{Discriminator, DiscriminatorOptions, Generator, NetworkError, class_thresholds};
use crate::nn::Network;
use crate::optim::{Optimizer, Schedule};
use check::MAX_CLUSTERS;
pub use check::MAX_STEPS;
pub use keys::keys;
use methods::{Change, changes};
pub use methods::{METHODS, Method};
pub(crate) use names::names_like;
use names::{similar, unknown_key};
use renamed::check_renamed;
pub use sections::{Batches, Data, Export, Fit, Init, Objective, Train};
use serde::{Deserialize, Serialize};
use settings::{flatten, insert, set};
pub use size::parse_size;
use std::collections::BTreeSet;
use std::fmt;
pub use technique::{Augment, Technique};

/// Named recipes and their TOML text.
pub const NAMED: [(&str, &str); 18] = [
    ("faces", include_str!("../../recipes/faces.toml")),
    ("faces-small", include_str!("../../recipes/faces-small.toml")),
    ("digits", include_str!("../../recipes/digits.toml")),
    ("digits-small", include_str!("../../recipes/digits-small.toml")),
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
    ("faces-32", include_str!("../../recipes/faces-32.toml")),
    ("portraits-64", include_str!("../../recipes/portraits-64.toml")),
    ("ink-64", include_str!("../../recipes/ink-64.toml")),
];

/// Everything that defines what a run computes, except the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name; run folders contain it.
    pub name: String,
    /// One sentence about the recipe; it may be empty.
    #[doc(hidden)]
    #[serde(default)]
    pub about: String,
    /// Initial distribution of the weights.
    #[doc(hidden)]
    #[serde(default)]
    pub init: Init,
    /// Training data.
    #[doc(hidden)]
    pub data: Data,
    /// Network from latents to examples.
    #[doc(hidden)]
    pub generator: Generator,
    /// Network from examples to scores.
    #[doc(hidden)]
    pub discriminator: Discriminator,
    /// Loss and regularizer.
    #[doc(hidden)]
    pub objective: Objective,
    /// Update rule and learning rates.
    #[doc(hidden)]
    pub optimizer: Optimizer,
    /// Learning-rate schedule.
    #[doc(hidden)]
    #[serde(default = "constant")]
    pub schedule: Schedule,
    /// Additional techniques.
    #[doc(hidden)]
    #[serde(default)]
    pub technique: Technique,
    /// Lengths and intervals.
    #[doc(hidden)]
    pub train: Train,
    /// The exported generator.
    #[doc(hidden)]
    #[serde(default)]
    pub export: Export,
}

fn constant() -> Schedule {
    Schedule::Constant
}

/// A recipe that is invalid, or cannot be read; the message names the recipe, the key and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError(String);

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecipeError {}

impl Recipe {
    /// Opens the recipe called `name`, or the recipe file at that path, and applies `settings` ("key=value").
    ///
    /// Methods may follow, each after a `+`: `ring+minimax+packed-2`. They are appended to the recipe's name. A path may contain `+`, too.
    ///
    /// # Errors
    /// If there is no such recipe or method, or the result is invalid.
    pub fn open(name: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let (base, methods) = split_methods(name);
        let fail = |e| RecipeError(format!("recipe {name}: {e}"));
        let changes = methods.map(|m| changes(base, m)).transpose().map_err(fail)?;
        let text = read(base)?;
        match methods.zip(changes) {
            None => Self::parse(name, &text, settings),
            Some((methods, changes)) => Self::with_changes((name, methods), &text, &changes, settings),
        }
    }

    /// Reads the TOML `text` and applies `settings`; errors name `origin`.
    ///
    /// # Errors
    /// If the text is not a valid recipe.
    pub fn parse(origin: &str, text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let table = parse_table(origin, text)?;
        if !settings.is_empty() {
            return Self::with_settings(origin, table, settings);
        }
        check_names(origin, &table)?;
        // Deserializes the text instead of the table, so that errors show the line.
        let recipe: Self = toml::from_str(text).map_err(|e| unreadable(origin, &table, &e))?;
        recipe.checked(origin)
    }

    /// Applies the changes of methods, then `settings`; the methods are appended to the recipe's name.
    fn with_changes(
        (origin, methods): (&str, &str),
        text: &str,
        changes: &[Change],
        settings: &[String],
    ) -> Result<Self, RecipeError> {
        let mut table = parse_table(origin, text)?;
        let fail = |e| RecipeError(format!("recipe {origin}: {e}"));
        for change in changes {
            insert(&mut table, change.key(), change.value()).map_err(fail)?;
        }
        if let Some(toml::Value::String(name)) = table.get_mut("name") {
            *name = format!("{name}+{methods}");
        }
        Self::with_settings(origin, table, settings)
    }

    fn with_settings(origin: &str, mut table: toml::Table, settings: &[String]) -> Result<Self, RecipeError> {
        check_names(origin, &table)?;
        for setting in settings {
            let fail = |e| RecipeError(format!("recipe {origin}: --set {setting}: {e}"));
            set(&mut table, setting).map_err(fail)?;
        }
        check_names(origin, &table)?;
        let recipe: Self = table.clone().try_into().map_err(|e| unreadable(origin, &table, &e))?;
        recipe.checked(origin)
    }

    fn checked(self, origin: &str) -> Result<Self, RecipeError> {
        self.check().map_err(|e| RecipeError(format!("recipe {origin}: {e}")))?;
        Ok(self)
    }

    /// Checks a recipe that was changed after it was read.
    pub(crate) fn validate(&self) -> Result<(), RecipeError> {
        self.check().map_err(|e| RecipeError(format!("recipe {}: {e}", self.name)))
    }

    /// Builds generator and discriminator for examples of `shape`.
    ///
    /// # Errors
    /// If the network families cannot handle this shape.
    #[doc(hidden)]
    pub fn networks(&self, shape: &[usize]) -> Result<(Network, Network), NetworkError> {
        let generator = self.generator_network(shape)?;
        let discriminator = self.discriminator.network(shape, self.discriminator_options())?;
        Ok(match self.init {
            Init::He => (generator, discriminator),
            Init::Glorot => (generator.glorot(), discriminator.glorot()),
        })
    }

    /// Builds the generator for examples of `shape`.
    pub(crate) fn generator_network(&self, shape: &[usize]) -> Result<Network, NetworkError> {
        self.generator.network(shape, self.class_inputs(), self.class_shares())
    }

    /// Number of classes that the networks distinguish: those of the labels, or clusters of the images; 0 for none.
    #[doc(hidden)]
    pub fn classes(&self) -> usize {
        let Data { classes, clusters, class_shares, .. } = &self.data;
        match (clusters, class_shares.len()) {
            (0, _) => *classes,
            (clusters, 0) => *clusters,
            (_, found) => found,
        }
    }

    /// Number of one-hot class inputs of the generator, after the latent; 0 if a latent value chooses the class.
    #[doc(hidden)]
    pub fn class_inputs(&self) -> usize {
        if self.class_shares().is_empty() { self.classes() } else { 0 }
    }

    /// Shares of the classes if a latent value chooses the class; empty otherwise. Clusters have equal shares until the data are loaded.
    #[doc(hidden)]
    pub fn class_shares(&self) -> &[f32] {
        match (self.data.clusters, self.data.class_shares.len()) {
            (clusters, 0) => &[1.0; MAX_CLUSTERS][..clusters.min(MAX_CLUSTERS)],
            _ if self.classes() == 0 => &[],
            _ => &self.data.class_shares,
        }
    }

    /// Returns the class that the generator draws for a seed, as on devices; 0 without classes.
    #[doc(hidden)]
    pub fn class_of_seed(&self, seed: u32) -> usize {
        if self.class_shares().is_empty() {
            return seed as usize % self.classes().max(1);
        }
        let mut latent = vec![0; self.generator.latent()];
        ganlet_runtime::normal_i8(seed, &mut latent);
        let value = latent.last().map_or(0.0, |&v| f32::from(v) / 32.0);
        class_thresholds(self.class_shares()).iter().filter(|&&threshold| value > threshold).count()
    }

    /// Properties of the discriminator that do not depend on its family.
    #[doc(hidden)]
    pub fn discriminator_options(&self) -> DiscriminatorOptions {
        let t = &self.technique;
        DiscriminatorOptions {
            packing: t.packing,
            minibatch: t.minibatch,
            spectral_norm: t.spectral_norm,
            classes: self.classes(),
        }
    }

    /// Whether the discriminator is an autoencoder whose reconstruction errors are the scores (BEGAN).
    #[doc(hidden)]
    pub fn is_began(&self) -> bool {
        self.objective.loss == Loss::Began
    }

    /// Target probabilities of the discriminator.
    #[doc(hidden)]
    pub fn labels(&self) -> Labels {
        Labels { real: self.technique.label_real, fake: self.technique.label_fake }
    }

    /// Returns `about`, unless this is a named recipe with other data than its own, which `about` does not describe.
    #[doc(hidden)]
    pub fn description(&self) -> &str {
        let is_named = |text: &str| {
            text.parse::<toml::Table>().is_ok_and(|own| {
                let source = own.get("data").and_then(|data| data.get("source")).and_then(toml::Value::as_str);
                own.get("about").and_then(toml::Value::as_str) == Some(&self.about) && source != Some(&self.data.source)
            })
        };
        if NAMED.iter().any(|named| is_named(named.1)) { "" } else { &self.about }
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| format!("# {e}\n"))
    }

    /// The keys with different values in `other`, with both values. Keys on which the result does not depend are ignored: `data.source`,
    /// `name` and `about`.
    #[doc(hidden)]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let flat = |recipe: &Self| {
            let mut all = flatten(&recipe.to_toml().parse::<toml::Table>().unwrap_or_default());
            all.retain(|(key, _)| !["data.source", "name", "about"].contains(&key.as_str()));
            all
        };
        let (a, b) = (flat(self), flat(other));
        let value = |list: &[(String, String)], key: &str| {
            list.iter().find(|e| e.0 == key).map_or_else(|| "nothing".to_owned(), |e| e.1.clone())
        };
        let keys: BTreeSet<_> = a.iter().chain(&b).map(|e| e.0.as_str()).collect();
        let differing = keys.into_iter().filter(|key| value(&a, key) != value(&b, key));
        differing.map(|key| format!("{key}: {}, now {}", value(&a, key), value(&b, key))).collect()
    }
}

/// Splits "recipe+method+method" into the recipe and its methods. A `+` may also be part of a path.
fn split_methods(name: &str) -> (&str, Option<&str>) {
    let exists = |base: &str| NAMED.iter().any(|r| r.0 == base) || std::path::Path::new(base).is_file();
    if exists(name) {
        return (name, None);
    }
    let found = name.rmatch_indices('+').find(|(at, _)| exists(&name[..*at]));
    // Without such a recipe, the message names a file, or the part before the methods.
    let file = name.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let at = found.map(|f| f.0).or_else(|| name[file..].find('+').map(|at| file + at));
    at.map_or((name, None), |at| (&name[..at], Some(&name[at + 1..])))
}

/// The text of the recipe called `name`, or of the file at that path.
fn read(name: &str) -> Result<String, RecipeError> {
    if let Some((_, text)) = NAMED.iter().find(|r| r.0 == name) {
        return Ok((*text).to_owned());
    }
    if std::path::Path::new(name).is_dir() {
        return Err(RecipeError(format!(
            "{name} is a folder, not a recipe; to train on its images, use --data {name}"
        )));
    }
    files::read_text(std::path::Path::new(name)).map_err(|e| {
        let names: Vec<_> = NAMED.iter().map(|r| r.0).collect();
        let near = similar(name, names.iter().copied()).join(", ");
        let names = names.join(", ");
        RecipeError(format!(
            "no recipe is called \"{name}\", and no such file can be read ({e}); the nearest: {near}; the named recipes are: {names}"
        ))
    })
}

fn parse_table(origin: &str, text: &str) -> Result<toml::Table, RecipeError> {
    text.parse().map_err(|e: toml::de::Error| RecipeError(format!("recipe {origin}: {}", e.to_string().trim_end())))
}

/// Rejects renamed keys and values under their old names.
fn check_names(origin: &str, table: &toml::Table) -> Result<(), RecipeError> {
    for (key, value) in flatten(table) {
        check_renamed(&key, &value).map_err(|e| RecipeError(format!("recipe {origin}: {e}")))?;
    }
    Ok(())
}

/// The error of a recipe that does not deserialize, with suggestions for its first unknown key.
fn unreadable(origin: &str, table: &toml::Table, error: &toml::de::Error) -> RecipeError {
    let error = error.to_string();
    let unknown = flatten(table).into_iter().map(|(key, _)| key).find(|key| !keys().contains(&key.as_str()));
    let hint = unknown.map_or_else(String::new, |key| format!("\n{}", unknown_key(&key, None)));
    RecipeError(format!(
        "recipe {origin}: {}{hint}\ndocs/RECIPES.md lists every key with its range, and says which are required",
        error.trim_end()
    ))
}
