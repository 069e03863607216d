//! Depthwise convolutions: each channel with its own kernel, channels innermost, so that a tap is one run of products.
use super::split::{Parts, each};
use crate::graph::Window;
use crate::plan::ConvShape;

/// Most tasks of one convolution.
const MAX_TASKS: usize = 16;

/// Pictures of a task and count of tasks.
fn tasks(s: &ConvShape) -> (usize, usize) {
    let pictures = s.batch.div_ceil(MAX_TASKS);
    (pictures, s.batch.div_ceil(pictures))
}

/// Numbers that the sums of all tasks take before they are added up.
pub(crate) fn partial_len(w: Window, s: &ConvShape) -> usize {
    tasks(s).1 * w.kernel * w.kernel * s.ci
}

/// Calls `tap(input pixel, output pixel, weight)` with the first number of each useful tap of one picture.
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
fn add(out: &mut [f32], a: &[f32], b: &[f32]) {
    out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o += a * b);
}

pub(crate) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], out: &mut [f32]) {
    let (from, to, c) = (s.h * s.w * s.ci, s.oh * s.ow * s.ci, s.ci);
    let (pictures, count) = tasks(s);
    each(0..count, Parts::one(out, pictures * to), &|task, mut parts| {
        let out = &mut parts.slices[0].0;
        out.fill(0.0);
        for (x, out) in x[task * pictures * from..].chunks_exact(from).zip(out.chunks_exact_mut(to)) {
            taps(w, s, |i, o, k| add(&mut out[o..][..c], &x[i..][..c], &weight[k..][..c]));
        }
    });
}

pub(crate) fn input(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], out: &mut [f32]) {
    let (from, to, c) = (s.oh * s.ow * s.ci, s.h * s.w * s.ci, s.ci);
    let (pictures, count) = tasks(s);
    each(0..count, Parts::one(out, pictures * to), &|task, mut parts| {
        let out = &mut parts.slices[0].0;
        out.fill(0.0);
        for (y, out) in y[task * pictures * from..].chunks_exact(from).zip(out.chunks_exact_mut(to)) {
            taps(w, s, |i, o, k| add(&mut out[i..][..c], &y[o..][..c], &weight[k..][..c]));
        }
    });
}

pub(crate) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], out: &mut [f32], partials: &mut [f32]) {
    let (xs, ys, c, len) = (s.h * s.w * s.ci, s.oh * s.ow * s.ci, s.ci, w.kernel * w.kernel * s.ci);
    let (pictures, count) = tasks(s);
    let partials = &mut partials[..count * len];
    each(0..count, Parts::one(partials, len), &|task, mut parts| {
        let sums = &mut parts.slices[0].0;
        sums.fill(0.0);
        let pairs = x.chunks_exact(xs).zip(y.chunks_exact(ys)).skip(task * pictures).take(pictures);
        for (x, y) in pairs {
            taps(w, s, |i, o, k| add(&mut sums[k..][..c], &x[i..][..c], &y[o..][..c]));
        }
    });
    out.fill(0.0);
    // In the order of the tasks, whatever ran them.
    for sums in partials.chunks_exact(len) {
        out.iter_mut().zip(sums).for_each(|(o, v)| *o += v);
    }
}
