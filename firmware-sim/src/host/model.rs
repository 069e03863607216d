//! A model file in memory, aligned as the runtime asks for.

use std::fs;
use std::path::Path;

use super::error::SimError;

/// The bytes of a model file, at an address that is a multiple of 16.
#[derive(Debug)]
pub struct ModelFile {
    // Longer than the model by up to 15 bytes, so that an aligned start exists wherever the allocator puts it. The vector is
    // never changed afterwards: the start stays where it is.
    store: Vec<u8>,
    start: usize,
    len: usize,
}

impl ModelFile {
    const ALIGN: usize = 16;

    /// Copies `bytes` to an aligned place.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut store = vec![0; bytes.len() + Self::ALIGN - 1];
        let address = store.as_ptr().addr();
        let start = address.next_multiple_of(Self::ALIGN) - address;
        store[start..start + bytes.len()].copy_from_slice(bytes);
        Self { store, start, len: bytes.len() }
    }

    /// Reads a file; what is in it is checked by [`Simulator::new`](super::Simulator::new).
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

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.store[self.start..self.start + self.len]
    }
}
