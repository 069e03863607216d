//! The training examples nearest to a sample, found among many without comparing it with each pixel by pixel.
//!
//! Sums over the cells of a coarse grid tell how far two examples are apart at least (Cauchy & Schwarz): an example whose cells alone are farther
//! away than the nearest two found so far need not be looked at. What is found is what comparing with all would find.

use crate::data::Dataset;
use std::collections::HashSet;

/// Most examples that are kept: cells of more would take too much memory and time. They are spread over the whole set.
const MOST: usize = 1 << 16;
/// Cells of the grid along a side.
const CELLS: usize = 8;
/// Examples with the nearest cells, looked at first.
const FIRST: usize = 16;

/// Cells of training examples.
#[derive(Clone, Debug)]
pub(super) struct Neighbors {
    grid: Grid,
    /// The example's number in the set, and the values of its cells.
    examples: Vec<usize>,
    cells: Vec<f32>,
    whole: bool,
}

impl Neighbors {
    /// Goes through the examples of `data`; equal ones are kept once.
    pub(super) fn of(data: &dyn Dataset) -> Self {
        let all = data.len().unwrap_or(0);
        let count = all.min(MOST);
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
        Self { grid, examples, cells, whole: data.len() == Some(count) }
    }

    /// Whether every example of the set was seen.
    pub(super) fn whole(&self) -> bool {
        self.whole && !self.examples.is_empty()
    }

    /// Different examples.
    pub(super) fn count(&self) -> usize {
        self.examples.len()
    }

    /// The number of a different example in the set.
    pub(super) fn example(&self, i: usize) -> usize {
        self.examples[i]
    }

    /// Distances to the nearest and to the second nearest example, that of number `except` left out.
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
            // Rounding must not hide a copy.
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

/// A coarse grid over pictures; points are cells of their own.
#[derive(Clone, Debug)]
struct Grid {
    /// The cell of each number, and what its sum is divided by: the root of how many numbers there are in it.
    place: Vec<u16>,
    root: Vec<f32>,
    cells: usize,
}

impl Grid {
    fn of(shape: &[usize]) -> Self {
        let place: Vec<u16> = match *shape {
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
        let cells = place.iter().max().map_or(0, |most| usize::from(*most) + 1);
        let mut counts = vec![0.0f32; cells];
        place.iter().for_each(|&cell| counts[usize::from(cell)] += 1.0);
        Self { place, root: counts.iter().map(|n| 1.0 / n.max(1.0).sqrt()).collect(), cells }
    }

    /// Appends the cells of `values`.
    fn sum(&self, values: &[f32], to: &mut Vec<f32>) {
        let from = to.len();
        to.resize(from + self.cells, 0.0);
        let cells = &mut to[from..];
        values.iter().zip(&self.place).for_each(|(v, &cell)| cells[usize::from(cell)] += v);
        cells.iter_mut().zip(&self.root).for_each(|(sum, root)| *sum *= root);
    }
}

/// A number by which equal examples are known.
fn content(values: &[f32]) -> u64 {
    let mix = |h: u64, v: &f32| (h ^ u64::from(v.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    values.iter().fold(0x2545_f491_4f6c_dd1d, mix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn what_is_found_is_what_comparing_with_all_would_find() {
        for (width, height, channels) in [(16, 12, 3), (3, 2, 1), (9, 7, 1)] {
            let (set, samples) = (blobs(width, height, channels, 3000, 1), blobs(width, height, channels, 20, 2));
            let neighbors = Neighbors::of(&set);
            assert!(neighbors.whole() && neighbors.count() <= 3000);
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
        assert_eq!((neighbors.count(), neighbors.whole()), (7, true));
    }
}
