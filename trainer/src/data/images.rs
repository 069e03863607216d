//! An image data set in memory: decoded once, stored as bytes, returned as batches of floats.

use std::sync::Arc;

use super::error::DataError;
use super::fit::{Frame, luma};
use super::{Dataset, Fit};
use crate::memory;
use crate::philox::Key;
use crate::text::grouped;

/// A set of images of equal size, stored as NHWC bytes with one or three channels. It is never empty.
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
    /// Takes `pixels` as [n, height, width, channels], and one label per image if there are labels.
    ///
    /// # Errors
    /// When the bytes do not form whole images of one or three channels, or the number of labels differs from that of images.
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
                if channels == 4 { "drop the alpha channel: images[..., :3]" } else { "convert the images to RGB" },
            ));
        }
        if size == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(size) {
            return Err(DataError::new(
                name,
                format!("one or more images of {height}x{width}x{channels} bytes"),
                format!("{} bytes", grouped(pixels.len())),
                "give the bytes of whole images, [n, height, width, channels]",
            ));
        }
        let n = pixels.len() / size;
        if u32::try_from(n).is_err() {
            return Err(DataError::new(name, "fewer than 2^32 images", grouped(n), "use a part of them"));
        }
        if let Some(labels) = &labels
            && labels.len() != n
        {
            return Err(DataError::new(
                name,
                format!("{} labels, one for each image", grouped(n)),
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

    /// Names the classes. Classes without a name keep their number.
    pub fn with_label_names<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        for (slot, name) in self.label_names.iter_mut().zip(names) {
            *slot = name.as_ref().to_string();
        }
        self
    }

    /// Replaces the labels by the numbers of groups, one for each image.
    pub(crate) fn with_groups(self, groups: Vec<u8>) -> Self {
        let label_names = super::clusters::numbers(&groups);
        Self { labels: Some(groups), label_names, ..self }
    }

    /// Scales bytes 0..=255 to `low..=high` instead of -1..=1.
    pub fn with_range(mut self, low: f32, high: f32) -> Self {
        self.range = (low, high);
        self
    }

    /// Mirrors each drawn image with a probability of 0.5.
    pub fn with_flip(mut self, flip: bool) -> Self {
        self.flip = flip;
        self
    }

    /// Width of an image in pixels.
    pub fn width(&self) -> usize {
        self.shape[1]
    }

    /// Height of an image in pixels.
    pub fn height(&self) -> usize {
        self.shape[0]
    }

    /// Channels of an image: 1 (gray) or 3 (red, green, blue).
    pub fn channels(&self) -> usize {
        self.shape[2]
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The bytes of image `index`, [height, width, channels].
    pub fn bytes(&self, index: usize) -> &[u8] {
        let size = self.item_size();
        &self.pixels[self.order[index] as usize * size..][..size]
    }

    /// The class of image `index`, if the set has labels.
    pub fn label(&self, index: usize) -> Option<u8> {
        self.labels.as_ref().map(|l| l[index])
    }

    /// A set of the images at `indices`, in that order. It shares the bytes with this one.
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

    /// Converts all images to `channels`: 1 for gray (luma), 3 for colors.
    ///
    /// # Errors
    /// When `channels` is neither.
    pub(crate) fn with_channels(&self, channels: usize) -> Result<Self, DataError> {
        if channels == self.channels() {
            return Ok(self.clone());
        }
        let all = (0..self.count()).flat_map(|i| self.bytes(i));
        let pixels: Vec<u8> = match channels {
            1 => {
                let colors: Vec<u8> = all.copied().collect();
                let luma =
                    |p: &[u8]| (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000;
                colors.chunks_exact(3).map(|p| luma(p) as u8).collect()
            }
            _ => all.flat_map(|&v| [v; 3]).collect(),
        };
        let images = Self::new(&self.name, (self.width(), self.height(), channels), pixels, self.labels.clone())?;
        Ok(Self { range: self.range, flip: self.flip, ..images.with_label_names(&self.label_names) })
    }

    /// Resizes all images, after cropping their centers to the new aspect ratio.
    ///
    /// # Errors
    /// When the result would not fit into free memory.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self, DataError> {
        self.fitted(Frame { width, height, fit: Fit::Crop })
    }

    /// Converts all images to the size of `frame`.
    pub(crate) fn fitted(&self, frame: Frame) -> Result<Self, DataError> {
        let Frame { width, height, .. } = frame;
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let from = (self.width(), self.height(), self.channels());
        let bytes = volume(&self.name, &[self.count(), width, height, self.channels()])?;
        // Twice the size, to leave memory for training.
        let (needed, free) = (2.0 * bytes as f64, memory::free());
        if needed > free {
            return Err(DataError::new(
                &self.name,
                format!("at most the {:.1} GB of memory that this machine has free", free / 1e9),
                format!("{:.1} GB of images at {width}x{height}", needed / 1e9),
                "choose a smaller data.size",
            ));
        }
        let mut pixels = Vec::with_capacity(bytes);
        for i in 0..self.count() {
            pixels.extend(frame.fit(self.bytes(i), from));
        }
        let fresh = Self::new(&self.name, (width, height, from.2), pixels, self.labels.clone())?;
        Ok(fresh.with_label_names(&self.label_names).with_range(self.range.0, self.range.1).with_flip(self.flip))
    }

    /// Converts color images to gray ones, with one channel.
    pub(crate) fn gray(&self) -> Self {
        if self.channels() == 1 {
            return self.clone();
        }
        let of_image = |i| self.bytes(i).as_chunks::<3>().0.iter().map(|pixel| luma(*pixel));
        let pixels = (0..self.count()).flat_map(of_image).collect();
        Self {
            shape: [self.height(), self.width(), 1],
            pixels: Arc::new(pixels),
            order: (0..self.count() as u32).collect(),
            ..self.clone()
        }
    }

    fn item_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The index of the image that `key` draws for `position` in the batch, and whether the image is mirrored.
    fn draw(&self, key: Key, position: usize) -> (usize, bool) {
        let words = key.words(position as u32);
        let index = (u64::from(words[0]) * self.count() as u64) >> 32;
        (index as usize, self.flip && words[1] & 1 == 1)
    }

    /// Copies image `index` to `out`, scaled to the range.
    fn copy_scaled(&self, index: usize, flip: bool, out: &mut [f32]) {
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
            let (index, flip) = self.draw(key, position);
            self.copy_scaled(index, flip, out);
        }
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        for (position, out) in out.iter_mut().enumerate() {
            *out = self.label(self.draw(key, position).0).unwrap_or(0);
        }
    }

    /// Checksum of all images of the set that this one was split from, and of the choice of its own images and their classes.
    fn fingerprint(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(format!("{:?} {}", self.shape, self.count()).as_bytes());
        sum.update(&self.pixels);
        self.order.iter().for_each(|i| sum.update(&i.to_le_bytes()));
        sum.update(self.labels.as_deref().unwrap_or_default());
        sum.sum()
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.copy_scaled(index, false, out);
    }
}

/// The product of `dims`, or an error if it overflows.
pub(crate) fn volume(place: &str, dims: &[usize]) -> Result<usize, DataError> {
    dims.iter().try_fold(1_usize, |product, &d| product.checked_mul(d)).ok_or_else(|| {
        DataError::new(
            place,
            "sizes that fit into memory",
            format!("sizes {dims:?}, whose product overflows"),
            "check the sizes: these are not those of images",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_exceed_memory_are_refused_before_allocation() {
        let faces = crate::data::faces().unwrap();
        let error = faces.resized(4096, 4096).unwrap_err().to_string();
        assert!(error.contains("smaller data.size") && error.contains("GB of images at 4096x4096"), "{error}");
    }

    fn ramp(n: usize) -> ImageDataset {
        let pixels = (0..n * 6).map(|v| v as u8).collect();
        ImageDataset::new("ramp", (3, 2, 1), pixels, Some((0..n).map(|i| (i % 3) as u8).collect())).unwrap()
    }

    #[test]
    fn bytes_are_scaled_to_the_range() {
        let images = ImageDataset::new("p", (3, 1, 1), vec![0, 51, 255], None).unwrap();
        let mut out = [0.0; 3];
        images.item(0, &mut out);
        assert!((out[1] + 0.6).abs() < 1e-6 && out[0] == -1.0 && (out[2] - 1.0).abs() < 1e-6, "{out:?}");
        images.with_range(0.0, 255.0).item(0, &mut out);
        assert_eq!(out, [0.0, 51.0, 255.0]);
    }

    #[test]
    fn a_batch_depends_only_on_its_key_and_labels_match_it() {
        let images = ramp(40).with_range(0.0, 255.0);
        let key = Key { seed: 7, stream: 1, step: 9 };
        let (mut a, mut b, mut labels) = (vec![0.0; 60], vec![0.0; 60], [0; 10]);
        images.batch(key, &mut a);
        images.batch(key, &mut b);
        images.batch_labels(key, &mut labels);
        assert_eq!(a, b);
        for (item, label) in a.chunks(6).zip(labels) {
            assert_eq!((item[0] as usize / 6 % 3) as u8, label);
        }
        images.batch(Key { step: 10, ..key }, &mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn flipping_mirrors_whole_pixels_of_about_half_the_images() {
        let bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let images = ImageDataset::new("p", (2, 2, 3), bytes, None).unwrap().with_range(0.0, 255.0).with_flip(true);
        let mut out = vec![0.0; 12 * 1000];
        images.batch(Key { seed: 1, stream: 0, step: 0 }, &mut out);
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
    fn invalid_sets_are_refused() {
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
