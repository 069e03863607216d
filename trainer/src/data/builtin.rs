//! The data sets that need no download: embedded pictures, made-up pictures and mixtures.

use std::path::Path;

use super::open::Options;
use super::{DataError, Dataset, Mixture, Pictures, blobs, idx, npz};

static FACES: &[u8] = include_bytes!("../../assets/pixel-faces-16.npz");
static DIGITS: &[u8] = include_bytes!("../../assets/t10k-images.idx3-ubyte.gz");
static DIGIT_LABELS: &[u8] = include_bytes!("../../assets/t10k-labels.idx1-ubyte.gz");

/// One line of the list of built-in data sets.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// The name that [`builtin`] takes.
    pub name: &'static str,
    /// What it holds, for the user.
    pub summary: &'static str,
    /// Under which terms it may be passed on.
    pub license: &'static str,
}

/// Every built-in data set.
pub const BUILTIN: [Builtin; 6] = [
    Builtin { name: "faces", summary: "20,000 pixel-art faces, 16x16 RGB, 4 classes", license: "CC0 1.0" },
    Builtin { name: "digits", summary: "10,000 handwritten digits (MNIST), 28x28 gray", license: "CC BY-SA 3.0" },
    Builtin { name: "blobs", summary: "4,000 colored discs, 16x16 RGB, made up", license: "none needed" },
    Builtin { name: "ring", summary: "8 Gaussians on a circle, σ 0.01, endless", license: "none needed" },
    Builtin { name: "grid", summary: "25 Gaussians on a grid, σ 0.05, endless", license: "none needed" },
    Builtin { name: "bimodal", summary: "2 Gaussians on a line, σ 0.2, endless", license: "none needed" },
];

/// A data set by kind, for code that must know which.
#[derive(Clone, Debug)]
pub enum Source {
    /// Finitely many pictures.
    Pictures(Pictures),
    /// Endlessly many points.
    Mixture(Mixture),
}

impl Source {
    /// What both kinds can do.
    pub fn dataset(&self) -> &dyn Dataset {
        match self {
            Self::Pictures(pictures) => pictures,
            Self::Mixture(mixture) => mixture,
        }
    }

    /// The data set alone, to be shared between threads.
    pub fn into_boxed(self) -> Box<dyn Dataset> {
        match self {
            Self::Pictures(pictures) => Box::new(pictures),
            Self::Mixture(mixture) => Box::new(mixture),
        }
    }
}

/// A data set that needs no file, by name (see [`BUILTIN`]).
///
/// ```
/// use ganlet_trainer::data;
/// assert_eq!(data::builtin("digits").unwrap().dataset().shape(), [28, 28, 1]);
/// assert!(data::builtin("cats").unwrap_err().to_string().contains("faces"));
/// ```
pub fn builtin(name: &str) -> Result<Source, DataError> {
    let options = Options::default();
    Ok(match name {
        "faces" => {
            let faces = npz::parse(Path::new("faces"), std::io::Cursor::new(FACES), &options)?;
            Source::Pictures(faces.with_label_names(&["plain", "glasses", "beard", "hat"]))
        }
        "digits" => Source::Pictures(idx::pictures(Path::new("digits"), DIGITS, Some(DIGIT_LABELS), &options)?),
        "blobs" => Source::Pictures(blobs(16, 16, 3, 4000, 0)),
        "ring" => Source::Mixture(Mixture::ring()),
        "grid" => Source::Mixture(Mixture::grid()),
        "bimodal" => Source::Mixture(Mixture::bimodal()),
        _ => {
            let names = BUILTIN.map(|b| b.name).join(", ");
            return Err(DataError::new(
                name,
                format!("one of {names}"),
                format!("the name `{name}`"),
                "choose one of these names, or name a file or folder",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_set_opens_under_its_name() {
        for entry in BUILTIN {
            let source = builtin(entry.name).unwrap();
            assert_eq!(source.dataset().name(), entry.name);
            assert_eq!(source.dataset().len().is_none(), matches!(source, Source::Mixture(_)));
        }
    }

    #[test]
    fn the_embedded_pictures_are_what_their_licences_say() {
        let Source::Pictures(faces) = builtin("faces").unwrap() else { panic!("faces are pictures") };
        assert_eq!((faces.shape(), faces.count()), ([16, 16, 3].as_slice(), 20_000));
        assert_eq!(faces.label_names(), ["plain", "glasses", "beard", "hat"]);
        assert_eq!(faces.usual_split().map(|(t, e)| (t.count(), e.count())), Ok((18_000, 2_000)));
        let Source::Pictures(digits) = builtin("digits").unwrap() else { panic!("digits are pictures") };
        assert_eq!((digits.shape(), digits.count()), ([28, 28, 1].as_slice(), 10_000));
        assert_eq!(digits.usual_split().map(|(t, e)| (t.count(), e.count())), Ok((8_000, 2_000)));
        // The first test digits of MNIST are famous: 7, 2, 1, 0, 4.
        assert_eq!(digits.labels().map(|l| &l[..5]), Some([7, 2, 1, 0, 4].as_slice()));
    }
}
