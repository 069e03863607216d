//! Estimates how many distinct images a generator can draw, from the number of near-duplicates (the birthday paradox).

use super::neighbors::for_blocks;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// Probability that the lower bound is wrong.
const ERROR_PROBABILITY: f64 = 0.05;
/// Above this count, the approximation of Wilson and Hilferty is used.
const LARGE_COUNT: usize = 500;

/// Estimated size of the support of a generator (Arora & Zhang 2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupportEstimate {
    /// Number of pairs of items that are closer than the radius.
    pub duplicates: usize,
    /// Number of all pairs.
    pub pairs: usize,
    /// `pairs / duplicates`: the number of equally likely images that would give as many duplicates; `None` without duplicates.
    pub size: Option<f64>,
    /// Lower bound with 95 % confidence, if the number of duplicates has a Poisson distribution.
    pub at_least: f64,
}

/// Estimates the support size by counting pairs of `items`, [items, features], that are closer to each other than `radius`.
#[track_caller]
pub fn support_size(items: ArrayView2<'_, f64>, radius: f64) -> SupportEstimate {
    let n = items.nrows();
    assert!(n >= 2, "at least two items are needed for a pair, not {n}");
    let mut duplicates = 0;
    for_blocks(items, items, |start, distances| {
        for (row, i) in distances.rows().into_iter().zip(start..) {
            duplicates += row.iter().skip(i + 1).filter(|&&square| square < radius * radius).count();
        }
    });
    let pairs = n * (n - 1) / 2;
    SupportEstimate {
        duplicates,
        pairs,
        size: (duplicates > 0).then(|| pairs as f64 / duplicates as f64),
        at_least: pairs as f64 / poisson_upper_bound(duplicates),
    }
}

/// Upper bound on the mean of a Poisson distribution, given one `count`, with 95 % confidence (Garwood 1936).
fn poisson_upper_bound(count: usize) -> f64 {
    if count > LARGE_COUNT {
        let n = (count + 1) as f64;
        return n * (1.0 - 1.0 / (9.0 * n) + 1.644_853_627 / (3.0 * n.sqrt())).powi(3);
    }
    let below = |mean: f64| {
        let (mut term, mut sum) = ((-mean).exp(), 0.0);
        for k in 0..=count {
            sum += term;
            term *= mean / (k + 1) as f64;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 2.0 * count as f64 + 10.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if below(middle) > ERROR_PROBABILITY { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Key;
    use ndarray::Array2;

    #[test]
    fn bounds_equal_those_of_the_chi_square_distribution() {
        // chi2.ppf(0.95, 2k + 2) / 2
        for (count, bound) in [(0, 2.995_732), (1, 4.743_865), (10, 16.962_219), (500, 538.398_4), (501, 539.435_6)] {
            let found = poisson_upper_bound(count);
            assert!((found / bound - 1.0).abs() < 1e-4, "{count}: {found} {bound}");
        }
    }

    #[test]
    fn a_support_of_known_size_is_found() {
        let key = Key { seed: 4, stream: 0, step: 0 };
        // 400 draws of 1,000 different items: about 80 duplicates.
        let items = Array2::from_shape_fn((400, 2), |(i, j)| {
            let item = key.below(i as u32, 1000);
            (item * (3 + 4 * j) % 1009) as f64
        });
        let found = support_size(items.view(), 0.5);
        assert!((700.0..1400.0).contains(&found.size.unwrap()) && found.at_least < found.size.unwrap(), "{found:?}");
        let apart = Array2::from_shape_fn((50, 1), |(i, _)| i as f64);
        let found = support_size(apart.view(), 0.5);
        assert_eq!((found.duplicates, found.pairs, found.size), (0, 1225, None));
        assert!((found.at_least - 1225.0 / 2.995_732).abs() < 0.01);
    }
}
