//! Warnings about the quality of an exported model.
use crate::evaluate::Evaluation;
use crate::quantize::{PsnrSummary, QuantizationReport, UnevenWeights};
use crate::text::grouped;
use std::fmt;

/// Mean PSNR in dB below which int8 images visibly differ from float images.
pub const LEAST_PSNR_DB: f64 = 35.0;
/// Relative change of the Fréchet distance above which quantization has changed the distribution of images.
pub const LARGEST_DISTANCE_CHANGE: f64 = 0.05;

/// A way in which the int8 images of an exported model differ from those of the float network, or are of no use.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum QualityWarning {
    /// The mean PSNR is below [`LEAST_PSNR_DB`].
    LowPsnr {
        /// Mean PSNR in dB.
        mean_db: f64,
        /// The layer whose weights are the most uneven.
        uneven: Option<UnevenWeights>,
    },
    /// The Fréchet distance changes by more than [`LARGEST_DISTANCE_CHANGE`], and by more than chance explains.
    DistanceChanged {
        /// Distance of the float images.
        float: f64,
        /// Distance of the int8 images.
        int8: f64,
    },
    /// All int8 images are the same.
    Constant {
        /// Number of images that were compared.
        images: u32,
    },
}

impl QualityWarning {
    /// Returns the warnings about a quantized model; `evaluation` is that of the float network and the model, if it was measured.
    pub fn all(report: &QuantizationReport, evaluation: Option<&Evaluation>) -> Vec<Self> {
        let PsnrSummary { mean_db, images, constant, .. } = report.psnr;
        let constant = constant.then_some(Self::Constant { images });
        let low = (mean_db < LEAST_PSNR_DB).then(|| Self::LowPsnr { mean_db, uneven: report.uneven.clone() });
        let spread = evaluation.and_then(|e| e.floor_spread).unwrap_or(0.0);
        let distances = evaluation.and_then(|e| Some((e.float.as_ref()?.frechet, e.int8.as_ref()?.frechet)));
        let lossy = low.into_iter().chain(distances.and_then(|(float, int8)| Self::of_distances(float, int8, spread)));
        constant.into_iter().chain(lossy).collect()
    }

    /// `spread` is the standard deviation of the distance of real images.
    fn of_distances(float: f64, int8: f64, spread: f64) -> Option<Self> {
        let largest = (LARGEST_DISTANCE_CHANGE * float).max(spread);
        ((int8 - float).abs() > largest).then_some(Self::DistanceChanged { float, int8 })
    }
}

impl fmt::Display for QualityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowPsnr { mean_db, uneven } => {
                write!(f, "the int8 images differ visibly from the float images: PSNR {mean_db:.1} dB, expected ")?;
                write!(f, "{LEAST_PSNR_DB} dB or more")?;
                if let Some(UnevenWeights { layer, kind, ratio }) = uneven {
                    write!(
                        f,
                        "; the most uneven weights are in layer {layer} ({kind}): in one of its outputs the largest "
                    )?;
                    write!(f, "weight is {ratio:.0} times their median, and eight bits have to represent both")?;
                }
                Ok(())
            }
            Self::Constant { images } => write!(
                f,
                "all {} images are the same: the generator ignores its latent, or one of its layers is constant",
                grouped(*images as usize)
            ),
            Self::DistanceChanged { float, int8 } => write!(
                f,
                "quantization changes the Fréchet distance by {:.1} %, from {float:.2} to {int8:.2}; expected at most {:.0} %",
                100.0 * (int8 - float).abs() / float,
                100.0 * LARGEST_DISTANCE_CHANGE
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_that_changes_by_more_than_five_percent_is_reported() {
        assert_eq!(QualityWarning::of_distances(2.0, 2.09, 0.0), None);
        assert_eq!(QualityWarning::of_distances(2.0, 1.91, 0.0), None);
        let warning = QualityWarning::of_distances(2.0, 2.5, 0.16).unwrap();
        let expected = "quantization changes the Fréchet distance by 25.0 %, from 2.00 to 2.50; expected at most 5 %";
        assert_eq!(warning.to_string(), expected);
        assert!(QualityWarning::of_distances(2.0, 1.8, 0.0).is_some());
        assert_eq!(QualityWarning::of_distances(0.65, 0.61, 0.16), None);
    }
}
