//! Formats numbers for readers: thousands separators, ticks of axes, measured values.

/// A count with commas between thousands.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count and the noun that it counts.
pub(crate) fn counted(n: usize, one: &str, several: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { several })
}

/// The label of an axis tick at `value`; ticks are `step` apart.
pub(crate) fn tick(value: f64, step: f64) -> String {
    if value.abs() >= 1e9 || step < 1e-6 {
        return if value == 0.0 { "0".into() } else { format!("{value:.1e}") };
    }
    let exact = |v: f64| {
        let text = format!("{v:.1}");
        text.strip_suffix(".0").map_or(text.clone(), str::to_string)
    };
    if step >= 1e5 && value.abs() >= 1e6 {
        return format!("{}M", exact(value / 1e6));
    }
    if step >= 1.0 {
        let sign = if value <= -0.5 { "-" } else { "" };
        return format!("{sign}{}", grouped(value.abs().round() as usize));
    }
    let decimals = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        text.trim_start_matches('-').to_string()
    } else {
        text
    }
}

/// A measured value: whole numbers with commas between thousands, others to four significant digits.
pub(crate) fn measured(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".into();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    if size >= 1000.0 || size.fract() == 0.0 && size < 1e15 {
        return format!("{sign}{}", grouped(size.round() as usize));
    }
    if size < 1e-4 {
        return format!("{value:.2e}");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!([0, 1, 2000].map(|n| counted(n, "copy", "copies")), ["0 copies", "1 copy", "2,000 copies"]);
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!(
            [tick(0.5, 0.25), tick(-0.0, 0.1), tick(2.0, 1.0), tick(-1500.0, 500.0)],
            ["0.5", "0.0", "2", "-1,500"]
        );
        assert_eq!([tick(1.5e6, 5e5), tick(0.002, 0.001), tick(4e-9, 1e-9)], ["1.5M", "0.002", "4.0e-9"]);
    }

    #[test]
    fn measured_values_have_four_digits() {
        let shown = [0.0, 43.40721, 9.17, 92595.0, 0.012345, -1.5, 1e-7, f64::NAN, 1234.56].map(measured);
        let expected = ["0", "43.41", "9.17", "92,595", "0.01235", "-1.5", "1.00e-7", "not a number", "1,235"];
        assert_eq!(shown, expected);
    }
}
