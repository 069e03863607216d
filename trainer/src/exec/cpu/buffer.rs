//! Float buffers aligned to cache lines, because a vector access that straddles two lines costs two accesses.
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector.
const CACHE_LINE: usize = 64;

/// A buffer whose first element lies at the beginning of a cache line, unless the buffer was made from a vector.
#[derive(Default)]
pub(super) struct Buffer {
    elements: Vec<f32>,
    start: usize,
}

impl Buffer {
    /// An aligned buffer of `len` zeros.
    pub(super) fn new(len: usize) -> Self {
        let mut elements = vec![0.0; len + CACHE_LINE / 4 - 1];
        let start = elements.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE / 4 - 1);
        elements.truncate(start + len);
        Self { elements, start }
    }

    /// Wraps a vector, whose alignment is kept.
    pub(super) fn from_vec(elements: Vec<f32>) -> Self {
        Self { elements, start: 0 }
    }

    /// The vector that was passed to [`Buffer::from_vec`].
    pub(super) fn into_vec(self) -> Vec<f32> {
        self.elements
    }

    /// Makes the buffer at least `len` elements long. The contents are lost if it grows.
    pub(super) fn grow(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::new(len);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.elements[self.start..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.elements[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_buffers_are_aligned_and_wrapped_vectors_are_returned() {
        for len in [0, 1, 15, 16, 1000] {
            let buffer = Buffer::new(len);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(CACHE_LINE)), (len, 0));
        }
        let mut buffer = Buffer::from_vec(vec![1.0, 2.0]);
        buffer[1] = 3.0;
        assert_eq!(buffer.into_vec(), [1.0, 3.0]);
    }
}
