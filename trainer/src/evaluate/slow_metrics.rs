//! The slow metrics: patch distances, duplicates, nearest training images, and recall by class.
use super::extract::ImageFeatures;
use super::images::NEIGHBORS;
use super::quality::{RareClass, SlowMetrics};
use super::slow_reference::{DUPLICATE, PATCHED_IMAGES, SlowReference, cut_patches, directions};
use super::{EvaluateError, Evaluator, Quality};
use crate::data::Dataset;
use crate::metrics::{self, ConfidenceInterval, PATCH};
use ndarray::s;

/// Number of disjoint subsets from which the spread of the kernel distance is estimated.
const SUBSETS: usize = 10;

impl Evaluator {
    /// Measures `images` with all metrics, including the slow ones. With classes, `requested` is the class that each image was
    /// generated for.
    ///
    /// `progress` receives the number of finished images and of all images.
    ///
    /// # Errors
    /// The errors of [`measure`](Self::measure).
    pub fn measure_all_metrics(
        &mut self,
        images: &[u8],
        requested: Option<&[u8]>,
        progress: impl FnMut(usize, usize),
    ) -> Result<Quality, EvaluateError> {
        let seen = self.extract(images, progress)?;
        let reference = self.slow_reference.take().unwrap_or_else(|| self.prepare_slow_reference());
        let size: usize = self.held_out.shape().iter().product();
        let near = metrics::nearest(seen.features.view(), reference.train.view());
        let slow = SlowMetrics {
            memorization: Some(near.iter().sum::<f64>() / near.len() as f64 / reference.held_out_distance)
                .filter(|r| r.is_finite()),
            ..self.slow_metrics(&seen, &reference, |i| &images[i * size..][..size])
        };
        self.slow_reference = Some(reference);
        let quality =
            requested.map_or_else(|| self.quality(&seen), |requested| self.quality_of_classes(&seen, requested));
        Ok(Quality { slow: Some(slow), ..quality })
    }

    /// Measures the first `n` real training images with all metrics.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn measure_real_all_metrics(&mut self, n: usize) -> Result<Quality, EvaluateError> {
        let n = n.min(self.train.count());
        self.check_count("real training images", n)?;
        let train = self.train.clone();
        let seen = self.extractor.extract(n, |i| train.bytes(i), |_, _| {});
        let reference = self.slow_reference.take().unwrap_or_else(|| self.prepare_slow_reference());
        let slow = self.slow_metrics(&seen, &reference, |i| train.bytes(i));
        self.slow_reference = Some(reference);
        Ok(Quality { slow: Some(slow), ..self.quality(&seen) })
    }

    /// Computes the data of the real images.
    fn prepare_slow_reference(&mut self) -> SlowReference {
        let train = &self.train;
        let train_features = self.extractor.extract(train.count(), |i| train.bytes(i), |_, _| {}).features;
        let real = self.reference.features.view();
        let mut apart = metrics::nearest_others(real);
        apart.sort_by(f64::total_cmp);
        let near = metrics::nearest(real, train_features.view());
        let shape = [self.held_out.height(), self.held_out.width(), self.held_out.channels()];
        let held_out = &self.held_out;
        SlowReference {
            patches: cut_patches(shape, held_out.count(), |i| held_out.bytes(i)),
            contrast: metrics::texture(shape, held_out.count().min(PATCHED_IMAGES), |i| held_out.bytes(i)).1,
            directions: directions(PATCH * PATCH * shape[2]),
            radius: DUPLICATE * apart[apart.len() / 2],
            train: train_features,
            held_out_distance: near.iter().sum::<f64>() / near.len() as f64,
        }
    }

    /// Computes the slow metrics of images, except memorization.
    fn slow_metrics<'a>(
        &self,
        seen: &ImageFeatures,
        reference: &SlowReference,
        image: impl Fn(usize) -> &'a [u8] + Sync,
    ) -> SlowMetrics {
        let n = seen.features.nrows();
        let compared = self.compared(seen);
        let (real, made) = (self.reference.features.slice(s![..compared, ..]), seen.features.slice(s![..compared, ..]));
        let shape = [self.held_out.height(), self.held_out.width(), self.held_out.channels()];
        let patches = cut_patches(shape, n, &image);
        let (texture, contrast) = metrics::texture(shape, n.min(PATCHED_IMAGES), &image);
        let class_recall = self.recall_of_classes(seen);
        SlowMetrics {
            kernel_spread: ConfidenceInterval::of(&metrics::kernel_of_subsets(real, made, SUBSETS)).map(|i| i.spread),
            patches: patches
                .iter()
                .zip(&reference.patches)
                .map(|(a, b)| metrics::sliced_along(a.view(), b.view(), reference.directions.view()))
                .collect(),
            contrast: contrast.distance(&reference.contrast),
            texture,
            support: metrics::support_size(made, reference.radius),
            memorization: None,
            rare: self.rarest(seen, &class_recall),
            class_recall,
        }
    }

    /// Returns the recall of the held-out images of each class; `None` for classes without held-out images.
    fn recall_of_classes(&self, seen: &ImageFeatures) -> Vec<Option<f64>> {
        if self.class_counts.is_empty() {
            return Vec::new();
        }
        let made = seen.features.slice(s![..self.compared(seen), ..]);
        let recalled = metrics::recalled(self.reference.features.view(), made, NEIGHBORS);
        let mut found = vec![(0_u32, 0_u32); self.class_counts.len()];
        for (i, inside) in recalled.into_iter().enumerate() {
            if let Some(label) = self.held_out.label(i) {
                let (all, there) = &mut found[usize::from(label)];
                *all += 1;
                *there += u32::from(inside);
            }
        }
        found.into_iter().map(|(all, there)| (all > 0).then(|| f64::from(there) / f64::from(all))).collect()
    }

    /// Returns the metrics of the class that is rarest among real images.
    fn rarest(&self, seen: &ImageFeatures, recall: &[Option<f64>]) -> Option<RareClass> {
        let there = self.class_counts.iter().enumerate().filter(|(_, n)| **n > 0.0);
        let (class, count) = there.min_by(|a, b| a.1.total_cmp(b.1))?;
        let share =
            seen.classes.iter().filter(|&&c| usize::from(c) == class).count() as f64 / seen.classes.len() as f64;
        Some(RareClass {
            class,
            name: self.held_out.label_names().get(class)?.clone(),
            real: count / self.class_counts.iter().sum::<f64>(),
            share,
            recall: recall.get(class).copied().flatten()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, ImageDataset};

    fn digits() -> (ImageDataset, ImageDataset) {
        data::digits().unwrap().default_split().unwrap()
    }

    fn bytes(set: &ImageDataset, which: impl Iterator<Item = usize>) -> Vec<u8> {
        which.flat_map(|i| set.bytes(i).to_vec()).collect()
    }

    #[test]
    fn each_defect_changes_its_own_metric() {
        let (train, held_out) = digits();
        let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
        let real = evaluator.measure_real_all_metrics(600).unwrap();
        let slow = real.slow.clone().unwrap();
        assert_eq!((slow.patches.len(), slow.class_recall.len(), slow.memorization), (2, 10, None));
        assert!(slow.patches.iter().all(|d| (0.0..0.05).contains(d)), "{slow:?}");
        assert!(slow.kernel_spread.unwrap() > 0.0 && slow.support.at_least > 2000.0, "{slow:?}");

        // Held-out digits have other writers and the normal distance to the training images.
        let unseen = evaluator.measure_all_metrics(&bytes(&held_out, 0..600), None, |_, _| {}).unwrap().slow.unwrap();
        assert!((0.9..1.1).contains(&unseen.memorization.unwrap()), "{unseen:?}");
        let copies = evaluator.measure_all_metrics(&bytes(&train, 0..600), None, |_, _| {}).unwrap().slow.unwrap();
        assert!(copies.memorization.unwrap() < 0.01, "{copies:?}");

        // 40 images, 15 times each: the support is 40.
        let repeated =
            evaluator.measure_all_metrics(&bytes(&train, (0..600).map(|i| i % 40)), None, |_, _| {}).unwrap();
        let support = repeated.slow.unwrap().support;
        assert!((20.0..43.0).contains(&support.size.unwrap()), "{support:?}");

        // Every second pixel is lighter: the finest patches differ.
        let mut striped = bytes(&held_out, 0..600);
        striped.chunks_mut(2).for_each(|pair| pair[0] = pair[0].saturating_add(60));
        let striped = evaluator.measure_all_metrics(&striped, None, |_, _| {}).unwrap().slow.unwrap();
        assert!(striped.patches[0] > 5.0 * slow.patches[0], "{:?} {:?}", striped.patches, slow.patches);
    }

    #[test]
    fn a_dropped_rare_class_is_detected() {
        let (train, held_out) = digits();
        // Sevens become 2 % of the held-out images.
        let sevens: Vec<usize> = (0..held_out.count()).filter(|&i| held_out.label(i) == Some(7)).collect();
        let others: Vec<usize> = (0..held_out.count()).filter(|&i| held_out.label(i) != Some(7)).collect();
        let keep = others.len() / 49;
        let rare = held_out.select(&[&others[..], &sevens[..keep]].concat());
        let mut evaluator = Evaluator::new(&rare, &train, 0).unwrap();
        let mut of = |keep: &dyn Fn(usize, u8) -> bool| {
            let which = (0..train.count()).filter(|&i| keep(i, train.label(i).unwrap())).take(1500);
            evaluator.measure_all_metrics(&bytes(&train, which), None, |_, _| {}).unwrap().slow.unwrap()
        };
        let (with, without) = (of(&|i, label| label != 7 || i % 5 == 0), of(&|_, label| label != 7));
        let (kept, lost) = (with.rare.unwrap(), without.rare.unwrap());
        assert_eq!((kept.class, kept.name.as_str()), (7, "7"));
        assert!((kept.real - 0.02).abs() < 0.001 && (0.01..0.04).contains(&kept.share), "{kept:?}");
        assert!(lost.share < 0.008 && lost.recall < 0.6 * kept.recall, "{kept:?} {lost:?}");
        assert!((with.class_recall[3].unwrap() - without.class_recall[3].unwrap()).abs() < 0.1);
    }

    #[test]
    fn small_images_have_no_patches_and_unlabeled_ones_no_class_recall() {
        let (train, held_out) = data::blobs(6, 6, 3, 600, 4).split(400, 200).unwrap();
        let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
        let slow = evaluator.measure_all_metrics(&bytes(&train, 0..200), None, |_, _| {}).unwrap().slow.unwrap();
        assert!(slow.patches.is_empty() && slow.class_recall.is_empty() && slow.rare.is_none());
    }
}
