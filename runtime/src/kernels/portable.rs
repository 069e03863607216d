//! The portable kernels: contiguous products over the channels, which compilers vectorise on hosts.
use crate::{
    format::{Layer, MAX_KERNEL, Op, Shape, read_i32, table_at},
    plan::{self, Taps},
    requant,
};

/// The rows of a tensor that still exist, row `y` at slot `y mod rows`.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) rows: usize,
    pub(crate) shape: Shape,
    pub(crate) zero_point: i8,
}

impl<'a> Ring<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        let (len, slot) = (self.shape.row_len(), y.checked_rem(self.rows).unwrap_or(0));
        self.bytes.get(slot * len..).and_then(|b| b.get(..len)).unwrap_or_default()
    }
}

/// One layer about to make one row of its output.
pub(crate) struct Row<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) blob: &'a [u8],
    pub(crate) input: Ring<'a>,
    pub(crate) other: Option<Ring<'a>>,
    pub(crate) shape: Shape,
    pub(crate) y: u16,
}

impl Row<'_> {
    /// Computes the row into `out`.
    pub(crate) fn write(&self, out: &mut [u8]) {
        match self.layer.op {
            Op::Dense { .. } => self.dense(out),
            Op::Conv { k, s, p, .. } => self.conv(k, s, p, out),
            Op::ConvTranspose { k, s, p, .. } => self.conv_transpose(k, s, p, out),
            Op::Upsample { factor } => self.upsample(factor, out),
            Op::Add { .. } => self.add(out),
        }
    }

    fn weights(&self) -> &[u8] {
        self.blob.get(self.layer.weights.at as usize..).unwrap_or_default()
    }

    fn finish(&self, channel: usize) -> Finish<'_> {
        Finish {
            m: read_i32(self.blob, self.layer.scale, channel) as u32,
            zero_point: self.layer.zero_point,
            table: table_at(self.blob, self.layer.activation),
        }
    }

    fn dense(&self, out: &mut [u8]) {
        let (len, each) = (self.shape.row_len(), self.input.shape.len() as usize);
        let channels = usize::from(self.shape.c).max(1);
        let first = usize::from(self.y) * len;
        let per_value = self.layer.bias.len as usize != 4 * channels;
        let rows = self.weights().get(first * each..).unwrap_or_default().chunks_exact(each.max(1));
        for (i, (value, row)) in out.iter_mut().zip(rows).enumerate() {
            let channel = i % channels;
            let bias = read_i32(self.blob, self.layer.bias, if per_value { first + i } else { channel });
            // The ring of a dense layer's input holds all its rows, in order.
            *value = self.finish(channel).apply(bias + dot(self.input.bytes, row)) as u8;
        }
    }

    fn conv(&self, k: u8, s: u8, p: u8, out: &mut [u8]) {
        let window = Window::new(&self.input, plan::conv_taps(k, s, p, self.y), k.into());
        let columns = Columns { first: 0, step: 1, left: -i32::from(p), stride: s.into() };
        self.channels(&window, &columns, self.weights(), 0, out);
    }

    fn conv_transpose(&self, k: u8, s: u8, p: u8, out: &mut [u8]) {
        let c = usize::from(self.input.shape.c) * usize::from(self.shape.c);
        let phase = |o: u16| ((u32::from(o) + u32::from(p)) % u32::from(s.max(1))) as u8;
        let taps = plan::transpose_taps(k, s, p, self.y);
        // Weights lie phase by phase; the phases of the rows above this one's have all k columns.
        let above: usize = (0..phase(self.y)).map(|r| plan::phase_taps(k, s, r)).sum();
        let mut at = above * usize::from(k) * c;
        for rx in 0..s {
            let count = plan::phase_taps(k, s, rx);
            // The first column of this phase.
            let first = (0..u16::from(s)).find(|&o| phase(o) == rx).unwrap_or(0);
            let left = plan::transpose_taps(k, s, p, first).start;
            let window = Window::new(&self.input, taps, count);
            let columns = Columns { first: first.into(), step: s.into(), left, stride: 1 };
            let bias = (usize::from(phase(self.y)) * usize::from(s) + usize::from(rx)) * usize::from(self.shape.c);
            self.channels(&window, &columns, self.weights().get(at..).unwrap_or_default(), bias, out);
            at += taps.count * count * c;
        }
    }

    /// All channels of the given columns; `weights` holds one window of them for each channel.
    fn channels(&self, window: &Window<'_>, columns: &Columns, weights: &[u8], first_bias: usize, out: &mut [u8]) {
        let c = usize::from(self.shape.c).max(1);
        let blocks = weights.chunks_exact(window.len().max(1));
        for (channel, block) in blocks.take(c).enumerate() {
            let bias = read_i32(self.blob, self.layer.bias, first_bias + channel);
            let finish = self.finish(channel);
            let values = out.iter_mut().skip(columns.first * c + channel).step_by((columns.step * c).max(1));
            let mut left = columns.left;
            for value in values {
                *value = finish.apply(bias + window.sum(left, block)) as u8;
                left += columns.stride;
            }
        }
    }

    fn upsample(&self, factor: u8, out: &mut [u8]) {
        let c = usize::from(self.shape.c).max(1);
        let row = self.input.row(usize::from(self.y / u16::from(factor.max(1))));
        for (copies, pixel) in out.chunks_mut((c * usize::from(factor)).max(1)).zip(row.chunks_exact(c)) {
            for copy in copies.chunks_exact_mut(c) {
                copy.iter_mut().zip(pixel).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn add(&self, out: &mut [u8]) {
        let (Some(other), y) = (self.other, usize::from(self.y)) else { return };
        let weight = |i| read_i32(self.blob, self.layer.weights, i);
        let (wa, wb, bias) = (weight(0), weight(1), read_i32(self.blob, self.layer.bias, 0));
        let finish = self.finish(0);
        for ((value, &a), &b) in out.iter_mut().zip(self.input.row(y)).zip(other.row(y)) {
            *value = finish.apply(bias + wa * i32::from(a as i8) + wb * i32::from(b as i8)) as u8;
        }
    }
}

/// How the accumulators of one channel become i8.
struct Finish<'a> {
    m: u32,
    zero_point: i8,
    table: Option<&'a [u8]>,
}

impl Finish<'_> {
    fn apply(&self, acc: i32) -> i8 {
        let scaled = requant::requantise(acc, self.m);
        match self.table {
            None => requant::clamp(scaled, self.zero_point),
            Some(table) => requant::look_up(scaled, table),
        }
    }
}

/// Output columns `first`, `first + step`, …, whose windows start at `left`, `left + stride`, …
struct Columns {
    first: usize,
    step: usize,
    left: i32,
    stride: i32,
}

/// The input rows under a kernel, `None` where they are padding.
struct Window<'a> {
    rows: [Option<&'a [u8]>; MAX_KERNEL as usize],
    height: usize,
    width: usize,
    input: Shape,
    zero_point: i32,
}

impl<'a> Window<'a> {
    fn new(ring: &Ring<'a>, vertical: Taps, width: usize) -> Self {
        let mut rows = [None; MAX_KERNEL as usize];
        for (t, row) in rows.iter_mut().enumerate().take(vertical.count) {
            let y = usize::try_from(vertical.start + t as i32).ok();
            *row = y.filter(|&y| y < usize::from(ring.shape.h)).map(|y| ring.row(y));
        }
        Self { rows, height: vertical.count, width, input: ring.shape, zero_point: ring.zero_point.into() }
    }

    /// Weights of one channel.
    fn len(&self) -> usize {
        self.height * self.width * usize::from(self.input.c)
    }

    /// The sum of products of the window whose left column is `left`; padding counts as the zero point.
    fn sum(&self, left: i32, weights: &[u8]) -> i32 {
        let c = usize::from(self.input.c);
        let outside_left = usize::try_from(-left).unwrap_or(0).min(self.width);
        let begin = usize::try_from(left).unwrap_or(0);
        let inside = usize::from(self.input.w).saturating_sub(begin).min(self.width - outside_left);
        let whole = inside == self.width;
        let (mut products, mut padding, mut rest) = (0, 0, weights);
        for row in self.rows.iter().take(self.height) {
            let (taps, after) = rest.split_at((self.width * c).min(rest.len()));
            rest = after;
            match row {
                None => padding += sum(taps),
                Some(row) if whole => products += dot(row.get(begin * c..).unwrap_or_default(), taps),
                Some(row) => {
                    let (before, seen) = taps.split_at((outside_left * c).min(taps.len()));
                    let (under, after) = seen.split_at((inside * c).min(seen.len()));
                    products += dot(row.get(begin * c..).unwrap_or_default(), under);
                    padding += sum(before) + sum(after);
                }
            }
        }
        products + self.zero_point * padding
    }
}

/// Σ a·b over the shorter length, both read as i8.
fn dot(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a as i8) * i32::from(b as i8)).sum()
}

fn sum(weights: &[u8]) -> i32 {
    weights.iter().map(|&w| i32::from(w as i8)).sum()
}
