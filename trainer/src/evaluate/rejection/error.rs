//! Why the discriminator of a run cannot accept and reject images.

use crate::data::DataError;
use crate::loss::Loss;
use ganlet_runtime::FormatError;
use std::fmt;

/// Why the discriminator of a run cannot accept and reject images.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RejectionError {
    /// With this loss, the trained discriminator does not estimate a ratio of densities.
    NoRatio(Loss),
    /// The discriminator is an autoencoder, which has no score.
    Autoencoder,
    /// The discriminator scores this number of images together.
    Packing(usize),
    /// The score of an image depends on the other images of the batch.
    Batch,
    /// The run generates points.
    Points,
    /// There are this many real images, too few to fit the discriminator.
    FewImages(usize),
    /// The discriminator outputs values that are not finite.
    NotFinite,
    /// The share is not above 0 and below 1.
    Share(f64),
    /// Only this many images were accepted, of this many.
    TooFew {
        /// Accepted images.
        accepted: usize,
        /// Images that were scored.
        scored: usize,
    },
    /// The model file is not valid.
    Format(FormatError),
    /// The real images cannot be divided.
    Data(DataError),
}

impl fmt::Display for RejectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = "the discriminator cannot score single images: ";
        match self {
            Self::NoRatio(loss) => write!(
                f,
                "the loss \"{loss}\" trains a discriminator whose score is not the logarithm of a ratio of densities; fit it to the \
                 generator's images first: --fit-steps 1000"
            ),
            Self::Autoencoder => write!(
                f,
                "the loss \"began\" trains an autoencoder, which has no score for real and generated images; train a recipe with \
                 another discriminator, such as faces or digits"
            ),
            Self::Packing(n) => {
                write!(f, "{batch}it scores {n} images together; train with --set technique.packing=1")
            }
            Self::Batch => write!(
                f,
                "{batch}its score depends on the other images of the batch; train with --set 'technique.minibatch=\"none\"' and --set \
                 discriminator.batch_norm=false"
            ),
            Self::Points => f.write_str("this run generates points; the discriminator accepts and rejects images only"),
            Self::FewImages(n) => write!(
                f,
                "the discriminator cannot be fitted: found {n} training images, expected {} or more; use the trained one: --fit-steps 0",
                super::FEWEST_IMAGES
            ),
            Self::NotFinite => f.write_str(
                "the discriminator's scores are not finite; use the trained discriminator with --fit-steps 0, or another checkpoint",
            ),
            Self::Share(share) => write!(f, "share {share} of accepted images: expected a number above 0 and below 1, such as 0.5"),
            Self::TooFew { accepted, scored } => write!(
                f,
                "the discriminator accepted {accepted} of {scored} images, far fewer than the wished share; choose a larger share"
            ),
            Self::Format(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RejectionError {}

impl From<FormatError> for RejectionError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl From<DataError> for RejectionError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}
