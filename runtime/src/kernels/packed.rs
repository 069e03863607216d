//! Rows of doubling layers from packed rows, for cores with a 64-bit product.
#[cfg(not(target_arch = "riscv32"))]
use super::lanes::{quad, unpack};
#[cfg(target_arch = "riscv32")]
use super::rv32::{quad, unpack};
use super::{
    lanes::Lanes,
    row::{Finish, Out, Row},
};
use crate::{format::read_i32, plan::Form, requant::table_at, weights::Taps};

/// Computes a row of a doubling layer from packed rows. `scratch` receives the unpacked weights of one channel.
#[inline(never)]
pub(super) fn double(row: &Row<'_>, out: &mut Out<'_>, scratch: &mut [u8]) {
    let (c_in, c_out) = (usize::from(row.input.shape.c), usize::from(row.shape.c));
    let (w, rows) = (usize::from(row.input.shape.w), row.tap_rows());
    // A tap row in the padding is skipped; the bias includes it.
    let skipped = if rows.rows[0].is_none() { 8 * c_in } else { 0 };
    let [above, below] = rows.rows.map(Option::unwrap_or_default);
    let seen = if above.is_empty() { [below, above] } else { [above, below] };
    let pixels = Pixels::new(seen, c_in, row.layer.interval.into());
    let table = table_at(row.blob, row.layer.activation);
    let zero_point = row.layer.zero_point.into();
    let weights = Taps::of_phase(row.blob, row.layer, c_in, c_out, rows.phase);
    for o in 0..c_out {
        let words = match weights.channel(o, c_in) {
            Taps::Fast(words) => words,
            Taps::Compact(columns) => unpack(columns, c_in, scratch),
        };
        let words = words.get(skipped..).unwrap_or_default();
        let columns = Columns { biases: row.border_biases(o).0, w };
        let finish = Finish { m: read_i32(row.blob, row.layer.scale, o), zero_point, table };
        columns.run(pixels.times(words), &finish, out, o);
    }
}

/// Combines lanes into the values of one channel of a row.
pub(super) struct Columns {
    /// Biases of even, the first, odd and the last column.
    pub(super) biases: [i32; 4],
    /// Width of the input row in pixels.
    pub(super) w: usize,
}

impl Columns {
    /// Processes four input pixels at a time. If the first of them is pixel `p`, these are the output columns `2p - 1` to `2p + 6`.
    fn run(&self, mut products: Products<'_>, finish: &Finish<'_>, out: &mut Out<'_>, o: usize) {
        let [even, first, odd, last] = self.biases;
        // Contribution of earlier pixels to the next odd and even column, biases included.
        let (mut carry_odd, mut carry_even) = (odd, first);
        // `x` is the column of the held value plus two, because the first pair of values lies before the row.
        let (mut left, mut x, mut held) = (self.w, 0, 0);
        while let Some(lanes) = products.next() {
            let &[e0, e1, e2, o0, o1, o2, e3, e4, e5, o3, o4, o5] = lanes;
            // The last column has its own bias. No column follows it.
            let bias = |pixels| if left == pixels { last } else { odd };
            let sums = [
                carry_odd.wrapping_add(o0),
                carry_even.wrapping_add(e0),
                bias(1).wrapping_add(o1),
                even.wrapping_add(e1),
                bias(2).wrapping_add(o2).wrapping_add(o3),
                even.wrapping_add(e2).wrapping_add(e3),
                bias(3).wrapping_add(o4),
                even.wrapping_add(e4),
            ];
            let mut values = [0; 8];
            values.iter_mut().zip(sums).for_each(|(value, sum)| *value = finish.apply(sum));
            match out.form {
                Form::Packed => {
                    let [v0, v1, v2, v3, v4, v5, v6, v7] = values;
                    // In the first iteration the first pair lies before the row and is ignored.
                    out.put_pair(x, o, held, v0);
                    out.put_pair(x + 2, o, v1, v2);
                    if left > 1 {
                        out.put_pair(x + 4, o, v3, v4);
                    }
                    if left > 2 {
                        out.put_pair(x + 6, o, v5, v6);
                    }
                    held = v7;
                }
                Form::Plain => {
                    for (i, value) in values.into_iter().enumerate() {
                        let column = (x + i).wrapping_sub(1);
                        if column < 2 * self.w {
                            out.put(column, o, value);
                        }
                    }
                }
            }
            x += 8;
            carry_odd = bias(4).wrapping_add(o5);
            carry_even = even.wrapping_add(e5);
            left = left.saturating_sub(4);
        }
        if x == 2 * self.w {
            // If the width is a multiple of four, the last column has not been written yet.
            match out.form {
                Form::Packed => out.put_pair(x, o, held, finish.apply(carry_odd)),
                Form::Plain => out.put(x - 1, o, finish.apply(carry_odd)),
            }
        }
    }
}

/// The packed pixels of up to two rows, four at a time.
struct Pixels<'a> {
    rows: [&'a [u8]; 2],
    /// Bytes of four pixels.
    each: usize,
    interval: usize,
}

impl<'a> Pixels<'a> {
    /// The first row must not be empty.
    fn new(rows: [&'a [u8]; 2], c_in: usize, interval: usize) -> Self {
        Self { rows, each: 8 * c_in, interval }
    }

    /// Multiplies the pixels by the words of one output channel.
    fn times<'p>(&'p self, words: &'p [u8]) -> Products<'p> {
        Products { pixels: self, words, at: 0, lanes: [0; 12] }
    }
}

/// Iterates over the lanes of the products of pixels and the words of one channel.
struct Products<'p> {
    pixels: &'p Pixels<'p>,
    words: &'p [u8],
    /// Offset of the next four pixels.
    at: usize,
    lanes: Lanes,
}

impl Products<'_> {
    /// Returns the lanes of the next four pixels.
    fn next(&mut self) -> Option<&Lanes> {
        let Pixels { rows: [first, second], each, interval } = *self.pixels;
        let first = first.get(self.at..)?.get(..each)?;
        let second = second.get(self.at..).and_then(|b| b.get(..each)).unwrap_or_default();
        self.lanes = quad([first, second], self.words, interval);
        self.at += each;
        Some(&self.lanes)
    }
}
