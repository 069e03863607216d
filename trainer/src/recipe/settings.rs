//! Settings "key=value" from the command line, applied to the TOML table of a recipe.
use super::keys::{example, keys};
use super::names::unknown_key;
use super::renamed::check_renamed;

/// Applies "table.key=value". A value that is not TOML is read as a string.
pub(super) fn set(table: &mut toml::Table, setting: &str) -> Result<(), String> {
    let expected = "expected key=value, as in train.batch_size=32";
    let (key, value) = setting.split_once('=').ok_or(expected)?;
    let key = key.trim();
    if key.is_empty() {
        return Err(format!("no key before the =: {expected}"));
    }
    check_renamed(key, value)?;
    if !keys().contains(&key) {
        let inside = format!("{key}.");
        return Err(match keys().iter().find(|k| k.starts_with(&inside)) {
            Some(first) => format!("{key} is a table: set one of its keys, as {first}"),
            None => unknown_key(key, Some(value)),
        });
    }
    let value = parse(key, value);
    if let (Some(example), false) = (example(key), value.is_table()) {
        return Err(format!("{key} is a table: expected {key}={example}"));
    }
    insert(table, key, value)
}

/// The value of a setting as TOML.
fn parse(key: &str, text: &str) -> toml::Value {
    let value = toml::from_str::<toml::Table>(&format!("v = {text}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        // Numbers that are valid in a shell but not in TOML, such as .5.
        .or_else(|| text.parse().ok().filter(|v: &f64| v.is_finite()).map(toml::Value::Float))
        .unwrap_or_else(|| toml::Value::String(text.into()));
    match (key, value) {
        // A list of words needs no quotes in a shell.
        ("technique.augment", toml::Value::String(words)) => {
            let words = words.split(',').map(str::trim).filter(|w| !w.is_empty());
            toml::Value::Array(words.map(|w| toml::Value::String(w.into())).collect())
        }
        (_, value) => value,
    }
}

/// Inserts `value` at the dotted `key`.
pub(super) fn insert(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<(), String> {
    let mut path: Vec<_> = key.split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        // The recipe may omit a table in which all keys have defaults.
        let entry = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = match entry {
            toml::Value::Table(t) => t,
            other => return Err(format!("{part} is {other} in this recipe, not a table")),
        };
    }
    at.insert(last.into(), value);
    Ok(())
}

/// All values of `table` that are not tables, as TOML text, with their dotted keys.
pub(super) fn flatten(table: &toml::Table) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                all.extend(flatten(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            leaf => all.push((name.clone(), leaf.to_string())),
        }
    }
    all
}
