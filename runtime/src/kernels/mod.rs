//! The arithmetic of one output row, by kernel family; all families agree bit for bit.
pub(crate) mod portable;
