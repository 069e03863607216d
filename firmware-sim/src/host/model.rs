//! A model file in memory, aligned as the runtime requires.

use std::fs;
use std::path::Path;

use super::error::SimError;

/// The bytes of a model file, at an address that is a multiple of 16.
#[derive(Debug)]
pub struct ModelFile {
    // Up to 15 bytes longer than the model, so that it contains an aligned start at any address. The vector is never changed
    // afterwards, so the start remains valid.
    store: Vec<u8>,
    start: usize,
    len: usize,
}

impl ModelFile {
    const ALIGN: usize = 16;

    /// Copies `bytes` to an aligned address.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut store = vec![0; bytes.len() + Self::ALIGN - 1];
        let address = store.as_ptr().addr();
        let start = address.next_multiple_of(Self::ALIGN) - address;
        store[start..start + bytes.len()].copy_from_slice(bytes);
        Self { store, start, len: bytes.len() }
    }

    /// Reads a file. [`Simulator::new`](super::Simulator::new) checks its contents.
    ///
    /// # Errors
    /// [`SimError::File`] with the path and the cause.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let failed = |cause| SimError::File { verb: "read", path: path.to_owned(), cause };
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("not a file of a known length")));
        }
        let bytes = fs::read(path).map_err(failed)?;
        Ok(Self::of(&bytes))
    }

    /// Returns the bytes of the model.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.store[self.start..self.start + self.len]
    }
}
