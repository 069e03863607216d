//! Classifies images with an embedded classifier.
use super::extract::Extractor;
use super::network::FeatureNetwork;
use crate::data::{Dataset, ImageDataset};

/// An embedded classifier for the images of a built-in data set.
pub struct EmbeddedClassifier {
    extractor: Extractor,
    size: usize,
}

impl EmbeddedClassifier {
    /// Returns the classifier for `data`; for data without an embedded classifier, every image is of class 0.
    pub fn new(data: &ImageDataset, threads: usize) -> Self {
        let shape = [data.height(), data.width(), data.channels()];
        let network = FeatureNetwork::of(data).unwrap_or_else(|| FeatureNetwork::random(shape, 8));
        Self { extractor: Extractor::new(&network, threads), size: data.shape().iter().product() }
    }

    /// Returns the most likely class of each image in `bytes`.
    pub fn classify(&mut self, bytes: &[u8]) -> Vec<u8> {
        let n = bytes.len() / self.size;
        let seen = self.extractor.extract(n, |i| &bytes[i * self.size..][..self.size], |_, _| {});
        if seen.classes.is_empty() { vec![0; n] } else { seen.classes }
    }
}
