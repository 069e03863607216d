//! Winograd convolutions of many channels and few pixels, whose transformed weights would fit in no cache.
//!
//! In the forward pass, weights are transformed one panel of 64 columns at a time and multiplied while they lie in the second-level
//! cache. Each task reads the plain weights once for every tap that a pair of points uses, and writes no transformed
//! weights to memory. In the transposed convolution, the few pixels are transposed and packed as B, and the transformed
//! weights are A. Weight gradients are computed a few rows at a time over all images, so they need no partial sums per
//! task.
use super::super::microkernel;
use super::super::operands::{OperandA, OperandB, OutputC};
use super::super::pack::{pack_b_transposed, packed_b_len, transpose, with_pack_buffer};
use super::super::padding::{PaddedImage, phases};
use super::super::tasks::{TaskSlice, TaskSlices, for_each_task};
use super::points::{Pair, pairs};
use super::transform::{
    PixelGrid, SpaceToDepth, TileRows, add_scaled, transform_input, transform_output, transform_output_gradient,
};
use super::{SCRATCH, Scratch, phase_grids, resized};
use crate::graph::Window;
use crate::plan::ConvShape;
use crate::simd::multiversion;
use arrayvec::ArrayVec;

/// Minimum output pixels over the batch.
const MIN_PIXELS: usize = 192;
/// Minimum number of weights.
const MIN_WEIGHTS: usize = 1 << 20;
/// Tasks of [`forward`]; each computes a part of the output channels.
const FORWARD_TASKS: usize = 2;
/// Output channels whose weights [`forward`] transforms and multiplies together.
const COLUMN_BLOCK: usize = 64;
/// Input channels whose weights [`input`] transforms and multiplies together.
const CHANNEL_BLOCK: usize = 64;
/// Rows of the weight gradient per task: their product and four taps stay in the second-level cache.
const TASK_ROWS: usize = 24;

/// Whether these kernels compute a convolution that [`super::supports`] does not.
pub(in super::super) fn supports(w: Window, s: &ConvShape) -> bool {
    (w.kernel, w.stride) == (4, 2)
        && s.ci * s.co * 16 >= MIN_WEIGHTS
        && s.batch * s.oh * s.ow >= MIN_PIXELS
        && s.oh.min(s.ow) >= 2
        && microkernel::vectorized()
}

multiversion! {
    /// Filter transform of a block of weights: the sum of four taps with their factors, of which some are 0. Rows of a
    /// tap are `from_stride` apart, rows of the result `to_stride`; `width` elements of each row are used.
    fn transform_filter_block(
        factors: [f32; 4],
        taps: [&[f32]; 4],
        from_stride: usize,
        width: usize,
        to_stride: usize,
        to: &mut [f32],
    ) {
        let rows = to.len().div_ceil(to_stride);
        let row = |t: usize, i: usize| &taps[t][i * from_stride..][..width];
        let mut used = [0; 4];
        let mut count = 0;
        for (t, _) in factors.iter().enumerate().filter(|f| *f.1 != 0.0) {
            used[count] = t;
            count += 1;
        }
        let [a, b, c, d] = used;
        let f = used.map(|t| factors[t]);
        for i in 0..rows {
            let to = &mut to[i * to_stride..][..width];
            match count {
                1 => to.iter_mut().zip(row(a, i)).for_each(|(to, a)| *to = f[0] * a),
                2 => {
                    let (a, b) = (row(a, i), row(b, i));
                    for j in 0..width {
                        to[j] = f[0] * a[j] + f[1] * b[j];
                    }
                }
                _ => {
                    let (a, b, c, d) = (row(a, i), row(b, i), row(c, i), row(d, i));
                    for j in 0..width {
                        to[j] = (f[0] * a[j] + f[1] * b[j]) + (f[2] * c[j] + f[3] * d[j]);
                    }
                }
            }
        }
    }
}

/// Factors of the taps (0,0), (0,1), (1,0) and (1,1) in the weights of a pair of points.
fn filter_factors(pair: Pair) -> [f32; 4] {
    let (y_factors, x_factors) = (pair.0.filter_transform(), pair.1.filter_transform());
    std::array::from_fn(|i| y_factors[i / 2] * x_factors[i % 2])
}

/// Index in the 4x4 kernel of tap `t` of the 2x2 kernel, for pixel `i` of a square.
fn kernel_tap(t: usize, i: usize) -> usize {
    (2 * (t / 2) + i / 2) * 4 + 2 * (t % 2) + i % 2
}

/// Rearranges all images into space-to-depth form.
fn rearrange_all(w: Window, s: &ConvShape, x: &[f32], to: &mut [f32]) {
    let squares = SpaceToDepth::new(s);
    for_each_task(0..s.batch, TaskSlices::one(to, squares.len()), &|image, mut slices| {
        squares.rearrange(w, s, &x[image * s.x_len()..][..s.x_len()], slices.first());
    });
}

/// y = convolution of `x` with `weight`.
pub(in super::super) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let squares = SpaceToDepth::new(s);
    let (images_len, pixels) = (s.batch * squares.len(), s.oh * s.ow);
    // Each task computes some output channels of all images into a separate buffer; the buffers are merged at the end.
    let columns = s.co.div_ceil(FORWARD_TASKS).next_multiple_of(COLUMN_BLOCK).min(s.co);
    let (tasks, part) = (s.co.div_ceil(columns), s.batch * pixels * columns);
    with_pack_buffer(images_len + tasks * part, |buffer| {
        let (images, outputs) = buffer.split_at_mut(images_len);
        rearrange_all(w, s, x, images);
        let images = &*images;
        for_each_task(0..tasks, TaskSlices::one(outputs, part), &|task, mut slices| {
            forward_columns(s, images, weight, (task * columns, columns), slices.first());
        });
        let outputs = &*outputs;
        for_each_task(0..s.batch, TaskSlices::one(y, pixels * s.co), &|image, mut slices| {
            for (i, pixel) in slices.first().chunks_exact_mut(s.co).enumerate() {
                for (task, to) in pixel.chunks_mut(columns).enumerate() {
                    to.copy_from_slice(&outputs[task * part + (image * pixels + i) * columns..][..to.len()]);
                }
            }
        });
    });
}

/// Computes `columns` output channels from `first` on, into images of `columns` channels.
fn forward_columns(
    s: &ConvShape,
    images: &[f32],
    weight: &[f32],
    (first, columns): (usize, usize),
    outputs: &mut [f32],
) {
    let (k, squares) = (4 * s.ci, SpaceToDepth::new(s));
    outputs.fill(0.0);
    let (image_stride, row_stride) = (s.oh * s.ow * columns, s.ow * columns);
    let grid = PixelGrid { offset: 0, image_stride, row_stride, col_stride: columns, channels: columns };
    SCRATCH.with_borrow_mut(|Scratch { inputs, products, weights, .. }| {
        for pair in pairs() {
            let rows = TileRows { images: s.batch, size: (s.oh, s.ow), pair };
            let m = rows.count();
            if m == 0 {
                continue;
            }
            let (inputs, products) = (resized(inputs, m * k), resized(products, m * COLUMN_BLOCK));
            transform_input(rows, squares.grid(), images, inputs);
            for j in (first..s.co.min(first + columns)).step_by(COLUMN_BLOCK) {
                let width = COLUMN_BLOCK.min(s.co - j);
                let panel = resized(weights, k * width);
                for (i, to) in panel.chunks_exact_mut(s.ci * width).enumerate() {
                    let taps = [0, 1, 2, 3].map(|t| &weight[kernel_tap(t, i) * s.ci * s.co + j..]);
                    transform_filter_block(filter_factors(pair), taps, s.co, width, width, to);
                }
                let mut c = OutputC::row_major(products, m, width);
                microkernel::multiply(OperandA::row_major(inputs, k), OperandB::row_major(panel, width), &mut c);
                let grid = PixelGrid { offset: j - first, channels: width, ..grid };
                transform_output(rows, grid, &products[..m * width], outputs);
            }
        }
    });
}

/// x = transposed convolution of `y` with `weight`.
pub(in super::super) fn input(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], x: &mut [f32]) {
    let image = PaddedImage::output(w, s);
    // Each phase computes separate images, which are merged at the end.
    let phase_len = s.batch * s.h.div_ceil(2) * s.w.div_ceil(2) * s.ci;
    with_pack_buffer(4 * phase_len, |outputs| {
        for_each_task(0..4, TaskSlices::one(outputs, phase_len), &|task, mut slices| {
            input_phase(w, s, y, weight, task, slices.first());
        });
        let outputs = &*outputs;
        for_each_task(0..s.batch, TaskSlices::one(x, s.x_len()), &|image_index, mut slices| {
            let x = slices.first();
            for (p, phase) in phases(w).enumerate() {
                let (_, to, size) = phase_grids(w, s, &image, &phase);
                let len = size.0 * size.1 * s.ci;
                let from = &outputs[p * phase_len + image_index * len..][..len];
                for (i, pixel) in from.chunks_exact(s.ci).enumerate() {
                    let at = to.offset + i / size.1 * to.row_stride + i % size.1 * to.col_stride;
                    x[at..][..s.ci].copy_from_slice(pixel);
                }
            }
        });
    });
}

/// Computes the outputs of phase `index`, as dense images.
fn input_phase(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], index: usize, outputs: &mut [f32]) {
    let image = PaddedImage::output(w, s);
    let Some(phase) = phases(w).nth(index) else { return };
    let (from, _, size) = phase_grids(w, s, &image, &phase);
    let k = s.co;
    outputs.fill(0.0);
    SCRATCH.with_borrow_mut(|Scratch { images, inputs, products, weights }| {
        let y = image.pad(y, images);
        for pair in pairs() {
            let rows = TileRows { images: s.batch, size, pair };
            let n = rows.count();
            if n == 0 {
                continue;
            }
            let (pixels, packed) = resized(inputs, n * k + packed_b_len(k, n)).split_at_mut(n * k);
            transform_input(rows, from, y, pixels);
            pack_b_transposed(packed, k, n, pixels);
            for channel in (0..s.ci).step_by(CHANNEL_BLOCK) {
                let m = CHANNEL_BLOCK.min(s.ci - channel);
                let transformed = resized(weights, m * k);
                let taps = [0, 1, 2, 3].map(|t| {
                    let (ky, kx) = phase.tap(w, t);
                    &weight[((ky * 4 + kx) * s.ci + channel) * k..][..m * k]
                });
                transform_filter_block(filter_factors(pair), taps, m * k, m * k, m * k, transformed);
                let (product, transposed) = resized(products, 2 * m * n).split_at_mut(m * n);
                let b = OperandB::packed(packed, k, n);
                microkernel::multiply(OperandA::row_major(transformed, k), b, &mut OutputC::row_major(product, m, n));
                transpose(transposed, n, m, product);
                let row_stride = size.1 * s.ci;
                let image_stride = size.0 * row_stride;
                let to = PixelGrid { offset: channel, image_stride, row_stride, col_stride: s.ci, channels: m };
                transform_output(rows, to, transposed, outputs);
            }
        }
    });
}

/// dw = gradient of [`forward`] with respect to the weight.
pub(in super::super) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32]) {
    let (depth, squares) = (4 * s.ci, SpaceToDepth::new(s));
    let rows_of = |pair| TileRows { images: s.batch, size: (s.oh, s.ow), pair };
    let max_rows = pairs().map(|pair| rows_of(pair).count()).max().unwrap_or(0);
    with_pack_buffer(s.batch * squares.len() + 16 * max_rows * (depth + s.co), |buffer| {
        let (images, buffer) = buffer.split_at_mut(s.batch * squares.len());
        rearrange_all(w, s, x, images);
        let (inputs, gradients) = buffer.split_at_mut(16 * max_rows * depth);
        let images = &*images;
        let mut slices = ArrayVec::new();
        slices.push(TaskSlice::new(inputs, max_rows * depth));
        slices.push(TaskSlice::new(gradients, max_rows * s.co));
        for_each_task(0..16, TaskSlices { slices }, &|i, mut task| {
            let Some(pair) = pairs().nth(i) else { return };
            let rows = rows_of(pair);
            let count = rows.count();
            transform_input(rows, squares.grid(), images, &mut task.slices[0].elements[..count * depth]);
            transform_output_gradient(rows, PixelGrid::output(s), y, &mut task.slices[1].elements[..count * s.co]);
        });
        let (inputs, gradients) = (&*inputs, &*gradients);
        let slices = dw.chunks_exact_mut(s.ci * s.co).map(|tap| TaskSlice::new(tap, TASK_ROWS * s.co)).collect();
        for_each_task(0..s.ci.div_ceil(TASK_ROWS), TaskSlices { slices }, &|task, mut taps| {
            taps.slices.iter_mut().for_each(|s| s.elements.fill(0.0));
            let m = taps.slices[0].elements.len() / s.co;
            SCRATCH.with_borrow_mut(|scratch| {
                let product = resized(&mut scratch.products, m * s.co);
                for (quarter, (i, pair)) in (0..4).flat_map(|q| pairs().enumerate().map(move |p| (q, p))) {
                    let k = rows_of(pair).count();
                    if k == 0 {
                        continue;
                    }
                    let data = &inputs[i * max_rows * depth + quarter * s.ci + task * TASK_ROWS..];
                    let b = OperandB::row_major(&gradients[i * max_rows * s.co..][..k * s.co], s.co);
                    let mut c = OutputC::row_major(product, m, s.co);
                    microkernel::multiply(OperandA::strided(data, 1, k, depth), b, &mut c);
                    for (t, factor) in filter_factors(pair).into_iter().enumerate().filter(|f| f.1 != 0.0) {
                        add_scaled(factor, product, taps.slices[kernel_tap(t, quarter)].elements);
                    }
                }
            });
        });
    });
}
