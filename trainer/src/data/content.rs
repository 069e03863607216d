//! What a picture is by its content alone: a number by which equal pictures are known, and held-out ones chosen.
//!
//! Which side of a split a picture is on depends on its pixels and on nothing else: files may be renamed, added and taken away.

/// A number of the content of a picture, [height, width, channels]; gray pictures have the same in one channel and in three.
///
/// FNV-1a of the bytes, its bits mixed by the end of MurmurHash3.
pub(crate) fn content(pixels: &[u8], channels: usize) -> u64 {
    let gray = channels == 3 && pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let every = if gray { 3 } else { 1 };
    let mix = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut h = pixels.iter().step_by(every).fold(0xcbf2_9ce4_8422_2325, mix);
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        h = (h ^ (h >> 33)).wrapping_mul(factor);
    }
    h ^ (h >> 33)
}

/// Places of pictures to train on and of those to hold out, about `share` of all; neither is empty where there are two pictures.
///
/// A larger share holds out the same pictures and others. Where chance would put all on one side, as with a handful of pictures, those
/// with the smallest numbers are held out.
pub(crate) fn split(contents: &[u64], share: f32) -> (Vec<usize>, Vec<usize>) {
    let limit = f64::from(share) * 2f64.powi(64);
    let (held_out, trained): (Vec<usize>, Vec<usize>) =
        (0..contents.len()).partition(|&i| (contents[i] as f64) < limit);
    if contents.len() < 2 || !(held_out.is_empty() || trained.is_empty()) {
        return (trained, held_out);
    }
    let mut order: Vec<usize> = (0..contents.len()).collect();
    order.sort_by_key(|&i| (contents[i], i));
    let count = (f64::from(share) * order.len() as f64).round().clamp(1.0, order.len() as f64 - 1.0) as usize;
    let mut trained = order.split_off(count);
    trained.sort_unstable();
    order.sort_unstable();
    (trained, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn the_number_of_a_picture_stays_what_it_was() {
        // Runs are gone on with, and compared, by this split: the numbers must never change.
        assert_eq!(content(&[], 1), 0xefd0_1f60_ba99_2926);
        assert_eq!(content(&[1, 2, 3], 1), content(&[1, 1, 1, 2, 2, 2, 3, 3, 3], 3));
        assert_ne!(content(&[1, 2, 3], 1), content(&[1, 2, 3], 3) ^ 1);
        assert_ne!(content(&[1, 2, 3], 3), content(&[3, 2, 1], 3));
    }

    #[test]
    fn added_pictures_move_none_and_a_larger_share_adds() {
        let blobs = blobs(6, 6, 3, 500, 1);
        let all: Vec<u64> = (0..500).map(|i| content(blobs.bytes(i), 3)).collect();
        let (trained, held_out) = split(&all, 0.2);
        assert_eq!(trained.len() + held_out.len(), 500);
        assert!((75..125).contains(&held_out.len()), "{}", held_out.len());
        let first: Vec<usize> = held_out.iter().copied().filter(|&i| i < 300).collect();
        assert_eq!(split(&all[..300], 0.2).1, first);
        let more = split(&all, 0.4).1;
        assert!(held_out.iter().all(|i| more.contains(i)) && more.len() > held_out.len());
    }

    #[test]
    fn both_sides_of_few_pictures_have_some() {
        for n in 2..30 {
            let (trained, held_out) = split(&vec![77; n], 0.2);
            assert_eq!(held_out.len(), ((0.2 * n as f64).round() as usize).max(1));
            assert_eq!(trained.len() + held_out.len(), n);
        }
        assert_eq!(split(&[u64::MAX, 5, u64::MAX - 1], 0.3).1, [1]);
        assert_eq!(split(&[9], 0.2).0.len() + split(&[9], 0.2).1.len(), 1);
    }
}
