//! Identifies an image by its content: a hash of its pixels, independent of file names.

/// A hash of an image, [height, width, channels]. A gray image has the same hash with one channel and with three.
///
/// FNV-1a over the bytes, followed by the finalizer of MurmurHash3. The values must never change: they decide which images are held out.
pub(crate) fn content_hash(pixels: &[u8], channels: usize) -> u64 {
    let gray = channels == 3 && pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let step = if gray { 3 } else { 1 };
    let mix = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut h = pixels.iter().step_by(step).fold(0xcbf2_9ce4_8422_2325, mix);
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        h = (h ^ (h >> 33)).wrapping_mul(factor);
    }
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_image_never_changes() {
        assert_eq!(content_hash(&[], 1), 0xefd0_1f60_ba99_2926);
        assert_eq!(content_hash(&[1, 2, 3], 1), content_hash(&[1, 1, 1, 2, 2, 2, 3, 3, 3], 3));
        assert_ne!(content_hash(&[1, 2, 3], 1), content_hash(&[1, 2, 3], 3) ^ 1);
        assert_ne!(content_hash(&[1, 2, 3], 3), content_hash(&[3, 2, 1], 3));
    }
}
