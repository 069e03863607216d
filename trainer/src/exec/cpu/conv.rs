//! Convolutions without gathered taps: a padded picture holds the rows of the product where they are.
//!
//! All three read the picture through tables of row starts (`tile`). `input`, the transposed convolution, is
//! one product for each phase of its outputs, so it computes no zero-inserted tap, adds nothing up afterwards
//! and computes nothing beyond the picture. Tasks are runs of whole pictures, or of weights.
use super::dot;
use super::packs::{Layout, Weights};
use super::plane::{Plane, phases, with_scratch};
use super::split::{Parts, each};
use super::tile::{self, Left, Lines, NARROW, Out, Right, multiply, pack_columns, packed_len};
use super::{winograd, winograd_deep};
use crate::graph::Window;
use crate::plan::ConvShape;
use std::cell::RefCell;

/// Most tasks of one convolution.
const MAX_TASKS: usize = 16;
/// Weights that stay in the second-level cache, and rows of outputs that make it worth while to read more than these.
const CACHED: usize = 1 << 17;
const TASK_ROWS: usize = 128;
/// Numbers that the weight gradients of all tasks may take before they are added up.
const MAX_PARTIALS: usize = 1 << 20;
/// Channels out up to which the weight gradient of a stride-1 convolution is turned around: so narrow a product
/// wastes most of a vector.
const TURNED: usize = 8;

thread_local! {
    static FLIPPED: RefCell<Vec<f32>> = RefCell::default();
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

    /// Most tasks of pictures that read `weights` numbers each: many that stay in the second-level cache, few that do not.
    fn most_tasks(&self, weights: usize) -> usize {
        if weights <= CACHED { MAX_TASKS } else { (self.batch * self.oh * self.ow / TASK_ROWS).clamp(2, MAX_TASKS) }
    }

    /// Pictures of a task and count of tasks.
    fn tasks(&self, most: usize) -> (usize, usize) {
        let pictures = self.batch.div_ceil(most.clamp(1, MAX_TASKS));
        (pictures, self.batch.div_ceil(pictures))
    }
}

/// One product of padded rows with packed weights, by the kernel that suits the count of columns.
fn product(left: Left<'_>, depth: usize, weights: &[f32], out: &mut Out<'_>) {
    if out.columns <= NARROW {
        dot::multiply(left, weights, out);
    } else {
        multiply(left, Right::packed(weights, depth, out.columns), out);
    }
}

/// How [`forward`] reads its weights; none where it transforms them on the way.
pub(super) fn forward_layout(w: Window, s: &ConvShape) -> Option<Layout> {
    if winograd::suits(w, s) {
        return Some(Layout::Squares((s.ci, s.co), (s.oh, s.ow)));
    }
    (!winograd_deep::suits(w, s)).then(|| Layout::Matrix(s.taps(w), s.co))
}

/// y = conv(x, weight).
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: Weights<'_>, y: &mut [f32]) {
    let Some(layout) = forward_layout(w, s) else { return winograd_deep::forward(w, s, x, weight.plain, y) };
    if matches!(layout, Layout::Squares(..)) {
        return weight.with(layout, |packed| winograd::forward(w, s, x, packed, y));
    }
    let (depth, plane) = (s.taps(w), Plane::input(w, s));
    let (per_task, tasks) = s.tasks(s.most_tasks(weight.plain.len()));
    weight.with(layout, |packed| {
        each(0..tasks, Parts::one(y, per_task * s.y()), &|task, mut parts| {
            let (y, _) = &mut parts.slices[0];
            let x = &x[task * per_task * s.x()..];
            let block = plane.block(y.len() / s.y());
            with_scratch(|scratch| {
                scratch.segments.clear();
                scratch.segments.extend((0..w.kernel).map(|ky| ky * plane.width() * s.ci));
                scratch.lines.clear();
                for (p, oy) in (0..block).flat_map(|p| (0..s.oh).map(move |oy| (p, oy))) {
                    let line = (p * plane.height() + oy * w.stride) * plane.width();
                    scratch.lines.extend((0..s.ow).map(|ox| (line + ox * w.stride) * s.ci));
                }
                for (i, y) in y.chunks_mut(block * s.y()).enumerate() {
                    let x = &x[i * block * s.x()..][..y.len() / s.y() * s.x()];
                    let left = Left {
                        data: plane.pad(x, &mut scratch.padded),
                        lines: Lines::Table(&scratch.lines),
                        segments: &scratch.segments,
                        len: w.kernel * s.ci,
                        step: 1,
                    };
                    let rows = y.len() / s.co;
                    product(
                        left,
                        depth,
                        packed,
                        &mut Out { data: y, lines: Lines::Even(s.co), rows, columns: s.co, add: false },
                    );
                }
            });
        });
    });
}

/// Numbers of [`pack_phases`].
pub(super) fn phases_len(w: Window, (ci, co): (usize, usize)) -> usize {
    phases(w).map(|p| packed_len(p.taps[0] * p.taps[1] * co, ci)).sum()
}

/// Packs `weight` for each phase, one behind the other.
pub(super) fn pack_phases(w: Window, (ci, co): (usize, usize), weight: &[f32], packed: &mut [f32]) {
    let mut rest = packed;
    for phase in phases(w) {
        let taps = phase.taps[0] * phase.taps[1];
        let depth = taps * co;
        let (packed, behind) = rest.split_at_mut(packed_len(depth, ci));
        rest = behind;
        for i in 0..taps {
            let (ky, kx) = phase.tap(w, i);
            let tap = &weight[(ky * w.kernel + kx) * ci * co..][..ci * co];
            if ci <= NARROW {
                for (column, tap) in packed.chunks_exact_mut(depth).zip(tap.chunks_exact(co)) {
                    column[i * co..][..co].copy_from_slice(tap);
                }
            } else {
                pack_columns(packed, depth, ci, i * co, co, tap);
            }
        }
    }
}

/// How [`input`] reads its weights; none where it transforms them on the way.
pub(super) fn input_layout(w: Window, s: &ConvShape) -> Option<Layout> {
    if winograd::suits(w, s) {
        return Some(Layout::Points(w, s.ci, s.co));
    }
    (!winograd_deep::suits(w, s)).then_some(Layout::Phases(w, s.ci, s.co))
}

/// x = transposed conv(y, weight).
pub(super) fn input(w: Window, s: &ConvShape, y: &[f32], weight: Weights<'_>, x: &mut [f32]) {
    let Some(layout) = input_layout(w, s) else { return winograd_deep::input(w, s, y, weight.plain, x) };
    if matches!(layout, Layout::Points(..)) {
        return weight.with(layout, |packed| winograd::input(w, s, y, packed, x));
    }
    let plane = Plane::output(w, s);
    let (per_task, tasks) = s.tasks(s.most_tasks(weight.plain.len()));
    weight.with(layout, |packed| {
        each(0..tasks, Parts::one(x, per_task * s.x()), &|task, mut parts| {
            let (x, _) = &mut parts.slices[0];
            let y = &y[task * per_task * s.y()..];
            let block = plane.block(x.len() / s.x());
            if w.kernel < w.stride {
                x.fill(0.0);
            }
            with_scratch(|scratch| {
                let mut padded = std::mem::take(&mut scratch.padded);
                for (i, x) in x.chunks_mut(block * s.x()).enumerate() {
                    let pictures = x.len() / s.x();
                    let y = plane.pad(&y[i * block * s.y()..][..pictures * s.y()], &mut padded);
                    let mut rest = packed;
                    for phase in phases(w) {
                        let depth = phase.depth(s);
                        let (weights, behind) = rest.split_at(packed_len(depth, s.ci));
                        rest = behind;
                        phase.tables(w, s, &plane, pictures, scratch);
                        if depth == 0 || scratch.lines.is_empty() {
                            continue;
                        }
                        let left = Left {
                            data: y,
                            lines: Lines::Table(&scratch.lines),
                            segments: &scratch.segments,
                            len: phase.taps[1] * s.co,
                            step: 1,
                        };
                        let (rows, lines) = (scratch.places.len(), Lines::Table(&scratch.places));
                        product(left, depth, weights, &mut Out { data: x, lines, rows, columns: s.ci, add: false });
                    }
                }
                scratch.padded = padded;
            });
        });
    });
}

/// Where the weight gradient of a narrow stride-1 convolution is computed instead: as that of the transposed
/// convolution that it equals, with the kernel turned by half a turn.
fn turned(w: Window, s: &ConvShape) -> Option<(Window, ConvShape)> {
    let back = Window { pad: w.kernel.checked_sub(w.pad + 1)?, ..w };
    let (h, width, oh, ow) = (s.oh, s.ow, s.h, s.w);
    (w.stride == 1 && s.co <= TURNED && s.ci > s.co)
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

/// How a weight gradient is shared: by pictures, whose sums are added up, or by weights.
enum Shares {
    /// Pictures of a task and count of tasks.
    Pictures(usize, usize),
    /// Rows of a task.
    Weights(usize),
}

fn shares(w: Window, s: &ConvShape) -> Shares {
    let weights = s.taps(w) * s.co;
    // Every task of weights pads all pictures again, every task of pictures writes all weights again.
    if weights > s.batch * s.x() || 2 * weights > MAX_PARTIALS {
        return Shares::Weights(s.taps(w).div_ceil(8).next_multiple_of(12));
    }
    let (pictures, tasks) = s.tasks((MAX_PARTIALS / weights).clamp(2, 4));
    Shares::Pictures(pictures, tasks)
}

/// Numbers for the sums of the tasks of a weight gradient.
pub(crate) fn partial_len(w: Window, s: &ConvShape) -> usize {
    let (w, s) = turned(w, s).unwrap_or((w, *s));
    match shares(w, &s) {
        Shares::Pictures(_, tasks) => tasks * s.taps(w) * s.co,
        Shares::Weights(_) => 0,
    }
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
    let each_len = dw.len();
    match shares(w, s) {
        Shares::Weights(_) if winograd_deep::suits(w, s) => winograd_deep::weight(w, s, x, y, dw),
        Shares::Weights(rows) => {
            each(0..s.taps(w).div_ceil(rows), Parts::one(dw, rows * s.co), &|task, mut parts| {
                let (sums, _) = &mut parts.slices[0];
                weight_rows(w, s, x, y, task * rows, sums);
            });
        }
        Shares::Pictures(per_task, tasks) => {
            let partials = &mut partials[..tasks * each_len];
            each(0..tasks, Parts::one(partials, each_len), &|task, mut parts| {
                let (sums, _) = &mut parts.slices[0];
                let pictures = per_task.min(s.batch - task * per_task);
                let x = &x[task * per_task * s.x()..][..pictures * s.x()];
                if winograd::suits(w, s) {
                    return winograd::weight(w, s, x, &y[task * per_task * s.y()..], sums);
                }
                weight_rows(w, s, x, &y[task * per_task * s.y()..], 0, sums);
            });
            add_up(partials, dw);
        }
    }
}

/// The rows of the weight gradient from `first` on, as many as `sums` holds, over the pictures in `x`.
fn weight_rows(w: Window, s: &ConvShape, x: &[f32], y: &[f32], first: usize, sums: &mut [f32]) {
    let plane = Plane::input(w, s);
    let block = plane.block(x.len() / s.x());
    with_scratch(|scratch| {
        scratch.lines.clear();
        scratch.lines.extend((first..first + sums.len() / s.co).map(|row| {
            let (ky, along) = (row / (w.kernel * s.ci), row % (w.kernel * s.ci));
            ky * plane.width() * s.ci + along
        }));
        scratch.segments.clear();
        for (p, oy) in (0..block).flat_map(|p| (0..s.oh).map(move |oy| (p, oy))) {
            scratch.segments.push((p * plane.height() + oy * w.stride) * plane.width() * s.ci);
        }
        for (i, x) in x.chunks(block * s.x()).enumerate() {
            let pictures = x.len() / s.x();
            let left = Left {
                data: plane.pad(x, &mut scratch.padded),
                lines: Lines::Table(&scratch.lines),
                segments: &scratch.segments[..pictures * s.oh],
                len: s.ow,
                step: w.stride * s.ci,
            };
            let right = Right::rows(&y[i * block * s.y()..][..pictures * s.y()], s.co);
            let (rows, lines) = (sums.len() / s.co, Lines::Even(s.co));
            tile::multiply(left, right, &mut Out { data: sums, lines, rows, columns: s.co, add: i > 0 });
        }
    });
}

/// Adds the sums of all tasks, in their order.
fn add_up(partials: &[f32], dw: &mut [f32]) {
    let len = dw.len();
    let chunk = len.div_ceil(8).max(4096);
    each(0..len.div_ceil(chunk), Parts::one(dw, chunk), &|task, mut parts| {
        let (out, _) = &mut parts.slices[0];
        let at = task * chunk;
        out.copy_from_slice(&partials[at..][..out.len()]);
        for sums in partials[len..].chunks_exact(len) {
            out.iter_mut().zip(&sums[at..]).for_each(|(o, v)| *o += v);
        }
    });
}
