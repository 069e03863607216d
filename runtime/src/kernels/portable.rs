//! Portable kernels for any core, and the reference for all others.
use super::row::{Out, Row};
use crate::format::{Op, read_i32};

impl Row<'_> {
    /// Computes the row into `out`, for any operation.
    #[inline(never)]
    pub(super) fn write_portably(&self, out: &mut Out<'_>) {
        match self.layer.op {
            Op::Dense { .. } => self.dense(out),
            #[cfg(any(not(any(kernels = "lanes", kernels = "lanes-asm")), feature = "simulate"))]
            Op::ConvTranspose { .. } if self.layer.doubles() => self.double(out),
            Op::Conv { k, s, p, .. } | Op::Depthwise { k, s, p } => self.convolve(k, s, p, out),
            Op::ConvTranspose { k, s, p, .. } => self.convolve_transposed(k, s, p, out),
            Op::Upsample { factor } => self.upsample(factor, out),
            Op::Add { .. } => self.add(out),
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

/// Returns Σ a·b over the shorter length, both read as i8.
#[cfg(any(not(any(kernels = "lanes", kernels = "lanes-asm")), feature = "simulate"))]
#[inline(never)]
pub(super) fn dot(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a as i8) * i32::from(b as i8)).sum()
}
