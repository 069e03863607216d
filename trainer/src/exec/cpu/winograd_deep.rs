//! Winograd's form for layers of many channels and few pixels, whose transformed weights would not fit any cache.
//!
//! Weights are transformed a panel of 64 columns at a time, and multiplied while they lie in the second-level cache:
//! each task reads the plain weights once for every tap that a pair of points needs, and writes none. The transposed
//! convolution of such layers stays plain: turning every panel around costs what the products would save.
use super::split::{Parts, each};
use super::tile::{self, Left, Lines, Out, PANEL, Right};
use super::vectors::widest;
use super::winograd::{Grid, Pair, Rows, Scratch, Squares, gather, pairs, room, scatter, with_scratch};
use crate::graph::Window;
use crate::plan::ConvShape;

/// Fewest rows of outputs over the batch, and fewest weights.
const ROWS: usize = 192;
const WEIGHTS: usize = 1 << 20;
/// Tasks: each transforms the weights again.
const TASKS: usize = 2;

/// Whether this kernel takes a convolution that [`super::winograd::suits`] does not.
pub(super) fn suits(w: Window, s: &ConvShape) -> bool {
    (w.kernel, w.stride) == (4, 2)
        && s.ci * s.co * 16 >= WEIGHTS
        && s.batch * s.oh * s.ow >= ROWS
        && s.oh.min(s.ow) >= 2
        && tile::vectorised()
}

widest! {
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

/// One pair: gathers its rows, and for each panel of columns transforms the weights and multiplies.
fn multiply(
    which: Rows,
    (from, plane): (Grid, &[f32]),
    (to, out): (Grid, &mut [f32]),
    (rows, products, panel): (&mut Vec<f32>, &mut Vec<f32>, &mut Vec<f32>),
    mut transform: impl FnMut(usize, usize, &mut [f32]),
) {
    let count = which.count();
    if count == 0 {
        return;
    }
    let (depth, columns) = (from.inner, to.inner);
    let (rows, products) = (room(rows, count * depth), room(products, count * columns));
    gather(which, from, plane, rows);
    for j in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - j);
        let panel = room(panel, depth * width);
        transform(j, width, panel);
        let left = Left { data: rows, lines: Lines::Even(depth), segments: &[0], len: depth, step: 1 };
        let lines = Lines::Even(columns);
        let mut out = Out { data: &mut products[j..], lines, rows: count, columns: width, add: false };
        tile::multiply(left, Right::rows(panel, width), &mut out);
    }
    scatter(which, to, products, out);
}

/// y = conv(x, weight).
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], weight: &[f32], y: &mut [f32]) {
    let squares = Squares::new(s);
    let (bare_x, bare_y) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    let per_task = s.batch.div_ceil(TASKS);
    each(0..s.batch.div_ceil(per_task), Parts::one(y, per_task * bare_y), &|task, mut parts| {
        let (y, _) = &mut parts.slices[0];
        let pictures = y.len() / bare_y;
        let x = &x[task * per_task * bare_x..][..pictures * bare_x];
        y.fill(0.0);
        let out = Grid { first: 0, picture: bare_y, row: s.ow * s.co, column: s.co, inner: s.co };
        with_scratch(|Scratch { plane, rows, products, sums }| {
            let plane = room(plane, pictures * squares.len());
            squares.lay(w, s, x, plane);
            for pair in pairs() {
                let which = Rows { pictures, size: (s.oh, s.ow), pair };
                let transform = |j: usize, width: usize, to: &mut [f32]| {
                    for (i, to) in to.chunks_exact_mut(s.ci * width).enumerate() {
                        let taps = [0, 1, 2, 3].map(|t| {
                            let tap = (2 * (t / 2) + i / 2) * 4 + 2 * (t % 2) + i % 2;
                            &weight[tap * s.ci * s.co + j..]
                        });
                        blend(factors(pair), taps, s.co, width, width, to);
                    }
                };
                multiply(which, (squares.grid(), plane), (out, y), (rows, products, sums), transform);
            }
        });
    });
}
