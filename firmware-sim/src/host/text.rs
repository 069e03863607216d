//! Numbers and bars in messages.

/// Formats a number with commas between groups of three digits.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a bar that shows how much of a resource is used, as in `[#####···············] 26 %`.
#[must_use]
pub(crate) fn budget_bar(taken: usize, of: usize) -> String {
    const CELLS: usize = 20;
    let part = |parts: usize| taken.saturating_mul(parts).div_ceil(of.max(1));
    let full = part(CELLS).min(CELLS);
    format!("[{}{}] {:>3} %", "#".repeat(full), "·".repeat(CELLS - full), part(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_round_up_and_have_a_maximum_length() {
        assert_eq!(budget_bar(1, 1000), format!("[#{}]   1 %", "·".repeat(19)));
        assert_eq!(budget_bar(1000, 1000), format!("[{}] 100 %", "#".repeat(20)));
        assert_eq!(budget_bar(1100, 1000), format!("[{}] 110 %", "#".repeat(20)));
    }
}
