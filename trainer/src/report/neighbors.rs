//! The training images that are nearest to generated ones.
use crate::data::{Dataset, ImageDataset};
use rayon::prelude::*;

/// Returns the indices of the `count` images of `set` that are nearest to each of `images` in pixels, nearest first.
pub(super) fn nearest(set: &ImageDataset, images: &[&[u8]], count: usize) -> Vec<Vec<usize>> {
    let search = |image: &&[u8]| {
        let mut found: Vec<(u64, usize)> = Vec::with_capacity(count + 1);
        for i in 0..set.count() {
            let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
            let distance = image.iter().zip(set.bytes(i)).map(square).sum();
            if found.len() < count || found.last().is_some_and(|last| distance < last.0) {
                let at = found.partition_point(|other| other.0 <= distance);
                found.insert(at, (distance, i));
                found.truncate(count);
            }
        }
        found.into_iter().map(|(_, i)| i).collect()
    };
    images.par_iter().map(search).collect()
}

/// Returns `count` indices spread evenly over the images of `set`.
pub(super) fn spread(set: &ImageDataset, count: usize) -> Vec<usize> {
    let all = set.count();
    (0..count.min(all)).map(|i| i * all / count.min(all)).collect()
}

/// Returns the bytes of images of `set`, one after the other.
pub(super) fn bytes_of(set: &ImageDataset, indices: &[usize]) -> Vec<u8> {
    let size: usize = set.shape().iter().product();
    let mut bytes = Vec::with_capacity(indices.len() * size);
    indices.iter().for_each(|&i| bytes.extend_from_slice(set.bytes(i)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn an_image_of_the_set_is_its_own_nearest_neighbor() {
        let set = blobs(8, 8, 3, 50, 1);
        let copies = [set.bytes(7).to_vec(), set.bytes(31).to_vec()];
        let found = nearest(&set, &copies.each_ref().map(|c| &c[..]), 3);
        assert!(found[0][0] == 7 && found[1][0] == 31 && found.iter().all(|list| list.len() == 3), "{found:?}");
        assert_eq!((spread(&set, 4), spread(&set, 100).len()), (vec![0, 12, 25, 37], 50));
        assert_eq!(bytes_of(&set, &[31]), copies[1]);
    }
}
