//! Data sets: what a GAN is to imitate, read from files, embedded or made up.

mod builtin;
mod content;
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
mod prepare;
mod single;
mod synthetic;

pub use builtin::{AnyDataset, BuiltinDataset, digits, faces};
pub use display::to_bytes;
pub use error::DataError;
pub use faces::{FaceCropOptions, crop_faces};
pub use images::ImageDataset;
pub use mixture::GaussianMixture;
pub use open::{OpenedImages, ReadOptions, open};
pub use packed::PackedDataset;
pub use prepare::{FileOutcome, PrepareOptions, PreparedDataset, prepare};
pub use single::{picture, strokes};
pub use synthetic::blobs;

use crate::philox::Key;

/// Something to draw training batches from.
#[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
pub trait Dataset: Send + Sync {
    /// The name as messages and reports show it.
    fn name(&self) -> &str;

    /// `[height, width, channels]` of pictures, `[dimensions]` of points.
    fn shape(&self) -> &[usize];

    /// How many items there are; `None` for an endless distribution.
    fn len(&self) -> Option<usize>;

    /// The class of each item.
    fn labels(&self) -> Option<&[u8]>;

    /// A name for each class; empty without labels.
    fn label_names(&self) -> &[String];

    /// Draws as many items as `out` holds, with replacement; the same `key` draws the same items.
    ///
    /// Pictures come as [height, width, channels], scaled to -1..=1 unless another range was chosen; points as they are.
    fn batch(&self, key: Key, out: &mut [f32]);

    /// The classes of the items that [`batch`](Self::batch) draws with the same `key`; 0 without labels.
    fn batch_labels(&self, key: Key, out: &mut [u8]);

    /// Item number `index`, never mirrored; of an endless distribution, the draw of that number.
    fn item(&self, index: usize, out: &mut [f32]);
}
