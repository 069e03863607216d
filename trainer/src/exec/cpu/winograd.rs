//! Convolutions of kernel 4 and stride 2 with fewer products than they have taps (Winograd 1980; Lavin & Gray 2016).
//!
//! Seen in squares of 2x2 pixels such a convolution has a 2x2 kernel of stride 1, and each phase of its transpose has
//! one anyway. Along each side, outputs are computed in pieces of 3 from 4 products, or of 2 from 3, where the plain
//! way takes 6 and 4. Both share the evaluation points 0, 1, -1 and infinity, so 16 matrices of transformed weights
//! serve every mixture: 7 outputs are 3 + 2 + 2 and take 10 products for 14, 100 for 196 in two dimensions. The
//! transforms only add, subtract and halve, so rounding stays that of a plain sum. For each pair of points the rows of
//! all pictures are one matrix product.
use super::plane::{Phase, Plane, phases};
use super::split::{Parts, each};
use super::tile::{self, Left, Lines, Out, Right, pack_columns, packed_len};
use crate::graph::Window;
use crate::plan::ConvShape;
use crate::simd::multiversion;
use std::cell::RefCell;

/// Fewest rows of outputs over the batch: below, transforming the weights costs more than it saves.
const ROWS: usize = 512;
/// Fewest channels on either side.
const CHANNELS: usize = 32;
/// Most pictures of a task, and most tasks.
const PICTURES: usize = 8;
const TASKS: usize = 16;

/// An evaluation point along one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Point {
    Zero,
    One,
    MinusOne,
    Infinity,
}

const POINTS: [Point; 4] = [Point::Zero, Point::One, Point::MinusOne, Point::Infinity];

/// Points of rows and columns.
pub(super) type Pair = (Point, Point);

pub(super) fn pairs() -> impl Iterator<Item = Pair> {
    POINTS.into_iter().flat_map(|y| POINTS.into_iter().map(move |x| (y, x)))
}

/// A run of two or three outputs.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    len: usize,
}

/// Threes and twos that `n` outputs (2 or more) are cut into: as many threes as go.
fn cut(n: usize) -> (usize, usize) {
    match n % 3 {
        0 => (n / 3, 0),
        1 => ((n - 4) / 3, 2),
        _ => ((n - 2) / 3, 1),
    }
}

/// The pieces of `n` outputs that use `point`.
#[inline(always)]
fn pieces(n: usize, point: Point) -> impl Iterator<Item = Piece> + Clone {
    let (threes, twos) = cut(n);
    let all = if point == Point::MinusOne { threes } else { threes + twos };
    (0..all).map(move |i| {
        if i < threes { Piece { start: 3 * i, len: 3 } } else { Piece { start: 3 * threes + 2 * (i - threes), len: 2 } }
    })
}

fn count(n: usize, point: Point) -> usize {
    pieces(n, point).count()
}

impl Point {
    /// The two inputs of a piece that a product takes: first + sign · second.
    #[inline(always)]
    fn inputs(self, len: usize) -> (usize, usize, f32) {
        match (self, len) {
            (Self::Zero, 3) => (0, 2, -1.0),
            (Self::One, 3) => (1, 2, 1.0),
            (Self::MinusOne, _) => (2, 1, -1.0),
            (Self::Infinity, 3) => (3, 1, -1.0),
            (Self::Zero, _) => (0, 1, -1.0),
            // Twice the middle one, because the weights of this point are halved.
            (Self::One, _) => (1, 1, 1.0),
            (Self::Infinity, _) => (2, 1, -1.0),
        }
    }

    /// How a product counts in each output of a piece.
    #[inline(always)]
    fn outputs(self, len: usize) -> [f32; 3] {
        match (self, len) {
            (Self::Zero, _) => [1.0, 0.0, 0.0],
            (Self::One, _) => [1.0, 1.0, 1.0],
            (Self::MinusOne, _) => [1.0, -1.0, 1.0],
            (Self::Infinity, 3) => [0.0, 0.0, 1.0],
            (Self::Infinity, _) => [0.0, 1.0, 0.0],
        }
    }

    /// How the two taps count in the weights of this point.
    pub(super) fn taps(self) -> [f32; 2] {
        match self {
            Self::Zero => [1.0, 0.0],
            Self::One => [0.5, 0.5],
            Self::MinusOne => [0.5, -0.5],
            Self::Infinity => [0.0, 1.0],
        }
    }
}

/// Where the numbers of a plane lie: `inner` numbers a place.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// Where the first place lies, and how far apart pictures, rows and columns are.
    pub(super) first: usize,
    pub(super) picture: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    /// Numbers of a place.
    pub(super) inner: usize,
}

/// Outputs of a picture along each side, pictures, and the pair: which rows a product has.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) pictures: usize,
    pub(super) size: (usize, usize),
    pub(super) pair: Pair,
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.pictures * count(self.size.0, self.pair.0) * count(self.size.1, self.pair.1)
    }
}

multiversion! {
    /// Lays out the inputs of all rows, one after the other, from a plane of 2x2 windows.
    pub(super) fn gather(rows: Rows, grid: Grid, from: &[f32], to: &mut [f32]) {
        let inner = grid.inner;
        let mut to = to.chunks_exact_mut(inner);
        for p in 0..rows.pictures {
            for y in pieces(rows.size.0, rows.pair.0) {
                let (y0, y1, down) = rows.pair.0.inputs(y.len);
                for x in pieces(rows.size.1, rows.pair.1) {
                    let (x0, x1, right) = rows.pair.1.inputs(x.len);
                    let at = |dy: usize, dx: usize| {
                        let place = grid.first + p * grid.picture + (y.start + dy) * grid.row + (x.start + dx) * grid.column;
                        &from[place..][..inner]
                    };
                    let (a, b, c, d) = (at(y0, x0), at(y0, x1), at(y1, x0), at(y1, x1));
                    let Some(to) = to.next() else { return };
                    for i in 0..inner {
                        to[i] = (a[i] + right * b[i]) + down * (c[i] + right * d[i]);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Adds the products of all rows to the outputs that they count in.
    pub(super) fn scatter(rows: Rows, grid: Grid, from: &[f32], to: &mut [f32]) {
        let inner = grid.inner;
        let mut from = from.chunks_exact(inner);
        for p in 0..rows.pictures {
            for y in pieces(rows.size.0, rows.pair.0) {
                let down = rows.pair.0.outputs(y.len);
                for x in pieces(rows.size.1, rows.pair.1) {
                    let right = rows.pair.1.outputs(x.len);
                    let Some(from) = from.next() else { return };
                    for (dy, sy) in down.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        for (dx, sx) in right.iter().enumerate().take(x.len).filter(|s| *s.1 != 0.0) {
                            let place =
                                grid.first + p * grid.picture + (y.start + dy) * grid.row + (x.start + dx) * grid.column;
                            let (sign, to) = (sy * sx, &mut to[place..][..inner]);
                            add(sign, from, to);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// [`scatter`] for one point of the rows and all of the columns, whose products lie one after the other, `apart` numbers
    /// from each other: what they add up to along a row goes to the outputs at once.
    fn scatter_rows(rows: Rows, grid: Grid, from: &[f32], apart: usize, to: &mut [f32]) {
        let (inner, column) = (grid.inner, grid.column);
        let (all, threes) = (count(rows.size.1, Point::Zero), count(rows.size.1, Point::MinusOne));
        let mut line = 0;
        for p in 0..rows.pictures {
            for y in pieces(rows.size.0, rows.pair.0) {
                let down = rows.pair.0.outputs(y.len);
                for (i, x) in pieces(rows.size.1, Point::Zero).enumerate() {
                    let product = |point: usize, width: usize| &from[point * apart + (line * width + i) * inner..][..inner];
                    let (zero, one, infinity) = (product(0, all), product(1, all), product(3, all));
                    for (dy, &sy) in down.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        let place = grid.first + p * grid.picture + (y.start + dy) * grid.row + x.start * column;
                        let (first, rest) = to[place..].split_at_mut(column);
                        if x.len == 2 {
                            let (first, second) = (&mut first[..inner], &mut rest[..inner]);
                            for c in 0..inner {
                                first[c] += sy * (zero[c] + one[c]);
                                second[c] += sy * (one[c] + infinity[c]);
                            }
                            continue;
                        }
                        let minus = product(2, threes);
                        let (second, third) = rest.split_at_mut(column);
                        let (first, second, third) = (&mut first[..inner], &mut second[..inner], &mut third[..inner]);
                        for c in 0..inner {
                            first[c] += sy * (zero[c] + one[c] + minus[c]);
                            second[c] += sy * (one[c] - minus[c]);
                            third[c] += sy * (one[c] + minus[c] + infinity[c]);
                        }
                    }
                }
                line += 1;
            }
        }
    }
}

multiversion! {
    /// The adjoint of [`scatter`]: for each row, the sum of the outputs that it counts in.
    pub(super) fn collect(rows: Rows, grid: Grid, from: &[f32], to: &mut [f32]) {
        let inner = grid.inner;
        let mut to = to.chunks_exact_mut(inner);
        for p in 0..rows.pictures {
            for y in pieces(rows.size.0, rows.pair.0) {
                let down = rows.pair.0.outputs(y.len);
                for x in pieces(rows.size.1, rows.pair.1) {
                    let right = rows.pair.1.outputs(x.len);
                    let Some(to) = to.next() else { return };
                    to.fill(0.0);
                    for (dy, sy) in down.iter().enumerate().take(y.len).filter(|s| *s.1 != 0.0) {
                        for (dx, sx) in right.iter().enumerate().take(x.len).filter(|s| *s.1 != 0.0) {
                            let place =
                                grid.first + p * grid.picture + (y.start + dy) * grid.row + (x.start + dx) * grid.column;
                            let sign = sy * sx;
                            add(sign, &from[place..][..inner], to);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// to += factor · from.
    pub(super) fn add_scaled(factor: f32, from: &[f32], to: &mut [f32]) {
        add(factor, from, to);
    }
}

/// to += factor · from.
#[inline(always)]
fn add(factor: f32, from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(t, v)| *t += factor * v);
}

multiversion! {
    /// The weights of a pair from the four taps: (Σ_x right·(taps of the upper row)) · down[0] + the same below.
    fn blend(down: [f32; 2], right: [f32; 2], taps: [&[f32]; 4], to: &mut [f32]) {
        let n = to.len();
        let [a, b, c, d] = taps.map(|t| &t[..n]);
        for i in 0..n {
            to[i] = down[0] * (right[0] * a[i] + right[1] * b[i]) + down[1] * (right[0] * c[i] + right[1] * d[i]);
        }
    }
}

/// Buffers of one thread; they grow once and stay.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) plane: Vec<f32>,
    pub(super) rows: Vec<f32>,
    pub(super) products: Vec<f32>,
    pub(super) sums: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers.
pub(super) fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    SCRATCH.with_borrow_mut(work);
}

/// The first `len` numbers of a buffer that grows when it must.
pub(super) fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Whether these kernels take a convolution.
pub(super) fn suits(w: Window, s: &ConvShape) -> bool {
    (w.kernel, w.stride) == (4, 2)
        && s.ci >= CHANNELS
        && s.co >= CHANNELS
        && s.batch * s.oh * s.ow >= ROWS
        && s.oh.min(s.ow) >= 2
        && tile::vectorized()
}

/// Pictures of a task and count of tasks.
fn tasks(s: &ConvShape) -> (usize, usize) {
    let pictures = s.batch.div_ceil(TASKS).max(s.batch.div_ceil(4).min(PICTURES));
    (pictures, s.batch.div_ceil(pictures))
}

/// The plane of 2x2 squares of a padded picture: `4·ci` numbers a place.
#[derive(Clone, Copy)]
pub(super) struct Squares {
    h: usize,
    w: usize,
    channels: usize,
}

impl Squares {
    pub(super) fn new(s: &ConvShape) -> Self {
        Self { h: s.oh + 1, w: s.ow + 1, channels: s.ci }
    }

    pub(super) fn len(&self) -> usize {
        4 * self.h * self.w * self.channels
    }

    pub(super) fn grid(&self) -> Grid {
        let inner = 4 * self.channels;
        Grid { first: 0, picture: self.len(), row: self.w * inner, column: inner, inner }
    }

    /// Lays out the pictures `x` in squares; what lies outside of a picture is 0.
    pub(super) fn lay(&self, w: Window, s: &ConvShape, x: &[f32], to: &mut [f32]) {
        let c = self.channels;
        for (from, to) in x.chunks_exact(s.h * s.w * c).zip(to.chunks_exact_mut(self.len())) {
            for (i, to) in to.chunks_exact_mut(2 * c).enumerate() {
                // Two pixels of a row, side by side in the picture too.
                let (place, dy) = (i / 2, i % 2);
                let (y, x) =
                    ((2 * (place / self.w) + dy).wrapping_sub(w.pad), (2 * (place % self.w)).wrapping_sub(w.pad));
                if y < s.h && x < s.w && x + 1 < s.w {
                    to.copy_from_slice(&from[(y * s.w + x) * c..][..2 * c]);
                    continue;
                }
                for (dx, to) in to.chunks_exact_mut(c).enumerate() {
                    let x = x.wrapping_add(dx);
                    if y < s.h && x < s.w {
                        to.copy_from_slice(&from[(y * s.w + x) * c..][..c]);
                    } else {
                        to.fill(0.0);
                    }
                }
            }
        }
    }
}

/// The transformed weights of [`forward`], for each pair of points that `size` outputs need.
pub(super) fn pack_squares((ci, co): (usize, usize), size: (usize, usize), weight: &[f32], packed: &mut [f32]) {
    let depth = 4 * ci;
    let step = co.min(tile::PANEL);
    each(0..16, Parts::one(packed, packed_len(depth, co)), &|i, mut parts| {
        let (to, _) = &mut parts.slices[0];
        if count(size.0, POINTS[i / 4]) * count(size.1, POINTS[i % 4]) == 0 {
            return;
        }
        let (down, right) = (POINTS[i / 4].taps(), POINTS[i % 4].taps());
        for k in 0..depth {
            let (dy, dx, c) = (k / (2 * ci), k / ci % 2, k % ci);
            for (j, panel) in (0..co).step_by(tile::PANEL).zip(to.chunks_mut(depth * step)) {
                let tap = |a: usize, b: usize| {
                    &weight[(((2 * a + dy) * 4 + 2 * b + dx) * ci + c) * co + j..][..step.min(co - j)]
                };
                let to = &mut panel[k * step..][..step.min(co - j)];
                blend(down, right, [tap(0, 0), tap(0, 1), tap(1, 0), tap(1, 1)], to);
            }
        }
    });
}

/// y = conv(x, weight), from what [`pack_squares`] made of the weights.
pub(super) fn forward(w: Window, s: &ConvShape, x: &[f32], packed: &[f32], y: &mut [f32]) {
    let squares = Squares::new(s);
    let (per_task, tasks) = tasks(s);
    let (bare_x, bare_y) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    each(0..tasks, Parts::one(y, per_task * bare_y), &|task, mut parts| {
        let (y, _) = &mut parts.slices[0];
        let pictures = y.len() / bare_y;
        let x = &x[task * per_task * bare_x..][..pictures * bare_x];
        y.fill(0.0);
        let out = Grid { first: 0, picture: bare_y, row: s.ow * s.co, column: s.co, inner: s.co };
        SCRATCH.with_borrow_mut(|Scratch { plane, rows, products, .. }| {
            let plane = room(plane, pictures * squares.len());
            squares.lay(w, s, x, plane);
            let size = (s.oh, s.ow);
            multiply((pictures, size), (squares.grid(), plane), packed, (out, y), (rows, products));
        });
    });
}

/// All pairs: gathers their rows, multiplies them with their weights and adds the products to the outputs.
fn multiply(
    (pictures, size): (usize, (usize, usize)),
    (from, plane): (Grid, &[f32]),
    weights: &[f32],
    (to, out): (Grid, &mut [f32]),
    (rows, products): (&mut Vec<f32>, &mut Vec<f32>),
) {
    let (depth, columns) = (from.inner, to.inner);
    let matrix = packed_len(depth, columns);
    let apart = pictures * count(size.0, Point::Zero) * count(size.1, Point::Zero) * columns;
    let products = room(products, 4 * apart);
    for (i, point) in POINTS.into_iter().enumerate() {
        for (j, other) in POINTS.into_iter().enumerate() {
            let which = Rows { pictures, size, pair: (point, other) };
            let count = which.count();
            if count == 0 {
                continue;
            }
            let rows = room(rows, count * depth);
            gather(which, from, plane, rows);
            let left = Left { data: rows, lines: Lines::Even(depth), segments: &[0], len: depth, step: 1 };
            let right = Right::packed(&weights[(4 * i + j) * matrix..][..matrix], depth, columns);
            let (data, lines) = (&mut products[j * apart..][..count * columns], Lines::Even(columns));
            tile::multiply(left, right, &mut Out { data, lines, rows: count, columns, add: false });
        }
        scatter_rows(Rows { pictures, size, pair: (point, Point::Zero) }, to, products, apart, out);
    }
}

/// The transformed weights of [`input`], phase by phase.
pub(super) fn pack_points(w: Window, (ci, co): (usize, usize), weight: &[f32], packed: &mut [f32]) {
    each(0..64, Parts::one(packed, packed_len(co, ci)), &|i, mut parts| {
        let (to, _) = &mut parts.slices[0];
        let Some(phase) = phases(w).nth(i / 16) else { return };
        let (down, right) = (POINTS[i % 16 / 4].taps(), POINTS[i % 4].taps());
        SCRATCH.with_borrow_mut(|scratch| {
            let blended = room(&mut scratch.sums, ci * co);
            let tap = |i: usize| {
                let (ky, kx) = phase.tap(w, i);
                &weight[(ky * 4 + kx) * ci * co..][..ci * co]
            };
            blend(down, right, [tap(0), tap(1), tap(2), tap(3)], blended);
            pack_columns(to, co, ci, 0, co, blended);
        });
    });
}

/// x = transposed conv(y, weight), from what [`pack_points`] made of the weights.
pub(super) fn input(w: Window, s: &ConvShape, y: &[f32], packed: &[f32], x: &mut [f32]) {
    let plane = Plane::output(w, s);
    let matrix = packed_len(s.co, s.ci);
    let (per_task, tasks) = tasks(s);
    let (bare_x, bare_y) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    each(0..tasks, Parts::one(x, per_task * bare_x), &|task, mut parts| {
        let (x, _) = &mut parts.slices[0];
        let pictures = x.len() / bare_x;
        let y = &y[task * per_task * bare_y..][..pictures * bare_y];
        x.fill(0.0);
        SCRATCH.with_borrow_mut(|Scratch { plane: padded, rows, products, .. }| {
            let y = plane.pad(y, padded);
            for (p, phase) in phases(w).enumerate() {
                let (from, to, size) = phase_grids(w, s, &plane, &phase);
                let weights = &packed[16 * p * matrix..][..16 * matrix];
                multiply((pictures, size), (from, y), weights, (to, x), (rows, products));
            }
        });
    });
}

/// Where a phase reads the padded plane and writes the picture, and how many outputs it has along each side.
pub(super) fn phase_grids(w: Window, s: &ConvShape, plane: &Plane, phase: &Phase) -> (Grid, Grid, (usize, usize)) {
    let row = plane.width() * s.co;
    let from = Grid {
        first: phase.from[0] * row + phase.from[1] * s.co,
        picture: plane.len(),
        row,
        column: s.co,
        inner: s.co,
    };
    let to = Grid {
        first: (phase.first[0] * s.w + phase.first[1]) * s.ci,
        picture: s.h * s.w * s.ci,
        row: w.stride * s.w * s.ci,
        column: w.stride * s.ci,
        inner: s.ci,
    };
    (from, to, ((s.h - phase.first[0]).div_ceil(w.stride), (s.w - phase.first[1]).div_ceil(w.stride)))
}

/// Adds to `sums` the gradient by the weights over the pictures in `x`.
pub(super) fn weight(w: Window, s: &ConvShape, x: &[f32], y: &[f32], sums: &mut [f32]) {
    let (depth, squares) = (4 * s.ci, Squares::new(s));
    let (bare_x, bare_y) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    let from = Grid { first: 0, picture: bare_y, row: s.ow * s.co, column: s.co, inner: s.co };
    sums.fill(0.0);
    let block = s.ci * s.co;
    SCRATCH.with_borrow_mut(|Scratch { plane, rows, products, sums: matrix }| {
        let pictures = x.len() / bare_x;
        let plane = room(plane, pictures * squares.len());
        squares.lay(w, s, x, plane);
        for pair in pairs() {
            let which = Rows { pictures, size: (s.oh, s.ow), pair };
            let count = which.count();
            if count == 0 {
                continue;
            }
            let (rows, collected) = (room(rows, count * depth), room(products, count * s.co));
            gather(which, squares.grid(), plane, rows);
            collect(which, from, &y[..pictures * bare_y], collected);
            let matrix = room(matrix, depth * s.co);
            let left = Left { data: rows, lines: Lines::Even(1), segments: &[0], len: count, step: depth };
            let lines = Lines::Even(s.co);
            let mut out = Out { data: matrix, lines, rows: depth, columns: s.co, add: false };
            tile::multiply(left, Right::rows(collected, s.co), &mut out);
            let (down, right) = (pair.0.taps(), pair.1.taps());
            for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let factor = down[a] * right[b];
                for (i, matrix) in matrix.chunks_exact(block).enumerate().filter(|_| factor != 0.0) {
                    let tap = (2 * a + i / 2) * 4 + 2 * b + i % 2;
                    add_scaled(factor, matrix, &mut sums[tap * block..][..block]);
                }
            }
        }
    });
}
