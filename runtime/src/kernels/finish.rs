//! Requantization of the sums of neighboring channels, in assembly where a core has it.
use super::row::{Finish, Out, Row};
use crate::format::Span;

impl Row<'_> {
    /// Requantizes the sums of neighboring channels of pixel `x` and writes the values.
    #[inline(never)]
    pub(super) fn finish_run(&self, sums: &[i32], first_bias: usize, x: usize, channel: usize, out: &mut Out<'_>) {
        let from = |span: Span, first: usize| self.blob.get(span.at as usize + 4 * first..).unwrap_or_default();
        let numbers = [from(self.layer.bias, first_bias), from(self.layer.scale, channel)];
        let mut finish = Finish { m: 0, ..self.finish(channel) };
        #[cfg(kernels = "lanes-asm")]
        if super::armv7m::finish(sums, numbers, &finish, out, x, channel) {
            return;
        }
        #[cfg(kernels = "mve")]
        if super::mve::finish(sums, numbers, &finish, out.bytes.get_mut(x * out.c + channel..).unwrap_or_default()) {
            return;
        }
        let [biases, multipliers] =
            numbers.map(|bytes| bytes.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)));
        for (i, (sum, (bias, m))) in sums.iter().zip(biases.zip(multipliers)).enumerate() {
            finish.m = m;
            out.put(x, channel + i, finish.apply(sum.wrapping_add(bias)));
        }
    }
}
