//! Portable kernel of doubling layers: transposed convolutions with kernel 4, stride 2 and padding 1.
use super::{
    portable::dot,
    row::{Out, Row},
};
use crate::weights::{self, LANE, Taps};

impl Row<'_> {
    /// Computes a row. Each output reads two neighboring pixels in each of two rows. The bias includes pixels in the padding.
    pub(super) fn double(&self, out: &mut Out<'_>) {
        let (c_in, c_out) = (usize::from(self.input.shape.c), usize::from(self.shape.c));
        let w = usize::from(self.input.shape.w);
        let rows = self.tap_rows();
        for o in 0..c_out {
            let (finish, bias) = (self.finish(o), self.border_biases(o));
            let taps = Taps::new(self.blob, self.layer, c_in, c_out, rows.phase, o);
            for x in 0..2 * w {
                let mut acc = bias.of_column(x, 2 * w);
                // In the first column the left pixel is in the padding.
                let right = x.div_ceil(2) * c_in;
                let (skip, left) = if x == 0 { (c_in, 0) } else { (0, right.saturating_sub(c_in)) };
                for (t, row) in rows.rows.into_iter().enumerate() {
                    let Some(row) = row else { continue };
                    let pixels = row.get(left..row.len().min(right + c_in)).unwrap_or_default();
                    acc += taps.sum(t, x % 2, skip, pixels, c_in);
                }
                out.put(x, o, finish.apply(acc));
            }
        }
    }
}

impl Taps<'_> {
    /// Returns the sum of products of tap row `t` with two pixels, or with the right one only if `skip` is the length of a pixel.
    fn sum(self, t: usize, column: usize, skip: usize, pixels: &[u8], c_in: usize) -> i32 {
        match self {
            Self::Compact(columns) => {
                let block = columns.get(column).copied().unwrap_or_default();
                dot(pixels, block.get(2 * t * c_in + skip..).unwrap_or_default())
            }
            Self::Fast(words) => {
                let words = words.get(8 * t * c_in..).unwrap_or_default().chunks_exact(8);
                let words = words.map(|step| weights::word(step.get(4 * column..).unwrap_or_default()));
                let (left, right) = pixels.split_at_checked(c_in.saturating_sub(skip)).unwrap_or((pixels, &[]));
                let highs = left.iter().zip(words.clone()).map(|(&a, w)| i32::from(a as i8) * weights::high(w, LANE));
                let lows = right.iter().zip(words).map(|(&a, w)| i32::from(a as i8) * i32::from(weights::low(w)));
                highs.sum::<i32>() + lows.sum::<i32>()
            }
        }
    }
}
