//! Transforms and packs the weights of Winograd convolutions.
use super::super::operands::panel_width;
use super::super::pack::{pack_b_transposed, packed_b_len};
use super::super::padding::phases;
use super::super::tasks::{TaskSlices, for_each_task};
use super::points::{POINTS, tile_count};
use super::transform::transform_filter;
use super::{SCRATCH, resized};
use crate::graph::Window;

/// Transforms and packs the weights of [`super::forward`] for each pair of points that outputs of `size` use.
pub(in super::super) fn pack_weights(
    (ci, co): (usize, usize),
    size: (usize, usize),
    weight: &[f32],
    packed: &mut [f32],
) {
    let k = 4 * ci;
    let row_stride = co.min(panel_width());
    for_each_task(0..16, TaskSlices::one(packed, packed_b_len(k, co)), &|i, mut slices| {
        let to = slices.first();
        if tile_count(size.0, POINTS[i / 4]) * tile_count(size.1, POINTS[i % 4]) == 0 {
            return;
        }
        let (y_factors, x_factors) = (POINTS[i / 4].filter_transform(), POINTS[i % 4].filter_transform());
        for p in 0..k {
            let (dy, dx, c) = (p / (2 * ci), p / ci % 2, p % ci);
            for (j, panel) in (0..co).step_by(panel_width()).zip(to.chunks_mut(k * row_stride)) {
                let width = row_stride.min(co - j);
                let tap = |y: usize, x: usize| &weight[(((2 * y + dy) * 4 + 2 * x + dx) * ci + c) * co + j..][..width];
                let to = &mut panel[p * row_stride..][..width];
                transform_filter(y_factors, x_factors, [tap(0, 0), tap(0, 1), tap(1, 0), tap(1, 1)], to);
            }
        }
    });
}

/// Transforms and packs the weights of [`super::input`], phase by phase.
pub(in super::super) fn pack_transposed_weights(
    w: Window,
    (ci, co): (usize, usize),
    weight: &[f32],
    packed: &mut [f32],
) {
    for_each_task(0..64, TaskSlices::one(packed, packed_b_len(co, ci)), &|i, mut slices| {
        let Some(phase) = phases(w).nth(i / 16) else { return };
        let (y_factors, x_factors) = (POINTS[i % 16 / 4].filter_transform(), POINTS[i % 4].filter_transform());
        SCRATCH.with_borrow_mut(|scratch| {
            let transformed = resized(&mut scratch.weights, ci * co);
            let tap = |i: usize| {
                let (ky, kx) = phase.tap(w, i);
                &weight[(ky * 4 + kx) * ci * co..][..ci * co]
            };
            transform_filter(y_factors, x_factors, [tap(0), tap(1), tap(2), tap(3)], transformed);
            pack_b_transposed(slices.first(), co, ci, transformed);
        });
    });
}
