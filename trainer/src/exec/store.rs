//! Named flat vectors that programs read and assign: weights, optimizer moments, averages, statistics.
use crate::graph::ParamId;

/// One flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, unique in the store.
    pub name: String,
    /// Its numbers.
    pub values: Vec<f32>,
}

/// All vectors of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    entries: Vec<Entry>,
}

impl Store {
    /// Adds a vector.
    ///
    /// # Panics
    /// When the name is taken: a programmer's error.
    #[track_caller]
    pub fn add(&mut self, name: impl Into<String>, values: Vec<f32>) -> ParamId {
        let name = name.into();
        assert!(self.find(&name).is_none(), "the store already holds {name}");
        self.entries.push(Entry { name, values });
        ParamId(self.entries.len() - 1)
    }

    /// The vector called `name`.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|e| e.name == name).map(ParamId)
    }

    /// All entries, in the order in which they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The numbers of one entry.
    pub fn values(&self, id: ParamId) -> &[f32] {
        &self.entries[id.0].values
    }

    /// The numbers of one entry, to be changed.
    pub fn values_mut(&mut self, id: ParamId) -> &mut Vec<f32> {
        &mut self.entries[id.0].values
    }

    /// Bytes of all numbers.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|e| 4 * e.values.len()).sum()
    }
}
