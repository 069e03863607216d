//! Changing a recipe by "key=value", and telling what a misspelled key could have meant.

/// Every key that a recipe can have, with a dot between table and key.
pub const KEYS: [&str; 77] = [
    "name",
    "about",
    "init",
    "data.source",
    "data.size",
    "data.range",
    "data.flip",
    "data.classes",
    "data.held_out",
    "data.scale",
    "generator.family",
    "generator.latent",
    "generator.hidden",
    "generator.binary_latents",
    "generator.mapping",
    "generator.widths",
    "generator.upsampling",
    "generator.refine",
    "generator.batch_norm",
    "discriminator.family",
    "discriminator.hidden",
    "discriminator.fourier_features",
    "discriminator.stem",
    "discriminator.widths",
    "discriminator.batch_norm",
    "discriminator.code",
    "objective.loss",
    "objective.began_gamma",
    "objective.began_lambda",
    "objective.penalty_to",
    "objective.penalty_from",
    "objective.regularizer",
    "objective.regularizer.kind",
    "objective.regularizer.gamma",
    "objective.regularizer.every",
    "objective.regularizer.lambda",
    "objective.regularizer.target",
    "objective.regularizer.one_sided",
    "objective.regularizer.limit",
    "objective.regularizer.weight",
    "optimizer.kind",
    "optimizer.learning_rate",
    "optimizer.generator_learning_rate",
    "optimizer.momentum",
    "optimizer.beta1",
    "optimizer.beta2",
    "optimizer.epsilon",
    "schedule",
    "schedule.kind",
    "schedule.from",
    "schedule.to",
    "technique.label_real",
    "technique.label_fake",
    "technique.noise",
    "technique.noise_until",
    "technique.augment",
    "technique.packing",
    "technique.minibatch",
    "technique.spectral_norm",
    "technique.unroll",
    "technique.historical_averaging",
    "train.steps",
    "train.batch_size",
    "train.discriminator_steps",
    "train.generator_steps",
    "train.discriminator_margin",
    "train.generator_first",
    "train.batches",
    "train.recompute",
    "train.ema",
    "train.log_every",
    "train.sample_every",
    "train.plot_every",
    "train.save_every",
    "train.rollbacks",
    "generator",
    "discriminator",
];

/// Keys whose values are tables, and what such a value looks like.
const TABLES: [(&str, &str); 4] = [
    ("objective.regularizer", "{kind=\"r1\", gamma=0.1}"),
    ("schedule", "{kind=\"cosine\", to=0.0}"),
    ("generator", "{family=\"mlp\", latent=2, hidden=[64, 64]}"),
    ("discriminator", "{family=\"mlp\", hidden=[64, 64]}"),
];

/// Most keys that a message proposes.
const PROPOSALS: usize = 3;

/// Applies "key.of.a.table=value"; a value that is no TOML is taken as a string.
pub(super) fn set(table: &mut toml::Table, setting: &str) -> Result<(), String> {
    let (key, value) = setting.split_once('=').ok_or("expected key=value, as in train.batch_size=32")?;
    let key = key.trim();
    if key.is_empty() {
        return Err("no key before the =: expected key=value, as in train.batch_size=32".into());
    }
    let inside = format!("{key}.");
    if let (false, Some(first)) = (KEYS.contains(&key), KEYS.iter().find(|k| k.starts_with(&inside))) {
        return Err(format!("{key} is a table: set one of its keys, as {first}"));
    }
    if !KEYS.contains(&key) {
        return Err(format!("no key is called {key}; near it: {}", near(key).join(", ")));
    }
    let value: toml::Value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        // A shell's number that TOML writes with more digits, as .5.
        .or_else(|| value.parse().ok().filter(|v: &f64| v.is_finite()).map(toml::Value::Float))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let value = match (key, value) {
        // A list of words that a shell need not quote.
        ("technique.augment", toml::Value::String(words)) => {
            let words = words.split(',').map(str::trim).filter(|w| !w.is_empty());
            toml::Value::Array(words.map(|w| toml::Value::String(w.into())).collect())
        }
        (_, value) => value,
    };
    let example = TABLES.iter().find(|t| t.0 == key);
    if let (Some((_, example)), false) = (example, value.is_table()) {
        return Err(format!("{key} is a table: expected {key}={example}"));
    }
    let mut path: Vec<_> = key.split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        // A table that the recipe leaves at its defaults.
        let entry = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = match entry {
            toml::Value::Table(t) => t,
            other => return Err(format!("{part} is {other} here, not a table")),
        };
    }
    at.insert(last.into(), value);
    Ok(())
}

/// What other tools call a key.
const SYNONYMS: [(&str, &str); 8] = [
    ("lr", "optimizer.learning_rate"),
    ("learning_rate", "optimizer.learning_rate"),
    ("epochs", "train.steps"),
    ("iterations", "train.steps"),
    ("batch_size", "train.batch_size"),
    ("latent_dim", "generator.latent"),
    ("z_dim", "generator.latent"),
    ("dataset", "data.source"),
];

/// The keys that look most like `key`.
pub(super) fn near(key: &str) -> Vec<&'static str> {
    let name = |k: &str| k.rsplit('.').next().unwrap_or(k).to_owned();
    let typed = name(key);
    if let Some((_, meant)) = SYNONYMS.iter().find(|s| s.0 == typed) {
        return vec![meant];
    }
    // A right name in a wrong table is as near as a misspelled one, and so is the beginning of one.
    let far = |k: &str| {
        let begun = typed.len() > 1 && name(k).starts_with(&typed);
        distance(k, key).min(distance(&name(k), &typed) + 1).min(if begun { 1 } else { usize::MAX })
    };
    ranked(KEYS.iter().map(|k| (far(k), *k)).collect(), &typed)
}

/// The names that look most like `name`.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    ranked(names.map(|n| (distance(n, name), n)).collect(), name)
}

/// The nearest of all, at least one, and no others than near ones.
fn ranked(mut all: Vec<(usize, &'static str)>, typed: &str) -> Vec<&'static str> {
    all.sort();
    let limit = (typed.len() / 2).max(2);
    let count = all.iter().take(PROPOSALS).filter(|k| k.0 <= limit).count();
    all.into_iter().take(count.max(1)).map(|k| k.1).collect()
}

/// Letters to insert, delete or replace to come from `a` to `b` (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let swap = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = swap.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Every leaf of `value` with its dotted key.
pub(super) fn flatten(key: &str, value: &toml::Value, out: &mut Vec<(String, String)>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{NAMED, Recipe};

    #[test]
    fn a_penalty_is_held_and_then_fades_by_equal_ratios() {
        let mut objective = Recipe::open("ring", &[]).unwrap().objective;
        (objective.penalty_to, objective.penalty_from) = (0.01, 0.5);
        let at = [0, 400, 500, 750, 1000].map(|step| objective.penalty_at(step, 1000));
        for (found, expected) in at.iter().zip([1.0, 1.0, 1.0, 0.1, 0.01]) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{at:?}");
        }
    }

    #[test]
    fn near_keys_are_found_by_spelling_and_by_name() {
        assert_eq!(near("train.bath")[0], "train.batch_size");
        assert!(near("packing").contains(&"technique.packing"));
        assert!(near("optimizer.learning_rate").contains(&"optimizer.learning_rate"));
        assert!(near("train.spectral_norm").contains(&"technique.spectral_norm"));
        assert_eq!((near("lr"), near("train.batch_size")), (vec!["optimizer.learning_rate"], vec!["train.batch_size"]));
        assert!(near("objective.reg").contains(&"objective.regularizer"));
        assert_eq!(near("train.unrelated_word").len(), 1);
    }

    #[test]
    fn every_key_of_every_recipe_is_known() {
        for (name, _) in NAMED {
            let table: toml::Table = Recipe::open(name, &[]).unwrap().to_toml().parse().unwrap();
            let mut all = Vec::new();
            flatten("", &toml::Value::Table(table), &mut all);
            for (key, _) in all {
                assert!(KEYS.contains(&key.as_str()), "{key} of {name}");
            }
        }
    }
}
