//! Convolutions as matrix products of blocks of pictures that stay in the second-level cache.
//!
//! `forward` and `weight` gather the taps of a block into rows; `input`, the transposed convolution,
//! multiplies first and then adds each output's taps, so that it computes no zero-inserted tap and nothing
//! beyond the picture. Tasks are runs of whole pictures.
use super::gemm::{MatMut, MatRef, sgemm};
use super::split::{Parts, each};
use crate::graph::Window;
use crate::plan::ConvShape;
use std::cell::RefCell;

/// Gathered numbers that a block may hold: half a megabyte.
const BLOCK: usize = 1 << 17;
/// Most tasks of one convolution.
const MAX_TASKS: usize = 16;
/// Numbers that the weight gradients of all tasks may take before they are added up.
const MAX_PARTIALS: usize = 1 << 22;

/// Channels out up to which a stride-1 convolution is turned around: so narrow a product wastes most of a vector.
const NARROW: usize = 8;

thread_local! {
    static FLIPPED: RefCell<Vec<f32>> = RefCell::default();
    static GATHERED: RefCell<Vec<f32>> = RefCell::default();
}

impl ConvShape {
    fn x(&self) -> usize {
        self.h * self.w * self.ci
    }

    fn y(&self) -> usize {
        self.oh * self.ow * self.co
    }

    /// Taps of one output: k·k·ci.
    fn taps(&self, w: Window) -> usize {
        w.kernel * w.kernel * self.ci
    }

    /// Pictures of a block.
    fn block(&self, w: Window) -> usize {
        (BLOCK / (self.oh * self.ow * self.taps(w))).clamp(1, self.batch)
    }

    /// Pictures of a task and count of tasks.
    fn tasks(&self, most: usize) -> (usize, usize) {
        let pictures = self.batch.div_ceil(most.clamp(1, MAX_TASKS));
        (pictures, self.batch.div_ceil(pictures))
    }
}

/// Lends this thread's buffer, at least `len` numbers long.
fn with_gathered(len: usize, work: impl FnOnce(&mut [f32])) {
    GATHERED.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(&mut buffer[..len]);
    });
}

/// The transposed convolution that a stride-1 convolution equals, with the kernel turned by half a turn.
///
/// Its product is k·k times as wide, so a narrow output fills whole vectors.
fn turned(w: Window, s: &ConvShape) -> Option<(Window, ConvShape)> {
    let back = Window { pad: w.kernel.checked_sub(w.pad + 1)?, ..w };
    let (h, width, oh, ow) = (s.oh, s.ow, s.h, s.w);
    (w.stride == 1 && s.co <= NARROW && s.ci > s.co)
        .then_some((back, ConvShape { batch: s.batch, h, w: width, ci: s.co, oh, ow, co: s.ci }))
}

/// `weight` [k,k,a,b] as [k,k,b,a], turned by half a turn.
fn flip(kernel: usize, (a, b): (usize, usize), weight: &[f32], to: &mut [f32]) {
    for (t, block) in weight.chunks_exact(a * b).enumerate() {
        let to = &mut to[(kernel * kernel - 1 - t) * a * b..][..a * b];
        for (i, row) in block.chunks_exact(b).enumerate() {
            row.iter().enumerate().for_each(|(o, v)| to[o * a + i] = *v);
        }
    }
}

/// y = conv(x, weight).
pub(crate) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
    if let Some((back, shape)) = turned(w, s) {
        return FLIPPED.with_borrow_mut(|flipped| {
            flipped.resize(weight.len().max(flipped.len()), 0.0);
            flip(w.kernel, (s.ci, s.co), weight, flipped);
            // The gradient's kernel is [k,k,in,out] of the turned convolution: its input side is this one's output.
            input(back, &shape, x, &flipped[..weight.len()], y);
        });
    }
    let (per_task, tasks) = s.tasks(MAX_TASKS);
    let (taps, block) = (s.taps(w), s.block(w));
    each(0..tasks, Parts::one(y, per_task * s.y()), &|task, mut parts| {
        let (y, _) = &mut parts.slices[0];
        let x = &x[task * per_task * s.x()..];
        with_gathered(block * s.oh * s.ow * taps, |rows| {
            for (i, y) in y.chunks_mut(block * s.y()).enumerate() {
                let m = y.len() / s.co;
                gather(w, s, &x[i * block * s.x()..], &mut rows[..m * taps]);
                let left = MatRef { data: rows, rows: taps, cols: 1 };
                let right = MatRef { data: weight, rows: s.co, cols: 1 };
                sgemm((m, taps, s.co), left, right, 0.0, MatMut { data: y, rows: s.co, cols: 1 });
            }
        });
    });
}

/// x = transposed conv(y, weight).
pub(crate) fn input(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], x: &mut [f32]) {
    let (per_task, tasks) = s.tasks(MAX_TASKS);
    let (taps, block) = (s.taps(w), s.block(w));
    each(0..tasks, Parts::one(x, per_task * s.x()), &|task, mut parts| {
        let (x, _) = &mut parts.slices[0];
        let y = &y[task * per_task * s.y()..];
        with_gathered(block * s.oh * s.ow * taps, |rows| {
            for (i, x) in x.chunks_mut(block * s.x()).enumerate() {
                let m = x.len() / s.x() * s.oh * s.ow;
                let left = MatRef { data: &y[i * block * s.y()..], rows: s.co, cols: 1 };
                let right = MatRef { data: weight, rows: 1, cols: s.co };
                sgemm((m, s.co, taps), left, right, 0.0, MatMut { data: rows, rows: taps, cols: 1 });
                scatter(w, s, &rows[..m * taps], x);
            }
        });
    });
}

/// Pictures of a task and count of tasks of a weight gradient: as many as its sums have room for.
fn weight_tasks(w: Window, s: &ConvShape) -> (usize, usize) {
    s.tasks((MAX_PARTIALS / (s.taps(w) * s.co)).clamp(2, 8))
}

/// Numbers for the sums of the tasks of a weight gradient.
pub(crate) fn partial_len(w: Window, s: &ConvShape) -> usize {
    weight_tasks(w, s).1 * s.taps(w) * s.co
}

/// dw = gradient of a convolution by its weight, from its input x and the gradient y of its output.
pub(crate) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32], partials: &mut [f32]) {
    if let Some((back, shape)) = turned(w, s) {
        return FLIPPED.with_borrow_mut(|flipped| {
            flipped.resize(dw.len().max(flipped.len()), 0.0);
            weight(back, &shape, y, x, &mut flipped[..dw.len()], partials);
            flip(w.kernel, (s.co, s.ci), &flipped[..dw.len()], dw);
        });
    }
    let (per_task, tasks) = weight_tasks(w, s);
    let (taps, block) = (s.taps(w), s.block(w));
    let partials = &mut partials[..tasks * dw.len()];
    each(0..tasks, Parts::one(partials, dw.len()), &|task, mut parts| {
        let (sums, _) = &mut parts.slices[0];
        let pictures = per_task.min(s.batch - task * per_task);
        let (x, y) = (&x[task * per_task * s.x()..][..pictures * s.x()], &y[task * per_task * s.y()..]);
        with_gathered(block * s.oh * s.ow * taps, |rows| {
            for (i, x) in x.chunks(block * s.x()).enumerate() {
                let m = x.len() / s.x() * s.oh * s.ow;
                gather(w, s, x, &mut rows[..m * taps]);
                let left = MatRef { data: rows, rows: 1, cols: taps };
                let right = MatRef { data: &y[i * block * s.y()..], rows: s.co, cols: 1 };
                let beta = if i == 0 { 0.0 } else { 1.0 };
                sgemm((taps, m, s.co), left, right, beta, MatMut { data: sums, rows: s.co, cols: 1 });
            }
        });
    });
    let each_len = dw.len();
    let chunk = each_len.div_ceil(8).max(4096);
    let partials = &*partials;
    each(0..each_len.div_ceil(chunk), Parts::one(dw, chunk), &|task, mut parts| {
        let (out, _) = &mut parts.slices[0];
        let at = task * chunk;
        out.copy_from_slice(&partials[at..][..out.len()]);
        for sums in partials[each_len..].chunks_exact(each_len) {
            out.iter_mut().zip(&sums[at..]).for_each(|(o, v)| *o += v);
        }
    });
}

/// The range of taps kx (or ky) that lie inside a side of length `len`, for output `o`.
fn inside(w: Window, len: usize, o: usize) -> (usize, usize) {
    let start = o * w.stride;
    (w.pad.saturating_sub(start).min(w.kernel), (len + w.pad).saturating_sub(start).min(w.kernel))
}

/// Lays the taps of every output of the pictures in `x` side by side: [output][ky][kx][channel].
fn gather(w: Window, s: &ConvShape, x: &[f32], rows: &mut [f32]) {
    let (line, taps) = (w.kernel * s.ci, s.taps(w));
    for (p, rows) in rows.chunks_exact_mut(s.oh * s.ow * taps).enumerate() {
        let x = &x[p * s.x()..][..s.x()];
        for (o, row) in rows.chunks_exact_mut(taps).enumerate() {
            let (oy, ox) = (o / s.ow, o % s.ow);
            let ((y0, y1), (x0, x1)) = (inside(w, s.h, oy), inside(w, s.w, ox));
            for (ky, run) in row.chunks_exact_mut(line).enumerate() {
                if ky < y0 || ky >= y1 || x0 >= x1 {
                    run.fill(0.0);
                    continue;
                }
                let from = ((oy * w.stride + ky - w.pad) * s.w + ox * w.stride + x0 - w.pad) * s.ci;
                run[..x0 * s.ci].fill(0.0);
                run[x0 * s.ci..x1 * s.ci].copy_from_slice(&x[from..][..(x1 - x0) * s.ci]);
                run[x1 * s.ci..].fill(0.0);
            }
        }
    }
}

/// Adds rows laid out as by [`gather`] back to the pictures in `x`.
fn scatter(w: Window, s: &ConvShape, rows: &[f32], x: &mut [f32]) {
    let (line, taps) = (w.kernel * s.ci, s.taps(w));
    x.fill(0.0);
    for (rows, x) in rows.chunks_exact(s.oh * s.ow * taps).zip(x.chunks_exact_mut(s.x())) {
        for (o, row) in rows.chunks_exact(taps).enumerate() {
            let (oy, ox) = (o / s.ow, o % s.ow);
            let ((y0, y1), (x0, x1)) = (inside(w, s.h, oy), inside(w, s.w, ox));
            if x0 >= x1 {
                continue;
            }
            for ky in y0..y1 {
                let to = ((oy * w.stride + ky - w.pad) * s.w + ox * w.stride + x0 - w.pad) * s.ci;
                let run = &row[ky * line + x0 * s.ci..ky * line + x1 * s.ci];
                x[to..][..run.len()].iter_mut().zip(run).for_each(|(o, v)| *o += v);
            }
        }
    }
}
