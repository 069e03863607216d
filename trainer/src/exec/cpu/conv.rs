//! Convolutions as matrix products without im2col: the rows of A are read directly from zero-padded images.
//!
//! All three operations find the rows of A through offset tables (`operands`). [`input`], the transposed convolution,
//! is one product for each phase of its outputs, so it computes no inserted zeros, no overlapping sums and nothing
//! outside the image. A task is a run of whole images, or a run of weights.
use super::dot;
use super::microkernel;
use super::operands::{MAX_DOT_COLUMNS, OperandA, OperandB, OutputC, RowOffsets};
use super::pack::packed_b_len;
use super::padding::{PaddedImage, phases, with_scratch};
use super::tasks::{TaskSlices, for_each_task};
use super::weights::{WeightLayout, Weights};
use super::winograd::{self, deep as winograd_deep};
use crate::graph::Window;
use crate::plan::ConvShape;
use std::cell::RefCell;

/// Maximum tasks per convolution.
const MAX_TASKS: usize = 16;
/// Number of weights that stay in the second-level cache.
const CACHED_WEIGHTS: usize = 1 << 17;
/// Minimum output pixels per task if the weights do not stay in the second-level cache.
const TASK_PIXELS: usize = 128;
/// Maximum elements of the partial weight gradients of all tasks.
const MAX_PARTIALS: usize = 1 << 20;
/// Maximum number of output channels for which the weight gradient of a stride-1 convolution is computed as that of the
/// transposed convolution: with few columns, a product wastes most of a vector.
const MAX_SWAPPED_CO: usize = 8;

thread_local! {
    static SWAPPED: RefCell<Vec<f32>> = RefCell::default();
}

impl ConvShape {
    /// Elements of an input image.
    pub(super) fn x_len(&self) -> usize {
        self.h * self.w * self.ci
    }

    /// Elements of an output image.
    pub(super) fn y_len(&self) -> usize {
        self.oh * self.ow * self.co
    }

    /// Length of the k dimension of the forward product: kernel · kernel · ci.
    fn k(&self, w: Window) -> usize {
        w.kernel * w.kernel * self.ci
    }

    /// Maximum number of tasks if every task reads `weights` elements: many if the weights stay in the second-level cache,
    /// few otherwise.
    fn max_tasks(&self, weights: usize) -> usize {
        if weights <= CACHED_WEIGHTS {
            MAX_TASKS
        } else {
            (self.batch * self.oh * self.ow / TASK_PIXELS).clamp(2, MAX_TASKS)
        }
    }

    /// (images per task, number of tasks) for at most `max_tasks` tasks.
    fn task_images(&self, max_tasks: usize) -> (usize, usize) {
        let images = self.batch.div_ceil(max_tasks.clamp(1, MAX_TASKS));
        (images, self.batch.div_ceil(images))
    }
}

/// c = a · packed weights, with the kernel that suits n.
fn multiply(a: OperandA<'_>, weights: &[f32], c: &mut OutputC<'_>) {
    if c.n <= MAX_DOT_COLUMNS {
        dot::multiply(a, weights, c);
    } else {
        let b = OperandB::packed(weights, a.k(), c.n);
        microkernel::multiply(a, b, c);
    }
}

/// The layout in which [`forward`] reads its weights; `None` if it transforms them on the fly.
pub(super) fn forward_layout(w: Window, s: &ConvShape) -> Option<WeightLayout> {
    if winograd::supports(w, s) {
        return Some(WeightLayout::Winograd { ci: s.ci, co: s.co, size: (s.oh, s.ow) });
    }
    (!winograd_deep::supports(w, s)).then(|| WeightLayout::Packed { k: s.k(w), n: s.co })
}

/// y = convolution of `x` with `weight`.
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: Weights<'_>, y: &mut [f32]) {
    let Some(layout) = forward_layout(w, s) else { return winograd_deep::forward(w, s, x, weight.plain, y) };
    if matches!(layout, WeightLayout::Winograd { .. }) {
        return weight.with(layout, |packed| winograd::forward(w, s, x, packed, y));
    }
    let image = PaddedImage::input(w, s);
    let (per_task, tasks) = s.task_images(s.max_tasks(weight.plain.len()));
    weight.with(layout, |packed| {
        for_each_task(0..tasks, TaskSlices::one(y, per_task * s.y_len()), &|task, mut slices| {
            let y = slices.first();
            let x = &x[task * per_task * s.x_len()..];
            let block = image.block(y.len() / s.y_len());
            with_scratch(|scratch| {
                scratch.segments.clear();
                scratch.segments.extend((0..w.kernel).map(|ky| ky * image.width() * s.ci));
                scratch.a_rows.clear();
                for (p, oy) in (0..block).flat_map(|p| (0..s.oh).map(move |oy| (p, oy))) {
                    let row = (p * image.height() + oy * w.stride) * image.width();
                    scratch.a_rows.extend((0..s.ow).map(|ox| (row + ox * w.stride) * s.ci));
                }
                for (i, y) in y.chunks_mut(block * s.y_len()).enumerate() {
                    let x = &x[i * block * s.x_len()..][..y.len() / s.y_len() * s.x_len()];
                    let taps = OperandA {
                        data: image.pad(x, &mut scratch.padded),
                        rows: RowOffsets::Table(&scratch.a_rows),
                        segments: &scratch.segments,
                        segment_len: w.kernel * s.ci,
                        col_stride: 1,
                    };
                    let pixels = y.len() / s.co;
                    multiply(taps, packed, &mut OutputC::row_major(y, pixels, s.co));
                }
            });
        });
    });
}

/// The layout in which [`input`] reads its weights; `None` if it transforms them on the fly.
pub(super) fn input_layout(window: Window, s: &ConvShape) -> Option<WeightLayout> {
    let (ci, co) = (s.ci, s.co);
    if winograd::supports(window, s) {
        return Some(WeightLayout::WinogradTransposed { window, ci, co });
    }
    (!winograd_deep::supports(window, s)).then_some(WeightLayout::TransposedConv { window, ci, co })
}

/// x = transposed convolution of `y` with `weight`.
pub(super) fn input(w: Window, s: &ConvShape, y: &[f32], weight: Weights<'_>, x: &mut [f32]) {
    let Some(layout) = input_layout(w, s) else { return winograd_deep::input(w, s, y, weight.plain, x) };
    if matches!(layout, WeightLayout::WinogradTransposed { .. }) {
        return weight.with(layout, |packed| winograd::input(w, s, y, packed, x));
    }
    let image = PaddedImage::output(w, s);
    let (per_task, tasks) = s.task_images(s.max_tasks(weight.plain.len()));
    weight.with(layout, |packed| {
        for_each_task(0..tasks, TaskSlices::one(x, per_task * s.x_len()), &|task, mut slices| {
            let x = slices.first();
            let y = &y[task * per_task * s.y_len()..];
            let block = image.block(x.len() / s.x_len());
            if w.kernel < w.stride {
                x.fill(0.0);
            }
            with_scratch(|scratch| {
                let mut padded = std::mem::take(&mut scratch.padded);
                for (i, x) in x.chunks_mut(block * s.x_len()).enumerate() {
                    let images = x.len() / s.x_len();
                    let y = image.pad(&y[i * block * s.y_len()..][..images * s.y_len()], &mut padded);
                    let mut rest = packed;
                    for phase in phases(w) {
                        let k = phase.k(s);
                        let (weights, others) = rest.split_at(packed_b_len(k, s.ci));
                        rest = others;
                        phase.fill_offsets(w, s, &image, images, scratch);
                        if k == 0 || scratch.a_rows.is_empty() {
                            continue;
                        }
                        let taps = OperandA {
                            data: y,
                            rows: RowOffsets::Table(&scratch.a_rows),
                            segments: &scratch.segments,
                            segment_len: phase.taps[1] * s.co,
                            col_stride: 1,
                        };
                        let (m, rows) = (scratch.c_rows.len(), RowOffsets::Table(&scratch.c_rows));
                        multiply(taps, weights, &mut OutputC { data: x, rows, m, n: s.ci, accumulate: false });
                    }
                }
                scratch.padded = padded;
            });
        });
    });
}

/// The window and shape with x and y swapped, if the weight gradient is computed that way: a stride-1 convolution with
/// few output channels equals a transposed convolution whose kernel is rotated by 180°.
fn swapped(w: Window, s: &ConvShape) -> Option<(Window, ConvShape)> {
    let transposed = Window { pad: w.kernel.checked_sub(w.pad + 1)?, ..w };
    let (h, width, oh, ow) = (s.oh, s.ow, s.h, s.w);
    (w.stride == 1 && s.co <= MAX_SWAPPED_CO && s.ci > s.co)
        .then_some((transposed, ConvShape { batch: s.batch, h, w: width, ci: s.co, oh, ow, co: s.ci }))
}

/// Writes `weight` `[k,k,a,b]` as `[k,k,b,a]`, rotated by 180°.
fn rotate(kernel: usize, (a, b): (usize, usize), weight: &[f32], to: &mut [f32]) {
    for (t, block) in weight.chunks_exact(a * b).enumerate() {
        let to = &mut to[(kernel * kernel - 1 - t) * a * b..][..a * b];
        for (i, row) in block.chunks_exact(b).enumerate() {
            row.iter().enumerate().for_each(|(o, v)| to[o * a + i] = *v);
        }
    }
}

/// How a weight gradient is divided into tasks.
enum WeightTasks {
    /// By images; the partial gradients of all tasks are added afterwards.
    Images { per_task: usize, tasks: usize },
    /// By rows of the gradient.
    Rows { per_task: usize },
}

fn weight_tasks(w: Window, s: &ConvShape) -> WeightTasks {
    let weights = s.k(w) * s.co;
    // Tasks by rows pad all images each; tasks by images write all weights each.
    if weights > s.batch * s.x_len() || 2 * weights > MAX_PARTIALS {
        return WeightTasks::Rows { per_task: s.k(w).div_ceil(8).next_multiple_of(12) };
    }
    let (per_task, tasks) = s.task_images((MAX_PARTIALS / weights).clamp(2, 4));
    WeightTasks::Images { per_task, tasks }
}

/// Elements of the partial weight gradients of all tasks.
pub(crate) fn partial_len(w: Window, s: &ConvShape) -> usize {
    let (w, s) = swapped(w, s).unwrap_or((w, *s));
    match weight_tasks(w, &s) {
        WeightTasks::Images { tasks, .. } => tasks * s.k(w) * s.co,
        WeightTasks::Rows { .. } => 0,
    }
}

/// dw = gradient of [`forward`] with respect to its weight, from its input `x` and the gradient `y` of its output.
pub(crate) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32], partials: &mut [f32]) {
    if let Some((transposed, shape)) = swapped(w, s) {
        return SWAPPED.with_borrow_mut(|gradient| {
            gradient.resize(dw.len().max(gradient.len()), 0.0);
            weight(transposed, &shape, y, x, &mut gradient[..dw.len()], partials);
            rotate(w.kernel, (s.co, s.ci), &gradient[..dw.len()], dw);
        });
    }
    let len = dw.len();
    match weight_tasks(w, s) {
        WeightTasks::Rows { .. } if winograd_deep::supports(w, s) => winograd_deep::weight(w, s, x, y, dw),
        WeightTasks::Rows { per_task } => {
            for_each_task(0..s.k(w).div_ceil(per_task), TaskSlices::one(dw, per_task * s.co), &|task, mut slices| {
                weight_rows(w, s, x, y, task * per_task, slices.first())
            });
        }
        WeightTasks::Images { per_task, tasks } => {
            let partials = &mut partials[..tasks * len];
            for_each_task(0..tasks, TaskSlices::one(partials, len), &|task, mut slices| {
                let sums = slices.first();
                let images = per_task.min(s.batch - task * per_task);
                let x = &x[task * per_task * s.x_len()..][..images * s.x_len()];
                if winograd::supports(w, s) {
                    return winograd::weight(w, s, x, &y[task * per_task * s.y_len()..], sums);
                }
                weight_rows(w, s, x, &y[task * per_task * s.y_len()..], 0, sums);
            });
            sum_partials(partials, dw);
        }
    }
}

/// Computes rows of the weight gradient from row `first` on, as many as `sums` holds, over the images in `x`.
fn weight_rows(w: Window, s: &ConvShape, x: &[f32], y: &[f32], first: usize, sums: &mut [f32]) {
    let image = PaddedImage::input(w, s);
    let block = image.block(x.len() / s.x_len());
    with_scratch(|scratch| {
        scratch.a_rows.clear();
        scratch.a_rows.extend((first..first + sums.len() / s.co).map(|row| {
            let (ky, along) = (row / (w.kernel * s.ci), row % (w.kernel * s.ci));
            ky * image.width() * s.ci + along
        }));
        scratch.segments.clear();
        for (p, oy) in (0..block).flat_map(|p| (0..s.oh).map(move |oy| (p, oy))) {
            scratch.segments.push((p * image.height() + oy * w.stride) * image.width() * s.ci);
        }
        for (i, x) in x.chunks(block * s.x_len()).enumerate() {
            let images = x.len() / s.x_len();
            let pixels = OperandA {
                data: image.pad(x, &mut scratch.padded),
                rows: RowOffsets::Table(&scratch.a_rows),
                segments: &scratch.segments[..images * s.oh],
                segment_len: s.ow,
                col_stride: w.stride * s.ci,
            };
            let gradients = OperandB::row_major(&y[i * block * s.y_len()..][..images * s.y_len()], s.co);
            let m = sums.len() / s.co;
            let mut c = OutputC { accumulate: i > 0, ..OutputC::row_major(sums, m, s.co) };
            microkernel::multiply(pixels, gradients, &mut c);
        }
    });
}

/// Adds the partial gradients of all tasks in task order.
fn sum_partials(partials: &[f32], dw: &mut [f32]) {
    let len = dw.len();
    let chunk = len.div_ceil(8).max(4096);
    for_each_task(0..len.div_ceil(chunk), TaskSlices::one(dw, chunk), &|task, mut slices| {
        let out = slices.first();
        let at = task * chunk;
        out.copy_from_slice(&partials[at..][..out.len()]);
        for sums in partials[len..].chunks_exact(len) {
            out.iter_mut().zip(&sums[at..]).for_each(|(o, v)| *o += v);
        }
    });
}
