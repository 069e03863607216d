//! One axis of a plot: its range and its ticks.

use crate::text;

/// The range of an axis, with ticks at round values.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Value and label of each tick; on a logarithmic axis the value is an exponent.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis over `low..=high` with about `count` ticks; `round` widens the range to the next ticks.
    pub(crate) fn new(low: f64, high: f64, count: usize, round: bool) -> Self {
        let (mut low, mut high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        if high - low <= low.abs().max(high.abs()) * 1e-9 {
            let pad = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (low - pad, high + pad);
        }
        let step = step((high - low) / count.max(1) as f64);
        if round {
            // A value slightly beyond the last tick does not extend the axis to the next one.
            low = low.min((low / step + 0.1).floor() * step);
            high = high.max((high / step - 0.1).ceil() * step);
        }
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|i| (i as f64 * step, text::tick(i as f64 * step, step))).collect();
        Self { low, high, ticks }
    }

    /// A logarithmic axis over the exponents `low..=high` of ten, with ticks at all powers or, if there are many, at every nth.
    pub(crate) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (first, last) = ((low + 1e-9).floor() as i32, (high - 1e-9).ceil() as i32);
        let last = last.max(first + 1);
        let every = usize::try_from((last - first + 7) / 8).unwrap_or(1);
        let label = |k: i32| match k {
            0..=6 => text::tick(10_f64.powi(k), 1.0),
            -4..0 => format!("{:.*}", k.unsigned_abs() as usize, 10_f64.powi(k)),
            _ => format!("1e{k}"),
        };
        let ticks = (first..=last).step_by(every).map(|k| (f64::from(k), label(k))).collect();
        Self { low: f64::from(first), high: f64::from(last), ticks }
    }

    /// Position of `value` on the axis: 0 at the low end, 1 at the high end.
    pub(crate) fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// The smallest of 1, 2, 5 and 10 times a power of ten that is not below `rough`.
fn step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Axis::new(0.0, 2949.0, 6, false)), ["0", "500", "1,000", "1,500", "2,000", "2,500"]);
        assert_eq!(labels(&Axis::new(-0.13, 0.41, 5, true)), ["-0.2", "0.0", "0.2", "0.4"]);
        assert_eq!(labels(&Axis::new(0.0, 3e6, 4, true)), ["0", "1M", "2M", "3M"]);
    }

    #[test]
    fn degenerate_ranges_give_a_valid_axis() {
        for (low, high) in
            [(0.0, 0.0), (5.0, 5.0), (f64::INFINITY, f64::NEG_INFINITY), (f64::NAN, 1.0), (-3.0, -3.0), (1e300, 1e300)]
        {
            let axis = Axis::new(low, high, 5, true);
            assert!(axis.low < axis.high && (2..20).contains(&axis.ticks.len()), "{low} {high}: {axis:?}");
        }
    }
}
