//! Why a run cannot be exported.
use crate::data::DataError;
use crate::evaluate::RejectionError;
use crate::loss::Loss;
use crate::nets::NetworkError;
use crate::quantize::QuantizeError;
use crate::run::RunError;
use ganlet_runtime::FormatError;
use std::fmt;

/// Why a run cannot be exported.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ExportError {
    /// The run or its checkpoint cannot be opened.
    Run(RunError),
    /// The data of the run cannot be loaded.
    Data(DataError),
    /// The networks of the recipe cannot be built.
    Network(NetworkError),
    /// The generator cannot be quantized.
    Quantize(QuantizeError),
    /// The discriminator cannot be quantized.
    Discriminator(QuantizeError),
    /// The discriminator cannot be fitted.
    Fit(RejectionError),
    /// The model file is not valid.
    Format(FormatError),
    /// The generator outputs points of more than two numbers.
    PointDimensions {
        /// Name of the recipe.
        recipe: String,
        /// Numbers of a point.
        dimensions: usize,
    },
    /// The discriminator was requested for a generator of points.
    DiscriminatorOfPoints,
    /// With this loss, the discriminator has no score in 0..=1.
    NoScore(Loss),
    /// With this loss, real images are needed to find the score of 0.5, and there are none.
    NoRealImages(Loss),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Quantize(error) => error.fmt(f),
            Self::Discriminator(error) => write!(f, "--with-discriminator: {error}"),
            Self::Fit(error) => write!(f, "--fit-steps: {error}"),
            Self::Format(error) => error.fmt(f),
            Self::PointDimensions { recipe, dimensions } => write!(
                f,
                "recipe {recipe} generates points of {dimensions} numbers; devices draw images, and points of one or two numbers"
            ),
            Self::DiscriminatorOfPoints => {
                f.write_str("--with-discriminator: this run generates points; devices show D(G(z)) for images only")
            }
            Self::NoRealImages(loss) => write!(
                f,
                "--with-discriminator: the loss \"{loss}\" trains on differences of scores, so real images are needed to find the score of \
                 0.5: name the data of the run with --data"
            ),
            Self::NoScore(loss) => write!(
                f,
                "--with-discriminator: the loss \"{loss}\" trains a discriminator whose output is not a score between 0 and 1; export without \
                 the option"
            ),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<RunError> for ExportError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<DataError> for ExportError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl From<NetworkError> for ExportError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

impl From<QuantizeError> for ExportError {
    fn from(error: QuantizeError) -> Self {
        Self::Quantize(error)
    }
}

impl From<RejectionError> for ExportError {
    fn from(error: RejectionError) -> Self {
        Self::Fit(error)
    }
}

impl From<FormatError> for ExportError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}
