//! Estimates the instructions of each layer from the counted instructions of each row of the image.
//!
//! To draw a row of the image, the runtime computes a known number of rows of every layer (`docs/FORMAT.md`, section 5). Each counted
//! row is therefore an equation. The unknowns are the cost of a row of each layer, and the difference of its first and last row, which
//! see padding. There are more equations than unknowns, so they are solved by least squares. The result is scaled so that the layers
//! add up to the count of the whole image, which is exact.

use ganlet_runtime::{KernelFamily, LayerFacts, Model};

/// The cost of a layer in one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerCost {
    pub(crate) kind: &'static str,
    pub(crate) macs: u64,
    pub(crate) instructions: u64,
    pub(crate) ring_bytes: u32,
}

/// The cost of each layer, from `rows`, the instructions of each row of the image.
///
/// Empty unless the model is a dense layer followed by layers that double the image: this function knows only their schedule.
pub(crate) fn split(model: &Model<'_>, rows: &[u64]) -> Vec<LayerCost> {
    let layers: Vec<LayerFacts> = model.layers().collect();
    let heights: Vec<usize> = layers.iter().map(|l| l.shape.h.into()).collect();
    let chain = layers.first().is_some_and(|l| l.kind == "dense")
        && layers.windows(2).all(|w| w[1].kind == "conv-transpose" && w[1].shape.h == 2 * w[0].shape.h);
    if !chain {
        return Vec::new();
    }
    let Some(costs) = least_squares(&rows_computed(&heights), rows) else { return Vec::new() };
    let (inner, edge) = costs.split_at(heights.len());
    // The dense layer has no padding.
    let edges = std::iter::once(&0.0).chain(edge);
    let total = |((inner, edge), &h): ((&f64, &f64), &usize)| (inner * h as f64 + 2.0 * edge).max(0.0);
    let raw: Vec<f64> = inner.iter().zip(edges).zip(&heights).map(total).collect();
    let scale = rows.iter().sum::<u64>() as f64 / raw.iter().sum::<f64>();
    let cost = |(layer, raw): (&LayerFacts, &f64)| LayerCost {
        kind: layer.kind,
        macs: layer.macs,
        instructions: (raw * scale).round() as u64,
        ring_bytes: layer.ring_bytes(KernelFamily::CURRENT),
    };
    layers.iter().zip(&raw).map(cost).collect()
}

/// For each row of the image, how many rows of each layer are computed for it; then, for each layer but the first, how many
/// of these are the layer's first or last row.
fn rows_computed(heights: &[usize]) -> Vec<Vec<f64>> {
    let mut done = vec![0; heights.len()];
    let rows = heights.last().copied().unwrap_or(0);
    let step = |row: usize| {
        let before = done.clone();
        let mut needed = row + 1;
        for layer in (0..heights.len()).rev() {
            done[layer] = needed.max(done[layer]);
            // Kernels of 4 with stride 2 and padding 1: output row y sees input rows up to (y + 1) / 2.
            let below = if layer == 0 { 0 } else { heights[layer - 1] };
            needed = (done[layer] / 2 + 1).min(below);
        }
        let steps = || done.iter().zip(&before).zip(heights);
        let all = steps().map(|((now, then), _)| (now - then) as f64);
        let edge = |((now, then), height): ((&usize, &usize), &usize)| {
            f64::from(u8::from(*then == 0 && *now > 0) + u8::from(then < height && now == height))
        };
        all.chain(steps().skip(1).map(edge)).collect()
    };
    (0..rows).map(step).collect()
}

/// The x that minimizes |a·x - b|²; `None` if `a` does not have full rank.
fn least_squares(a: &[Vec<f64>], b: &[u64]) -> Option<Vec<f64>> {
    let n = a.first()?.len();
    // The normal equations, with the right side as an additional column.
    let mut m: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let left = (0..n).map(|j| a.iter().map(|row| row[i] * row[j]).sum());
            let right = a.iter().zip(b).map(|(row, &b)| row[i] * b as f64).sum();
            left.chain([right]).collect()
        })
        .collect();
    for i in 0..n {
        let pivot = (i..n).max_by(|&p, &q| m[p][i].abs().total_cmp(&m[q][i].abs()))?;
        m.swap(i, pivot);
        if m[i][i].abs() < 1e-9 {
            return None;
        }
        let row = m[i].clone();
        for (_, other) in m.iter_mut().enumerate().filter(|&(j, _)| j != i) {
            let factor = other[i] / row[i];
            other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    Some((0..n).map(|i| m[i][n] / m[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_the_layers_follow_from_the_rows_of_the_image() {
        let heights = [4, 8, 16, 32];
        let costs = [70_000.0, 9_000.0, 31_000.0, 12_345.0, -4_000.0, -15_000.0, 500.0];
        let steps = rows_computed(&heights);
        let sums: Vec<f64> = (0..4).map(|l| steps.iter().map(|s| s[l]).sum()).collect();
        assert_eq!(sums, heights.map(|h| h as f64), "every row is computed once");
        assert_eq!(steps[0], [1.0; 7]);
        let rows: Vec<u64> =
            steps.iter().map(|s| s.iter().zip(costs).map(|(n, c)| n * c).sum::<f64>() as u64).collect();
        let found = least_squares(&steps, &rows).unwrap();
        assert!(found.iter().zip(costs).all(|(f, c)| (f - c).abs() < 1e-3), "{found:?}");
    }
}
