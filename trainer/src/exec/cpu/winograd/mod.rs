//! Winograd convolutions of kernel 4 and stride 2, which take fewer multiplications than direct ones (Winograd 1980;
//! Lavin & Gray 2016).
//!
//! In space-to-depth form such a convolution has a 2x2 kernel and stride 1, and so has each phase of its transpose.
//! Outputs are cut into tiles of 3 and 2 along each axis; see `points`. For example, 7 outputs are 3 + 2 + 2 and take
//! 10 multiplications instead of 14, or 100 instead of 196 in two dimensions. The transforms only add, subtract and
//! halve, so rounding errors stay those of a plain sum. For each of the 16 pairs of points, the tiles of all images
//! form one matrix product.
pub(super) mod deep;
pub(super) mod pack;
mod points;
mod transform;

use super::microkernel;
use super::operands::{OperandA, OperandB, OutputC};
use super::pack::packed_b_len;
use super::padding::{PaddedImage, Phase, phases};
use super::tasks::{TaskSlices, for_each_task};
use crate::graph::Window;
use crate::plan::ConvShape;
use points::{POINTS, Point, pairs, tile_count};
use std::cell::RefCell;
use transform::{
    PixelGrid, SpaceToDepth, TileRows, add_scaled, transform_input, transform_output_gradient, transform_output_rows,
};

/// Minimum number of output pixels over the batch; with fewer, transforming the weights costs more than it saves.
const MIN_PIXELS: usize = 512;
/// Minimum input channels and output channels.
const MIN_CHANNELS: usize = 32;
/// Images per task, if that leaves at least four tasks.
const TASK_IMAGES: usize = 8;
/// Maximum tasks per convolution.
const MAX_TASKS: usize = 16;

/// Buffers of one thread. They grow once and are kept.
#[derive(Default)]
struct Scratch {
    /// Images, padded or in space-to-depth form.
    images: Vec<f32>,
    /// Transformed inputs: operand A.
    inputs: Vec<f32>,
    /// Products, or transformed output gradients.
    products: Vec<f32>,
    /// Transformed weights or their gradients.
    weights: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first `len` elements of a buffer, which grows if needed.
fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Whether these kernels compute a convolution.
pub(super) fn supports(w: Window, s: &ConvShape) -> bool {
    (w.kernel, w.stride) == (4, 2)
        && s.ci >= MIN_CHANNELS
        && s.co >= MIN_CHANNELS
        && s.batch * s.oh * s.ow >= MIN_PIXELS
        && s.oh.min(s.ow) >= 2
        && microkernel::vectorized()
}

/// (images per task, number of tasks)
fn task_images(s: &ConvShape) -> (usize, usize) {
    let images = s.batch.div_ceil(MAX_TASKS).max(s.batch.div_ceil(4).min(TASK_IMAGES));
    (images, s.batch.div_ceil(images))
}

/// y = convolution of `x` with weights that [`pack::pack_weights`] packed.
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], packed: &[f32], y: &mut [f32]) {
    let squares = SpaceToDepth::new(s);
    let (per_task, tasks) = task_images(s);
    for_each_task(0..tasks, TaskSlices::one(y, per_task * s.y_len()), &|task, mut slices| {
        let y = slices.first();
        let n = y.len() / s.y_len();
        let x = &x[task * per_task * s.x_len()..][..n * s.x_len()];
        y.fill(0.0);
        SCRATCH.with_borrow_mut(|Scratch { images, inputs, products, .. }| {
            let images = resized(images, n * squares.len());
            squares.rearrange(w, s, x, images);
            let rows = (n, (s.oh, s.ow));
            convolve(rows, (squares.grid(), images), packed, (PixelGrid::output(s), y), (inputs, products));
        });
    });
}

/// Convolution of stride 1 with a 2x2 kernel: transforms inputs, multiplies and transforms outputs for every pair of
/// points.
fn convolve(
    (images, size): (usize, (usize, usize)),
    (from, x): (PixelGrid, &[f32]),
    weights: &[f32],
    (to, y): (PixelGrid, &mut [f32]),
    (inputs, products): (&mut Vec<f32>, &mut Vec<f32>),
) {
    let (k, n) = (from.channels, to.channels);
    let matrix = packed_b_len(k, n);
    let point_stride = images * tile_count(size.0, Point::Zero) * tile_count(size.1, Point::Zero) * n;
    let products = resized(products, 4 * point_stride);
    for (i, y_point) in POINTS.into_iter().enumerate() {
        for (j, x_point) in POINTS.into_iter().enumerate() {
            let rows = TileRows { images, size, pair: (y_point, x_point) };
            let m = rows.count();
            if m == 0 {
                continue;
            }
            let inputs = resized(inputs, m * k);
            transform_input(rows, from, x, inputs);
            let b = OperandB::packed(&weights[(4 * i + j) * matrix..][..matrix], k, n);
            let c = &mut products[j * point_stride..][..m * n];
            microkernel::multiply(OperandA::row_major(inputs, k), b, &mut OutputC::row_major(c, m, n));
        }
        let rows = TileRows { images, size, pair: (y_point, Point::Zero) };
        transform_output_rows(rows, to, products, point_stride, y);
    }
}

/// x = transposed convolution of `y` with weights that [`pack::pack_transposed_weights`] packed.
pub(super) fn input(w: Window, s: &ConvShape, y: &[f32], packed: &[f32], x: &mut [f32]) {
    let image = PaddedImage::output(w, s);
    let matrix = packed_b_len(s.co, s.ci);
    let (per_task, tasks) = task_images(s);
    for_each_task(0..tasks, TaskSlices::one(x, per_task * s.x_len()), &|task, mut slices| {
        let x = slices.first();
        let n = x.len() / s.x_len();
        let y = &y[task * per_task * s.y_len()..][..n * s.y_len()];
        x.fill(0.0);
        SCRATCH.with_borrow_mut(|Scratch { images, inputs, products, .. }| {
            let y = image.pad(y, images);
            for (p, phase) in phases(w).enumerate() {
                let (from, to, size) = phase_grids(w, s, &image, &phase);
                let weights = &packed[16 * p * matrix..][..16 * matrix];
                convolve((n, size), (from, y), weights, (to, x), (inputs, products));
            }
        });
    });
}

/// The pixels of the padded y that a phase reads, the pixels of x that it writes, and the height and width of its
/// outputs.
fn phase_grids(w: Window, s: &ConvShape, image: &PaddedImage, phase: &Phase) -> (PixelGrid, PixelGrid, (usize, usize)) {
    let row_stride = image.width() * s.co;
    let from = PixelGrid {
        offset: phase.from[0] * row_stride + phase.from[1] * s.co,
        image_stride: image.len(),
        row_stride,
        col_stride: s.co,
        channels: s.co,
    };
    let to = PixelGrid {
        offset: (phase.first[0] * s.w + phase.first[1]) * s.ci,
        image_stride: s.x_len(),
        row_stride: w.stride * s.w * s.ci,
        col_stride: w.stride * s.ci,
        channels: s.ci,
    };
    (from, to, ((s.h - phase.first[0]).div_ceil(w.stride), (s.w - phase.first[1]).div_ceil(w.stride)))
}

/// dw = gradient of [`forward`] with respect to the weight, over the images in `x`.
pub(super) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32]) {
    let (m, squares) = (4 * s.ci, SpaceToDepth::new(s));
    dw.fill(0.0);
    let block = s.ci * s.co;
    SCRATCH.with_borrow_mut(|Scratch { images, inputs, products, weights }| {
        let n_images = x.len() / s.x_len();
        let images = resized(images, n_images * squares.len());
        squares.rearrange(w, s, x, images);
        for pair in pairs() {
            let rows = TileRows { images: n_images, size: (s.oh, s.ow), pair };
            let k = rows.count();
            if k == 0 {
                continue;
            }
            let (inputs, gradients) = (resized(inputs, k * m), resized(products, k * s.co));
            transform_input(rows, squares.grid(), images, inputs);
            transform_output_gradient(rows, PixelGrid::output(s), &y[..n_images * s.y_len()], gradients);
            let product = resized(weights, m * s.co);
            let a = OperandA::strided(inputs, 1, k, m);
            let b = OperandB::row_major(gradients, s.co);
            microkernel::multiply(a, b, &mut OutputC::row_major(product, m, s.co));
            let (y_factors, x_factors) = (pair.0.filter_transform(), pair.1.filter_transform());
            for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let factor = y_factors[a] * x_factors[b];
                for (i, product) in product.chunks_exact(block).enumerate().filter(|_| factor != 0.0) {
                    let tap = (2 * a + i / 2) * 4 + 2 * b + i % 2;
                    add_scaled(factor, product, &mut dw[tap * block..][..block]);
                }
            }
        }
    });
}
