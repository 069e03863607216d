//! Looks at images as a whole: their proportions before they are read, and what they share.
use super::open::Source;
use super::{BuiltinDataset, ImageDataset, PackedDataset, ReadOptions, open};
use std::path::Path;

/// Parts of each side over which brightness is averaged to compare layouts.
const PARTS: usize = 8;
/// Images that are compared.
const COMPARED: usize = 1000;

/// Returns the width over the height of the images at `source`: that of the middle one, in the order of this ratio.
///
/// `None` for built-in sets and packed files, which have the size that they were made with, and for a source that cannot be read. Of a
/// folder or zip file, the headers of up to 1,000 images are read.
pub(crate) fn usual_aspect(source: &str) -> Option<f64> {
    let path = Path::new(source);
    if BuiltinDataset::from_name(source).is_some() || !path.exists() || PackedDataset::recognize(path) {
        return None;
    }
    let mut aspects: Vec<f64> = match Source::find(path, &mut Vec::new()).ok()? {
        Source::Images(folder) => folder.sizes().map(|(w, h)| w as f64 / h as f64).collect(),
        Source::Array(_) => {
            let images = open(path, &ReadOptions::default()).ok()?.images;
            vec![images.width() as f64 / images.height() as f64]
        }
    };
    aspects.sort_by(f64::total_cmp);
    aspects.get(aspects.len() / 2).copied()
}

/// Returns how much the images have their bright and dark parts in the same places: the contrast of their mean image over the mean of
/// their contrasts, on a grid of 8x8 parts.
///
/// It is 1 for copies of one image, 0.6 to 0.9 for aligned faces and for digits, and about 1/√n for n images without a common layout.
pub(crate) fn shared_layout(images: &ImageDataset) -> f64 {
    let step = images.count().div_ceil(COMPARED).max(1);
    let (mut mean, mut contrasts, mut count) = ([0.0; PARTS * PARTS], 0.0, 0.0);
    for i in (0..images.count()).step_by(step) {
        let parts = brightness(images, i);
        mean.iter_mut().zip(&parts).for_each(|(sum, part)| *sum += part);
        contrasts += contrast(&parts);
        count += 1.0;
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    contrast(&mean) * count / contrasts.max(f64::MIN_POSITIVE)
}

/// Mean level of each part of image `i`; 0 for parts of an image that is too small for them.
fn brightness(images: &ImageDataset, i: usize) -> [f64; PARTS * PARTS] {
    let (width, height, channels) = (images.width(), images.height(), images.channels());
    let (mut sums, mut counts) = ([0.0; PARTS * PARTS], [0.0f64; PARTS * PARTS]);
    for (at, pixel) in images.bytes(i).chunks_exact(channels).enumerate() {
        let part = at / width * PARTS / height * PARTS + at % width * PARTS / width;
        sums[part] += pixel.iter().map(|&level| f64::from(level)).sum::<f64>();
        counts[part] += channels as f64;
    }
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= count.max(1.0));
    sums
}

/// Standard deviation of the levels.
fn contrast(levels: &[f64]) -> f64 {
    let n = levels.len() as f64;
    let mean = levels.iter().sum::<f64>() / n;
    (levels.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{digits, faces};

    #[test]
    fn aligned_images_share_their_layout_and_noise_does_not() {
        let few = |images: ImageDataset| images.select(&(0..90).collect::<Vec<_>>());
        assert!((0.6..0.75).contains(&shared_layout(&few(faces().unwrap()))));
        assert!((0.6..0.75).contains(&shared_layout(&few(digits().unwrap()))));
        let mut noise = vec![0.0; 90 * 16 * 16];
        crate::philox::Key { seed: 1, stream: 0, step: 0 }.uniform(&mut noise);
        let noise = noise.iter().map(|v| (v * 255.0) as u8).collect();
        assert!(shared_layout(&ImageDataset::new("noise", (16, 16, 1), noise, None).unwrap()) < 0.2);
    }
}
