//! The store: named vectors that programs read and assign, such as weights, optimizer moments, averages and statistics.
use crate::graph::ParamId;

/// One named vector.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreEntry {
    /// Name, unique in the store.
    pub name: String,
    /// Values.
    pub values: Vec<f32>,
}

/// The named vectors of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    entries: Vec<StoreEntry>,
}

impl Store {
    /// Adds a vector and returns its id.
    ///
    /// # Panics
    /// If the store already has an entry with this name.
    #[track_caller]
    pub fn add(&mut self, name: impl Into<String>, values: Vec<f32>) -> ParamId {
        let name = name.into();
        assert!(self.find(&name).is_none(), "the store already has an entry named {name}");
        self.entries.push(StoreEntry { name, values });
        ParamId(self.entries.len() - 1)
    }

    /// The id of the entry named `name`.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|e| e.name == name).map(ParamId)
    }

    /// All entries, in the order in which they were added.
    pub fn entries(&self) -> &[StoreEntry] {
        &self.entries
    }

    /// The values of one entry.
    pub fn values(&self, id: ParamId) -> &[f32] {
        &self.entries[id.0].values
    }

    /// Mutable access to the values of one entry. Their number must stay the same.
    pub fn values_mut(&mut self, id: ParamId) -> &mut Vec<f32> {
        &mut self.entries[id.0].values
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|e| 4 * e.values.len()).sum()
    }
}
