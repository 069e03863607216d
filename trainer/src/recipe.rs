//! What a run does, as a TOML file: data, networks, objective, optimiser, lengths and intervals.
//!
//! Unknown keys are errors. The named recipes are files of this crate; `--set key=value` changes a copy.
use crate::loss::Loss;
use crate::nets::{Critic, Generator};
use crate::optim::{Adam, Schedule};
use crate::regularise::Regulariser;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The recipes that need no file, by name.
pub const NAMED: [(&str, &str); 7] = [
    ("faces", include_str!("../recipes/faces.toml")),
    ("digits", include_str!("../recipes/digits.toml")),
    ("digits-dcgan", include_str!("../recipes/digits-dcgan.toml")),
    ("bimodal-1d", include_str!("../recipes/bimodal-1d.toml")),
    ("ring", include_str!("../recipes/ring.toml")),
    ("grid", include_str!("../recipes/grid.toml")),
    ("portraits-64", include_str!("../recipes/portraits-64.toml")),
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
    pub critic: Critic,
    /// What both minimise.
    pub objective: Objective,
    /// How weights follow gradients.
    pub optimiser: Adam,
    /// How the step size changes over the run.
    #[serde(default = "constant")]
    pub schedule: Schedule,
    /// Lengths and intervals.
    pub train: Train,
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

/// What both networks minimise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The adversarial loss.
    pub loss: Loss,
    /// A penalty on the critic's slope.
    #[serde(default = "none")]
    pub regulariser: Regulariser,
}

fn none() -> Regulariser {
    Regulariser::None
}

/// Lengths and intervals, in steps; a step is one generator update with the critic updates before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Steps of a whole run, unless the command line says otherwise.
    pub steps: u64,
    /// Examples of a batch.
    pub batch: usize,
    /// Critic updates of a step.
    #[serde(default = "one")]
    pub critic_steps: u32,
    /// Memory of the averaged generator, which is the one that is shown and exported.
    #[serde(default = "ema")]
    pub ema: f32,
    /// From one line of the log to the next.
    #[serde(default = "log_every")]
    pub log_every: u64,
    /// From one sample grid to the next.
    #[serde(default = "sample_every")]
    pub sample_every: u64,
    /// From one checkpoint, with its measurement, to the next.
    #[serde(default = "save_every")]
    pub save_every: u64,
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
    pub fn open(name: &str, settings: &[String]) -> Result<Self, RecipeError> {
        if std::path::Path::new(name).is_dir() {
            return Err(RecipeError(format!("{name} is a folder, not a recipe; name pictures with --data {name}")));
        }
        let file = || {
            std::fs::read_to_string(name).map_err(|e| {
                let names: Vec<_> = NAMED.iter().map(|r| r.0).collect();
                RecipeError(format!(
                    "no recipe is called {name} and no file either ({e}); recipes: {}",
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
        let recipe: Self = if settings.is_empty() {
            // Straight from the text, so that errors show the line.
            toml::from_str(text).map_err(|e| fail(e.to_string()))?
        } else {
            table.try_into().map_err(|e: toml::de::Error| fail(e.to_string()))?
        };
        recipe.check().map_err(fail)?;
        Ok(recipe)
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

    fn check(&self) -> Result<(), String> {
        let t = &self.train;
        let counts = [
            ("train.steps", t.steps, 1, 100_000_000),
            ("train.batch", t.batch as u64, 1, 65_536),
            ("train.critic_steps", u64::from(t.critic_steps), 1, 1000),
            ("train.log_every", t.log_every, 1, u64::MAX),
            ("train.sample_every", t.sample_every, 1, u64::MAX),
            ("train.save_every", t.save_every, 1, u64::MAX),
        ];
        for (key, value, least, most) in counts {
            if value < least || value > most {
                return Err(format!("{key} = {value}: expected {least} to {most}"));
            }
        }
        let adam = &self.optimiser;
        let ranges = [
            ("train.ema", t.ema, 0.0, 1.0),
            ("optimiser.beta1", adam.beta1, 0.0, 1.0),
            ("optimiser.beta2", adam.beta2, 0.0, 1.0),
        ];
        for (key, value, least, below) in ranges {
            if !(value >= least && value < below) {
                return Err(format!("{key} = {value}: expected {least} up to, but below, {below}"));
            }
        }
        let positive =
            [("optimiser.rate", adam.rate), ("optimiser.epsilon", adam.epsilon), ("data.scale", self.data.scale)];
        for (key, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("{key} = {value}: expected a positive number"));
            }
        }
        if self.name.trim().is_empty() {
            return Err("name is empty: expected a word that run folders can carry".into());
        }
        if let Some(size) = self.data.size.filter(|s| s.iter().any(|n| *n == 0 || *n > 4096)) {
            return Err(format!("data.size = {size:?}: expected [width, height], each 1 to 4096"));
        }
        let [low, high] = self.data.range;
        if !(low < high && low >= -1.0 && high <= 1.0) {
            return Err(format!("data.range = [{low}, {high}]: expected two rising numbers within -1 and 1"));
        }
        match self.objective.regulariser {
            Regulariser::R1 { gamma, every } | Regulariser::R1R2 { gamma, every }
                if (!(gamma >= 0.0 && gamma.is_finite()) || every == 0) =>
            {
                return Err(format!(
                    "objective.regulariser: gamma {gamma}, every {every}: expected gamma from 0 and every from 1"
                ));
            }
            Regulariser::GradientPenalty { lambda, target } if !(lambda >= 0.0 && target >= 0.0) => {
                return Err(format!(
                    "objective.regulariser: lambda {lambda}, target {target}: expected numbers from 0"
                ));
            }
            _ => {}
        }
        let norm = matches!(self.critic, Critic::Dcgan { batch_norm: true, .. });
        if norm && self.objective.regulariser != Regulariser::None {
            return Err(
                "batch normalisation in a critic whose slope is penalised: the slope of one example would depend \
                        on the others; set critic.batch_norm = false or objective.regulariser.kind = \"none\""
                    .into(),
            );
        }
        Ok(())
    }
}

/// Every leaf of `value` with its dotted key.
fn flatten(key: &str, value: &toml::Value, out: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, out);
            }
        }
        leaf => out.push((key.to_owned(), leaf.to_string())),
    }
}

/// Applies "key.of.a.table=value"; a value that is no TOML is taken as a string.
fn set(table: &mut toml::Table, setting: &str) -> Result<(), String> {
    let (key, value) = setting.split_once('=').ok_or("expected key=value, as in train.batch=32")?;
    let value: toml::Value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let mut path: Vec<_> = key.trim().split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        let known: Vec<_> = at.keys().cloned().collect();
        at = match at.get_mut(part) {
            Some(toml::Value::Table(t)) => t,
            _ => return Err(format!("no table is called {part} here; there are: {}", known.join(", "))),
        };
    }
    at.insert(last.into(), value);
    Ok(())
}
