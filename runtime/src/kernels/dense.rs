//! Dense layers: every output of a row is a sum over all input values, made in groups of eight.
use super::{
    portable::dot,
    row::{Out, Row},
};
use crate::{
    format::{Layout, Span, table_at},
    plan::Form,
    requant,
    weights::{self, DENSE_GROUP, DENSE_LANE, LANE},
};

/// Sums of a group of outputs.
pub(super) type Sums = [i32; DENSE_GROUP];

impl Row<'_> {
    /// One row of outputs; `dots` multiplies the input with compact weights, `words` with fast ones.
    #[inline(always)]
    pub(super) fn dense(
        &self,
        out: &mut Out<'_>,
        dots: impl Fn(&[u8], &[u8]) -> Sums,
        words: impl Fn(&[u8], &[u8]) -> Sums,
    ) {
        // The ring of a dense layer's input holds all its rows, in order.
        let (input, row_len) = (self.input.bytes, self.shape.row_len());
        let mut place = Place::new(self);
        match self.layer.layout {
            Layout::Compact => {
                let each = row_len * input.len();
                let row = self.weights().get(usize::from(self.y) * each..).and_then(|w| w.get(..each));
                let groups = row.unwrap_or_default().chunks((DENSE_GROUP * input.len()).max(1));
                place.put_all(groups.map(|rows| dots(input, rows)), out);
            }
            Layout::Fast => {
                let each = weights::dense_row(input.len() as u64, self.shape) as usize;
                let row = self.weights().get(usize::from(self.y) * each..).and_then(|w| w.get(..each));
                let groups = row.unwrap_or_default().chunks_exact((input.len() * 2 * DENSE_GROUP).max(1));
                place.put_all(groups.map(|group| words(input, group)), out);
            }
        }
    }
}

/// The portable kernel for compact weights: up to eight rows of them.
pub(super) fn dots(input: &[u8], rows: &[u8]) -> Sums {
    let mut sums = [0; DENSE_GROUP];
    let rows = rows.chunks_exact(input.len().max(1));
    sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum = dot(input, row));
    sums
}

/// The portable kernel for fast weights.
pub(super) fn words(input: &[u8], words: &[u8]) -> Sums {
    let mut sums = [0; DENSE_GROUP];
    for (&a, words) in input.iter().zip(words.chunks_exact(2 * DENSE_GROUP)) {
        for (pair, word) in sums.chunks_exact_mut(2).zip(words.chunks_exact(4)) {
            let (a, word) = (i32::from(a as i8), weights::word(word));
            if let [even, odd] = pair {
                *even += a * i32::from(weights::low(word));
                *odd += a * weights::high(word, DENSE_LANE);
            }
        }
    }
    sums
}

/// Where the outputs go, in the order in which they are made.
struct Place<'a> {
    row: &'a Row<'a>,
    /// Biases from this pixel's on.
    biases: &'a [u8],
    scales: &'a [u8],
    /// Bytes from the biases of one pixel to those of the next.
    bias_step: usize,
    x: usize,
    channel: usize,
    left: usize,
}

impl<'a> Place<'a> {
    fn new(row: &'a Row<'a>) -> Self {
        let c = usize::from(row.shape.c);
        let per_value = row.layer.bias.len as usize != 4 * c;
        let first = if per_value { 4 * usize::from(row.y) * row.shape.row_len() } else { 0 };
        Self {
            row,
            biases: bytes_at(row.blob, row.layer.bias).get(first..).unwrap_or_default(),
            scales: bytes_at(row.blob, row.layer.scale),
            bias_step: if per_value { 4 * c } else { 0 },
            x: 0,
            channel: 0,
            left: row.shape.row_len(),
        }
    }

    /// Finishes and writes the outputs, many groups at a time.
    #[inline(always)]
    fn put_all(&mut self, mut groups: impl Iterator<Item = Sums>, out: &mut Out<'_>) {
        let mut sums = [0; 8 * DENSE_GROUP];
        loop {
            let mut filled = 0;
            for (to, group) in sums.chunks_exact_mut(DENSE_GROUP).zip(groups.by_ref()) {
                to.copy_from_slice(&group);
                filled += DENSE_GROUP;
            }
            if filled == 0 {
                return;
            }
            self.put(sums.get(..filled).unwrap_or_default(), out);
        }
    }

    /// Finishes and writes the next outputs; what is beyond the row is left out.
    #[inline(never)]
    fn put(&mut self, sums: &[i32], out: &mut Out<'_>) {
        let mut sums = sums.get(..self.left).unwrap_or(sums);
        self.left -= sums.len();
        let c = usize::from(self.row.shape.c);
        while !sums.is_empty() {
            // A run of channels of one pixel.
            let (run, rest) = sums.split_at_checked(c - self.channel).unwrap_or((sums, &[]));
            self.put_run(run, out);
            sums = rest;
            self.channel += run.len();
            if self.channel >= c {
                (self.x, self.channel) = (self.x + 1, 0);
                self.biases = self.biases.get(self.bias_step..).unwrap_or_default();
            }
        }
    }

    #[inline(always)]
    fn put_run(&self, run: &[i32], out: &mut Out<'_>) {
        let zero_point = self.row.layer.zero_point.into();
        // Decided once for the run.
        match table_at(self.row.blob, self.row.layer.activation) {
            None => self.put_values(run, |acc, m| requant::saturate(requant::requantise(acc, m, zero_point)), out),
            Some(table) => self.put_values(run, |acc, m| requant::look_up(requant::requantise(acc, m, 0), table), out),
        }
    }

    #[inline(always)]
    fn put_values(&self, run: &[i32], finish: impl Fn(i32, i32) -> i8, out: &mut Out<'_>) {
        let at = |bytes: &'a [u8]| bytes.get(4 * self.channel..).unwrap_or_default().chunks_exact(4).map(weights::word);
        let values = run.iter().zip(at(self.biases)).zip(at(self.scales));
        let values = values.map(|((&sum, bias), m)| finish(sum.wrapping_add(bias), m));
        match out.form {
            Form::Plain => {
                let to = out.bytes.get_mut(self.x * out.c + self.channel..).unwrap_or_default();
                to.iter_mut().zip(values).for_each(|(to, value)| *to = value as u8);
            }
            Form::Packed => {
                let first = ((self.x / 4 * out.c + self.channel) * 2 + self.x % 4 / 2) * 4;
                let words = out.bytes.get_mut(first..).unwrap_or_default().chunks_mut(8);
                let shift = if self.x.is_multiple_of(2) { 0 } else { LANE };
                for (to, value) in words.zip(values) {
                    if let Some(to) = to.first_chunk_mut() {
                        *to = i32::from_le_bytes(*to).wrapping_add(i32::from(value) << shift).to_le_bytes();
                    }
                }
            }
        }
    }
}

fn bytes_at(blob: &[u8], span: Span) -> &[u8] {
    blob.get(span.at as usize..).and_then(|b| b.get(..span.len as usize)).unwrap_or_default()
}
