//! Portable kernels for any core, and the reference for all others.
use super::row::{Out, Row};
use crate::format::{Op, read_i32};
use crate::requant::{Table, table_at};

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
            Op::Palette { .. } => self.mix(out),
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

impl Row<'_> {
    /// Mixes the colors of the palette in the shares of each pixel.
    #[inline(never)]
    fn mix(&self, out: &mut Out<'_>) {
        let (Some(palette), Some(table)) = (self.other, table_at(self.blob, self.layer.activation)) else { return };
        let colors = usize::from(self.input.shape.c).max(1);
        for (x, pixel) in self.input.row(self.y.into()).chunks_exact(colors).enumerate() {
            // Biased by 128, the order of the bytes is that of the values.
            let most = pixel.iter().fold(0, |most: u8, v| most.max(v ^ 0x80));
            for (channel, values) in palette.row(0).chunks_exact(colors).enumerate() {
                let (mut sum, mut total) = (0, 0);
                for (v, color) in pixel.iter().zip(values) {
                    let share = share(table, most.wrapping_sub(v ^ 0x80));
                    sum += share * u32::from(color ^ 0x80);
                    total += share;
                }
                // The share of the largest value is positive. Checked divisions compile to code without a panic.
                let mean = (sum + total / 2).checked_div(total).unwrap_or(0);
                out.put(x, channel, (mean as u8 ^ 0x80) as i8);
            }
        }
    }
}

/// Returns the share of a color whose value is `below` the largest one.
#[inline(always)]
fn share(table: &Table, below: u8) -> u32 {
    let at = 2 * usize::from(below);
    table.get(at..).and_then(|t| t.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b)).into()
}

/// Returns Σ a·b over the shorter length, both read as i8.
#[cfg(any(not(any(kernels = "lanes", kernels = "lanes-asm")), feature = "simulate"))]
#[inline(never)]
pub(super) fn dot(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a as i8) * i32::from(b as i8)).sum()
}
