//! Measures 8-bit images against held-out real ones.
use super::extract::{Extractor, ImageFeatures};
use super::network::{FEWEST_FEATURES, FeatureNetwork, FeatureNetworkId};
use super::slow_reference::SlowReference;
use super::{EvaluateError, Quality};
use crate::data::{Dataset, ImageDataset};
use crate::metrics::{ClassHistogram, FeatureMoments, Memorization, kernel_distance, memorization, precision_recall};
use ndarray::{ArrayView2, s};

/// The k of k-nearest-neighbor neighborhoods (Kynkäänniemi et al. 2019).
pub(super) const NEIGHBORS: usize = 3;
/// Maximum number of images on each side that are compared pair by pair; the work grows quadratically.
const COMPARED: usize = 2000;
/// Maximum number of sets of real images over which the floor is averaged.
const FLOOR_SETS: usize = 8;

/// Measures images against held-out real ones, whose features are computed once.
pub struct Evaluator {
    pub(super) extractor: Extractor,
    identity: FeatureNetworkId,
    pub(super) train: ImageDataset,
    /// The held-out images, and their features below.
    pub(super) held_out: ImageDataset,
    pub(super) reference: ImageFeatures,
    moments: FeatureMoments,
    /// Held-out images of each class; empty without a classifier.
    pub(super) class_counts: Vec<f64>,
    /// Accuracy of the classifier on the held-out images.
    as_labeled: Option<f64>,
    /// Data of the real images for the slow metrics; computed at their first use.
    pub(super) slow_reference: Option<SlowReference>,
}

impl Evaluator {
    /// Computes the features of `reference`, the held-out set; `train` is the training set. 0 threads means one per core.
    ///
    /// # Errors
    /// If the sets have different shapes, or `reference` is too small for any feature network.
    pub fn new(reference: &ImageDataset, train: &ImageDataset, threads: usize) -> Result<Self, EvaluateError> {
        if reference.shape() != train.shape() {
            return Err(EvaluateError::Unsuitable {
                subject: "images against held-out ones",
                found: format!("training images of {:?} [height, width, channels]", train.shape()),
                expected: format!("{:?}, as the held-out images", reference.shape()),
                remedy: "split one data set into both".into(),
            });
        }
        let network = FeatureNetwork::of(reference);
        let features = network.as_ref().map_or(FEWEST_FEATURES, |n| n.identity.features);
        let Some(network) = network.filter(|_| reference.count() >= 2 * features) else {
            return Err(EvaluateError::too_few(
                "images against held-out ones",
                reference.count(),
                2 * features,
                &format!("two for each of {features} features"),
                "add images: a fifth of a data set is held out, so this needs about five times as many",
            ));
        };
        let mut extractor = Extractor::new(&network, threads);
        let seen = extractor.extract(reference.count(), |i| reference.bytes(i), |_, _| {});
        let mut class_counts = vec![0.0; network.classes];
        if network.classes > 0 {
            (0..reference.count())
                .filter_map(|i| reference.label(i))
                .for_each(|label| class_counts[usize::from(label)] += 1.0);
        }
        let labels: Option<Vec<u8>> = (0..seen.classes.len()).map(|i| reference.label(i)).collect();
        Ok(Self {
            as_labeled: labels.and_then(|labels| agreement(&seen.classes, &labels)),
            extractor,
            identity: network.identity,
            train: train.clone(),
            held_out: reference.clone(),
            slow_reference: None,
            moments: FeatureMoments::of(seen.features.view()),
            reference: seen,
            class_counts,
        })
    }

    /// Returns the identity of the feature network.
    pub fn identity(&self) -> &FeatureNetworkId {
        &self.identity
    }

    /// Returns the number of held-out images.
    pub fn references(&self) -> usize {
        self.reference.features.nrows()
    }

    /// Returns the minimum number of images for a measurement: twice the number of features, for the covariance.
    pub fn min_samples(&self) -> usize {
        2 * self.identity.features
    }

    /// Returns the names of the classes of [`Quality::classes`]; empty without a classifier.
    pub fn class_names(&self) -> &[String] {
        if self.class_counts.is_empty() { &[] } else { self.held_out.label_names() }
    }

    /// Returns the mean Fréchet distance of `n` real training images: the lowest distance that `n` generated images can be
    /// expected to reach.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn floor(&mut self, n: usize) -> Result<f64, EvaluateError> {
        let floors = self.floors(n)?;
        Ok(floors.iter().sum::<f64>() / floors.len() as f64)
    }

    /// Returns the Fréchet distances of up to 8 disjoint sets of `n` real training images. A single distance varies by a third.
    ///
    /// If there are fewer than `n` training images, all of them form one set.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn floors(&mut self, n: usize) -> Result<Vec<f64>, EvaluateError> {
        let n = n.min(self.train.count());
        self.check_count("real training images", n)?;
        let sets = (self.train.count() / n).clamp(1, FLOOR_SETS);
        let train = &self.train;
        let seen = self.extractor.extract(sets * n, |i| train.bytes(i), |_, _| {});
        let distance = |set: usize| {
            let part = seen.features.slice(s![set * n..(set + 1) * n, ..]);
            FeatureMoments::of(part).distance(&self.moments)
        };
        Ok((0..sets).map(distance).collect())
    }

    /// Measures the first `n` real training images.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn measure_real(&mut self, n: usize) -> Result<Quality, EvaluateError> {
        let n = n.min(self.train.count());
        self.check_count("real training images", n)?;
        let train = &self.train;
        let seen = self.extractor.extract(n, |i| train.bytes(i), |_, _| {});
        Ok(self.quality(&seen))
    }

    /// Measures `images`, [n, height, width, channels]. `progress` receives the number of finished images and n.
    ///
    /// # Errors
    /// If there are too few images, or their bytes are not a whole number of images.
    pub fn measure(&mut self, images: &[u8], progress: impl FnMut(usize, usize)) -> Result<Quality, EvaluateError> {
        let seen = self.extract(images, progress)?;
        Ok(self.quality(&seen))
    }

    /// Measures images that were generated for the classes `requested`, one class per image.
    ///
    /// # Errors
    /// The errors of [`measure`](Self::measure).
    pub fn measure_classes(&mut self, images: &[u8], requested: &[u8]) -> Result<Quality, EvaluateError> {
        let seen = self.extract(images, |_, _| {})?;
        Ok(self.quality_of_classes(&seen, requested))
    }

    /// Returns the accuracy of the classifier on the held-out images; `None` without a classifier.
    pub fn real_as_labeled(&self) -> Option<f64> {
        self.as_labeled
    }

    /// Compares the distances of `images` and of held-out images to the training images, in feature space.
    ///
    /// # Errors
    /// The errors of [`measure`](Self::measure).
    pub fn memorization(
        &mut self,
        images: &[u8],
        progress: impl FnMut(usize, usize),
    ) -> Result<Memorization, EvaluateError> {
        let seen = self.extract(images, |_, _| {})?;
        let train = &self.train;
        let known = self.extractor.extract(train.count(), |i| train.bytes(i), progress);
        Ok(memorization(known.features.view(), seen.features.view(), self.reference.features.view()))
    }

    /// Returns the features of images after checking their number.
    pub(super) fn extract(
        &mut self,
        images: &[u8],
        progress: impl FnMut(usize, usize),
    ) -> Result<ImageFeatures, EvaluateError> {
        let size: usize = self.train.shape().iter().product();
        if !images.len().is_multiple_of(size) {
            return Err(EvaluateError::Unsuitable {
                subject: "generated images",
                found: format!("{} bytes", images.len()),
                expected: format!("whole images of {:?} bytes [height, width, channels]", self.train.shape()),
                remedy: "evaluate a generator on the data that it was trained on".into(),
            });
        }
        let n = images.len() / size;
        self.check_count("generated images", n)?;
        Ok(self.extractor.extract(n, |i| &images[i * size..][..size], progress))
    }

    /// Checks that `n` images are enough.
    pub(super) fn check_count(&self, subject: &'static str, n: usize) -> Result<(), EvaluateError> {
        if n >= self.min_samples() {
            return Ok(());
        }
        let why = format!("two for each of {} features", self.identity.features);
        Err(EvaluateError::too_few(
            subject,
            n,
            self.min_samples(),
            &why,
            "evaluate more samples, as with --samples 2000",
        ))
    }

    /// Returns the number of images on each side that are compared pair by pair.
    pub(super) fn compared(&self, seen: &ImageFeatures) -> usize {
        COMPARED.min(seen.features.nrows()).min(self.references())
    }

    /// Computes the quality of images that were generated for the classes `requested`.
    pub(super) fn quality_of_classes(&self, seen: &ImageFeatures, requested: &[u8]) -> Quality {
        Quality { as_asked: agreement(&seen.classes, requested), ..self.quality(seen) }
    }

    /// Computes the quality of images from their features.
    pub(super) fn quality(&self, seen: &ImageFeatures) -> Quality {
        let compared = self.compared(seen);
        let (real, made) = (self.reference.features.slice(s![..compared, ..]), seen.features.slice(s![..compared, ..]));
        let near = |real: ArrayView2<'_, f64>, made: ArrayView2<'_, f64>| precision_recall(real, made, NEIGHBORS);
        let far = || (kernel_distance(real, made), FeatureMoments::of(seen.features.view()).distance(&self.moments));
        let (near, (kernel, frechet)) = if self.extractor.threads() > 1 {
            rayon::join(|| near(real, made), far)
        } else {
            (near(real, made), far())
        };
        let classes = (!self.class_counts.is_empty()).then(|| ClassHistogram::of(&seen.classes, &self.class_counts));
        Quality {
            samples: seen.features.nrows(),
            frechet,
            kernel,
            precision: near.precision,
            recall: near.recall,
            density: near.density,
            coverage: near.coverage,
            compared,
            class_kl: classes.as_ref().map(|c| c.kl).filter(|kl| kl.is_finite()),
            classes: classes.map_or_else(Vec::new, |c| c.shares),
            as_asked: None,
            slow: None,
        }
    }
}

/// Returns the share of equal entries; `None` if the lists are empty or of different lengths.
fn agreement(seen: &[u8], wanted: &[u8]) -> Option<f64> {
    let same = seen.iter().zip(wanted).filter(|(a, b)| a == b).count();
    (!seen.is_empty() && seen.len() == wanted.len()).then(|| same as f64 / seen.len() as f64)
}
