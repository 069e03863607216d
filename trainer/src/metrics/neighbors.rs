//! Metrics of nearest neighbors: precision and recall, density and coverage, memorization.

use ndarray::{Array2, ArrayView2, Axis, s};

/// Rows of the distance matrix that are in memory at a time.
const BLOCK: usize = 256;

/// Fidelity (precision, density) and diversity (recall, coverage) of generated items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Share of generated items inside the neighborhood of a real one.
    pub precision: f64,
    /// Share of real items inside the neighborhood of a generated one.
    pub recall: f64,
    /// Mean number of real neighborhoods that contain a generated item, divided by k.
    pub density: f64,
    /// Share of real items with a generated item in their neighborhood.
    pub coverage: f64,
}

/// Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).
///
/// `real` and `generated` are [items, features]. The neighborhood of an item is the ball that reaches its `k`-th nearest neighbor within its
/// own set; k = 3 is usual. The sets should have equal size.
#[track_caller]
pub fn precision_recall(real: ArrayView2<'_, f64>, generated: ArrayView2<'_, f64>, k: usize) -> PrecisionRecall {
    let (n, m) = (real.nrows(), generated.nrows());
    assert!(k >= 1 && n > k && m > k, "{n} real and {m} generated items are too few for {k} neighbors");
    let (real_radii, generated_radii) = (squared_radii(real, k), squared_radii(generated, k));
    let mut inside = vec![0_usize; m];
    let (mut recalled, mut covered) = (0, 0);
    for_blocks(real, generated, |start, distances| {
        for (row, i) in distances.rows().into_iter().zip(start..) {
            let (mut is_recalled, mut is_covered) = (false, false);
            for ((&distance, radius), inside) in row.iter().zip(&generated_radii).zip(&mut inside) {
                let near = distance <= real_radii[i];
                *inside += usize::from(near);
                is_covered |= near;
                is_recalled |= distance <= *radius;
            }
            recalled += usize::from(is_recalled);
            covered += usize::from(is_covered);
        }
    });
    PrecisionRecall {
        precision: inside.iter().filter(|&&c| c > 0).count() as f64 / m as f64,
        recall: recalled as f64 / n as f64,
        density: inside.iter().sum::<usize>() as f64 / (k * m) as f64,
        coverage: covered as f64 / n as f64,
    }
}

/// Memorization of the training set (overfitting of a generator): distances to the training set, compared with those of held-out items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memorization {
    /// Mean distance from a generated item to its nearest training item.
    pub generated: f64,
    /// Mean distance from a held-out real item to its nearest training item.
    pub held_out: f64,
    /// `generated / held_out`: about 1 without memorization, near 0 for copies of the training set.
    pub ratio: f64,
}

/// Measures memorization by distances to the nearest training item. All arguments are [items, features].
#[track_caller]
pub fn memorization(
    train: ArrayView2<'_, f64>,
    generated: ArrayView2<'_, f64>,
    held_out: ArrayView2<'_, f64>,
) -> Memorization {
    let mean = |set: ArrayView2<'_, f64>| nearest(set, train).iter().sum::<f64>() / set.nrows() as f64;
    let (generated, held_out) = (mean(generated), mean(held_out));
    Memorization { generated, held_out, ratio: generated / held_out }
}

/// The distance from each row of `set` to the nearest row of `train`.
#[track_caller]
pub fn nearest(set: ArrayView2<'_, f64>, train: ArrayView2<'_, f64>) -> Vec<f64> {
    let mut found = Vec::with_capacity(set.nrows());
    for_blocks(set, train, |_, distances| {
        found.extend(distances.rows().into_iter().map(|r| r.iter().copied().fold(f64::NAN, f64::min).sqrt()));
    });
    found
}

/// The distance from each row of `set` to the nearest other row.
pub fn nearest_others(set: ArrayView2<'_, f64>) -> Vec<f64> {
    squared_radii(set, 1).into_iter().map(f64::sqrt).collect()
}

/// For each real item, whether it is in the neighborhood of a generated item. The mean is the recall of [`precision_recall`].
#[track_caller]
pub fn recalled(real: ArrayView2<'_, f64>, generated: ArrayView2<'_, f64>, k: usize) -> Vec<bool> {
    let m = generated.nrows();
    assert!(k >= 1 && m > k, "{m} generated items are too few for {k} neighbors");
    let squared_radii = squared_radii(generated, k);
    let mut found = Vec::with_capacity(real.nrows());
    for_blocks(real, generated, |_, distances| {
        let inside = |row: ndarray::ArrayView1<'_, f64>| row.iter().zip(&squared_radii).any(|(d, radius)| d <= radius);
        found.extend(distances.rows().into_iter().map(inside));
    });
    found
}

/// The squared radius of the neighborhood of each row: the squared distance to its `k`-th nearest other row.
fn squared_radii(set: ArrayView2<'_, f64>, k: usize) -> Vec<f64> {
    let mut squared_radii = Vec::with_capacity(set.nrows());
    for_blocks(set, set, |start, distances| {
        for (row, i) in distances.rows().into_iter().zip(start..) {
            let mut row: Vec<f64> = row.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &d)| d).collect();
            squared_radii.push(*row.select_nth_unstable_by(k - 1, f64::total_cmp).1);
        }
    });
    squared_radii
}

/// Calls `each` with blocks of squared distances from rows of `a` to all rows of `b`, and with the index of the first row.
#[track_caller]
pub(super) fn for_blocks(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, mut each: impl FnMut(usize, Array2<f64>)) {
    assert_eq!(a.ncols(), b.ncols(), "both sets need the same number of features");
    // Distances do not depend on the origin, but x² + y² - 2xy is most accurate near it.
    let center = b.mean_axis(Axis(0)).unwrap_or_else(|| b.sum_axis(Axis(0)));
    let b = &b - &center;
    let squares: Vec<f64> = b.rows().into_iter().map(|r| r.dot(&r)).collect();
    for start in (0..a.nrows()).step_by(BLOCK) {
        let block = &a.slice(s![start..a.nrows().min(start + BLOCK), ..]) - &center;
        let mut distances = block.dot(&b.t());
        for (mut row, item) in distances.rows_mut().into_iter().zip(block.rows()) {
            let own = item.dot(&item);
            for (d, other) in row.iter_mut().zip(&squares) {
                let square = own + other - 2.0 * *d;
                // Data sets have duplicates. Their distance must be exactly 0, despite rounding.
                *d = if square > 1e-12 * (own + other) { square } else { 0.0 };
            }
        }
        each(start, distances);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden;
    use ndarray::array;

    #[test]
    fn agree_with_scipy_cdist() {
        let (a, b) = (golden::a(), golden::b());
        let found = precision_recall(a.view(), b.view(), 3);
        assert!((found.precision - 0.7).abs() < 1e-12 && (found.recall - 1.0).abs() < 1e-12, "{found:?}");
        assert!((found.density - 0.733_333_333_333_333_3).abs() < 1e-12, "{found:?}");
        assert!((found.coverage - 0.833_333_333_333_333_4).abs() < 1e-12, "{found:?}");
        let nearest = memorization(a.view(), b.slice(s![..5, ..]), b.slice(s![5.., ..]));
        assert!((nearest.generated - 1.214_678_441_511_954_7).abs() < 1e-9, "{nearest:?}");
        assert!((nearest.held_out - 1.015_904_794_131_236_7).abs() < 1e-9, "{nearest:?}");
    }

    #[test]
    fn a_collapsed_generator_is_precise_but_recalls_little() {
        let real = Array2::from_shape_fn((400, 1), |(i, _)| i as f64);
        let collapsed = Array2::from_shape_fn((400, 1), |(i, _)| 200.0 + i as f64 * 1e-3);
        let found = precision_recall(real.view(), collapsed.view(), 3);
        assert!(found.precision == 1.0 && found.recall < 0.01 && found.coverage < 0.02, "{found:?}");
        let far = precision_recall(real.view(), (&collapsed + 1e6).view(), 3);
        assert_eq!(far, PrecisionRecall { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
    }

    #[test]
    fn copies_of_the_training_set_are_detected() {
        let train = Array2::from_shape_fn((600, 2), |(i, j)| ((i * 31 + j * 17) % 101) as f64);
        let found = memorization(train.view(), train.view(), (&train + 0.4).view());
        assert!(found.ratio < 1e-3, "{found:?}");
    }

    #[test]
    fn the_third_neighbor_is_the_third_other_item() {
        let line = array![[0.0], [1.0], [3.0], [7.0], [7.0]];
        for (found, expected) in squared_radii(line.view(), 3).into_iter().zip([49.0, 36.0, 16.0, 36.0, 36.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn duplicates_are_in_their_own_neighborhoods() {
        let same = Array2::from_shape_fn((20, 3), |(_, j)| 0.1 + j as f64 / 3.0);
        let shifted = ndarray::concatenate![Axis(0), same, golden::a()];
        let found = precision_recall(shifted.view(), same.view(), 3);
        assert_eq!((found.precision, found.recall > 0.6), (1.0, true), "{found:?}");
    }
}
