//! Arguments of a kernel: the rows that it reads, the row that it writes, and the requantization of accumulators.
use crate::{
    format::{Layer, Shape, part, read_i32},
    plan::Form,
    requant::{self, Table, table_at},
    weights,
};

/// Number of outputs whose sums are requantized together.
pub(super) const BATCH: usize = 64;

/// Accumulators of a group of outputs.
pub(super) type Sums = [i32; weights::GROUP];

/// The ring buffer of a tensor; row `y` is at slot `y mod rows`.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) rows: usize,
    pub(crate) shape: Shape,
    pub(crate) form: Form,
    pub(crate) zero_point: i8,
}

impl<'a> Ring<'a> {
    pub(super) fn row(&self, y: usize) -> &'a [u8] {
        let (len, slot) = (self.form.row_bytes(self.shape), y.checked_rem(self.rows).unwrap_or(0));
        part(self.bytes, slot * len, len)
    }
}

/// A row of a layer's output that is to be computed.
pub(crate) struct Row<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) blob: &'a [u8],
    pub(crate) input: Ring<'a>,
    pub(crate) other: Option<Ring<'a>>,
    pub(crate) shape: Shape,
    pub(crate) y: u16,
    /// Index of the kernel family; unused in builds that have only one.
    #[cfg_attr(not(any(kernels = "lanes", kernels = "lanes-asm", feature = "simulate")), allow(dead_code))]
    pub(crate) family: usize,
}

impl<'a> Row<'a> {
    /// Returns the layer's weights and the bytes after them.
    pub(super) fn weights(&self) -> &'a [u8] {
        self.blob.get(self.layer.weights.at as usize..).unwrap_or_default()
    }

    /// Returns the requantization of a channel.
    pub(super) fn finish(&self, channel: usize) -> Finish<'a> {
        Finish {
            m: read_i32(self.blob, self.layer.scale, channel),
            zero_point: self.layer.zero_point.into(),
            table: table_at(self.blob, self.layer.activation),
        }
    }

    /// Returns the two input rows that a row of a doubling layer reads.
    pub(super) fn tap_rows(&self) -> TapRows<'a> {
        let odd = usize::from(self.y % 2);
        let (lower, h) = (usize::from(self.y / 2) + odd, usize::from(self.input.shape.h));
        let upper = lower.checked_sub(1).map(|y| self.input.row(y));
        TapRows { rows: [upper, (lower < h).then(|| self.input.row(lower))], phase: 1 - odd }
    }

    /// Returns the offset of the biases of channel 0 of a doubling layer in this row. Channels are 64 bytes apart.
    pub(super) fn first_border_bias(&self) -> usize {
        let (odd, border) = (usize::from(self.y % 2), self.y == 0 || self.y + 1 == self.shape.h);
        self.layer.bias.at as usize + 32 * odd + 16 * usize::from(border)
    }

    /// Returns the biases of channel `o` of a doubling layer in this row.
    #[cfg(any(not(kernels = "lanes-asm"), feature = "simulate"))]
    pub(super) fn border_biases(&self, o: usize) -> BorderBiases {
        let bytes = self.blob.get(self.first_border_bias() + 64 * o..);
        let [even, first, odd, last] =
            bytes.and_then(|b| b.as_chunks::<4>().0.first_chunk()).copied().unwrap_or_default();
        BorderBiases([even, first, odd, last].map(i32::from_le_bytes))
    }
}

/// The input rows above and below a row of a doubling layer (`None` in the padding), and the phase of the row.
pub(super) struct TapRows<'a> {
    pub(super) rows: [Option<&'a [u8]>; 2],
    pub(super) phase: usize,
}

/// Biases of even columns, the first column, odd columns and the last column.
#[cfg(any(not(kernels = "lanes-asm"), feature = "simulate"))]
pub(super) struct BorderBiases(pub(super) [i32; 4]);

#[cfg(any(not(any(kernels = "lanes", kernels = "lanes-asm")), feature = "simulate"))]
impl BorderBiases {
    pub(super) fn of_column(&self, x: usize, width: usize) -> i32 {
        let [even, first, odd, last] = self.0;
        match (x % 2, x) {
            (0, 0) => first,
            (0, _) => even,
            _ if x + 1 == width => last,
            _ => odd,
        }
    }
}

/// Requantization of the accumulators of one channel.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) m: i32,
    pub(super) zero_point: i32,
    /// The activation table; `None` means saturation.
    pub(super) table: Option<&'a Table>,
}

impl Finish<'_> {
    pub(super) fn apply(&self, acc: i32) -> i8 {
        match self.table {
            None => self.saturated(acc),
            Some(table) => self.looked_up(acc, table),
        }
    }

    #[inline(always)]
    pub(super) fn saturated(&self, acc: i32) -> i8 {
        requant::saturate(requant::requantize(acc, self.m, self.zero_point))
    }

    #[inline(always)]
    pub(super) fn looked_up(&self, acc: i32, table: &Table) -> i8 {
        requant::look_up(requant::requantize(acc, self.m, 0), table)
    }
}

/// The row that is being written.
pub(crate) struct Out<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) form: Form,
    /// Channels of a pixel.
    pub(crate) c: usize,
}

impl Out<'_> {
    /// Returns the offset of the word of a value in a packed row.
    #[inline(always)]
    pub(super) fn word_at(c: usize, x: usize, channel: usize) -> usize {
        ((x / 4 * c + channel) * 2 + x % 4 / 2) * 4
    }

    /// Writes the word of columns `x - 2` and `x - 1` of a packed row; columns outside the row are ignored.
    #[cfg(any(kernels = "lanes", all(feature = "simulate", not(kernels = "lanes-asm"))))]
    #[inline(always)]
    pub(super) fn put_pair(&mut self, x: usize, channel: usize, low: i8, high: i8) {
        if let Some(x) = x.checked_sub(2)
            && let Some(to) = self.bytes.get_mut(Self::word_at(self.c, x, channel)..).and_then(|b| b.first_chunk_mut())
        {
            *to = weights::join(low, high, weights::LANE).to_le_bytes();
        }
    }

    /// Writes one value. A packed row starts as zeros, and every value is written once.
    pub(super) fn put(&mut self, x: usize, channel: usize, value: i8) {
        match self.form {
            Form::Plain => {
                if let Some(to) = self.bytes.get_mut(x * self.c + channel) {
                    *to = value as u8;
                }
            }
            Form::Packed => {
                let at = Self::word_at(self.c, x, channel);
                if let Some(to) = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
                    let word =
                        i32::from_le_bytes(*to).wrapping_add(i32::from(value) << (weights::LANE * (x as u32 % 2)));
                    *to = word.to_le_bytes();
                }
            }
        }
    }
}
