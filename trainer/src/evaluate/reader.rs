//! Reads digits: the embedded classifier as a function of pictures.
use super::extract::Extractor;
use super::network::FeatureNetwork;
use crate::data::{Dataset, ImageDataset};

/// The classifier of an embedded data set.
pub struct DigitReader {
    extractor: Extractor,
    size: usize,
}

impl DigitReader {
    /// The classifier of `data`; for data that has none, it reads everything as class 0.
    pub fn new(data: &ImageDataset, threads: usize) -> Self {
        let shape = [data.height(), data.width(), data.channels()];
        let network = FeatureNetwork::of(data).unwrap_or_else(|| FeatureNetwork::random(shape, 8));
        Self { extractor: Extractor::new(&network, threads), size: data.shape().iter().product() }
    }

    /// The likeliest class of each picture of `bytes`.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<u8> {
        let n = bytes.len() / self.size;
        let seen = self.extractor.see(n, |i| &bytes[i * self.size..][..self.size], |_, _| {});
        if seen.classes.is_empty() { vec![0; n] } else { seen.classes }
    }
}
