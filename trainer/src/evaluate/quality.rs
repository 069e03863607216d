//! The metrics of a set of images and of a generator, as `eval --json` prints them.
use super::{DiscriminatorFit, FeatureNetworkId, Intervals, Metric, Realism, SampleSource};
use crate::metrics::{SupportEstimate, Texture};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The quality of a set of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Number of images measured.
    pub samples: usize,
    /// Fréchet distance of their features to those of the held-out images. It is not a FID: see [`FeatureNetworkId`].
    pub frechet: f64,
    /// Unbiased kernel distance of the features, over `compared` images on each side.
    pub kernel: f64,
    /// Precision: share of images that lie within the manifold of real ones.
    pub precision: f64,
    /// Recall: share of real images that lie within the manifold of these images.
    pub recall: f64,
    /// Density: mean number of real neighborhoods that contain an image, divided by 3.
    pub density: f64,
    /// Coverage: share of real neighborhoods that contain an image.
    pub coverage: f64,
    /// Number of images on each side from which `kernel` to `coverage` are computed.
    pub compared: usize,
    /// Share of each class according to the classifier; empty without a classifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<f64>,
    /// KL divergence from these shares to the real ones, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_kl: Option<f64>,
    /// Share of images that the classifier recognizes as the class they were generated for; absent without classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_asked: Option<f64>,
    /// The slow metrics; absent after a quick measurement.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowMetrics>,
}

/// The slow metrics of a set of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowMetrics {
    /// Standard deviation of the kernel distance over 10 disjoint subsets of the compared images; absent if subsets are too small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_spread: Option<f64>,
    /// Sliced Wasserstein distance of patches on each level of the Laplacian pyramid, finest first; empty for images below 7 pixels.
    pub patches: Vec<f64>,
    /// Fine detail, checkerboards and flat areas.
    pub texture: Texture,
    /// Distance between the contrasts of neighboring pixels and those in held-out images.
    pub contrast: f64,
    /// Duplicates among the images, and the number of distinct images that they imply.
    pub support: SupportEstimate,
    /// Mean distance to the nearest training image, divided by that of held-out images: 1 for images as new as held-out ones, 0 for
    /// copies. Absent for training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorization: Option<f64>,
    /// Recall of the held-out images of each class; absent for classes without held-out images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_recall: Vec<Option<f64>>,
    /// The class that is rarest among real images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rare: Option<RareClass>,
}

/// Metrics of the rarest class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RareClass {
    /// Index of the class.
    pub class: usize,
    /// Name of the class.
    pub name: String,
    /// Share of the class among the held-out images.
    pub real: f64,
    /// Share of the class among the measured images, according to the classifier.
    pub share: f64,
    /// Recall of the class.
    pub recall: f64,
}

/// The int8 images that remain after rejection by the discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptedImages {
    /// Wished share of accepted images.
    pub wished_share: f64,
    /// Share of the scored images that were accepted, over all sets.
    pub share: f64,
    /// How the discriminator was fitted to the generator's images; absent if it is the trained one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<DiscriminatorFit>,
    /// How close the accepted images are to real ones. Means over the sets of latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realism: Option<Realism>,
    /// Quality of the first set.
    #[serde(flatten)]
    pub quality: Quality,
}

/// The evaluation of a generator, as a float network and as an int8 model: the JSON of `eval --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of images in a set.
    pub samples: usize,
    /// Number of held-out images.
    pub references: usize,
    /// Mean Fréchet distance of sets of the same number of real training images.
    pub floor: f64,
    /// Standard deviation of the floor over these sets; absent with a single set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_spread: Option<f64>,
    /// Quality of the float network's images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float: Option<Quality>,
    /// Quality of the int8 model's images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<Quality>,
    /// The int8 images that the discriminator accepts; absent without rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedImages>,
    /// How close the images are to real ones: int8 if they were measured, else float. Means over the sets of latents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realism: Option<Realism>,
    /// Quality of the same number of real training images: the reference value of each metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<Quality>,
    /// 95 % confidence intervals over the sets of latents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<SampleSource, Intervals>,
    /// Mean PSNR of int8 against float, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_mean_db: Option<f64>,
    /// Lowest PSNR of an image, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_min_db: Option<f64>,
    /// The feature network that the distances were measured with.
    pub features: FeatureNetworkId,
    /// Names of the classes; empty without a classifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// Accuracy of the classifier on the held-out images; absent without a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_as_labeled: Option<f64>,
}

impl Evaluation {
    /// Returns the mean of a metric over the sets of latents, or its value if there was one set.
    pub fn mean(&self, source: SampleSource, metric: Metric) -> Option<f64> {
        let quality = match source {
            SampleSource::Float => self.float.as_ref(),
            SampleSource::Int8 => self.int8.as_ref(),
            SampleSource::Accepted => self.accepted.as_ref().map(|accepted| &accepted.quality),
            SampleSource::Points => None,
        };
        let interval = self.intervals.get(&source).and_then(|i| i.get(&metric));
        interval.map(|i| i.mean).or_else(|| quality?.metric(metric))
    }
}

impl Quality {
    /// Returns the value of a metric, if it was measured.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        self.metrics().into_iter().find(|n| n.0 == metric).map(|n| n.1)
    }

    /// Returns the metrics by name; absent ones are omitted.
    pub fn metrics(&self) -> Vec<(Metric, f64)> {
        let mut list: Vec<(Metric, f64)> = [
            (Metric::Frechet, Some(self.frechet)),
            (Metric::Kernel, Some(self.kernel)),
            (Metric::Precision, Some(self.precision)),
            (Metric::Recall, Some(self.recall)),
            (Metric::Density, Some(self.density)),
            (Metric::Coverage, Some(self.coverage)),
            (Metric::ClassKl, self.class_kl),
            (Metric::AsRequested, self.as_asked),
            (Metric::Memorization, self.slow.as_ref().and_then(|s| s.memorization)),
            (Metric::Support, self.slow.as_ref().map(|s| s.support.at_least)),
            (Metric::Rare, self.slow.as_ref().and_then(|s| s.rare.as_ref()).map(|r| r.share)),
        ]
        .into_iter()
        .filter_map(|(metric, value)| Some((metric, value?)))
        .collect();
        let patches = self.slow.iter().flat_map(|s| &s.patches).enumerate();
        list.extend(patches.map(|(level, v)| (Metric::Patches(level), *v)));
        list.extend(self.classes.iter().enumerate().map(|(class, v)| (Metric::Class(class), *v)));
        list
    }
}
