//! Wasserstein distances: exact in one dimension, averaged over directions in more.

use ndarray::{Array1, ArrayView1, ArrayView2};

/// The exact 1-Wasserstein distance of two one-dimensional samples: the area between their distribution functions.
///
/// The samples may differ in size. The sum over the merged, sorted values is exact (Villani 2003, eq. 2.48). NaN if a sample is empty.
///
/// ```
/// use ganlet_trainer::metrics::w1;
/// assert_eq!(w1(ndarray::array![0.0, 1.0].view(), ndarray::array![3.0, 2.0].view()), 2.0);
/// ```
pub fn w1(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let sorted = |v: ArrayView1<'_, f64>| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v
    };
    let (a, b) = (sorted(a), sorted(b));
    let (mut i, mut j, mut area, mut at) = (0, 0, 0.0, a[0].min(b[0]));
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) | (None, Some(&x)) => x,
            (None, None) => break,
        };
        area += (next - at) * (i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs();
        at = next;
        // NaN sorts last and equals nothing.
        let before = (i, j);
        i += a[i..].iter().take_while(|&&x| x == next).count();
        j += b[j..].iter().take_while(|&&y| y == next).count();
        if before == (i, j) {
            return f64::NAN;
        }
    }
    area
}

/// The sliced 1-Wasserstein distance (Rabin et al. 2011) of two sets of points in the plane, [points, 2].
///
/// It is the mean of [`w1`] over `directions` directions that are evenly spaced over a half circle, so it is deterministic.
#[track_caller]
pub fn sliced_w1(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, directions: usize) -> f64 {
    assert_eq!((a.ncols(), b.ncols()), (2, 2), "sliced_w1 needs points of the plane");
    let along = |k: usize| {
        let (sin, cos) = (std::f64::consts::PI * k as f64 / directions as f64).sin_cos();
        let direction = Array1::from_vec(vec![cos, sin]);
        w1(a.dot(&direction).view(), b.dot(&direction).view())
    };
    (0..directions).map(along).sum::<f64>() / directions as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden;
    use ndarray::{array, s};

    #[test]
    fn agrees_with_scipy() {
        let (a, b) = (golden::a(), golden::b());
        // stats.wasserstein_distance, for 12 against 10 values and for 10 against 10.
        assert!((w1(a.column(0), b.column(0)) - 0.382_809_064_419_660_17).abs() < 1e-12);
        assert!((w1(a.slice(s![..10, 0]), b.column(0)) - 0.405_534_635_596_811_2).abs() < 1e-12);
        let sliced = sliced_w1(a.slice(s![.., ..2]), b.slice(s![.., ..2]), 16);
        assert!((sliced - 0.393_593_371_057_539_8).abs() < 1e-12);
    }

    #[test]
    fn the_distance_of_a_shift_is_its_length() {
        let a = array![5.0, 1.0, 1.0, -2.0];
        assert!((w1(a.view(), (&a + 0.75).view()) - 0.75).abs() < 1e-12);
        assert_eq!(w1(a.view(), a.view()), 0.0);
        assert_eq!(w1(array![0.0].view(), array![0.0, 3.0, 0.0].view()), 1.0);
    }

    #[test]
    fn nan_and_empty_samples_give_nan() {
        let nothing: Array1<f64> = array![];
        assert!(w1(nothing.view(), array![1.0].view()).is_nan());
        assert!(w1(array![f64::NAN, 1.0].view(), array![1.0].view()).is_nan());
    }
}
