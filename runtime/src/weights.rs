//! The order of weights in flash and the packing of two weights into a word, for each operation and layout (`docs/FORMAT.md`).
use crate::{
    format::{Layer, Op, Shape, WeightLayout, part, product},
    plan,
};

/// Bits per lane in the words of doubling layers.
pub(crate) const LANE: u32 = 21;
/// Bits per lane in the words of dense layers.
pub(crate) const DENSE_LANE: u32 = 24;
/// Number of outputs whose weights are stored together, input by input.
pub(crate) const GROUP: usize = 8;
/// Maximum Σ|weight| over the steps of an interval. 128 times this sum still fits the middle lane of 21 bits.
pub(crate) const LANE_BUDGET: u32 = ((1 << (LANE - 1)) - 1) / 128;

/// Packs two values in a word. A negative lower value borrows from the upper one.
#[cfg_attr(not(feature = "encode"), allow(dead_code))]
pub(crate) const fn join(low: i8, high: i8, lane: u32) -> i32 {
    (low as i32).wrapping_add((high as i32) << lane)
}

/// Returns the lower value of a word.
pub(crate) const fn low(word: i32) -> i8 {
    word as i8
}

/// Returns the upper value of a word, together with any bits above it.
pub(crate) const fn high(word: i32, lane: u32) -> i32 {
    word.wrapping_add(1 << (lane - 1)) >> lane
}

/// Returns the word at the start of `bytes`.
pub(crate) fn word(bytes: &[u8]) -> i32 {
    bytes.first_chunk().map_or(0, |b| i32::from_le_bytes(*b))
}

/// Returns whether `op` has the shape of a doubling layer: four phases of 2×2 taps.
pub(crate) const fn can_double(op: Op) -> bool {
    matches!(op, Op::ConvTranspose { k: 4, s: 2, p: 1, .. })
}

/// Returns whether a layer can have the layout [`WeightLayout::Fast`].
pub(crate) const fn has_fast(layer: &Layer) -> bool {
    layer.doubles() || matches!(layer.op, Op::Dense { .. })
}

/// Returns the number of bytes of the weights between a run of `inputs` (at most a million) and a group of outputs.
pub(crate) const fn run(inputs: u32) -> u32 {
    inputs.next_multiple_of(4) * GROUP as u32
}

/// Returns the number of bytes of the weights of a layer, saturated at the largest u32.
pub(crate) fn bytes(layer: &Layer, input: Shape, out: Shape) -> u32 {
    let groups = |n: usize| n.div_ceil(GROUP) as u32;
    let (c_in, c_out, fast) = (u32::from(input.c), groups(out.c.into()), layer.layout == WeightLayout::Fast);
    // A kernel has at most 16 pixels per side, a tensor at most 4,096 channels.
    let (times, each) = match layer.op {
        Op::Dense { .. } => {
            let inputs = input.count().min(1 << 26);
            let row = if fast { inputs * 2 * GROUP as u32 } else { run(inputs) };
            (groups(out.row_len()) * u32::from(out.h), row)
        }
        Op::Conv { k, .. } => (c_out * u32::from(k), run(u32::from(k) * c_in)),
        Op::ConvTranspose { c, .. } if layer.doubles() => (c.into(), if fast { 32 } else { 16 } * c_in),
        Op::ConvTranspose { k, s, .. } => {
            (c_out * u32::from(k), (0..s).map(|rx| run(plan::phase_taps(k, s, rx) as u32 * c_in)).sum())
        }
        Op::Depthwise { k, .. } => (c_out * GROUP as u32, u32::from(k) * u32::from(k)),
        Op::Upsample { .. } | Op::Palette { .. } => (0, 0),
        Op::Add { .. } => (1, 8),
    };
    product(times, each)
}

/// Returns the offset of the first half-word that does not encode a pair of weights.
pub(crate) fn first_invalid_half(bytes: &[u8]) -> Option<usize> {
    // Shifted to 0..=254, both weights are bytes and neither is 255.
    let valid = |half: &[u8; 2]| {
        let moved = u16::from_le_bytes(*half).wrapping_add(127 + (127 << 8));
        moved & 255 != 255 && moved >> 8 != 255
    };
    bytes.as_chunks().0.iter().position(|half| !valid(half)).map(|at| 2 * at)
}

/// Returns the offset of the first weight of -128.
pub(crate) fn first_minus_128(bytes: &[u8]) -> Option<usize> {
    if sum_of_magnitudes(bytes) < u32::MAX { None } else { bytes.iter().position(|&w| w == 0x80) }
}

/// Returns the offset of the first word that does not encode a pair of weights, which [`join`] never returns.
pub(crate) fn first_invalid_word(bytes: &[u8], lane: u32) -> Option<usize> {
    // Shifted to 0..=254, both weights are bytes and neither is 255.
    let (one, bytes_of_both) = (1 + (1 << lane), 255 + (255 << lane));
    let valid = |word: &[u8; 4]| {
        let moved = u32::from_le_bytes(*word).wrapping_add(127 * one);
        (moved | moved.wrapping_add(1)) & !bytes_of_both == 0 && moved <= 254 * one
    };
    bytes.as_chunks().0.iter().position(|word| !valid(word)).map(|at| 4 * at)
}

const ONES: u32 = 0x0101_0101;
const SIGNS: u32 = 0x8080_8080;

/// Returns the magnitudes of four weights; 128 for the weight -128.
#[inline(always)]
fn magnitudes(four: [u8; 4]) -> u32 {
    let weights = u32::from_le_bytes(four);
    let negative = (weights >> 7) & ONES;
    (weights ^ ((negative << 8).wrapping_sub(negative))) + negative
}

/// Returns Σ|weight|, or `u32::MAX` if a weight is -128.
#[inline(never)]
fn sum_of_magnitudes(bytes: &[u8]) -> u32 {
    let (fours, rest) = bytes.as_chunks();
    let (mut sum, mut all) = (0, 0);
    for &four in fours {
        let four = magnitudes(four);
        let pairs = (four & 0x00FF_00FF) + ((four >> 8) & 0x00FF_00FF);
        // The upper half-word of the product is the sum of both half-words. The sum of a whole layer may wrap around; only that of
        // one run of weights, which is far below 2^32, is used.
        sum = u32::wrapping_add(sum, pairs.wrapping_mul(0x0001_0001) >> 16);
        all |= four;
    }
    for &w in rest {
        let magnitude = u32::from((w as i8).unsigned_abs());
        sum = sum.wrapping_add(magnitude);
        all |= magnitude;
    }
    if all & SIGNS == 0 { sum } else { u32::MAX }
}

/// The weights of one output channel of a doubling layer, for the output rows of one phase.
///
/// A step is one input channel of one tap row. Each step has a pair of weights for the even columns and one for the odd
/// columns. The high weight of a pair belongs to the left one of two neighboring input pixels.
#[derive(Clone, Copy)]
pub(crate) enum Taps<'a> {
    /// Even and odd columns. For each tap row: the high weights, then the low ones.
    Compact([&'a [u8]; 2]),
    /// For each step a word for the even columns and a word for the odd columns.
    Fast(&'a [u8]),
}

impl<'a> Taps<'a> {
    /// Returns the weights of output channel `o` in rows of phase `ry`: 1 for even rows, 0 for odd rows.
    #[cfg_attr(not(feature = "simulate"), allow(dead_code))]
    pub(crate) fn new(blob: &'a [u8], layer: &Layer, c_in: usize, c_out: usize, ry: usize, o: usize) -> Self {
        Self::of_phase(blob, layer, c_in, c_out, ry).channel(o, c_in)
    }

    /// Returns the weights of all output channels in rows of phase `ry`.
    pub(crate) fn of_phase(blob: &'a [u8], layer: &Layer, c_in: usize, c_out: usize, ry: usize) -> Self {
        let span = |at: usize, len: usize| part(blob, (layer.weights.at as usize).wrapping_add(at), len);
        match layer.layout {
            WeightLayout::Compact => {
                let each = 4 * c_in * c_out;
                Self::Compact([1, 0].map(|rx| span((2 * ry + rx) * each, each)))
            }
            WeightLayout::Fast => Self::Fast(span(ry * 16 * c_in * c_out, 16 * c_in * c_out)),
        }
    }

    /// Selects one output channel out of all.
    pub(crate) fn channel(self, o: usize, c_in: usize) -> Self {
        let part = |all: &'a [u8], each: usize| part(all, o * each, each);
        match self {
            Self::Compact(columns) => Self::Compact(columns.map(|all| part(all, 4 * c_in))),
            Self::Fast(words) => Self::Fast(part(words, 16 * c_in)),
        }
    }

    /// Returns the low and the high weight of a step for the even (0) or odd (1) columns.
    #[cfg(feature = "encode")]
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

    /// Returns |low| + |high| for a step.
    #[cfg(feature = "encode")]
    pub(crate) fn magnitude(self, column: usize, step: usize, c_in: usize) -> u32 {
        let (low, high) = self.pair(column, step, c_in);
        u32::from(low.unsigned_abs()) + high.unsigned_abs()
    }

    /// Returns the largest sum of magnitudes that a lane accumulates before it is emptied. Lanes are emptied every `interval` steps.
    #[inline(never)]
    pub(crate) fn largest_sum(self, column: usize, c_in: usize, interval: usize) -> u32 {
        let (mut from, mut most) = (0, 0);
        // In the first row of outputs the steps start with the second tap row, so its lanes are emptied at other steps. The sums of both
        // cases are tracked at once.
        let (mut sum, mut sum_of_first) = (0u32, 0u32);
        let (mut end, mut end_of_first) = (interval, c_in);
        while from < 2 * c_in {
            let to = (2 * c_in).min(end).min(end_of_first);
            let part = self.magnitudes(column, c_in, from, to);
            sum = sum.saturating_add(part);
            sum_of_first = sum_of_first.saturating_add(part);
            most = sum.max(most);
            if from >= c_in {
                most = sum_of_first.max(most);
            }
            if to == end {
                (sum, end) = (0, end + interval);
            }
            if to == end_of_first {
                (sum_of_first, end_of_first) = (0, to + interval);
            }
            from = to;
        }
        most
    }

    /// Returns the sum of magnitudes of some steps in one tap row.
    #[inline(always)]
    fn magnitudes(self, column: usize, c_in: usize, from: usize, to: usize) -> u32 {
        match self {
            Self::Compact(columns) => {
                let block = columns.get(column).copied().unwrap_or_default();
                // High weights, then the low ones of the next pixel.
                let first = if from < c_in { from } else { from + c_in };
                let sum = |at: usize| sum_of_magnitudes(part(block, at, to - from));
                sum(first).saturating_add(sum(first + c_in))
            }
            Self::Fast(words) => {
                let mut sum = 0u32;
                for step in part(words, 8 * from, 8 * (to - from)).as_chunks::<8>().0 {
                    let word = word(step.get(4 * column..).unwrap_or_default());
                    sum = sum.wrapping_add(u32::from(low(word).unsigned_abs()) + high(word, LANE).unsigned_abs());
                }
                sum
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_words_unpack_to_their_values() {
        for lane in [LANE, DENSE_LANE] {
            for (a, b) in (-128..=127).flat_map(|a| (-127..=127).map(move |b| (a, b))) {
                let word = join(a, b, lane);
                assert_eq!((low(word), high(word, lane)), (a, b.into()));
            }
        }
    }

    #[test]
    fn a_half_word_is_valid_if_both_weights_are() {
        let mut valid = 0;
        for half in i16::MIN..=i16::MAX {
            let low = half as i8;
            let high = (i32::from(half) - i32::from(low)) >> 8;
            let pair = low != -128 && (-127..=127).contains(&high);
            assert_eq!(first_invalid_half(&half.to_le_bytes()).is_none(), pair, "{half:04x}");
            valid += u32::from(pair);
        }
        assert_eq!(valid, 255 * 255);
        assert_eq!(first_invalid_half(&[0, 0, 128, 0]), Some(2));
    }

    #[test]
    fn thirty_two_products_always_fit_a_lane() {
        const { assert!(32 * 2 * 127 <= LANE_BUDGET && 33 * 2 * 127 > LANE_BUDGET) };
        const { assert!(128 * LANE_BUDGET < 1 << (LANE - 1)) };
    }

    #[test]
    fn only_words_that_encode_a_weight_pair_are_accepted() {
        for lane in [LANE, DENSE_LANE] {
            let pair = |word: i32| {
                let (low, high) = (low(word), high(word, lane));
                low != -128 && (-127..=127).contains(&high) && join(low, high as i8, lane) == word
            };
            for (low, high) in (0..512).flat_map(|low| (0..512).map(move |high| (low - 256, high - 256))) {
                for stray in [0, 1 << 8, 1 << 14, 1 << 20, 1 << 31] {
                    let word = (low as u32).wrapping_add((high as u32) << lane) ^ stray;
                    let first = first_invalid_word(&word.to_le_bytes(), lane);
                    assert_eq!(first.is_none(), pair(word as i32), "{word:08x}");
                }
            }
        }
        assert_eq!(first_invalid_word(&[0, 0, 0, 0, 0, 1, 0, 0], LANE), Some(4));
    }

    #[cfg(feature = "encode")]
    #[test]
    fn the_largest_sum_is_that_of_the_steps_between_two_emptyings() {
        use alloc::{vec, vec::Vec};
        let mut state = 1u32;
        let mut roll = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        for c_in in 1..70 {
            let bytes: Vec<u8> =
                (0..8 * c_in).map(|_| (roll() % 255) as u8 ^ 0x80).map(|w| if w == 0x80 { 0 } else { w }).collect();
            let (even, odd) = bytes.split_at(4 * c_in);
            let compact = Taps::Compact([even, odd]);
            let steps = (0..2 * c_in).flat_map(|step| [(step, 0), (step, 1)]);
            let pairs = steps.map(|(step, column)| compact.pair(column, step, c_in));
            let words: Vec<u8> = pairs.flat_map(|(low, high)| join(low, high as i8, LANE).to_le_bytes()).collect();
            for (column, interval) in (0..2).flat_map(|c| [1, 3, c_in, 40, 2 * c_in, 500].map(|i| (c, i))) {
                let sums: Vec<u32> = (0..2 * c_in).map(|step| compact.magnitude(column, step, c_in)).collect();
                let stretches = sums.chunks(interval).chain(sums[c_in..].chunks(interval));
                let expected = stretches.map(|s| s.iter().sum::<u32>()).max();
                assert_eq!(Some(compact.largest_sum(column, c_in, interval)), expected, "{c_in} {interval}");
                assert_eq!(Some(Taps::Fast(&words).largest_sum(column, c_in, interval)), expected, "{c_in} {interval}");
            }
        }
        // The sum of the magnitudes of these weights exceeds u32.
        let large = vec![0x81; 40 << 20];
        assert_eq!(first_minus_128(&large), None);
        assert_eq!((first_minus_128(&[1, 0x81, 2, 3, 0x7F, 0x80]), first_minus_128(&[0x81; 9])), (Some(5), None));
    }
}
