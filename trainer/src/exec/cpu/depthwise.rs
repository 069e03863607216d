//! Depthwise convolutions. Channels are innermost, so each tap is one run of multiply-adds.
use super::tasks::{TaskSlices, for_each_task};
use crate::graph::Window;
use crate::plan::ConvShape;

/// Maximum tasks per convolution.
const MAX_TASKS: usize = 16;

/// (images per task, number of tasks)
fn task_images(s: &ConvShape) -> (usize, usize) {
    let images = s.batch.div_ceil(MAX_TASKS);
    (images, s.batch.div_ceil(images))
}

/// Elements of the partial sums of all tasks.
pub(crate) fn partial_len(w: Window, s: &ConvShape) -> usize {
    task_images(s).1 * w.kernel * w.kernel * s.ci
}

/// Calls `tap(input pixel, output pixel, weight)` with the offset of the first channel, for each tap of one image that
/// is not padding.
fn taps(w: Window, s: &ConvShape, mut tap: impl FnMut(usize, usize, usize)) {
    let c = s.ci;
    for (oy, ox) in (0..s.oh * s.ow).map(|i| (i / s.ow, i % s.ow)) {
        for ky in 0..w.kernel {
            let Some(y) = (oy * w.stride + ky).checked_sub(w.pad).filter(|&y| y < s.h) else { continue };
            for kx in 0..w.kernel {
                let Some(x) = (ox * w.stride + kx).checked_sub(w.pad).filter(|&x| x < s.w) else { continue };
                tap((y * s.w + x) * c, (oy * s.ow + ox) * c, (ky * w.kernel + kx) * c);
            }
        }
    }
}

/// out += a · b, channel by channel.
fn multiply_add(out: &mut [f32], a: &[f32], b: &[f32]) {
    out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o += a * b);
}

/// y = depthwise convolution of `x` with `weight`.
pub(crate) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let (x_len, y_len, c) = (s.h * s.w * s.ci, s.oh * s.ow * s.ci, s.ci);
    let (images, count) = task_images(s);
    for_each_task(0..count, TaskSlices::one(y, images * y_len), &|task, mut slices| {
        let y = slices.first();
        y.fill(0.0);
        for (x, y) in x[task * images * x_len..].chunks_exact(x_len).zip(y.chunks_exact_mut(y_len)) {
            taps(w, s, |i, o, k| multiply_add(&mut y[o..][..c], &x[i..][..c], &weight[k..][..c]));
        }
    });
}

/// x = gradient of [`forward`] with respect to its input, from the gradient `y` of its output.
pub(crate) fn input(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], x: &mut [f32]) {
    let (y_len, x_len, c) = (s.oh * s.ow * s.ci, s.h * s.w * s.ci, s.ci);
    let (images, count) = task_images(s);
    for_each_task(0..count, TaskSlices::one(x, images * x_len), &|task, mut slices| {
        let x = slices.first();
        x.fill(0.0);
        for (y, x) in y[task * images * y_len..].chunks_exact(y_len).zip(x.chunks_exact_mut(x_len)) {
            taps(w, s, |i, o, k| multiply_add(&mut x[i..][..c], &y[o..][..c], &weight[k..][..c]));
        }
    });
}

/// dw = gradient of [`forward`] with respect to its weight, from its input `x` and the gradient `y` of its output.
pub(crate) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32], partials: &mut [f32]) {
    let (x_len, y_len, c, len) = (s.h * s.w * s.ci, s.oh * s.ow * s.ci, s.ci, w.kernel * w.kernel * s.ci);
    let (images, count) = task_images(s);
    let partials = &mut partials[..count * len];
    for_each_task(0..count, TaskSlices::one(partials, len), &|task, mut slices| {
        let sums = slices.first();
        sums.fill(0.0);
        let pairs = x.chunks_exact(x_len).zip(y.chunks_exact(y_len)).skip(task * images).take(images);
        for (x, y) in pairs {
            taps(w, s, |i, o, k| multiply_add(&mut sums[k..][..c], &x[i..][..c], &y[o..][..c]));
        }
    });
    dw.fill(0.0);
    // In task order, so that the result does not depend on the number of threads.
    for sums in partials.chunks_exact(len) {
        dw.iter_mut().zip(sums).for_each(|(o, v)| *o += v);
    }
}
