//! Winograd's form for layers of many channels and few pixels, whose transformed weights would not fit any cache.
//!
//! Weights are transformed a panel of 64 columns at a time, and multiplied while they lie in the second-level cache:
//! each task reads the plain weights once for every tap that a pair of points needs, and writes none. In the transposed
//! convolution it is the few pixels that are turned around and packed, and the weights are the left side as they lie.
//! Gradients of the weights are taken a few rows at a time, over all pictures, so that no sums over tasks are needed.
use super::plane::{Plane, phases};
use super::split::{Parts, each};
use super::tile::{self, Left, Lines, Out, PANEL, Right, pack_columns, packed_len, with_packed};
use super::winograd::{
    Grid, Pair, Rows, Scratch, Squares, add_scaled, collect, gather, pairs, phase_grids, room, scatter, with_scratch,
};
use crate::graph::Window;
use crate::plan::ConvShape;
use crate::simd::multiversion;
use arrayvec::ArrayVec;

/// Fewest rows of outputs over the batch, and fewest weights.
const ROWS: usize = 192;
const WEIGHTS: usize = 1 << 20;
/// Tasks of the columns.
const TASKS: usize = 2;

/// Whether this kernel takes a convolution that [`super::winograd::suits`] does not.
pub(super) fn suits(w: Window, s: &ConvShape) -> bool {
    (w.kernel, w.stride) == (4, 2)
        && s.ci * s.co * 16 >= WEIGHTS
        && s.batch * s.oh * s.ow >= ROWS
        && s.oh.min(s.ow) >= 2
        && tile::vectorized()
}

multiversion! {
    /// A sum of up to four matrices with their factors: rows `stride` apart go to rows `step` apart.
    fn blend(factors: [f32; 4], taps: [&[f32]; 4], stride: usize, width: usize, step: usize, to: &mut [f32]) {
        let rows = to.len().div_ceil(step);
        let row = |t: usize, i: usize| &taps[t][i * stride..][..width];
        let mut used = [0; 4];
        let mut count = 0;
        for (t, _) in factors.iter().enumerate().filter(|f| *f.1 != 0.0) {
            used[count] = t;
            count += 1;
        }
        let [a, b, c, d] = used;
        let f = used.map(|t| factors[t]);
        for i in 0..rows {
            let to = &mut to[i * step..][..width];
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

fn factors(pair: Pair) -> [f32; 4] {
    let (down, right) = (pair.0.taps(), pair.1.taps());
    std::array::from_fn(|i| down[i / 2] * right[i % 2])
}

/// Lays out all pictures in squares.
fn lay(w: Window, s: &ConvShape, x: &[f32], plane: &mut [f32]) {
    let (squares, bare) = (Squares::new(s), s.h * s.w * s.ci);
    each(0..s.batch, Parts::one(plane, squares.len()), &|picture, mut parts| {
        squares.lay(w, s, &x[picture * bare..][..bare], parts.slices[0].0);
    });
}

/// y = conv(x, weight).
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let (depth, squares) = (4 * s.ci, Squares::new(s));
    let (laid, pixels) = (s.batch * squares.len(), s.oh * s.ow);
    // Each task takes some columns of all pictures, and those are merged.
    let columns = s.co.div_ceil(TASKS).next_multiple_of(PANEL).min(s.co);
    let (tasks, part) = (s.co.div_ceil(columns), s.batch * pixels * columns);
    with_packed(laid + tasks * part, |buffer| {
        let (plane, merged) = buffer.split_at_mut(laid);
        lay(w, s, x, plane);
        let plane = &*plane;
        each(0..tasks, Parts::one(merged, part), &|task, mut parts| {
            let (out, _) = &mut parts.slices[0];
            out.fill(0.0);
            let to = Grid { first: 0, picture: pixels * columns, row: s.ow * columns, column: columns, inner: columns };
            with_scratch(|Scratch { rows, products, sums: panel, .. }| {
                for pair in pairs() {
                    let which = Rows { pictures: s.batch, size: (s.oh, s.ow), pair };
                    let count = which.count();
                    if count == 0 {
                        continue;
                    }
                    let (rows, products) = (room(rows, count * depth), room(products, count * PANEL));
                    gather(which, squares.grid(), plane, rows);
                    for j in (task * columns..s.co.min((task + 1) * columns)).step_by(PANEL) {
                        let width = PANEL.min(s.co - j);
                        let panel = room(panel, depth * width);
                        for (i, to) in panel.chunks_exact_mut(s.ci * width).enumerate() {
                            let taps = [0, 1, 2, 3].map(|t| {
                                let tap = (2 * (t / 2) + i / 2) * 4 + 2 * (t % 2) + i % 2;
                                &weight[tap * s.ci * s.co + j..]
                            });
                            blend(factors(pair), taps, s.co, width, width, to);
                        }
                        let left = Left { data: rows, lines: Lines::Even(depth), segments: &[0], len: depth, step: 1 };
                        let lines = Lines::Even(width);
                        let mut result = Out { data: products, lines, rows: count, columns: width, add: false };
                        tile::multiply(left, Right::rows(panel, width), &mut result);
                        let to = Grid { first: j - task * columns, inner: width, ..to };
                        scatter(which, to, &products[..count * width], out);
                    }
                }
            });
        });
        let merged = &*merged;
        each(0..s.batch, Parts::one(y, pixels * s.co), &|picture, mut parts| {
            let (y, _) = &mut parts.slices[0];
            for (i, pixel) in y.chunks_exact_mut(s.co).enumerate() {
                for (task, to) in pixel.chunks_mut(columns).enumerate() {
                    to.copy_from_slice(&merged[task * part + (picture * pixels + i) * columns..][..to.len()]);
                }
            }
        });
    });
}

/// Input channels whose products are taken, turned around and added up together.
const BLOCK: usize = 64;

/// x = transposed conv(y, weight).
pub(super) fn input(w: Window, s: &ConvShape, y: &[f32], weight: &[f32], x: &mut [f32]) {
    let plane = Plane::output(w, s);
    let bare_x = s.h * s.w * s.ci;
    // Each phase fills a picture of its own, and those are merged.
    let largest = s.batch * s.h.div_ceil(2) * s.w.div_ceil(2) * s.ci;
    with_packed(4 * largest, |merged| {
        each(0..4, Parts::one(merged, largest), &|task, mut parts| {
            let (out, _) = &mut parts.slices[0];
            let Some(phase) = phases(w).nth(task) else { return };
            let (from, _, size) = phase_grids(w, s, &plane, &phase);
            out.fill(0.0);
            with_scratch(|Scratch { plane: padded, rows, products, sums }| {
                let y = plane.pad(y, padded);
                for pair in pairs() {
                    let which = Rows { pictures: s.batch, size, pair };
                    let count = which.count();
                    if count == 0 {
                        continue;
                    }
                    let (pixels, packed) =
                        room(rows, count * s.co + packed_len(s.co, count)).split_at_mut(count * s.co);
                    gather(which, from, y, pixels);
                    pack_columns(packed, s.co, count, 0, s.co, pixels);
                    for c in (0..s.ci).step_by(BLOCK) {
                        let block = BLOCK.min(s.ci - c);
                        let blended = room(sums, block * s.co);
                        let taps = [0, 1, 2, 3].map(|t| {
                            let (ky, kx) = phase.tap(w, t);
                            &weight[((ky * 4 + kx) * s.ci + c) * s.co..][..block * s.co]
                        });
                        blend(factors(pair), taps, block * s.co, block * s.co, block * s.co, blended);
                        let (product, turned) = room(products, 2 * block * count).split_at_mut(block * count);
                        let left = Left { data: blended, lines: Lines::Even(s.co), segments: &[0], len: s.co, step: 1 };
                        let (right, lines) = (Right::packed(packed, s.co, count), Lines::Even(count));
                        let mut result = Out { data: product, lines, rows: block, columns: count, add: false };
                        tile::multiply(left, right, &mut result);
                        pack_columns(turned, count, block, 0, count, product);
                        let row = size.1 * s.ci;
                        let to = Grid { first: c, picture: size.0 * row, row, column: s.ci, inner: block };
                        scatter(which, to, turned, out);
                    }
                }
            });
        });
        let merged = &*merged;
        each(0..s.batch, Parts::one(x, bare_x), &|picture, mut parts| {
            let (x, _) = &mut parts.slices[0];
            for (p, phase) in phases(w).enumerate() {
                let (_, to, size) = phase_grids(w, s, &plane, &phase);
                let from = &merged[p * largest + picture * size.0 * size.1 * s.ci..][..size.0 * size.1 * s.ci];
                for (i, pixel) in from.chunks_exact(s.ci).enumerate() {
                    x[to.first + i / size.1 * to.row + i % size.1 * to.column..][..s.ci].copy_from_slice(pixel);
                }
            }
        });
    });
}

/// Rows of a task of the weight gradient: their products and four taps stay in the second-level cache.
const TASK: usize = 24;

/// dw = the gradient by the weights.
pub(super) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], dw: &mut [f32]) {
    let (depth, squares) = (4 * s.ci, Squares::new(s));
    let which = |pair| Rows { pictures: s.batch, size: (s.oh, s.ow), pair };
    let most = pairs().map(|pair| which(pair).count()).max().unwrap_or(0);
    let from = Grid { first: 0, picture: s.oh * s.ow * s.co, row: s.ow * s.co, column: s.co, inner: s.co };
    with_packed(s.batch * squares.len() + 16 * most * (depth + s.co), |buffer| {
        let (plane, buffer) = buffer.split_at_mut(s.batch * squares.len());
        lay(w, s, x, plane);
        let (inputs, outputs) = buffer.split_at_mut(16 * most * depth);
        let plane = &*plane;
        let mut slices = ArrayVec::new();
        slices.push((&mut *inputs, most * depth));
        slices.push((&mut *outputs, most * s.co));
        each(0..16, Parts { slices }, &|i, mut parts| {
            let Some(pair) = pairs().nth(i) else { return };
            let count = which(pair).count();
            gather(which(pair), squares.grid(), plane, &mut parts.slices[0].0[..count * depth]);
            collect(which(pair), from, y, &mut parts.slices[1].0[..count * s.co]);
        });
        let (inputs, outputs) = (&*inputs, &*outputs);
        let slices = dw.chunks_exact_mut(s.ci * s.co).map(|tap| (tap, TASK * s.co)).collect();
        each(0..s.ci.div_ceil(TASK), Parts { slices }, &|task, mut parts| {
            parts.slices.iter_mut().for_each(|s| s.0.fill(0.0));
            let rows = parts.slices[0].0.len() / s.co;
            with_scratch(|scratch| {
                let matrix = room(&mut scratch.products, rows * s.co);
                for (quarter, (i, pair)) in (0..4).flat_map(|q| pairs().enumerate().map(move |p| (q, p))) {
                    let count = which(pair).count();
                    if count == 0 {
                        continue;
                    }
                    let data = &inputs[i * most * depth + quarter * s.ci + task * TASK..];
                    let left = Left { data, lines: Lines::Even(1), segments: &[0], len: count, step: depth };
                    let right = Right::rows(&outputs[i * most * s.co..][..count * s.co], s.co);
                    let mut out = Out { data: matrix, lines: Lines::Even(s.co), rows, columns: s.co, add: false };
                    tile::multiply(left, right, &mut out);
                    for (t, factor) in factors(pair).into_iter().enumerate().filter(|f| f.1 != 0.0) {
                        let tap = (2 * (t / 2) + quarter / 2) * 4 + 2 * (t % 2) + quarter % 2;
                        add_scaled(factor, matrix, parts.slices[tap].0);
                    }
                }
            });
        });
    });
}
