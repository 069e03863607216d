//! Peak signal-to-noise ratio of 8-bit images.

/// The maximum PSNR, in dB. It is the value for equal images, so means stay finite.
pub const PSNR_CAP: f64 = 99.0;

/// The PSNR of two images in dB: `10 log10(255² / mean squared difference)`, at most [`PSNR_CAP`].
///
/// ```
/// use ganlet_trainer::metrics::psnr;
/// assert_eq!(psnr(&[1, 2, 3], &[1, 2, 3]), 99.0);
/// assert_eq!(psnr(&[0, 0], &[255, 255]), 0.0);
/// ```
#[track_caller]
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "both images need the same size");
    let square: u64 = a.iter().zip(b).map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2)).sum();
    if square == 0 {
        return PSNR_CAP;
    }
    let mean = square as f64 / a.len() as f64;
    (10.0 * (255.0_f64.powi(2) / mean).log10()).min(PSNR_CAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_equal_those_computed_by_hand() {
        // Every value off by one: 20 log10(255) = 48.1308 dB.
        assert!((psnr(&[10, 20], &[11, 19]) - 48.130_803_608_679_1).abs() < 1e-9);
        // One of a million values off by one would be 108 dB: capped.
        let a = vec![7; 1_000_000];
        let mut b = a.clone();
        b[5] = 8;
        assert_eq!(psnr(&a, &b), PSNR_CAP);
    }
}
