//! The kernel distance, an unbiased alternative to the Fréchet distance for small samples.

use ndarray::{Array2, ArrayView2, s};

/// The unbiased squared maximum mean discrepancy with the kernel `(x·y / d + 1)³`.
///
/// (Bińkowski et al. 2018; on Inception features it is the KID.) The estimate is unbiased and can therefore be slightly negative.
#[track_caller]
pub fn kernel_distance(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    let (n, m, d) = (a.nrows() as f64, b.nrows() as f64, a.ncols() as f64);
    assert!(n >= 2.0 && m >= 2.0, "the kernel distance needs at least two items in each set");
    let kernel = |x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>| -> Array2<f64> {
        x.dot(&y.t()).mapv(|v| (v / d + 1.0).powi(3))
    };
    let within = |x, n: f64| {
        let k = kernel(x, x);
        (k.sum() - k.diag().sum()) / (n * (n - 1.0))
    };
    within(a, n) + within(b, m) - 2.0 * kernel(a, b).sum() / (n * m)
}

/// [`kernel_distance`] of `sets` pairs of disjoint subsets. The standard deviation of the values estimates the noise of one value.
///
/// The size of a subset is that of the smaller set divided by `sets`. If it is less than two, the result is empty.
pub fn kernel_of_subsets(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, sets: usize) -> Vec<f64> {
    let n = a.nrows().min(b.nrows()) / sets.max(1);
    if n < 2 {
        return Vec::new();
    }
    let part = |i: usize| s![i * n..(i + 1) * n, ..];
    (0..sets).map(|i| kernel_distance(a.slice(part(i)), b.slice(part(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden;

    #[test]
    fn agrees_with_numpy() {
        let distance = kernel_distance(golden::a().view(), golden::b().view());
        assert!((distance + 0.038_447_182_520_622_736).abs() < 1e-12, "{distance}");
    }

    #[test]
    fn grows_with_the_gap() {
        let (a, b) = (golden::a(), golden::b());
        assert!(kernel_distance(a.view(), (&b + 2.0).view()) > kernel_distance(a.view(), (&b + 1.0).view()));
    }

    #[test]
    fn subsets_are_disjoint_and_as_large_as_possible() {
        let (a, b) = (golden::a(), golden::b());
        let found = kernel_of_subsets(a.view(), b.view(), 3);
        let second = kernel_distance(a.slice(s![3..6, ..]), b.slice(s![3..6, ..]));
        assert_eq!((found.len(), found[1]), (3, second));
        assert!(kernel_of_subsets(a.view(), b.view(), 6).is_empty());
    }
}
