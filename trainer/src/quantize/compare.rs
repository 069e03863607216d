//! Compares the images of an integer model, drawn by `ganlet-runtime`, with those of the float network.
use super::{QuantizeError, calibrate::parallel, float::Forward, net::FloatNet};
use ganlet_runtime::{Generator, Model};

/// Peak signal-to-noise ratio of int8 images against float images: 8-bit pixels, peak 255, at most 99 dB per image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PsnrSummary {
    /// Mean over the images, in dB.
    pub mean_db: f64,
    /// Lowest value of an image, in dB.
    pub min_db: f64,
    /// Number of images compared.
    pub images: u32,
    /// Whether all int8 images are the same.
    pub constant: bool,
}

/// The float network's images of some seeds.
pub(super) struct FloatImages {
    seeds: Vec<u32>,
    images: Vec<Vec<u8>>,
}

/// Images per task.
const TASK: usize = 16;

impl FloatImages {
    pub(super) fn new(net: &FloatNet, seeds: impl IntoIterator<Item = u32>) -> Self {
        let seeds: Vec<_> = seeds.into_iter().collect();
        let forward = Forward::new(net);
        let images = parallel(seeds.len(), |i| net.pixels(&forward.run(&net.inputs_of_seed(seeds[i]), |_, _, _| {})));
        Self { seeds, images }
    }

    /// Draws the same seeds with the model in `file` and compares the images.
    pub(super) fn compare(&self, file: &[u8]) -> Result<PsnrSummary, QuantizeError> {
        let (all, sums): (Vec<f64>, Vec<u32>) = self.images_of(file)?.into_iter().unzip();
        let images = all.len() as u32;
        let constant = images > 1 && sums.iter().all(|sum| *sum == sums[0]);
        let mean_db = all.iter().sum::<f64>() / f64::from(images.max(1));
        Ok(PsnrSummary { mean_db, min_db: all.iter().copied().fold(99.0, f64::min), images, constant })
    }

    /// Returns the PSNR in dB of each seed's image, drawn with the model in `file`.
    pub(super) fn decibels(&self, file: &[u8]) -> Result<Vec<f64>, QuantizeError> {
        Ok(self.images_of(file)?.into_iter().map(|(decibels, _)| decibels).collect())
    }

    /// Returns the PSNR in dB and a checksum of each seed's image, drawn with the model in `file`.
    fn images_of(&self, file: &[u8]) -> Result<Vec<(f64, u32)>, QuantizeError> {
        let model = Model::from_bytes(file)?;
        let pieces = parallel(self.images.len().div_ceil(TASK), |piece| {
            let mut arena = vec![0; model.arena_len()];
            let Ok(mut generator) = Generator::new(&model, &mut arena) else { return Vec::new() };
            let first = piece * TASK;
            let references = self.images.iter().enumerate().skip(first).take(TASK);
            references
                .map(|(i, reference)| {
                    let mut rows = generator.rows(&model.latent(self.seeds[i]));
                    let mut rest = reference.as_slice();
                    let (mut squares, mut sum) = (0u64, flate2::Crc::new());
                    while let Some(row) = rows.next_row() {
                        let (wanted, after) = rest.split_at(row.len().min(rest.len()));
                        squares += wanted.iter().zip(row).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
                        sum.update(row);
                        rest = after;
                    }
                    (decibels(squares as f64 / reference.len() as f64), sum.sum())
                })
                .collect::<Vec<_>>()
        });
        Ok(pieces.into_iter().flatten().collect())
    }
}

fn decibels(mean_square: f64) -> f64 {
    if mean_square > 0.0 { (10.0 * (255.0 * 255.0 / mean_square).log10()).min(99.0) } else { 99.0 }
}
