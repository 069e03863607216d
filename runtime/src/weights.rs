//! Where each weight lies and how two share a word: the orders of `docs/FORMAT.md`, by operation and layout.
use crate::format::{Layer, Layout, Op, Shape};

/// Bits from one lane to the next in the words of doubling layers.
pub(crate) const LANE: u32 = 21;
/// Bits from one lane to the next in the words of dense layers.
pub(crate) const DENSE_LANE: u32 = 24;
/// Outputs that the words of a dense layer keep together.
pub(crate) const DENSE_GROUP: usize = 8;
/// Largest Σ|weight| over the pairs of an interval: times 128 it fits the middle lane of 21 bits.
pub(crate) const LANE_BUDGET: u32 = ((1 << (LANE - 1)) - 1) / 128;

/// Two values in one word; the upper one borrows from the lower one's sign.
pub(crate) const fn join(low: i8, high: i8, lane: u32) -> i32 {
    (low as i32).wrapping_add((high as i32) << lane)
}

/// The lower value of a word.
pub(crate) const fn low(word: i32) -> i8 {
    word as i8
}

/// The upper value of a word, with whatever lies above it.
pub(crate) const fn high(word: i32, lane: u32) -> i32 {
    word.wrapping_add(1 << (lane - 1)) >> lane
}

/// The word at the start of `bytes`.
pub(crate) fn word(bytes: &[u8]) -> i32 {
    bytes.first_chunk().map_or(0, |b| i32::from_le_bytes(*b))
}

/// Whether `op` doubles height and width with a kernel of 4: four phases of 2×2 taps, the kernels' main work.
pub(crate) const fn doubles(op: Op) -> bool {
    matches!(op, Op::ConvTranspose { k: 4, s: 2, p: 1, .. })
}

/// Whether the layers of this kind have the layout [`Layout::Fast`].
pub(crate) const fn has_fast(op: Op) -> bool {
    doubles(op) || matches!(op, Op::Dense { .. })
}

/// Bytes of one row of outputs of a dense layer in fast words.
pub(crate) fn dense_row(inputs: u64, out: Shape) -> u64 {
    (out.row_len().div_ceil(DENSE_GROUP) * DENSE_GROUP * 2) as u64 * inputs
}

/// Bytes that the weights of a layer take.
pub(crate) fn bytes(op: Op, layout: Layout, input: Shape, out: Shape) -> u64 {
    let (c_in, c_out) = (u64::from(input.c), u64::from(out.c));
    let compact = match op {
        Op::Dense { .. } if layout == Layout::Fast => {
            return dense_row(input.len(), out).saturating_mul(out.h.into());
        }
        Op::Dense { .. } => input.len().saturating_mul(out.len()),
        Op::Conv { k, .. } | Op::ConvTranspose { k, .. } => u64::from(k) * u64::from(k) * c_in * c_out,
        Op::Upsample { .. } => 0,
        Op::Add { .. } => 8,
    };
    if layout == Layout::Fast { 2 * compact } else { compact }
}

/// The weights of one output channel of a doubling layer, for the output rows of one phase.
///
/// They are read in steps, tap row by tap row, input channel by input channel. Each step has a pair for the even
/// and one for the odd columns; the pair's high weight belongs to the left one of two neighbouring input pixels.
#[derive(Clone, Copy)]
pub(crate) enum Taps<'a> {
    /// Even and odd columns: for each tap row the high weights, then the low ones.
    Compact([&'a [u8]; 2]),
    /// For each step a word for the even and a word for the odd columns.
    Fast(&'a [u8]),
}

impl<'a> Taps<'a> {
    /// The weights of output channel `o` in rows of phase `ry`: 1 for even rows, 0 for odd ones.
    pub(crate) fn new(blob: &'a [u8], layer: &Layer, c_in: usize, c_out: usize, ry: usize, o: usize) -> Self {
        Self::of_phase(blob, layer, c_in, c_out, ry).channel(o, c_in)
    }

    /// Those of all output channels.
    pub(crate) fn of_phase(blob: &'a [u8], layer: &Layer, c_in: usize, c_out: usize, ry: usize) -> Self {
        let span = |at: usize, len: usize| {
            blob.get((layer.weights.at as usize).saturating_add(at)..).and_then(|b| b.get(..len)).unwrap_or_default()
        };
        match layer.layout {
            Layout::Compact => {
                let each = 4 * c_in * c_out;
                Self::Compact([1, 0].map(|rx| span((2 * ry + rx) * each, each)))
            }
            Layout::Fast => Self::Fast(span(ry * 16 * c_in * c_out, 16 * c_in * c_out)),
        }
    }

    /// Those of one of all output channels.
    pub(crate) fn channel(self, o: usize, c_in: usize) -> Self {
        let part = |all: &'a [u8], each: usize| all.get(o * each..).and_then(|b| b.get(..each)).unwrap_or_default();
        match self {
            Self::Compact(columns) => Self::Compact(columns.map(|all| part(all, 4 * c_in))),
            Self::Fast(words) => Self::Fast(part(words, 16 * c_in)),
        }
    }

    /// The low and the high weight of a step for the even (0) or the odd (1) columns.
    pub(crate) fn pair(self, column: usize, step: usize, c_in: usize) -> (i8, i32) {
        match self {
            Self::Compact(columns) => {
                let block = columns.get(column).copied().unwrap_or_default();
                let at = if step < c_in { step } else { step + c_in };
                let weight = |at: usize| block.get(at).map_or(0, |&w| w as i8);
                (weight(at + c_in), weight(at).into())
            }
            Self::Fast(words) => {
                let word = word(words.get(8 * step + 4 * column..).unwrap_or_default());
                (low(word), high(word, LANE))
            }
        }
    }

    /// Σ|low| + Σ|high| of a step.
    pub(crate) fn magnitude(self, column: usize, step: usize, c_in: usize) -> u32 {
        let (low, high) = self.pair(column, step, c_in);
        u32::from(low.unsigned_abs()) + high.unsigned_abs()
    }

    /// The largest sum of magnitudes over `interval` steps in a row.
    pub(crate) fn busiest(self, column: usize, interval: usize, c_in: usize) -> u32 {
        let (mut sum, mut most) = (0u32, 0);
        for step in 0..2 * c_in {
            sum = sum.saturating_add(self.magnitude(column, step, c_in));
            if let Some(left) = step.checked_sub(interval) {
                sum = sum.saturating_sub(self.magnitude(column, left, c_in));
            }
            most = sum.max(most);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_give_back_their_values() {
        for lane in [LANE, DENSE_LANE] {
            for (a, b) in (-128..=127).flat_map(|a| (-127..=127).map(move |b| (a, b))) {
                let word = join(a, b, lane);
                assert_eq!((low(word), high(word, lane)), (a, b.into()));
            }
        }
    }

    #[test]
    fn thirty_two_products_always_fit_a_lane() {
        const { assert!(32 * 2 * 127 <= LANE_BUDGET && 33 * 2 * 127 > LANE_BUDGET) };
        const { assert!(128 * LANE_BUDGET < 1 << (LANE - 1)) };
    }
}
