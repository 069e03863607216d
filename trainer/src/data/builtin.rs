//! The built-in data sets, which need no file: embedded images, drawn images and mixtures of Gaussians.

use std::path::Path;
use std::sync::Arc;

use super::reading::ReadOptions;
use super::{DataError, Dataset, GaussianMixture, ImageDataset, blobs, idx, npz};

static FACES: &[u8] = include_bytes!("../../assets/pixel-faces-16.npz");
static DIGITS: &[u8] = include_bytes!("../../assets/t10k-images.idx3-ubyte.gz");
static DIGIT_LABELS: &[u8] = include_bytes!("../../assets/t10k-labels.idx1-ubyte.gz");

/// A data set that is part of the program.
///
/// ```
/// use ganlet_trainer::data::BuiltinDataset;
/// let digits = BuiltinDataset::from_name("digits").unwrap().open().unwrap();
/// assert_eq!(digits.dataset().shape(), [28, 28, 1]);
/// assert!(BuiltinDataset::from_name("cats").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinDataset {
    /// Pixel-art faces, embedded.
    Faces,
    /// Handwritten digits of MNIST, embedded.
    Digits,
    /// Colored discs, drawn when the set is opened.
    Blobs,
    /// Eight Gaussians on a circle.
    Ring,
    /// Twenty-five Gaussians on a square grid.
    Grid,
    /// Two Gaussians on a line.
    Bimodal,
}

impl BuiltinDataset {
    /// Every built-in data set.
    pub const ALL: [Self; 6] = [Self::Faces, Self::Digits, Self::Blobs, Self::Ring, Self::Grid, Self::Bimodal];

    /// The data set that a recipe or option calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The names of all built-in data sets, separated by commas, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Name in recipes (`data.source`), options and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faces => "faces",
            Self::Digits => "digits",
            Self::Blobs => "blobs",
            Self::Ring => "ring",
            Self::Grid => "grid",
            Self::Bimodal => "bimodal",
        }
    }

    /// One-line summary of the contents, for the user.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Faces => "20,000 pixel-art faces, 16x16 RGB, 4 classes",
            Self::Digits => "10,000 handwritten digits (MNIST), 28x28 gray",
            Self::Blobs => "4,000 colored discs, 16x16 RGB, synthetic",
            Self::Ring => "8 Gaussians on a circle, σ 0.01, unlimited",
            Self::Grid => "25 Gaussians on a grid, σ 0.05, unlimited",
            Self::Bimodal => "2 Gaussians on a line, σ 0.2, unlimited",
        }
    }

    /// The license under which the data may be redistributed.
    pub fn license(self) -> &'static str {
        match self {
            Self::Faces => "CC0 1.0",
            Self::Digits => "CC BY-SA 3.0",
            Self::Blobs | Self::Ring | Self::Grid | Self::Bimodal => "none needed",
        }
    }

    /// Opens the data set.
    ///
    /// # Errors
    /// When the embedded data does not decode, which would be a bug in the build.
    pub fn open(self) -> Result<AnyDataset, DataError> {
        Ok(match self {
            Self::Faces => AnyDataset::Images(faces()?),
            Self::Digits => AnyDataset::Images(digits()?),
            Self::Blobs => AnyDataset::Images(blobs(16, 16, 3, 4000, 0)),
            Self::Ring => AnyDataset::Mixture(GaussianMixture::ring()),
            Self::Grid => AnyDataset::Mixture(GaussianMixture::grid()),
            Self::Bimodal => AnyDataset::Mixture(GaussianMixture::bimodal()),
        })
    }
}

/// The images of [`BuiltinDataset::Faces`].
///
/// # Errors
/// When the embedded data does not decode, which would be a bug in the build.
pub fn faces() -> Result<ImageDataset, DataError> {
    let faces = npz::parse(Path::new("faces"), std::io::Cursor::new(FACES), &ReadOptions::default(), &mut Vec::new())?;
    Ok(faces.with_label_names(&["plain", "glasses", "beard", "hat"]))
}

/// The images of [`BuiltinDataset::Digits`].
///
/// # Errors
/// When the embedded data does not decode, which would be a bug in the build.
pub fn digits() -> Result<ImageDataset, DataError> {
    idx::from_bytes(Path::new("digits"), DIGITS, Some(DIGIT_LABELS), &ReadOptions::default())
}

/// A data set of images or of points, for code that treats the two differently.
#[derive(Clone, Debug)]
pub enum AnyDataset {
    /// A finite set of images.
    Images(ImageDataset),
    /// A distribution of points.
    Mixture(GaussianMixture),
}

impl AnyDataset {
    /// The data set through the common interface [`Dataset`].
    pub fn dataset(&self) -> &dyn Dataset {
        match self {
            Self::Images(images) => images,
            Self::Mixture(mixture) => mixture,
        }
    }

    /// Converts to the shared pointer that the trainer takes.
    pub fn into_shared(self) -> Arc<dyn Dataset> {
        match self {
            Self::Images(images) => Arc::new(images),
            Self::Mixture(mixture) => Arc::new(mixture),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_set_opens_by_name() {
        for set in BuiltinDataset::ALL {
            assert_eq!(BuiltinDataset::from_name(set.name()), Some(set));
            let opened = set.open().unwrap();
            assert_eq!(opened.dataset().name(), set.name());
            assert_eq!(opened.dataset().len().is_none(), matches!(opened, AnyDataset::Mixture(_)));
        }
    }

    #[test]
    fn the_embedded_images_match_their_licenses() {
        let faces = faces().unwrap();
        assert_eq!((faces.shape(), faces.count()), ([16, 16, 3].as_slice(), 20_000));
        assert_eq!(faces.label_names(), ["plain", "glasses", "beard", "hat"]);
        assert_eq!(faces.default_split().map(|(t, e)| (t.count(), e.count())), Ok((18_000, 2_000)));
        let digits = digits().unwrap();
        assert_eq!((digits.shape(), digits.count()), ([28, 28, 1].as_slice(), 10_000));
        assert_eq!(digits.default_split().map(|(t, e)| (t.count(), e.count())), Ok((8_000, 2_000)));
        // The first labels of the MNIST test set are 7, 2, 1, 0, 4.
        assert_eq!(digits.labels().map(|l| &l[..5]), Some([7, 2, 1, 0, 4].as_slice()));
    }
}
