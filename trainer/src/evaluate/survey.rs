//! The slower measurements: patch distances, duplicates, nearest training images, and recall by class.
use super::extract::ImageFeatures;
use super::images::NEIGHBORS;
use super::quality::{RareClass, Survey};
use super::{EvaluateError, Evaluator, Quality};
use crate::data::Dataset;
use crate::metrics::{self, ConfidenceInterval, FloatImage, PATCH};
use crate::philox::Key;
use ndarray::{Array2, s};
use rayon::prelude::*;

/// Disjoint subsets over which the spread of the kernel distance is estimated.
const SUBSETS: usize = 10;
/// Most images from which patches are cut.
const PATCHED_IMAGES: usize = 1024;
/// Patches on each pyramid level.
const PATCHES: usize = 8192;
/// Directions of the sliced Wasserstein distance.
const DIRECTIONS: usize = 128;
/// Seed of patches and directions, so that every measurement uses the same ones.
const SEED: u64 = 0x7061_7463;
/// Two images nearer than this are duplicates, in units of the median distance of real images to their nearest neighbor.
const DUPLICATE: f64 = 0.5;

/// The data of the real images that every survey compares with.
pub(super) struct SurveyReference {
    /// Patches of the held-out images by pyramid level, finest first.
    patches: Vec<Array2<f64>>,
    /// Unit vectors, [dimensions of a patch, directions].
    directions: Array2<f64>,
    /// Distance of features below which two images are duplicates.
    radius: f64,
    /// Features of the training images.
    train: Array2<f64>,
    /// Mean distance of a held-out image to its nearest training image.
    held_out_distance: f64,
}

impl Evaluator {
    /// Measures `images` with all metrics. With classes, `asked` is the class that each image was generated for.
    ///
    /// `progress` receives the number of images done and of all images.
    ///
    /// # Errors
    /// The errors of [`measure`](Self::measure).
    pub fn survey(
        &mut self,
        images: &[u8],
        asked: Option<&[u8]>,
        progress: impl FnMut(usize, usize),
    ) -> Result<Quality, EvaluateError> {
        let seen = self.extract(images, progress)?;
        let reference = self.survey_reference.take().unwrap_or_else(|| self.prepare_survey());
        let size: usize = self.held_out.shape().iter().product();
        let near = metrics::nearest(seen.features.view(), reference.train.view());
        let survey = Survey {
            memorization: Some(near.iter().sum::<f64>() / near.len() as f64 / reference.held_out_distance)
                .filter(|r| r.is_finite()),
            ..self.survey_features(&seen, &reference, |i| &images[i * size..][..size])
        };
        self.survey_reference = Some(reference);
        let quality = asked.map_or_else(|| self.quality(&seen), |asked| self.quality_of_classes(&seen, asked));
        Ok(Quality { survey: Some(survey), ..quality })
    }

    /// Measures the first `n` real training images with all metrics.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn survey_real(&mut self, n: usize) -> Result<Quality, EvaluateError> {
        let n = n.min(self.train.count());
        self.check_count("real training images", n)?;
        let train = self.train.clone();
        let seen = self.extractor.extract(n, |i| train.bytes(i), |_, _| {});
        let reference = self.survey_reference.take().unwrap_or_else(|| self.prepare_survey());
        let survey = self.survey_features(&seen, &reference, |i| train.bytes(i));
        self.survey_reference = Some(reference);
        Ok(Quality { survey: Some(survey), ..self.quality(&seen) })
    }

    /// Computes what surveys compare with.
    fn prepare_survey(&mut self) -> SurveyReference {
        let train = &self.train;
        let train_features = self.extractor.extract(train.count(), |i| train.bytes(i), |_, _| {}).features;
        let real = self.reference.features.view();
        let mut apart = metrics::nearest_others(real);
        apart.sort_by(f64::total_cmp);
        let near = metrics::nearest(real, train_features.view());
        let shape = [self.held_out.height(), self.held_out.width(), self.held_out.channels()];
        let held_out = &self.held_out;
        SurveyReference {
            patches: cut_patches(shape, held_out.count(), |i| held_out.bytes(i)),
            directions: directions(PATCH * PATCH * shape[2]),
            radius: DUPLICATE * apart[apart.len() / 2],
            train: train_features,
            held_out_distance: near.iter().sum::<f64>() / near.len() as f64,
        }
    }

    /// Computes the survey of images, except memorization.
    fn survey_features<'a>(
        &self,
        seen: &ImageFeatures,
        reference: &SurveyReference,
        image: impl Fn(usize) -> &'a [u8] + Sync,
    ) -> Survey {
        let n = seen.features.nrows();
        let compared = self.compared(seen);
        let (real, made) = (self.reference.features.slice(s![..compared, ..]), seen.features.slice(s![..compared, ..]));
        let shape = [self.held_out.height(), self.held_out.width(), self.held_out.channels()];
        let patches = cut_patches(shape, n, image);
        let class_recall = self.recall_of_classes(seen);
        Survey {
            kernel_spread: ConfidenceInterval::of(&metrics::kernel_of_subsets(real, made, SUBSETS)).map(|i| i.spread),
            patches: patches
                .iter()
                .zip(&reference.patches)
                .map(|(a, b)| metrics::sliced_along(a.view(), b.view(), reference.directions.view()))
                .collect(),
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

    /// Returns how well the class that is rarest among real images is reproduced.
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

/// Returns random unit vectors, uniformly distributed.
fn directions(dimensions: usize) -> Array2<f64> {
    let mut values = vec![0.0; dimensions * DIRECTIONS];
    Key { seed: SEED, stream: 0, step: 0 }.normal(&mut values);
    let mut all = Array2::from_shape_fn((dimensions, DIRECTIONS), |(i, k)| f64::from(values[k * dimensions + i]));
    for mut direction in all.columns_mut() {
        let length = direction.dot(&direction).sqrt();
        direction /= length;
    }
    all
}

/// Returns patches of the first of `n` images by pyramid level, finest first.
fn cut_patches<'a>(shape: [usize; 3], n: usize, image: impl Fn(usize) -> &'a [u8] + Sync) -> Vec<Array2<f64>> {
    let [h, w, _] = shape;
    let levels = metrics::pyramid_levels(h, w);
    if levels == 0 {
        return Vec::new();
    }
    let n = n.min(PATCHED_IMAGES);
    let plane = |i| FloatImage { shape, values: image(i).iter().map(|&b| f32::from(b) / 127.5 - 1.0).collect() };
    let pyramids: Vec<Vec<FloatImage>> =
        (0..n).into_par_iter().map(|i| metrics::laplacian_pyramid(plane(i), levels)).collect();
    let level = |level: usize| {
        let planes: Vec<FloatImage> = pyramids.iter().map(|p| p[level].clone()).collect();
        let [h, w, _] = planes[0].shape;
        let key = Key { seed: SEED, stream: 1, step: level as u64 };
        let corner = |i: usize| {
            let at = key.below(i as u32, (h - PATCH + 1) * (w - PATCH + 1));
            (i % n, at / (w - PATCH + 1), at % (w - PATCH + 1))
        };
        metrics::patches(&planes, &(0..PATCHES).map(corner).collect::<Vec<_>>())
    };
    (0..levels).map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, ImageDataset};

    fn digits() -> (ImageDataset, ImageDataset) {
        data::digits().unwrap().usual_split().unwrap()
    }

    fn bytes(set: &ImageDataset, which: impl Iterator<Item = usize>) -> Vec<u8> {
        which.flat_map(|i| set.bytes(i).to_vec()).collect()
    }

    #[test]
    fn each_defect_shows_in_its_own_number() {
        let (train, held_out) = digits();
        let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
        let real = evaluator.survey_real(600).unwrap();
        let survey = real.survey.clone().unwrap();
        assert_eq!((survey.patches.len(), survey.class_recall.len(), survey.memorization), (2, 10, None));
        assert!(survey.patches.iter().all(|d| (0.0..0.05).contains(d)), "{survey:?}");
        assert!(survey.kernel_spread.unwrap() > 0.0 && survey.support.at_least > 2000.0, "{survey:?}");

        // Held-out digits are by other writers and as far from the training images as any.
        let honest = evaluator.survey(&bytes(&held_out, 0..600), None, |_, _| {}).unwrap().survey.unwrap();
        assert!((0.9..1.1).contains(&honest.memorization.unwrap()), "{honest:?}");
        let copies = evaluator.survey(&bytes(&train, 0..600), None, |_, _| {}).unwrap().survey.unwrap();
        assert!(copies.memorization.unwrap() < 0.01, "{copies:?}");

        // 40 images, 15 times each: the support is 40.
        let repeated = evaluator.survey(&bytes(&train, (0..600).map(|i| i % 40)), None, |_, _| {}).unwrap();
        let support = repeated.survey.unwrap().support;
        assert!((20.0..43.0).contains(&support.size.unwrap()), "{support:?}");

        // Every second pixel is lighter: the finest patches differ.
        let mut striped = bytes(&held_out, 0..600);
        striped.chunks_mut(2).for_each(|pair| pair[0] = pair[0].saturating_add(60));
        let striped = evaluator.survey(&striped, None, |_, _| {}).unwrap().survey.unwrap();
        assert!(striped.patches[0] > 5.0 * survey.patches[0], "{:?} {:?}", striped.patches, survey.patches);
    }

    #[test]
    fn a_rare_class_that_was_dropped_is_missed() {
        let (train, held_out) = digits();
        // Sevens become 2 % of the held-out images.
        let sevens: Vec<usize> = (0..held_out.count()).filter(|&i| held_out.label(i) == Some(7)).collect();
        let others: Vec<usize> = (0..held_out.count()).filter(|&i| held_out.label(i) != Some(7)).collect();
        let keep = others.len() / 49;
        let rare = held_out.select(&[&others[..], &sevens[..keep]].concat());
        let mut evaluator = Evaluator::new(&rare, &train, 0).unwrap();
        let mut of = |keep: &dyn Fn(usize, u8) -> bool| {
            let which = (0..train.count()).filter(|&i| keep(i, train.label(i).unwrap())).take(1500);
            evaluator.survey(&bytes(&train, which), None, |_, _| {}).unwrap().survey.unwrap()
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
        let survey = evaluator.survey(&bytes(&train, 0..200), None, |_, _| {}).unwrap().survey.unwrap();
        assert!(survey.patches.is_empty() && survey.class_recall.is_empty() && survey.rare.is_none());
    }
}
