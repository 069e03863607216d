//! Convolutions of any kernel, stride and padding, including transposed and depthwise ones, eight channels at a time.
use super::{
    group,
    row::{BATCH, Out, Row, Sums},
};
use crate::{
    format::{MAX_KERNEL, Op},
    plan::{self, Taps},
    weights::{self, GROUP},
};
use core::slice;

/// Number of values that are copied at a time if a window extends into the padding.
const EDGE: usize = 64;

/// Output columns `first`, `first + step`, … with windows that start at `left`, `left + stride`, …
struct Columns {
    first: usize,
    step: usize,
    left: i32,
    stride: i32,
    /// Width of a window in pixels.
    width: usize,
}

impl Row<'_> {
    /// Computes a row of a convolution or depthwise convolution.
    pub(super) fn convolve(&self, k: u8, s: u8, p: u8, out: &mut Out<'_>) {
        let columns = Columns { first: 0, step: 1, left: -i32::from(p), stride: s.into(), width: k.into() };
        self.windows(plan::conv_taps(k, s, p, self.y), &columns, self.weights(), 0, out);
    }

    /// Computes a row of a transposed convolution, phase by phase.
    pub(super) fn convolve_transposed(&self, k: u8, s: u8, p: u8, out: &mut Out<'_>) {
        let (c_in, c) = (u32::from(self.input.shape.c), usize::from(self.shape.c));
        let groups = c.div_ceil(GROUP);
        let phase = |o: u16| (u32::from(o) + u32::from(p)).checked_rem(u32::from(s)).unwrap_or(0) as u8;
        let taps = plan::transpose_taps(k, s, p, self.y);
        let run = |rx: u8| weights::run(plan::phase_taps(k, s, rx) as u32 * c_in) as usize;
        // Weights are stored by row phase and then by column phase, in ascending order.
        let rows_above: usize = (0..phase(self.y)).map(|ry| plan::phase_taps(k, s, ry)).sum();
        let mut at = rows_above * groups * (0..s).map(run).sum::<usize>();
        for rx in 0..s {
            // The first column of this phase.
            let first = (0..u16::from(s)).find(|&o| phase(o) == rx).unwrap_or(0);
            let Taps { start: left, count: width } = plan::transpose_taps(k, s, p, first);
            let columns = Columns { first: first.into(), step: s.into(), left, stride: 1, width };
            let bias = (usize::from(phase(self.y)) * usize::from(s) + usize::from(rx)) * c;
            self.windows(taps, &columns, self.weights().get(at..).unwrap_or_default(), bias, out);
            at += taps.count * groups * run(rx);
        }
    }

    /// Computes all channels of the given columns; `weights` holds the weights of a window for each group of channels.
    #[inline(never)]
    fn windows(&self, vertical: Taps, columns: &Columns, weights: &[u8], first_bias: usize, out: &mut Out<'_>) {
        let mut rows = [&[] as &[u8]; MAX_KERNEL as usize];
        for (t, row) in rows.iter_mut().enumerate().take(vertical.count) {
            // A row in the padding is empty.
            let y = usize::try_from(vertical.start + t as i32).ok().filter(|&y| y < usize::from(self.input.shape.h));
            *row = y.map_or(&[], |y| self.input.row(y));
        }
        let (c_in, c) = (usize::from(self.input.shape.c), usize::from(self.shape.c));
        let values = columns.width * c_in;
        let depthwise = matches!(self.layer.op, Op::Depthwise { .. });
        let each = if depthwise { columns.width * GROUP } else { weights::run(values as u32) as usize };
        let window = vertical.count * each;
        let weights = weights.get(..c.div_ceil(GROUP) * window).unwrap_or_default();
        let mut left = columns.left;
        for x in (columns.first..usize::from(self.shape.w)).step_by(columns.step.max(1)) {
            let at = left * c_in as i32;
            for (batch, weights) in weights.chunks((BATCH / GROUP * window).max(1)).enumerate() {
                let mut sums = [0; BATCH];
                let (first, mut channel) = (batch * BATCH, batch * BATCH);
                for (sums, weights) in
                    sums.as_chunks_mut::<GROUP>().0.iter_mut().zip(weights.chunks_exact(window.max(1)))
                {
                    for (row, weights) in rows.iter().zip(weights.chunks_exact(each.max(1))) {
                        if depthwise {
                            self.add_each(row, left, channel, weights, sums);
                        } else if let Some(values) = row.get(at as usize..).and_then(|r| r.get(..values)) {
                            group::add(values, weights, slice::from_mut(sums));
                        } else {
                            self.add_edge(row, at, values, weights, sums);
                        }
                    }
                    channel += GROUP;
                }
                let sums = sums.get(..c - first).unwrap_or(&sums);
                self.finish_run(sums, first_bias + first, x, first, out);
            }
            left += columns.stride;
        }
    }

    /// Adds the products of a row of a window that is partly in the padding.
    #[inline(never)]
    fn add_edge(&self, row: &[u8], at: i32, values: usize, weights: &[u8], sums: &mut Sums) {
        let mut seen = [0; EDGE];
        for (first, weights) in (0..values).step_by(EDGE).zip(weights.chunks(EDGE * GROUP)) {
            for (i, value) in seen.iter_mut().enumerate() {
                let inside = row.get(at.wrapping_add((first + i) as i32) as usize);
                *value = inside.copied().unwrap_or(self.input.zero_point as u8);
            }
            group::add(seen.get(..values - first).unwrap_or(&seen), weights, slice::from_mut(sums));
        }
    }

    /// Adds the products of a row of a depthwise window that starts at pixel `left`, channel by channel.
    #[inline(never)]
    fn add_each(&self, row: &[u8], left: i32, channel: usize, weights: &[u8], sums: &mut Sums) {
        #[cfg(kernels = "lanes-asm")]
        if let Ok(left) = usize::try_from(left)
            && channel + GROUP <= self.shape.c.into()
            && let Some(pixels) = row.get(left * usize::from(self.input.shape.c) + channel..)
            && super::armv7m::add_each(pixels, weights, self.input.shape.c.into(), sums)
        {
            return;
        }
        let (c, zero) = (usize::from(self.input.shape.c), [self.input.zero_point as u8; GROUP]);
        for (x, weights) in (left..).zip(weights.as_chunks::<GROUP>().0) {
            let pixel = usize::try_from(x).ok().and_then(|x| row.get(x * c + channel..(x + 1) * c));
            let values = pixel.unwrap_or(&zero);
            let products = values.iter().zip(weights).map(|(&v, &w)| i32::from(v as i8) * i32::from(w as i8));
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
        }
    }
}
