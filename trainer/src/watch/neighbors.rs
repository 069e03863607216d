//! Exact nearest-neighbor search for training examples that does not compare all of them pixel by pixel.
//!
//! Sums over the cells of a coarse grid give a lower bound on the distance of two examples (Cauchy-Schwarz inequality). An example whose
//! bound exceeds the two smallest distances found so far is skipped. The result equals that of an exhaustive search.

use crate::data::Dataset;
use std::collections::HashSet;

/// Maximum number of examples, to limit memory and time. Larger sets are subsampled evenly.
const MAX_EXAMPLES: usize = 1 << 16;
/// Cells of the grid along each side.
const CELLS: usize = 8;
/// Number of examples with the smallest bounds, which are compared first.
const FIRST: usize = 16;

/// Cell sums of training examples.
#[derive(Clone, Debug)]
pub(super) struct Neighbors {
    grid: Grid,
    /// Index of each example in the set, and its cell sums.
    examples: Vec<usize>,
    cells: Vec<f32>,
    complete: bool,
}

impl Neighbors {
    /// Reads the examples of `data`; equal examples are kept once.
    pub(super) fn of(data: &dyn Dataset) -> Self {
        let all = data.len().unwrap_or(0);
        let count = all.min(MAX_EXAMPLES);
        let grid = Grid::of(data.shape());
        let mut item = vec![0.0; data.shape().iter().product()];
        let (mut examples, mut cells, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for i in 0..count {
            let example = (i as u64 * all as u64 / count as u64) as usize;
            data.item(example, &mut item);
            if seen.insert(content(&item)) {
                examples.push(example);
                grid.sum(&item, &mut cells);
            }
        }
        Self { grid, examples, cells, complete: data.len() == Some(count) }
    }

    /// Whether all examples of the set were read.
    pub(super) fn is_complete(&self) -> bool {
        self.complete && !self.examples.is_empty()
    }

    /// Number of distinct examples.
    pub(super) fn count(&self) -> usize {
        self.examples.len()
    }

    /// Index in the set of the distinct example `i`.
    pub(super) fn example(&self, i: usize) -> usize {
        self.examples[i]
    }

    /// Distances to the nearest and the second nearest example, without the example at index `except`.
    pub(super) fn nearest_two(&self, data: &dyn Dataset, values: &[f32], except: Option<usize>) -> [f64; 2] {
        let mut own = Vec::with_capacity(self.grid.cells);
        self.grid.sum(values, &mut own);
        let bound = |cells: &[f32]| cells.iter().zip(&own).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut bounds: Vec<(f32, usize)> =
            self.cells.chunks_exact(self.grid.cells).map(bound).zip(self.examples.iter().copied()).collect();
        bounds.retain(|(_, example)| Some(*example) != except);
        let first = FIRST.min(bounds.len());
        if first < bounds.len() {
            bounds.select_nth_unstable_by(first, |a, b| a.0.total_cmp(&b.0));
        }
        let mut nearest = [f32::INFINITY; 2];
        let mut other = vec![0.0; values.len()];
        for (bound, example) in bounds {
            // The factor keeps rounding errors from hiding a copy.
            if bound * 0.999 > nearest[1] {
                continue;
            }
            data.item(example, &mut other);
            let distance = values.iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            if distance < nearest[0] {
                nearest = [distance, nearest[0]];
            } else {
                nearest[1] = nearest[1].min(distance);
            }
        }
        nearest.map(|square| f64::from(square).sqrt())
    }
}

/// A coarse grid over images. For points, each coordinate is a separate cell.
#[derive(Clone, Debug)]
struct Grid {
    /// Cell of each number.
    cell_of: Vec<u16>,
    /// Factor on each cell sum: 1 over the square root of the number of values in the cell.
    factors: Vec<f32>,
    cells: usize,
}

impl Grid {
    fn of(shape: &[usize]) -> Self {
        let cell_of: Vec<u16> = match *shape {
            [height, width, channels] => {
                let cell = |at: usize, end: usize| at * CELLS.min(end) / end;
                let across = CELLS.min(width);
                let of = |i: usize| {
                    let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
                    ((cell(y, height) * across + cell(x, width)) * channels + c) as u16
                };
                (0..height * width * channels).map(of).collect()
            }
            _ => (0..shape.iter().product::<usize>()).map(|i| i as u16).collect(),
        };
        let cells = cell_of.iter().max().map_or(0, |most| usize::from(*most) + 1);
        let mut counts = vec![0.0f32; cells];
        cell_of.iter().for_each(|&cell| counts[usize::from(cell)] += 1.0);
        Self { cell_of, factors: counts.iter().map(|n| 1.0 / n.max(1.0).sqrt()).collect(), cells }
    }

    /// Appends the scaled cell sums of `values`.
    fn sum(&self, values: &[f32], to: &mut Vec<f32>) {
        let from = to.len();
        to.resize(from + self.cells, 0.0);
        let cells = &mut to[from..];
        values.iter().zip(&self.cell_of).for_each(|(v, &cell)| cells[usize::from(cell)] += v);
        cells.iter_mut().zip(&self.factors).for_each(|(sum, factor)| *sum *= factor);
    }
}

/// Hash of an example, which identifies equal ones.
fn content(values: &[f32]) -> u64 {
    let mix = |h: u64, v: &f32| (h ^ u64::from(v.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    values.iter().fold(0x2545_f491_4f6c_dd1d, mix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn the_search_equals_an_exhaustive_search() {
        for (width, height, channels) in [(16, 12, 3), (3, 2, 1), (9, 7, 1)] {
            let (set, samples) = (blobs(width, height, channels, 3000, 1), blobs(width, height, channels, 20, 2));
            let neighbors = Neighbors::of(&set);
            assert!(neighbors.is_complete() && neighbors.count() <= 3000);
            let (mut item, mut other) = (vec![0.0; width * height * channels], vec![0.0; width * height * channels]);
            for i in 0..20 {
                samples.item(i, &mut item);
                let mut all: Vec<f64> = (0..neighbors.count())
                    .map(|j| {
                        set.item(neighbors.example(j), &mut other);
                        f64::from(item.iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()).sqrt()
                    })
                    .collect();
                all.sort_by(f64::total_cmp);
                let found = neighbors.nearest_two(&set, &item, None);
                assert!(
                    (found[0] - all[0]).abs() < 1e-6 && (found[1] - all[1]).abs() < 1e-6,
                    "{found:?} {:?}",
                    &all[..2]
                );
            }
            let itself = neighbors.example(neighbors.count() / 2);
            set.item(itself, &mut item);
            let with = neighbors.nearest_two(&set, &item, None);
            assert_eq!(with[0], 0.0);
            assert_eq!(neighbors.nearest_two(&set, &item, Some(itself))[0], with[1]);
        }
    }

    #[test]
    fn equal_examples_are_kept_once() {
        let few = blobs(8, 8, 3, 7, 1);
        let again: Vec<usize> = (0..140).map(|i| i % 7).collect();
        let neighbors = Neighbors::of(&few.select(&again));
        assert_eq!((neighbors.count(), neighbors.is_complete()), (7, true));
    }
}
