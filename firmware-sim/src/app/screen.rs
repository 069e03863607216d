//! The screens of the app and their order.

/// A screen of the app. `Select` goes through them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// One image per seed.
    Gallery,
    /// Endless interpolation from the latent of a seed to that of the next.
    Walk,
    /// One direction of the latent space at a time (a latent value if the model stores no directions), with the discriminator's score if the model has a discriminator.
    Knobs,
    /// The classes of a conditional model, at one seed.
    Class,
    /// A slideshow of the images with the highest scores, if the model has a discriminator.
    Best,
    /// Name of the model and its use of flash and RAM.
    About,
}

impl Screen {
    /// Every screen, in order.
    pub const ALL: [Self; 6] = [Self::Gallery, Self::Walk, Self::Knobs, Self::Class, Self::Best, Self::About];

    /// Returns the title, padded on the left for a title bar.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Gallery => " GALLERY",
            Self::Walk => " WALK",
            Self::Knobs => " KNOBS",
            Self::Class => " CLASS",
            Self::Best => " BEST",
            Self::About => " ABOUT",
        }
    }

    /// Returns the next screen. A model without classes skips the class screen, and one without scores the best images.
    #[must_use]
    pub const fn next(self, classes: u16, scored: bool) -> Self {
        match self {
            Self::Gallery => Self::Walk,
            Self::Walk => Self::Knobs,
            Self::Knobs if classes > 0 => Self::Class,
            Self::Knobs | Self::Class if scored => Self::Best,
            Self::Knobs | Self::Class | Self::Best => Self::About,
            Self::About => Self::Gallery,
        }
    }
}
