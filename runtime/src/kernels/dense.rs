//! Dense layers: each output is a sum over all inputs, computed in groups of eight outputs.
use super::{
    group,
    row::{BATCH, Out, Row},
};
use crate::{
    format::WeightLayout,
    weights::{self, GROUP},
};

impl Row<'_> {
    /// Computes one row of outputs.
    #[inline(never)]
    pub(super) fn dense(&self, out: &mut Out<'_>) {
        // The ring buffer of a dense layer's input holds all rows, in order.
        let (input, row_len) = (self.input.bytes, self.shape.row_len());
        let fast = self.layer.layout == WeightLayout::Fast;
        let each = if fast { 2 * GROUP * input.len() } else { weights::run(input.len() as u32) as usize };
        let groups = row_len.div_ceil(GROUP);
        let rows = self.weights().get(usize::from(self.y) * groups * each..).unwrap_or_default();
        let per_value = self.layer.bias.len as usize != 4 * usize::from(self.shape.c);
        let first_bias = if per_value { usize::from(self.y) * row_len } else { 0 };
        let (c, mut x, mut channel, mut left) = (usize::from(self.shape.c), 0, 0, row_len);
        for weights in rows.get(..groups * each).unwrap_or_default().chunks((BATCH / GROUP * each).max(1)) {
            let mut sums = [0; BATCH];
            // The last batch may have fewer groups.
            let (groups, _) = sums.as_chunks_mut();
            let groups = groups.get_mut(..weights.len().checked_div(each).unwrap_or(0)).unwrap_or_default();
            if fast {
                let steps = weights.chunks_exact(each.max(1));
                groups.iter_mut().zip(steps).for_each(|(sums, weights)| super::words(input, weights, sums));
            } else {
                group::add(input, weights, groups);
            }
            let mut sums = sums.get(..left).unwrap_or(&sums);
            left -= sums.len();
            while !sums.is_empty() {
                let (run, rest) = sums.split_at_checked(c - channel).unwrap_or((sums, &[]));
                let bias = first_bias + channel + if per_value { x * c } else { 0 };
                self.finish_run(run, bias, x, channel, out);
                (sums, channel) = (rest, channel + run.len());
                if channel >= c {
                    (x, channel) = (x + 1, 0);
                }
            }
        }
    }
}
