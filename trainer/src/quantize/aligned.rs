//! A copy of a model file at an address with the alignment that the runtime requires.

/// A copy of a model file that starts at a multiple of 16 bytes.
///
/// Bytes read from a file can lie at any address, and [`Model::from_bytes`](ganlet_runtime::Model::from_bytes) refuses unaligned ones.
#[derive(Debug)]
pub struct AlignedModel {
    /// Up to 15 bytes longer than the model. It never moves after it is filled, so the start stays aligned.
    buffer: Box<[u8]>,
    start: usize,
    len: usize,
}

impl AlignedModel {
    const ALIGN: usize = 16;

    /// Copies `file`; its contents are not checked.
    pub fn new(file: &[u8]) -> Self {
        let mut buffer = vec![0; file.len() + Self::ALIGN - 1].into_boxed_slice();
        let start = buffer.as_ptr().addr().wrapping_neg() % Self::ALIGN;
        buffer[start..][..file.len()].copy_from_slice(file);
        Self { buffer, start, len: file.len() }
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..][..self.len]
    }
}
