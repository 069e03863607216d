//! Aligned memory: models in flash and arenas in RAM, from which kernels load whole words.
use core::ops::{Deref, DerefMut};

/// Data whose address is a multiple of 16.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// Embeds a model file as `&'static [u8]` with the alignment that [`crate::Model::from_bytes`] requires.
///
/// The path is relative to the source file. `include_bytes!` alone aligns to 1 byte.
#[macro_export]
macro_rules! include_model {
    ($path:expr $(,)?) => {{
        const MODEL: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        &MODEL.0
    }};
}

/// Working memory of `N` bytes, for the stack or a `static`. Dereferences to bytes.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// Creates working memory filled with zeros.
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Arena<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Arena<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
