//! The screens of the app and their order.

/// A screen of the app, in the order in which `Select` goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A picture per seed.
    Gallery,
    /// An endless walk from one seed's latent to the next one's.
    Walk,
    /// One dimension of a seed's latent turned, the others kept; and what the discriminator thinks of it, where the model has one.
    Knobs,
    /// The classes of a model that has any, at one seed.
    Class,
    /// The model's name and what it takes of the chip.
    About,
}

impl Screen {
    /// Every screen, in order.
    pub const ALL: [Self; 5] = [Self::Gallery, Self::Walk, Self::Knobs, Self::Class, Self::About];

    /// The title, padded on the left for a title bar.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Gallery => " GALLERY",
            Self::Walk => " WALK",
            Self::Knobs => " KNOBS",
            Self::Class => " CLASS",
            Self::About => " ABOUT",
        }
    }

    /// The screen after this one, for a model with so many classes: without any there are none to choose from.
    #[must_use]
    pub const fn next(self, classes: u16) -> Self {
        match self {
            Self::Gallery => Self::Walk,
            Self::Walk => Self::Knobs,
            Self::Knobs if classes > 0 => Self::Class,
            Self::Knobs | Self::Class => Self::About,
            Self::About => Self::Gallery,
        }
    }
}
