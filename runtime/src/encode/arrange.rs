//! Reorders weights and biases from training order into the order in which kernels read them.
use crate::{
    format::{Op, Shape},
    plan,
    weights::{DENSE_LANE, GROUP, LANE, LANE_BUDGET, Taps, join},
};
use alloc::{vec, vec::Vec};

/// Returns weights in the order in which kernels read them.
///
/// If the number of weights is wrong, they are returned unchanged, and validation reports the error.
pub(super) fn arrange(op: Op, doubles: bool, weights: &[i8]) -> Vec<u8> {
    let per = |n: usize| weights.len().checked_div(n).unwrap_or(0);
    let mut out = Vec::new();
    let whole = match op {
        Op::Dense { shape } => {
            let (units, row) = (shape.len() as usize, shape.row_len());
            let inputs = per(units);
            for y in 0..usize::from(shape.h) {
                push_groups(&mut out, row, |o| vec![(0..inputs).map(|i| weights[i * units + y * row + o]).collect()]);
            }
            units * inputs
        }
        Op::Conv { k, c, .. } => {
            let (k, c) = (usize::from(k), usize::from(c));
            let inputs = per(k * k * c);
            let run = |o: usize, ky: usize| (0..k * inputs).map(|at| weights[(ky * k * inputs + at) * c + o]).collect();
            push_groups(&mut out, c, |o| (0..k).map(|ky| run(o, ky)).collect());
            k * k * c * inputs
        }
        Op::ConvTranspose { k, s, c, .. } => {
            let (size, c) = (usize::from(k), usize::from(c));
            let inputs = per(size * size * c);
            for (ry, rx) in (0..s).flat_map(|ry| (0..s).map(move |rx| (ry, rx))) {
                let taps = |phase| {
                    (0..plan::phase_taps(k, s, phase)).rev().map(move |t| usize::from(phase) + t * usize::from(s))
                };
                let run = |o: usize, ky: usize| {
                    let pixel = |kx: usize| &weights[((ky * size + kx) * c + o) * inputs..][..inputs];
                    taps(rx).flat_map(pixel).copied().collect::<Vec<i8>>()
                };
                if doubles {
                    let all = (0..c).flat_map(|o| taps(ry).flat_map(move |ky| run(o, ky)));
                    out.extend(all.map(|w| w as u8));
                } else {
                    push_groups(&mut out, c, |o| taps(ry).map(|ky| run(o, ky)).collect());
                }
            }
            size * size * c * inputs
        }
        Op::Depthwise { k, .. } => {
            let taps = usize::from(k) * usize::from(k);
            let c = per(taps);
            for first in (0..c).step_by(GROUP) {
                for (tap, o) in (0..taps).flat_map(|tap| (first..first + GROUP).map(move |o| (tap, o))) {
                    out.push(if o < c { weights[tap * c + o] as u8 } else { 0 });
                }
            }
            taps * c
        }
        Op::Upsample { .. } | Op::Add { .. } | Op::Palette { .. } => 0,
    };
    if whole == weights.len() { out } else { weights.iter().map(|&w| w as u8).collect() }
}

/// Appends the weights of outputs in groups of eight, padded with zeros. `runs` returns the weights of an output, run by run.
///
/// A run is split into blocks of four inputs, padded with zeros. A block has, for each pair of outputs, the half-words of
/// the first, third, second and fourth input.
fn push_groups(out: &mut Vec<u8>, outputs: usize, runs: impl Fn(usize) -> Vec<Vec<i8>>) {
    for first in (0..outputs).step_by(GROUP) {
        let group: Vec<_> = (first..outputs.min(first + GROUP)).map(&runs).collect();
        for run in 0..group[0].len() {
            let inputs = group[0][run].len();
            let weight = |o: usize, i: usize| group.get(o).and_then(|runs| runs[run].get(i)).copied().unwrap_or(0);
            for (four, pair) in (0..inputs.div_ceil(4)).flat_map(|f| (0..GROUP / 2).map(move |p| (f, p))) {
                for i in [0, 2, 1, 3].map(|i| 4 * four + i) {
                    let half = i16::from(weight(2 * pair, i)) + (i16::from(weight(2 * pair + 1, i)) << 8);
                    out.extend(half.to_le_bytes());
                }
            }
        }
    }
}

/// Returns the fast layout of a dense layer: groups of outputs of a row, two outputs per word, input by input.
pub(super) fn dense_words(weights: &[i8], shape: Shape) -> Vec<u8> {
    let (units, row) = (shape.len() as usize, shape.row_len());
    let inputs = weights.len().checked_div(units).unwrap_or(0);
    let weight = |y: usize, x: usize, i: usize| if x < row { weights[i * units + y * row + x] } else { 0 };
    let mut out = Vec::new();
    for (y, group) in (0..usize::from(shape.h)).flat_map(|y| (0..row.div_ceil(GROUP)).map(move |g| (y, g))) {
        for (i, pair) in (0..inputs).flat_map(|i| (0..GROUP / 2).map(move |p| (i, p))) {
            let x = group * GROUP + 2 * pair;
            out.extend(join(weight(y, x, i), weight(y, x + 1, i), DENSE_LANE).to_le_bytes());
        }
    }
    out
}

/// Compact weights of a doubling layer, from which biases, interval and fast layout are derived.
pub(super) struct Doubling<'a> {
    compact: &'a [u8],
    c_in: usize,
    c_out: usize,
}

impl<'a> Doubling<'a> {
    pub(super) fn of(compact: &'a [u8], c_out: u16) -> Self {
        let c_out = usize::from(c_out);
        Self { compact, c_in: compact.len().checked_div(16 * c_out).unwrap_or(0), c_out }
    }

    fn taps(&self, ry: usize, o: usize) -> Taps<'a> {
        let each = 4 * self.c_in;
        Taps::Compact([1, 0].map(|rx| &self.compact[((2 * ry + rx) * self.c_out + o) * each..][..each]))
    }

    /// Iterates over the channels of the even rows, then of the odd rows.
    fn channels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let c_out = self.c_out;
        [1, 0].into_iter().flat_map(move |ry| (0..c_out).map(move |o| (ry, o)))
    }

    /// Returns a bias for each border case. It includes the contribution of the taps in the padding.
    ///
    /// `biases` are ordered by row phase, column phase and channel.
    pub(super) fn biases(&self, biases: &[i32], zero_point: i8) -> Vec<i32> {
        if biases.len() != 4 * self.c_out {
            return biases.to_vec();
        }
        let mut out = vec![0; 16 * self.c_out];
        for (ry, o) in self.channels() {
            let taps = self.taps(ry, o);
            for (case, column) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 0), (5, 0), (6, 1), (7, 1)] {
                let border_row = case >= 4;
                let mut missing = 0i64;
                for step in 0..2 * self.c_in {
                    let (low, high) = taps.pair(column, step, self.c_in);
                    // In the first row the upper tap row is in the padding, in the last row the lower one. Columns are analogous.
                    let row_is_missing = border_row && (step < self.c_in) == (ry == 1);
                    let column_is_missing = case % 2 == 1;
                    missing += match (row_is_missing, column_is_missing) {
                        (true, _) => i64::from(low) + i64::from(high),
                        (false, true) if column == 0 => high.into(),
                        (false, true) => low.into(),
                        (false, false) => 0,
                    };
                }
                let bias = i64::from(biases[(2 * ry + 1 - column) * self.c_out + o]) + missing * i64::from(zero_point);
                let at = 16 * o + 8 * (1 - ry) + case;
                out[at] = bias.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            }
        }
        out
    }

    /// Returns the number of steps that a lane can accumulate for any activations: one less than the shortest run of steps that may overflow.
    pub(super) fn interval(&self) -> u16 {
        let steps = 2 * self.c_in;
        let mut shortest = steps + 1;
        for ((ry, o), column) in self.channels().flat_map(|channel| [(channel, 0), (channel, 1)]) {
            let taps = self.taps(ry, o);
            let (mut sum, mut first) = (0, 0);
            for step in 0..steps {
                sum += taps.magnitude(column, step, self.c_in);
                while sum > LANE_BUDGET {
                    shortest = shortest.min(step - first + 1);
                    sum -= taps.magnitude(column, first, self.c_in);
                    first += 1;
                }
            }
        }
        (shortest - 1).clamp(1, u16::MAX.into()) as u16
    }

    /// Returns the fast layout: for each step a word for the even columns and one for the odd columns.
    pub(super) fn words(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Odd rows have phase 0, which comes first.
        for (ry, o) in (0..2).flat_map(|ry| (0..self.c_out).map(move |o| (ry, o))) {
            let taps = self.taps(ry, o);
            for (step, column) in (0..2 * self.c_in).flat_map(|step| [(step, 0), (step, 1)]) {
                let (low, high) = taps.pair(column, step, self.c_in);
                out.extend(join(low, high as i8, LANE).to_le_bytes());
            }
        }
        out
    }
}
