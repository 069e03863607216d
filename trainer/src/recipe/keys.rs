//! The list of recipe keys. It is read from the types that recipes deserialize into, so a new field becomes a key automatically.
use super::{Data, Export, Objective, Recipe, Technique, Train};
use crate::nets::{Discriminator, Generator};
use crate::optim::{Optimizer, Schedule};
use crate::regularize::Regularizer;
use serde::de::value::MapDeserializer;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::sync::LazyLock;

/// A field of a recipe that is a table, and the type that it deserializes into.
struct Table {
    key: &'static str,
    fields: fn() -> Fields,
    /// Example value of a table that can only be set as a whole, because its tag decides which other keys it has.
    example: Option<&'static str>,
}

const TABLES: [Table; 10] = [
    table("data", fields::<Data>),
    tagged("generator", fields::<Generator>, "{family=\"mlp\", latent=2, hidden=[64, 64]}"),
    tagged("discriminator", fields::<Discriminator>, "{family=\"mlp\", hidden=[64, 64]}"),
    table("objective", fields::<Objective>),
    tagged("objective.regularizer", fields::<Regularizer>, "{kind=\"r1\", gamma=0.1}"),
    table("optimizer", fields::<Optimizer>),
    tagged("schedule", fields::<Schedule>, "{kind=\"cosine\", to=0.0}"),
    table("technique", fields::<Technique>),
    table("train", fields::<Train>),
    table("export", fields::<Export>),
];

const fn table(key: &'static str, fields: fn() -> Fields) -> Table {
    Table { key, fields, example: None }
}

const fn tagged(key: &'static str, fields: fn() -> Fields, example: &'static str) -> Table {
    Table { key, fields, example: Some(example) }
}

/// Field names of a type; the tag comes first.
type Fields = Vec<&'static str>;

/// Every key that can be set, with a dot between table and key.
pub fn keys() -> &'static [&'static str] {
    static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        expand("", &fields::<Recipe>(), &mut keys);
        keys
    });
    &KEYS
}

/// An example value of the table `key`; `None` if `key` is not a table that is set as a whole.
pub(super) fn example(key: &str) -> Option<&'static str> {
    TABLES.iter().find(|t| t.key == key)?.example
}

fn expand(prefix: &str, fields: &[&str], keys: &mut Vec<&'static str>) {
    for field in fields {
        let key = if prefix.is_empty() { (*field).to_owned() } else { format!("{prefix}.{field}") };
        let table = TABLES.iter().find(|t| t.key == key);
        if table.is_none_or(|t| t.example.is_some()) {
            keys.push(key.clone().leak());
        }
        if let Some(table) = table {
            expand(&key, &(table.fields)(), keys);
        }
    }
}

/// Field names of a struct, or of all variants of an internally tagged enum.
fn fields<T: Deserialize<'static>>() -> Fields {
    let tag = match T::deserialize(Probe(&[])) {
        Err(Found::Fields(fields)) => return fields.to_vec(),
        Err(Found::Tag(tag)) => tag,
        _ => return Vec::new(),
    };
    let Err(Found::Variants(variants)) = T::deserialize(Probe(&[(tag, "")])) else { return vec![tag] };
    let mut all = vec![tag];
    for variant in variants {
        // A variant without fields accepts anything.
        if let Err(Found::Fields(fields)) = T::deserialize(Probe(&[(tag, variant), ("", "")])) {
            fields.iter().for_each(|field| _ = (!all.contains(field)).then(|| all.push(field)));
        }
    }
    all
}

/// A deserializer that provides a few entries, so that a type reports the names that it expects.
#[derive(Clone, Copy)]
struct Probe<'e>(&'e [(&'static str, &'static str)]);

/// The names that a type expects, as serde reports them in an error.
#[derive(Debug)]
enum Found {
    Fields(&'static [&'static str]),
    Tag(&'static str),
    Variants(&'static [&'static str]),
    Other,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Found {}

impl de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Fields(expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Variants(expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Tag(field)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Found;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        Err(Found::Fields(fields))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_map(MapDeserializer::new(self.0.iter().copied()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::settings::flatten;
    use crate::recipe::{NAMED, Recipe};

    #[test]
    fn keys_are_the_fields_of_structs_and_of_all_variants() {
        let keys = keys();
        for key in ["name", "init", "data.held_out", "generator.binary_latents", "objective.regularizer.one_sided"] {
            assert!(keys.contains(&key), "{key}");
        }
        for (table, some) in [("train", false), ("objective", false), ("generator", true), ("schedule", true)] {
            assert_eq!(keys.contains(&table), some, "{table}");
        }
        assert!(keys.contains(&"discriminator.family") && keys.contains(&"discriminator.code"));
        assert_eq!(keys.len(), 84);
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn every_key_of_every_recipe_is_known() {
        for (name, _) in NAMED {
            let table: toml::Table = Recipe::open(name, &[]).unwrap().to_toml().parse().unwrap();
            for (key, _) in flatten(&table) {
                assert!(keys().contains(&key.as_str()), "{key} of {name}");
            }
        }
    }
}
