//! Kept latents: pictures that somebody searched for, shown before seed 0 as if they had seeds of their own.

use core::fmt;

use ganlet_runtime::{Latent, Model};

/// The class byte of a latent without a class.
const NO_CLASS: u8 = 255;

/// Latents as they lie in flash: for each a byte of its class, 255 for none, and its values.
///
/// The last one stands for seed -1 (4,294,967,295), the one before it for seed -2, so that Right goes through all of them on to seed 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedLatents<'k> {
    bytes: &'k [u8],
}

impl<'k> SavedLatents<'k> {
    /// None.
    pub const NONE: Self = Self { bytes: &[] };

    /// Those in `bytes`; what makes no latent of the model on show is as if it were not there.
    #[must_use]
    pub const fn new(bytes: &'k [u8]) -> Self {
        Self { bytes }
    }

    /// How many there are for `model`.
    #[must_use]
    pub fn count(&self, model: &Model<'_>) -> u32 {
        let each = model.latent_len() + 1;
        if self.bytes.len().is_multiple_of(each) { (self.bytes.len() / each) as u32 } else { 0 }
    }

    /// The seed of the first one; 1, the first picture of all, where there are none.
    #[must_use]
    pub fn first(&self, model: &Model<'_>) -> u32 {
        match self.count(model) {
            0 => 1,
            count => count.wrapping_neg(),
        }
    }

    /// Which of them `seed` stands for, from 0.
    fn place(&self, model: &Model<'_>, seed: u32) -> Option<u32> {
        let count = self.count(model);
        let place = seed.wrapping_add(count);
        (place < count && seed != 0).then_some(place)
    }

    /// The latent of `seed`: a kept one, else the model's own.
    pub(crate) fn latent(&self, model: &Model<'_>, seed: u32) -> Latent {
        let kept = || {
            let each = model.latent_len() + 1;
            let start = self.place(model, seed)? as usize * each;
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
        kept().unwrap_or_else(|| model.latent(seed))
    }

    /// A seed's name: "kept 1", or the number.
    pub(crate) fn name(&self, model: &Model<'_>, seed: u32) -> SeedName {
        match self.place(model, seed) {
            Some(place) => SeedName::Saved(place + 1),
            None => SeedName::Seed(seed),
        }
    }
}

/// What a seed is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeedName {
    Saved(u32),
    Seed(u32),
}

impl fmt::Display for SeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saved(number) => write!(f, "kept {number}"),
            Self::Seed(seed) => seed.fmt(f),
        }
    }
}
