//! Why a latent tool failed.
use ganlet_runtime::{FormatError, LatentError};
use std::fmt;

/// Why a latent tool failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LatentToolError {
    /// The file is not a valid model.
    Model(FormatError),
    /// The generator is one of points, not of images.
    Points,
    /// A class was requested, but the generator has no classes.
    NoClasses {
        /// The requested class.
        class: String,
    },
    /// The requested class does not exist.
    NoSuchClass {
        /// The requested class.
        class: String,
        /// Number of classes.
        classes: usize,
        /// Names of the classes; empty if they are numbers.
        names: Vec<String>,
    },
    /// A latent has the wrong length: it belongs to another generator.
    Length {
        /// Values of the latent.
        found: usize,
        /// Values that the generator takes.
        expected: usize,
    },
    /// The model does not accept a latent.
    Latent(LatentError),
    /// The held-out image does not exist.
    NoSuchImage {
        /// The requested image.
        number: usize,
        /// Number of held-out images.
        count: usize,
    },
}

impl fmt::Display for LatentToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Points => f.write_str(
                "it generates points, not images: `cargo xtask sim`, with the same run or model, plots 256 of its points",
            ),
            Self::NoClasses { class } => write!(f, "--class {class}: this generator was trained without classes"),
            Self::NoSuchClass { class, classes, names } => {
                write!(f, "--class {class}: expected 0 to {}", classes - 1)?;
                if names.is_empty() { Ok(()) } else { write!(f, ", or one of {}", names.join(", ")) }
            }
            Self::Length { found, expected } => write!(
                f,
                "found latents of {found} values, this generator takes {expected}: they belong to another generator"
            ),
            Self::Latent(error) => write!(f, "the model does not accept this latent: {error}"),
            Self::NoSuchImage { number, count } => {
                write!(f, "--held-out {number}: expected 0 to {}, the held-out images", count.saturating_sub(1))
            }
        }
    }
}

impl std::error::Error for LatentToolError {}

impl From<FormatError> for LatentToolError {
    fn from(error: FormatError) -> Self {
        Self::Model(error)
    }
}

impl From<LatentError> for LatentToolError {
    fn from(error: LatentError) -> Self {
        Self::Latent(error)
    }
}
