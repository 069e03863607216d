//! Histograms and divergences between them, in nats.

use ndarray::ArrayView1;

/// Counts `values` in `bins` equal bins over `low..high`. Values outside the range count in the outermost bins; NaN is not counted.
pub fn histogram(values: ArrayView1<'_, f64>, low: f64, high: f64, bins: usize) -> Vec<f64> {
    let bins = bins.max(1);
    let mut counts = vec![0.0; bins];
    for v in values.iter().filter(|v| !v.is_nan()) {
        let bin = (v - low) / (high - low) * bins as f64;
        counts[(bin.max(0.0) as usize).min(bins - 1)] += 1.0;
    }
    counts
}

/// The Kullback-Leibler divergence KL(p‖q) of two histograms, each normalized to sum 1.
///
/// It is infinite if q is 0 in a bin where p is not, and NaN if a histogram is empty.
#[track_caller]
pub fn kl(p: &[f64], q: &[f64]) -> f64 {
    assert_eq!(p.len(), q.len(), "both histograms need the same bins");
    let (sum_p, sum_q) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
    if !(sum_p > 0.0 && sum_q > 0.0) {
        return f64::NAN;
    }
    let term = |(p, q): (&f64, &f64)| if *p > 0.0 { p / sum_p * ((p / sum_p) / (q / sum_q)).ln() } else { 0.0 };
    p.iter().zip(q).map(term).sum::<f64>().max(0.0)
}

/// KL(p‖uniform): 0 if all bins are equal, ln(bins) if one bin has all the mass.
pub fn kl_to_uniform(p: &[f64]) -> f64 {
    kl(p, &vec![1.0; p.len()])
}

/// The Jensen-Shannon divergence of two histograms. It is symmetric and between 0 and ln 2.
#[track_caller]
pub fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let (sum_p, sum_q) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
    let middle: Vec<f64> = p.iter().zip(q).map(|(p, q)| p / sum_p + q / sum_q).collect();
    0.5 * (kl(p, &middle) + kl(q, &middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use std::f64::consts::LN_2;

    const P: [f64; 4] = [4.0, 0.0, 1.0, 5.0];
    const Q: [f64; 4] = [1.0, 3.0, 1.0, 5.0];

    #[test]
    fn agree_with_scipy() {
        assert!((jensen_shannon(&P, &Q) - 0.152_158_266_339_431_16).abs() < 1e-12); // jensenshannon(p, q)**2
        assert!((kl(&P, &Q) - 0.554_517_744_447_956_2).abs() < 1e-12); // stats.entropy(p, q)
        assert!((kl_to_uniform(&P) - 0.442_945_968_790_851_35).abs() < 1e-12);
    }

    #[test]
    fn extreme_cases_computed_by_hand() {
        assert_eq!(kl(&P, &P), 0.0);
        assert_eq!(kl(&Q, &P), f64::INFINITY);
        assert!((jensen_shannon(&[1.0, 0.0], &[0.0, 9.0]) - LN_2).abs() < 1e-12);
        assert!((kl_to_uniform(&[7.0, 0.0]) - LN_2).abs() < 1e-12);
        assert!(kl_to_uniform(&[0.0, 0.0]).is_nan() && jensen_shannon(&[0.0], &[1.0]).is_nan());
    }

    #[test]
    fn bins_are_half_open_and_outer_ones_include_the_rest() {
        let values = array![-9.0, 0.0, 0.49, 0.5, 1.0, f64::INFINITY, f64::NAN];
        assert_eq!(histogram(values.view(), 0.0, 1.0, 2), [3.0, 3.0]);
    }
}
