//! Groups similar images, so that images without labels have classes.
use super::Dataset;
use crate::nets::{are_chosen, class_frequencies};
use crate::philox::Key;

/// Largest number of values of the small version of an image that is compared.
const VALUES: usize = 256;
/// Images among which the groups are searched.
const SEARCHED: usize = 4000;
/// Searches, each from other images; the best one counts.
const STARTS: u64 = 4;
/// Images drawn for each center that a search starts from.
const DRAWN: u32 = 8;
/// Most passes over the images of one search.
const PASSES: usize = 30;
/// Each group has at least one image in 120, and at least 10; the images of smaller groups are divided among the others.
const SMALLEST: usize = 120;
const LEAST_IMAGES: usize = 10;
/// Groups that a search may find in addition, because small ones will be divided.
const SPARE: usize = 5;

/// Returns a group for each image of `images`: at most `most` of them, each with 10 images and 0.8 % of all or more.
///
/// The groups are numbered in the order in which a latent value chooses them with nearly their shares.
///
/// Small versions of the images, of at most 256 values, are grouped by k-means (Lloyd 1982), which starts from images far from each other
/// (k-means++, Arthur and Vassilvitskii 2007). Equal images get equal groups, on every machine. The list is empty if the images do not
/// form two groups, or if `images` has no end.
pub(crate) fn clusters(images: &dyn Dataset, most: usize) -> Vec<u8> {
    let small: Vec<Vec<f32>> = (0..images.len().unwrap_or(0)).map(|i| small_version(images, i)).collect();
    let step = small.len().div_ceil(SEARCHED).max(1);
    let searched: Vec<&[f32]> = small.iter().step_by(step).map(Vec::as_slice).collect();
    let mut best = Vec::new();
    for tried in most..=most + SPARE {
        let searches = (0..STARTS).map(|start| search(&searched, tried, start));
        let Some((_, centers)) = searches.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        let centers = without_small_groups(&small, centers);
        if centers.len() > best.len() && centers.len() <= most {
            best = centers;
        }
        if best.len() == most {
            break;
        }
    }
    while best.len() > 1 {
        let groups: Vec<usize> = small.iter().map(|image| nearest(image, &best).0).collect();
        let sizes = sizes(&groups, best.len());
        let order = order(&sizes);
        let shares: Vec<f32> = order.iter().map(|group| sizes[*group] as f32).collect();
        if are_chosen(&shares) {
            let mut rank = vec![0; best.len()];
            order.iter().enumerate().for_each(|(place, group)| rank[*group] = place as u8);
            return groups.into_iter().map(|group| rank[group]).collect();
        }
        best.remove((0..best.len()).min_by_key(|group| sizes[*group]).unwrap_or(0));
    }
    Vec::new()
}

/// Removes the center of the smallest group, until all groups are large enough or one is left.
fn without_small_groups(images: &[Vec<f32>], mut centers: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let enough = LEAST_IMAGES.max(images.len().div_ceil(SMALLEST));
    loop {
        let groups: Vec<usize> = images.iter().map(|image| nearest(image, &centers).0).collect();
        let sizes = sizes(&groups, centers.len());
        match (0..centers.len()).min_by_key(|group| sizes[*group]) {
            Some(least) if centers.len() > 1 && sizes[least] < enough => _ = centers.remove(least),
            _ => return centers,
        }
    }
}

/// Returns the order of groups of these sizes in which a latent value chooses them with frequencies nearest to their shares.
///
/// A latent value has larger steps of probability in the middle of its distribution than at the ends, so the order matters when groups are
/// small. Pairs of groups are swapped as long as that helps.
fn order(sizes: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|group| std::cmp::Reverse(sizes[*group]));
    let total = sizes.iter().sum::<usize>() as f64;
    // The chi-square distance of the frequencies from the shares.
    let distance = |order: &[usize]| -> f64 {
        let shares: Vec<f32> = order.iter().map(|group| sizes[*group] as f32).collect();
        let pairs = class_frequencies(&shares).into_iter().zip(shares);
        pairs.map(|(frequency, size)| (frequency - f64::from(size) / total).powi(2) / f64::from(size)).sum()
    };
    let mut least = distance(&order);
    loop {
        let before = least;
        for (a, b) in (0..order.len()).flat_map(|b| (0..b).map(move |a| (a, b))) {
            order.swap(a, b);
            match distance(&order) {
                better if better < least => least = better,
                _ => order.swap(a, b),
            }
        }
        if least == before {
            return order;
        }
    }
}

/// Returns the numbers of the groups as their names.
pub(super) fn numbers(groups: &[u8]) -> Vec<String> {
    (0..=groups.iter().copied().max().unwrap_or(0)).map(|group| group.to_string()).collect()
}

/// Returns the means of the parts of image `index`, on a grid as fine as [`VALUES`] permits.
fn small_version(images: &dyn Dataset, index: usize) -> Vec<f32> {
    let &[height, width, channels] = images.shape() else { return Vec::new() };
    let (longer, area) = (width.max(height), VALUES / channels);
    let side = (1..=longer).rev().find(|side| {
        let of = |length: usize| (length * side / longer).max(1);
        of(width) * of(height) <= area
    });
    let of = |length: usize| (length * side.unwrap_or(1) / longer).max(1);
    let (columns, rows) = (of(width), of(height));
    let mut pixels = vec![0.0; height * width * channels];
    images.item(index, &mut pixels);
    let (mut sums, mut counts) = (vec![0.0; rows * columns * channels], vec![0.0f32; rows * columns]);
    for (at, pixel) in pixels.chunks_exact(channels).enumerate() {
        let part = at / width * rows / height * columns + at % width * columns / width;
        sums[part * channels..][..channels].iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        counts[part] += 1.0;
    }
    sums.chunks_exact_mut(channels).zip(counts).for_each(|(sums, n)| sums.iter_mut().for_each(|sum| *sum /= n));
    sums
}

/// One search for at most `most` groups. Returns the sum of the squared distances to the centers, and the centers.
fn search(images: &[&[f32]], most: usize, start: u64) -> (f64, Vec<Vec<f32>>) {
    let mut centers = far_apart(images, most, start);
    let mut groups = Vec::new();
    let mut total = f64::INFINITY;
    for _ in 0..PASSES {
        let found: Vec<(usize, f32)> = images.iter().map(|image| nearest(image, &centers)).collect();
        total = found.iter().map(|found| f64::from(found.1)).sum();
        let now: Vec<usize> = found.iter().map(|found| found.0).collect();
        if now == groups {
            break;
        }
        groups = now;
        let sizes = sizes(&groups, centers.len());
        // A center without images stays where it is.
        centers.iter_mut().zip(&sizes).filter(|(_, size)| **size > 0).for_each(|(center, _)| center.fill(0.0));
        for (group, image) in groups.iter().zip(images) {
            let share = 1.0 / sizes[*group] as f32;
            centers[*group].iter_mut().zip(*image).for_each(|(mean, value)| *mean += share * value);
        }
    }
    (total, centers)
}

/// Chooses at most `most` different images, far from each other.
///
/// Each one is drawn with a probability that rises with the squared distance to those before (k-means++). Of eight drawn, the one that
/// leaves the smallest sum of squared distances is kept, which finds more of the small groups.
fn far_apart(images: &[&[f32]], most: usize, start: u64) -> Vec<Vec<f32>> {
    let key = Key { seed: 0, stream: 0, step: start };
    let mut distances = vec![1.0f64; images.len()];
    let mut centers: Vec<Vec<f32>> = Vec::new();
    while centers.len() < most {
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let drawn = |candidate: u32| {
            let word = key.words(DRAWN * centers.len() as u32 + candidate)[0];
            let mut left = f64::from(word) / 2f64.powi(32) * total;
            let chosen = distances.iter().position(|distance| {
                left -= distance;
                left < 0.0
            });
            chosen.or_else(|| distances.iter().rposition(|distance| *distance > 0.0))
        };
        let left_by = |chosen: usize| -> Vec<f64> {
            let to_chosen = images.iter().map(|image| f64::from(squared(image, images[chosen])));
            let before = distances.iter().map(|d| if centers.is_empty() { f64::INFINITY } else { *d });
            to_chosen.zip(before).map(|(new, before)| new.min(before)).collect()
        };
        let candidates = (0..DRAWN).filter_map(drawn).map(|chosen| (left_by(chosen), chosen));
        let sum = |distances: &[f64]| distances.iter().sum::<f64>();
        let Some((left, chosen)) = candidates.min_by(|a, b| sum(&a.0).total_cmp(&sum(&b.0))) else { break };
        centers.push(images[chosen].to_vec());
        distances = left;
    }
    centers
}

/// Returns the nearest center, the first of equals, and its squared distance.
fn nearest(image: &[f32], centers: &[Vec<f32>]) -> (usize, f32) {
    let distances = centers.iter().map(|center| squared(image, center)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// Returns the squared distance of two images.
fn squared(image: &[f32], other: &[f32]) -> f32 {
    // Eight sums, which the compiler keeps in one vector.
    let mut sums = [0.0f32; 8];
    for (a, b) in image.chunks(8).zip(other.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}

fn sizes(groups: &[usize], count: usize) -> Vec<usize> {
    let mut sizes = vec![0; count];
    groups.iter().for_each(|group| sizes[*group] += 1);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageDataset;

    /// Gray images of 32x24 pixels: bright on the left, on the right, or at the top, with noise; 50, 30 and `few` of them, mixed.
    fn three_kinds(few: usize) -> (ImageDataset, Vec<u8>) {
        let kinds: Vec<u8> = [(0, 50), (1, 30), (2, few)].into_iter().flat_map(|(kind, n)| vec![kind; n]).collect();
        let order = |i: usize| (i * 37) % kinds.len();
        let kinds: Vec<u8> = (0..kinds.len()).map(|i| kinds[order(i)]).collect();
        let mut pixels = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let noise = Key { seed: 7, stream: 0, step: i as u64 };
            pixels.extend((0..24 * 32).map(|at| {
                let bright = [at % 32 < 16, at % 32 >= 16, at / 32 < 12][usize::from(*kind)];
                (100 * u8::from(bright)) + 50 + noise.below(at as u32, 40) as u8
            }));
        }
        (ImageDataset::new("three kinds", (32, 24, 1), pixels, None).unwrap(), kinds)
    }

    #[test]
    fn images_of_one_kind_are_one_cluster() {
        let (images, kinds) = three_kinds(21);
        let pairs: std::collections::BTreeSet<(u8, u8)> = kinds.into_iter().zip(clusters(&images, 3)).collect();
        assert_eq!(pairs.len(), 3, "kinds and their groups: {pairs:?}");
    }

    #[test]
    fn groups_are_chosen_with_nearly_their_shares() {
        // 40 groups, each with 1.3 to 4 % of the images.
        let sizes: Vec<usize> = (0..40).map(|i| 130 + 270 * i * i / 1521).collect();
        let total = sizes.iter().sum::<usize>() as f64;
        let farthest = |order: &[usize]| {
            let shares: Vec<f32> = order.iter().map(|group| sizes[*group] as f32).collect();
            let pairs = class_frequencies(&shares).into_iter().zip(shares);
            pairs.map(|(frequency, size)| (frequency * total / f64::from(size) - 1.0).abs()).fold(0.0, f64::max)
        };
        let found = order(&sizes);
        assert_eq!(found.iter().copied().collect::<std::collections::BTreeSet<_>>().len(), 40);
        let by_size: Vec<usize> = (0..40).rev().collect();
        let (found, by_size) = (farthest(&found), farthest(&by_size));
        assert!(found < 0.2 && by_size > 0.3, "{found} in this order, {by_size} by size");
        // 60 groups, the smallest with 0.9 % of the images.
        let sizes: Vec<usize> = (0..60).map(|i| 75 + 180 * i * i / 3481).collect();
        let shares: Vec<f32> = order(&sizes).into_iter().map(|group| sizes[group] as f32).collect();
        assert!(are_chosen(&shares));
    }

    #[test]
    fn clusters_with_too_few_images_are_divided_among_the_others() {
        let (images, kinds) = three_kinds(1);
        let found = clusters(&images, 3);
        let images_in = |group: u8| found.iter().filter(|found| **found == group).count();
        assert!((0..3).all(|group| images_in(group) > 1), "{found:?}");
        // No group has images of both common kinds.
        let has = |group, kind| kinds.iter().zip(&found).any(|(k, f)| (*k, *f) == (kind, group));
        assert!((0..3).all(|group| !(has(group, 0) && has(group, 1))), "{found:?}");
    }

    #[test]
    fn equal_images_and_one_image_form_no_clusters() {
        let images = |n: usize| ImageDataset::new("equal", (4, 4, 3), vec![7; 48 * n], None).unwrap();
        assert!(clusters(&images(100), 8).is_empty());
        assert!(clusters(&images(1), 8).is_empty());
    }

    #[test]
    fn small_versions_have_the_means_of_parts() {
        let image =
            ImageDataset::new("steps", (40, 20, 1), (0..800).map(|at| (at % 40) as u8 / 20 * 255).collect(), None)
                .unwrap();
        let small = small_version(&image, 0);
        // 23 columns and 11 rows. 12 columns are bright.
        assert_eq!(small.len(), 253);
        assert_eq!((small[0], small[22], small[230], small[252]), (-1.0, 1.0, -1.0, 1.0));
        assert_eq!(small.iter().sum::<f32>(), 11.0);
    }
}
