//! Pictures in memory: decoded once, kept as bytes, handed out as batches of floats.

use std::sync::Arc;

use super::error::DataError;
use super::{Dataset, content, fit};
use crate::memory;
use crate::philox::Key;
use crate::text::grouped;

/// The fixed seed of [`ImageDataset::split`]: every run of every machine evaluates on the same pictures.
const SPLIT: Key = Key { seed: 0x6761_6e6c_6574, stream: 0, step: 0 };

/// A set of equally large pictures, NHWC bytes with one or three channels; never empty.
///
/// ```
/// use ganlet_trainer::data::{self, Dataset};
/// use ganlet_trainer::philox::Key;
/// let blobs = data::blobs(8, 8, 3, 100, 1);
/// let mut batch = vec![0.0; 16 * 8 * 8 * 3];
/// blobs.batch(Key { seed: 1, stream: 0, step: 0 }, &mut batch);
/// assert!(batch.iter().all(|v| (-1.0..=1.0).contains(v)));
/// ```
#[derive(Clone, Debug)]
pub struct ImageDataset {
    name: String,
    shape: [usize; 3],
    pixels: Arc<Vec<u8>>,
    order: Vec<u32>,
    labels: Option<Vec<u8>>,
    label_names: Vec<String>,
    range: (f32, f32),
    flip: bool,
}

impl ImageDataset {
    /// Takes `pixels` as [n, height, width, channels], with a label for each picture if there are labels.
    pub fn new(
        name: impl Into<String>,
        (width, height, channels): (usize, usize, usize),
        pixels: Vec<u8>,
        labels: Option<Vec<u8>>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let size = volume(&name, &[height, width, channels])?;
        if channels != 1 && channels != 3 {
            return Err(DataError::new(
                name,
                "1 channel (gray) or 3 (red, green, blue)",
                format!("{channels} channels"),
                if channels == 4 { "drop the alpha channel: images[..., :3]" } else { "convert the pictures to RGB" },
            ));
        }
        if size == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(size) {
            return Err(DataError::new(
                name,
                format!("one or more pictures of {height}x{width}x{channels} bytes"),
                format!("{} bytes", grouped(pixels.len())),
                "write the file again from complete pictures",
            ));
        }
        let n = pixels.len() / size;
        if u32::try_from(n).is_err() {
            return Err(DataError::new(name, "fewer than 2^32 pictures", grouped(n), "use a part of them"));
        }
        if let Some(labels) = &labels
            && labels.len() != n
        {
            return Err(DataError::new(
                name,
                format!("{} labels, one for each picture", grouped(n)),
                format!("{} labels", grouped(labels.len())),
                "take images and labels from the same part of the data set, or leave the labels out",
            ));
        }
        let classes = labels.iter().flatten().max().map_or(0, |&m| usize::from(m) + 1);
        Ok(Self {
            name,
            shape: [height, width, channels],
            pixels: Arc::new(pixels),
            order: (0..n as u32).collect(),
            labels,
            label_names: (0..classes).map(|c| c.to_string()).collect(),
            range: (-1.0, 1.0),
            flip: false,
        })
    }

    /// Names the classes; names beyond the given ones stay numbers.
    pub fn with_label_names<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        for (slot, name) in self.label_names.iter_mut().zip(names) {
            *slot = name.as_ref().to_string();
        }
        self
    }

    /// Scales bytes 0..=255 to `low..=high` instead of -1..=1.
    pub fn with_range(mut self, low: f32, high: f32) -> Self {
        self.range = (low, high);
        self
    }

    /// Mirrors every other drawn picture, at random.
    pub fn with_flip(mut self, flip: bool) -> Self {
        self.flip = flip;
        self
    }

    /// Columns of a picture.
    pub fn width(&self) -> usize {
        self.shape[1]
    }

    /// Rows of a picture.
    pub fn height(&self) -> usize {
        self.shape[0]
    }

    /// 1 (gray) or 3 (red, green, blue).
    pub fn channels(&self) -> usize {
        self.shape[2]
    }

    /// How many pictures there are.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The bytes of one picture, [height, width, channels].
    pub fn bytes(&self, index: usize) -> &[u8] {
        let size = self.item_size();
        &self.pixels[self.order[index] as usize * size..][..size]
    }

    /// The class of one picture.
    pub fn label(&self, index: usize) -> Option<u8> {
        self.labels.as_ref().map(|l| l[index])
    }

    /// Pictures to train on and, apart from them, pictures to evaluate on: the same ones on every machine.
    pub fn split(&self, train: usize, evaluate: usize) -> Result<(Self, Self), DataError> {
        let n = self.count();
        if train == 0 || evaluate == 0 || train.checked_add(evaluate).is_none_or(|sum| sum > n) {
            return Err(DataError::new(
                &self.name,
                format!("{} pictures to train on and {} others to evaluate on", grouped(train), grouped(evaluate)),
                format!("{} pictures", grouped(n)),
                "add pictures or ask for a smaller split",
            ));
        }
        let mut chosen: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            chosen.swap(i, SPLIT.below(i as u32, i + 1));
        }
        Ok((self.select(&chosen[..train]), self.select(&chosen[train..train + evaluate])))
    }

    /// [`split`](Self::split) in the usual proportion: 2,000 to evaluate, or a fifth of a set below 10,000.
    pub fn usual_split(&self) -> Result<(Self, Self), DataError> {
        let evaluate = (self.count() / 5).clamp(1, 2000);
        self.split(self.count() - evaluate, evaluate)
    }

    /// Pictures to train on and about `share` of them to hold out, chosen by the content of each alone.
    ///
    /// Adding, renaming or taking away other pictures moves none from one side to the other; equal pictures are on one side.
    pub fn split_by_content(&self, share: f32) -> Result<(Self, Self), DataError> {
        let contents: Vec<u64> = (0..self.count()).map(|i| content::content(self.bytes(i), self.channels())).collect();
        let (trained, held_out) = content::split(&contents, share);
        if trained.is_empty() || held_out.is_empty() {
            return Err(DataError::new(
                &self.name,
                "at least 2 pictures, one to train on and one to hold out",
                grouped(self.count()),
                "add pictures",
            ));
        }
        Ok((self.select(&trained), self.select(&held_out)))
    }

    /// The pictures at `indices`, in that order; the bytes are shared, not copied.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            order: indices.iter().map(|&i| self.order[i]).collect(),
            labels: self.labels.as_ref().map(|l| indices.iter().map(|&i| l[i]).collect()),
            pixels: Arc::clone(&self.pixels),
            name: self.name.clone(),
            label_names: self.label_names.clone(),
            ..*self
        }
    }

    /// The same pictures at another size: the center is cropped to the new proportions, then resized.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self, DataError> {
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let from = (self.width(), self.height(), self.channels());
        let bytes = volume(&self.name, &[self.count(), width, height, self.channels()])?;
        // Once more when they are split.
        let (needed, free) = (2.0 * bytes as f64, memory::free());
        if needed > free {
            return Err(DataError::new(
                &self.name,
                format!("at most the {:.1} GB of memory that this machine has free", free / 1e9),
                format!("{:.1} GB of pictures at {width}x{height}", needed / 1e9),
                "choose a smaller data.size",
            ));
        }
        let mut pixels = Vec::with_capacity(bytes);
        for i in 0..self.count() {
            pixels.extend(fit::fit(self.bytes(i), from, width, height));
        }
        let fresh = Self::new(&self.name, (width, height, from.2), pixels, self.labels.clone())?;
        Ok(fresh.with_label_names(&self.label_names).with_range(self.range.0, self.range.1).with_flip(self.flip))
    }

    fn item_size(&self) -> usize {
        self.shape.iter().product()
    }

    fn drawn(&self, key: Key, position: usize) -> (usize, bool) {
        let words = key.words(position as u32);
        let index = (u64::from(words[0]) * self.count() as u64) >> 32;
        (index as usize, self.flip && words[1] & 1 == 1)
    }

    fn scaled(&self, index: usize, flip: bool, out: &mut [f32]) {
        let (low, high) = self.range;
        let step = (high - low) / 255.0;
        let (bytes, channels) = (self.bytes(index), self.channels());
        let row = self.width() * channels;
        for (out, bytes) in out.chunks_exact_mut(row).zip(bytes.chunks_exact(row)) {
            if flip {
                for (out, bytes) in out.chunks_exact_mut(channels).zip(bytes.chunks_exact(channels).rev()) {
                    for (v, &b) in out.iter_mut().zip(bytes) {
                        *v = low + f32::from(b) * step;
                    }
                }
            } else {
                for (v, &b) in out.iter_mut().zip(bytes) {
                    *v = low + f32::from(b) * step;
                }
            }
        }
    }
}

impl Dataset for ImageDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn len(&self) -> Option<usize> {
        Some(self.count())
    }

    fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        for (position, out) in out.chunks_exact_mut(self.item_size()).enumerate() {
            let (index, flip) = self.drawn(key, position);
            self.scaled(index, flip, out);
        }
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        for (position, out) in out.iter_mut().enumerate() {
            *out = self.label(self.drawn(key, position).0).unwrap_or(0);
        }
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.scaled(index, false, out);
    }
}

/// The product of `dims`, refused when it does not fit into memory addresses.
pub(crate) fn volume(place: &str, dims: &[usize]) -> Result<usize, DataError> {
    dims.iter().try_fold(1_usize, |product, &d| product.checked_mul(d)).ok_or_else(|| {
        DataError::new(
            place,
            "sizes that fit into memory",
            format!("sizes {dims:?}, whose product overflows"),
            "the file is damaged or no picture file: get it again",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_no_memory_holds_are_refused_before_they_are_made() {
        let faces = crate::data::faces().unwrap();
        let error = faces.resized(4096, 4096).unwrap_err().to_string();
        assert!(error.contains("smaller data.size") && error.contains("GB of pictures at 4096x4096"), "{error}");
    }

    fn ramp(n: usize) -> ImageDataset {
        let pixels = (0..n * 6).map(|v| v as u8).collect();
        ImageDataset::new("ramp", (3, 2, 1), pixels, Some((0..n).map(|i| (i % 3) as u8).collect())).unwrap()
    }

    #[test]
    fn bytes_become_the_stated_range() {
        let pictures = ImageDataset::new("p", (3, 1, 1), vec![0, 51, 255], None).unwrap();
        let mut out = [0.0; 3];
        pictures.item(0, &mut out);
        assert!((out[1] + 0.6).abs() < 1e-6 && out[0] == -1.0 && (out[2] - 1.0).abs() < 1e-6, "{out:?}");
        pictures.with_range(0.0, 255.0).item(0, &mut out);
        assert_eq!(out, [0.0, 51.0, 255.0]);
    }

    #[test]
    fn a_batch_depends_on_its_key_alone_and_labels_follow_it() {
        let pictures = ramp(40).with_range(0.0, 255.0);
        let key = Key { seed: 7, stream: 1, step: 9 };
        let (mut a, mut b, mut labels) = (vec![0.0; 60], vec![0.0; 60], [0; 10]);
        pictures.batch(key, &mut a);
        pictures.batch(key, &mut b);
        pictures.batch_labels(key, &mut labels);
        assert_eq!(a, b);
        for (item, label) in a.chunks(6).zip(labels) {
            assert_eq!((item[0] as usize / 6 % 3) as u8, label);
        }
        pictures.batch(Key { step: 10, ..key }, &mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn flipping_mirrors_whole_pixels_of_about_half_the_pictures() {
        let bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let pictures = ImageDataset::new("p", (2, 2, 3), bytes, None).unwrap().with_range(0.0, 255.0).with_flip(true);
        let mut out = vec![0.0; 12 * 1000];
        pictures.batch(Key { seed: 1, stream: 0, step: 0 }, &mut out);
        let mut mirrored = 0;
        for item in out.chunks(12) {
            let item: Vec<u8> = item.iter().map(|v| v.round() as u8).collect();
            if item == [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9] {
                mirrored += 1;
            } else {
                assert_eq!(item, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            }
        }
        assert!((400..600).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn a_split_is_fixed_and_has_no_picture_twice() {
        let pictures = ramp(40);
        let (train, evaluate) = pictures.split(30, 10).unwrap();
        let mut first: Vec<u8> = (0..30).map(|i| train.bytes(i)[0]).collect();
        first.extend((0..10).map(|i| evaluate.bytes(i)[0]));
        assert_eq!(first[..4], [150, 48, 78, 144], "the split changed: results no longer compare with older ones");
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 40);
        for i in 0..30 {
            assert_eq!(train.label(i), Some(train.bytes(i)[0] / 6 % 3));
        }
        assert!(
            pictures.split(35, 6).is_err() && pictures.split(0, 6).is_err() && pictures.split(usize::MAX, 2).is_err()
        );
        assert_eq!(pictures.usual_split().unwrap().1.count(), 8);
    }

    #[test]
    fn impossible_sets_are_refused() {
        let four = ImageDataset::new("p", (1, 1, 4), vec![0; 8], None).unwrap_err();
        assert!(four.remedy.contains("alpha"), "{four}");
        assert!(ImageDataset::new("p", (2, 2, 1), vec![0; 7], None).is_err());
        assert!(ImageDataset::new("p", (2, 2, 1), vec![], None).is_err());
        assert!(ImageDataset::new("p", (0, 2, 1), vec![0; 7], None).is_err());
        assert!(ImageDataset::new("p", (usize::MAX, 2, 3), vec![0; 7], None).is_err());
        let labels = ImageDataset::new("p", (2, 1, 1), vec![0; 8], Some(vec![0; 3])).unwrap_err();
        assert!(labels.to_string().contains("4 labels") && labels.to_string().contains("3 labels"), "{labels}");
    }
}
