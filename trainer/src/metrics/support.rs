//! How many different pictures a generator can make, by its doubles: the birthday paradox.

use super::neighbors::for_blocks;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// The share of what could have happened that a bound leaves out.
const LEFT_OUT: f64 = 0.05;
/// Counts above this are normal enough for the approximation of Wilson and Hilferty.
const MANY: usize = 500;

/// What the doubles among a sample say (Arora & Zhang 2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupportEstimate {
    /// Pairs of items nearer than the radius.
    pub doubles: usize,
    /// Pairs there are.
    pub pairs: usize,
    /// `pairs / doubles`: so many different, equally likely pictures would show as many doubles; `None` without doubles.
    pub size: Option<f64>,
    /// It is larger than this in 19 of 20 cases (the doubles taken as Poisson's).
    pub at_least: f64,
}

/// Counts pairs of `items`, [items, features], nearer to each other than `radius`, a distance.
#[track_caller]
pub fn support(items: ArrayView2<'_, f64>, radius: f64) -> SupportEstimate {
    let n = items.nrows();
    assert!(n >= 2, "two items or more make a pair, not {n}");
    let mut doubles = 0;
    for_blocks(items, items, |start, distances| {
        for (row, i) in distances.rows().into_iter().zip(start..) {
            doubles += row.iter().skip(i + 1).filter(|&&square| square < radius * radius).count();
        }
    });
    let pairs = n * (n - 1) / 2;
    SupportEstimate {
        doubles,
        pairs,
        size: (doubles > 0).then(|| pairs as f64 / doubles as f64),
        at_least: pairs as f64 / most_likely_below(doubles),
    }
}

/// The mean of a Poisson law that gives `count` or less in one case of twenty (Garwood 1936).
fn most_likely_below(count: usize) -> f64 {
    if count > MANY {
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
        if below(middle) > LEFT_OUT { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Key;
    use ndarray::Array2;

    #[test]
    fn bounds_are_those_of_the_chi_square_law() {
        // chi2.ppf(0.95, 2k + 2) / 2
        for (count, bound) in [(0, 2.995_732), (1, 4.743_865), (10, 16.962_219), (500, 538.398_4), (501, 539.435_6)] {
            let found = most_likely_below(count);
            assert!((found / bound - 1.0).abs() < 1e-4, "{count}: {found} {bound}");
        }
    }

    #[test]
    fn a_support_of_known_size_is_found() {
        let key = Key { seed: 4, stream: 0, step: 0 };
        // 400 draws of 1,000 different items: about 80 doubles.
        let items = Array2::from_shape_fn((400, 2), |(i, j)| {
            let item = key.below(i as u32, 1000);
            (item * (3 + 4 * j) % 1009) as f64
        });
        let found = support(items.view(), 0.5);
        assert!((700.0..1400.0).contains(&found.size.unwrap()) && found.at_least < found.size.unwrap(), "{found:?}");
        let apart = Array2::from_shape_fn((50, 1), |(i, _)| i as f64);
        let found = support(apart.view(), 0.5);
        assert_eq!((found.doubles, found.pairs, found.size), (0, 1225, None));
        assert!((found.at_least - 1225.0 / 2.995_732).abs() < 0.01);
    }
}
