//! Numbers that begin where a cache line does: a vector access that straddles two lines costs two.
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A buffer whose first number lies at the beginning of a cache line, unless it was made from a vector.
#[derive(Default)]
pub(super) struct Buffer {
    numbers: Vec<f32>,
    start: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(super) fn new(len: usize) -> Self {
        let mut numbers = vec![0.0; len + LINE / 4 - 1];
        let start = numbers.as_ptr().align_offset(LINE).min(LINE / 4 - 1);
        numbers.truncate(start + len);
        Self { numbers, start }
    }

    /// The vector's numbers, wherever they lie.
    pub(super) fn of(numbers: Vec<f32>) -> Self {
        Self { numbers, start: 0 }
    }

    /// What [`Buffer::of`] was given.
    pub(super) fn into_vector(self) -> Vec<f32> {
        self.numbers
    }

    /// Makes room for `len` numbers; what they hold is not kept.
    pub(super) fn grow(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::new(len);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.start..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_cache_lines_and_hold_what_was_asked_for() {
        for len in [0, 1, 15, 16, 1000] {
            let buffer = Buffer::new(len);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(LINE)), (len, 0));
        }
        let mut buffer = Buffer::of(vec![1.0, 2.0]);
        buffer[1] = 3.0;
        assert_eq!(buffer.into_vector(), [1.0, 3.0]);
    }
}
