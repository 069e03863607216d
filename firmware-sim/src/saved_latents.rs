//! Saved latents, such as projected photographs, which the app shows before seed 0.

use core::fmt;

use ganlet_runtime::{Latent, Model};

/// The class byte of a latent without a class.
const NO_CLASS: u8 = 255;

/// Latents in flash: for each a byte for its class (255 for none), then its values.
///
/// The last one has seed -1 (4,294,967,295), the one before it seed -2, and so on. The right button goes through all of them to seed 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedLatents<'a> {
    bytes: &'a [u8],
}

impl<'a> SavedLatents<'a> {
    /// No saved latents.
    pub const NONE: Self = Self { bytes: &[] };

    /// Borrows the latents in `bytes`. They are ignored if their length does not match the model.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns the number of saved latents for `model`.
    #[must_use]
    pub fn count(&self, model: &Model<'_>) -> u32 {
        let each = model.latent_len() + 1;
        if self.bytes.len().is_multiple_of(each) { (self.bytes.len() / each) as u32 } else { 0 }
    }

    /// Returns the seed of the first saved latent; 1 if there are none.
    #[must_use]
    pub fn first(&self, model: &Model<'_>) -> u32 {
        match self.count(model) {
            0 => 1,
            count => count.wrapping_neg(),
        }
    }

    /// Returns the index of the saved latent with this seed.
    fn index_of(&self, model: &Model<'_>, seed: u32) -> Option<u32> {
        let count = self.count(model);
        let index = seed.wrapping_add(count);
        (index < count && seed != 0).then_some(index)
    }

    /// Returns the latent of `seed`: a saved one, or else the model's.
    pub(crate) fn latent(&self, model: &Model<'_>, seed: u32) -> Latent {
        let saved = || {
            let each = model.latent_len() + 1;
            let start = self.index_of(model, seed)? as usize * each;
            let (class, values) = self.bytes.get(start..start + each)?.split_first()?;
            let mut latent = model.latent(seed);
            for (to, from) in latent.values_mut().iter_mut().zip(values) {
                *to = *from as i8;
            }
            match *class {
                NO_CLASS => Some(latent),
                class => latent.in_class(model, class.into()).ok(),
            }
        };
        saved().unwrap_or_else(|| model.latent(seed))
    }

    /// Returns the name of a seed: "saved 1", or the number.
    pub(crate) fn name(&self, model: &Model<'_>, seed: u32) -> SeedName {
        match self.index_of(model, seed) {
            Some(index) => SeedName::Saved(index + 1),
            None => SeedName::Seed(seed),
        }
    }
}

/// The name of a seed on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeedName {
    Saved(u32),
    Seed(u32),
}

impl fmt::Display for SeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saved(number) => write!(f, "saved {number}"),
            Self::Seed(seed) => seed.fmt(f),
        }
    }
}
