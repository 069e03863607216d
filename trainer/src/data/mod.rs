//! Data sets to train on: read from files, embedded in the program, or synthetic.

mod array_labels;
mod budget;
mod builtin;
mod clusters;
mod color;
mod content;
mod decode;
mod display;
mod error;
mod faces;
mod file_index;
mod fit;
mod folder;
mod idx;
mod images;
mod labels;
mod layout;
mod mixture;
mod npy;
mod npz;
mod open;
mod packed;
mod packed_writer;
mod prepare;
mod reading;
mod single;
mod source;
mod split;
mod survey;
mod synthetic;
mod table;

pub use builtin::{AnyDataset, BuiltinDataset, digits, faces};
pub(crate) use clusters::clusters;
pub use display::to_bytes;
pub use error::DataError;
pub use faces::{FaceCropOptions, crop_faces};
pub(crate) use fit::Frame;
pub use images::ImageDataset;
pub use labels::LabelSource;
pub use mixture::GaussianMixture;
pub use open::{OpenedImages, open};
pub use packed::PackedDataset;
pub use prepare::{FileOutcome, PrepareOptions, PreparedDataset, Progress, prepare};
pub use reading::ReadOptions;
pub use single::{image, strokes};
pub use source::is_source_file;
pub(crate) use survey::{shared_layout, usual_aspect};
pub use synthetic::blobs;

use crate::philox::Key;
pub use crate::recipe::Fit;

/// Largest number of examples that the default of [`Dataset::fingerprint`] reads.
const SAMPLED: usize = 256;

/// A source of training examples. A data set must provide `name`, `shape` and `batch`; all other methods have defaults.
#[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
pub trait Dataset: Send + Sync {
    /// Name in messages and reports.
    fn name(&self) -> &str;

    /// Shape of one example: `[height, width, channels]` of an image, `[dimensions]` of a point.
    fn shape(&self) -> &[usize];

    /// Fills `out` with examples, drawn with replacement; equal keys draw equal examples.
    ///
    /// Images are [height, width, channels] in -1..=1 (or the recipe's `data.range`); points have their own units.
    fn batch(&self, key: Key, out: &mut [f32]);

    /// Number of examples; `None`, the default, for an endless distribution.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Class of each example; `None`, the default, without labels.
    fn labels(&self) -> Option<&[u8]> {
        None
    }

    /// Name of each class; empty, the default, without labels.
    fn label_names(&self) -> &[String] {
        &[]
    }

    /// Fills `out` with the classes of the examples that [`batch`](Self::batch) draws for the same `key`; 0 without labels.
    fn batch_labels(&self, _key: Key, out: &mut [u8]) {
        out.fill(0);
    }

    /// Checksum of the examples and their classes, in their order. A run stores it, so that other data are noticed when it continues.
    ///
    /// The default reads up to 256 examples, so it does not notice every change.
    fn fingerprint(&self) -> u32 {
        let size: usize = self.shape().iter().product();
        let (count, mut example) = (self.len().unwrap_or(SAMPLED), vec![0.0; size]);
        let mut sum = flate2::Crc::new();
        sum.update(format!("{:?} {:?}", self.shape(), self.len()).as_bytes());
        sum.update(self.labels().unwrap_or_default());
        for i in 0..count.min(SAMPLED) {
            self.item(i * count / count.min(SAMPLED), &mut example);
            example.iter().for_each(|v| sum.update(&v.to_le_bytes()));
        }
        sum.sum()
    }

    /// Why examples could not be read, for data sets that read while training; `None`, the default, if nothing failed.
    ///
    /// Examples drawn after a failure are not valid. A trainer asks after each draw, and ends the training step with this error.
    fn failure(&self) -> Option<DataError> {
        None
    }

    /// Writes example number `index` to `out`, never mirrored. An endless distribution draws the example with `index` as part of the key.
    fn item(&self, index: usize, out: &mut [f32]) {
        self.batch(Key { seed: 0, stream: u32::MAX, step: index as u64 }, out);
    }
}
