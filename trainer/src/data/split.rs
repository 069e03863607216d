//! Splits a set into training images and held-out images. Held-out images reveal overfitting.

use super::content::content_hash;
use super::{DataError, Dataset, ImageDataset};
use crate::philox::Key;
use crate::text::grouped;

/// The fixed seed of [`ImageDataset::split`], so that every run on every machine evaluates on the same images.
const SPLIT: Key = Key { seed: 0x6761_6e6c_6574, stream: 0, step: 0 };

/// Indices of training images and of held-out images, which are about `fraction` of all. Neither list is empty if there
/// are two images or more.
///
/// The hash of an image decides which list it is in. A larger fraction holds out the same images and more. If all hashes fall on
/// one side, as they may in a set of a few images, the smallest hashes are held out.
pub(crate) fn split_by_hash(hashes: &[u64], fraction: f32) -> (Vec<usize>, Vec<usize>) {
    let limit = f64::from(fraction) * 2f64.powi(64);
    let (held_out, trained): (Vec<usize>, Vec<usize>) = (0..hashes.len()).partition(|&i| (hashes[i] as f64) < limit);
    if hashes.len() < 2 || !(held_out.is_empty() || trained.is_empty()) {
        return (trained, held_out);
    }
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|&i| (hashes[i], i));
    let count = (f64::from(fraction) * order.len() as f64).round().clamp(1.0, order.len() as f64 - 1.0) as usize;
    let mut trained = order.split_off(count);
    trained.sort_unstable();
    order.sort_unstable();
    (trained, order)
}

impl ImageDataset {
    /// Splits off `train` images to train on and `evaluate` others to evaluate on, the same ones on every machine.
    ///
    /// # Errors
    /// When there are fewer images than that, or one of the parts would be empty.
    pub fn split(&self, train: usize, evaluate: usize) -> Result<(Self, Self), DataError> {
        let n = self.count();
        if train == 0 || evaluate == 0 || train.checked_add(evaluate).is_none_or(|sum| sum > n) {
            return Err(DataError::new(
                self.name(),
                format!("{} images to train on and {} others to evaluate on", grouped(train), grouped(evaluate)),
                format!("{} images", grouped(n)),
                "add images or ask for a smaller split",
            ));
        }
        let mut shuffled: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            shuffled.swap(i, SPLIT.below(i as u32, i + 1));
        }
        Ok((self.select(&shuffled[..train]), self.select(&shuffled[train..train + evaluate])))
    }

    /// The [`split`](Self::split) of the built-in sets: it holds out 2,000 images, or a fifth of a set with fewer than 10,000.
    ///
    /// # Errors
    /// When there are fewer than two images.
    #[doc(hidden)]
    pub fn default_split(&self) -> Result<(Self, Self), DataError> {
        let evaluate = (self.count() / 5).clamp(1, 2000);
        self.split(self.count() - evaluate, evaluate)
    }

    /// Splits into training images and held-out images, about `fraction` of all. The content of each image decides which part
    /// it is in.
    ///
    /// So adding, renaming or removing files never moves another image from one part to the other, and copies of an image are in the same
    /// part.
    ///
    /// # Errors
    /// When there are fewer than two different images.
    #[doc(hidden)]
    pub fn split_by_content(&self, fraction: f32) -> Result<(Self, Self), DataError> {
        let hashes: Vec<u64> = (0..self.count()).map(|i| content_hash(self.bytes(i), self.channels())).collect();
        if hashes.iter().all(|hash| *hash == hashes[0]) {
            let found = match self.count() {
                1 => "1 image".to_owned(),
                n => format!("{} copies of 1 image", grouped(n)),
            };
            let expected = "at least 2 different images, one to train on and one to hold out";
            return Err(DataError::new(self.name(), expected, found, "add images"));
        }
        let (trained, held_out) = split_by_hash(&hashes, fraction);
        Ok((self.select(&trained), self.select(&held_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn splits_are_stable_when_images_are_added_or_the_fraction_grows() {
        let blobs = blobs(6, 6, 3, 500, 1);
        let all: Vec<u64> = (0..500).map(|i| content_hash(blobs.bytes(i), 3)).collect();
        let (trained, held_out) = split_by_hash(&all, 0.2);
        assert_eq!(trained.len() + held_out.len(), 500);
        assert!((75..125).contains(&held_out.len()), "{}", held_out.len());
        let first: Vec<usize> = held_out.iter().copied().filter(|&i| i < 300).collect();
        assert_eq!(split_by_hash(&all[..300], 0.2).1, first);
        let more = split_by_hash(&all, 0.4).1;
        assert!(held_out.iter().all(|i| more.contains(i)) && more.len() > held_out.len());
    }

    #[test]
    fn copies_of_one_image_are_refused() {
        let copies = ImageDataset::new("same", (2, 1, 1), [7, 8].repeat(10), None).unwrap();
        let text = copies.split_by_content(0.2).unwrap_err().to_string();
        assert!(text.contains("at least 2 different images") && text.contains("10 copies of 1 image"), "{text}");
        let one = copies.select(&[0]).split_by_content(0.2).unwrap_err().to_string();
        assert!(one.contains("found:    1 image"), "{one}");
    }

    #[test]
    fn neither_side_of_a_small_set_is_empty() {
        for n in 2..30 {
            let (trained, held_out) = split_by_hash(&vec![77; n], 0.2);
            assert_eq!(held_out.len(), ((0.2 * n as f64).round() as usize).max(1));
            assert_eq!(trained.len() + held_out.len(), n);
        }
        assert_eq!(split_by_hash(&[u64::MAX, 5, u64::MAX - 1], 0.3).1, [1]);
        assert_eq!(split_by_hash(&[9], 0.2).0.len() + split_by_hash(&[9], 0.2).1.len(), 1);
    }

    #[test]
    fn a_split_is_fixed_and_has_no_image_twice() {
        let pixels = (0..40 * 6).map(|v| v as u8).collect();
        let labels = (0..40).map(|i| (i % 3) as u8).collect();
        let images = ImageDataset::new("ramp", (3, 2, 1), pixels, Some(labels)).unwrap();
        let (train, evaluate) = images.split(30, 10).unwrap();
        let mut first: Vec<u8> = (0..30).map(|i| train.bytes(i)[0]).collect();
        first.extend((0..10).map(|i| evaluate.bytes(i)[0]));
        assert_eq!(first[..4], [150, 48, 78, 144], "the split changed: results no longer compare with older ones");
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 40);
        for i in 0..30 {
            assert_eq!(train.label(i), Some(train.bytes(i)[0] / 6 % 3));
        }
        assert!(images.split(35, 6).is_err() && images.split(0, 6).is_err() && images.split(usize::MAX, 2).is_err());
        assert_eq!(images.default_split().unwrap().1.count(), 8);
    }
}
