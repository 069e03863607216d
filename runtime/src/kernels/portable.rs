//! The portable kernels: contiguous products over the channels, which compilers vectorise on hosts.
use super::{
    dense,
    row::{Out, Ring, Row},
};
use crate::{
    format::{FAMILY, MAX_KERNEL, Op, Shape, read_i32},
    plan::{self, Taps},
    weights,
};

impl Row<'_> {
    /// Computes the row into `out`, whatever the operation.
    #[inline(never)]
    pub(super) fn write_portably(&self, out: &mut Out<'_>) {
        match self.layer.op {
            // Packed kernels make dense rows of every form.
            Op::Dense { .. } if FAMILY == 1 && !cfg!(feature = "encode") => {}
            Op::Dense { .. } => self.dense(out, dense::dots, dense::words),
            Op::Conv { k, s, p, .. } => self.conv(k, s, p, out),
            op if weights::doubles(op) => self.double(out),
            Op::ConvTranspose { k, s, p, .. } => self.conv_transpose(k, s, p, out),
            Op::Upsample { factor } => self.upsample(factor, out),
            Op::Add { .. } => self.add(out),
        }
    }

    fn conv(&self, k: u8, s: u8, p: u8, out: &mut Out<'_>) {
        let window = Window::new(&self.input, plan::conv_taps(k, s, p, self.y), k.into());
        let columns = Columns { first: 0, step: 1, left: -i32::from(p), stride: s.into() };
        self.channels(&window, &columns, self.weights(), 0, out);
    }

    fn conv_transpose(&self, k: u8, s: u8, p: u8, out: &mut Out<'_>) {
        let c = usize::from(self.input.shape.c) * usize::from(self.shape.c);
        let phase = |o: u16| (u32::from(o) + u32::from(p)).checked_rem(u32::from(s)).unwrap_or(0) as u8;
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
    fn channels(&self, window: &Window<'_>, columns: &Columns, weights: &[u8], first_bias: usize, out: &mut Out<'_>) {
        let c = usize::from(self.shape.c).max(1);
        let blocks = weights.chunks_exact(window.len().max(1));
        for (channel, block) in blocks.take(c).enumerate() {
            let bias = read_i32(self.blob, self.layer.bias, first_bias + channel);
            let finish = self.finish(channel);
            let mut left = columns.left;
            for x in (columns.first..usize::from(self.shape.w)).step_by(columns.step.max(1)) {
                out.put(x, channel, finish.apply(bias + window.sum(left, block)));
                left += columns.stride;
            }
        }
    }

    fn upsample(&self, factor: u8, out: &mut Out<'_>) {
        let (c, factor) = (usize::from(self.shape.c).max(1), usize::from(factor.max(1)));
        let row = self.input.row(usize::from(self.y).checked_div(factor).unwrap_or(0));
        for (x, pixel) in row.chunks_exact(c).enumerate() {
            for copy in x * factor..(x + 1) * factor {
                pixel.iter().enumerate().for_each(|(channel, &v)| out.put(copy, channel, v as i8));
            }
        }
    }

    fn add(&self, out: &mut Out<'_>) {
        let (Some(other), y) = (self.other, usize::from(self.y)) else { return };
        let weight = |i| read_i32(self.blob, self.layer.weights, i);
        let (wa, wb, bias) = (weight(0), weight(1), read_i32(self.blob, self.layer.bias, 0));
        let (finish, c) = (self.finish(0), usize::from(self.shape.c).max(1));
        let pixels = self.input.row(y).chunks_exact(c).zip(other.row(y).chunks_exact(c));
        for (x, (a, b)) in pixels.enumerate() {
            for (channel, (&a, &b)) in a.iter().zip(b).enumerate() {
                let acc = bias + wa * i32::from(a as i8) + wb * i32::from(b as i8);
                out.put(x, channel, finish.apply(acc));
            }
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
                Some(row) => {
                    let (before, seen) = taps.split_at((outside_left * c).min(taps.len()));
                    let (under, after) = seen.split_at((inside * c).min(seen.len()));
                    products += dot(row.get(begin * c..).unwrap_or_default(), under);
                    if !whole {
                        padding += sum(before) + sum(after);
                    }
                }
            }
        }
        products + self.zero_point * padding
    }
}

/// Σ a·b over the shorter length, both read as i8.
#[inline(never)]
pub(super) fn dot(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a as i8) * i32::from(b as i8)).sum()
}

#[inline(never)]
fn sum(weights: &[u8]) -> i32 {
    weights.iter().map(|&w| i32::from(w as i8)).sum()
}
