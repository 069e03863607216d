//! Data sets to train on: read from files, embedded in the program, or synthetic.

mod builtin;
mod content;
mod decode;
mod display;
mod error;
mod faces;
mod fit;
mod folder;
mod idx;
mod images;
mod labels;
mod mixture;
mod npz;
mod open;
mod packed;
mod packed_writer;
mod prepare;
mod single;
mod split;
mod synthetic;

pub use builtin::{AnyDataset, BuiltinDataset, digits, faces};
pub use display::to_bytes;
pub use error::DataError;
pub use faces::{FaceCropOptions, crop_faces};
pub use images::ImageDataset;
pub use mixture::GaussianMixture;
pub use open::{OpenedImages, ReadOptions, open};
pub use packed::PackedDataset;
pub use prepare::{FileOutcome, PrepareOptions, PreparedDataset, Progress, prepare};
pub use single::{picture, strokes};
pub use synthetic::blobs;

use crate::philox::Key;

/// A source of training batches.
#[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
pub trait Dataset: Send + Sync {
    /// Name of the data set in messages and reports.
    fn name(&self) -> &str;

    /// Shape of an item: `[height, width, channels]` of an image, `[dimensions]` of a point.
    fn shape(&self) -> &[usize];

    /// Number of items; `None` for a distribution.
    fn len(&self) -> Option<usize>;

    /// The class of each item, if the items have classes.
    fn labels(&self) -> Option<&[u8]>;

    /// Names of the classes; empty without labels.
    fn label_names(&self) -> &[String];

    /// Fills `out` with items drawn at random, with replacement. Equal keys draw equal items.
    ///
    /// Images come as [height, width, channels], scaled to -1..=1 unless another range was chosen. Points come unscaled.
    fn batch(&self, key: Key, out: &mut [f32]);

    /// Fills `out` with the classes of the items that [`batch`](Self::batch) draws with the same `key`; zeros without labels.
    fn batch_labels(&self, key: Key, out: &mut [u8]);

    /// Copies item `index`, never mirrored, to `out`. A distribution has one fixed draw per index.
    fn item(&self, index: usize, out: &mut [f32]);
}
