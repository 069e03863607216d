//! Interpolation points and output tiles of the one-dimensional Winograd algorithms F(3, 2) and F(2, 2).
//!
//! Along each axis, F(3, 2) computes a tile of 3 outputs with 4 multiplications, and F(2, 2) a tile of 2 outputs with
//! 3; the direct way takes 6 and 4. Both use the points 0, 1 and infinity, and F(3, 2) also -1, so one set of
//! transformed weights serves both.

/// An interpolation point along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Point {
    Zero,
    One,
    MinusOne,
    Infinity,
}

/// All points, in the order of the transformed weights.
pub(super) const POINTS: [Point; 4] = [Point::Zero, Point::One, Point::MinusOne, Point::Infinity];

/// Points of the vertical and the horizontal axis.
pub(super) type Pair = (Point, Point);

/// The 16 pairs of points.
pub(super) fn pairs() -> impl Iterator<Item = Pair> {
    POINTS.into_iter().flat_map(|y| POINTS.into_iter().map(move |x| (y, x)))
}

/// A run of two or three neighboring outputs.
#[derive(Clone, Copy)]
pub(super) struct OutputTile {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// (tiles of 3, tiles of 2) that `n` outputs are cut into: as many tiles of 3 as possible. `n` must be at least 2.
fn tile_counts(n: usize) -> (usize, usize) {
    match n % 3 {
        0 => (n / 3, 0),
        1 => ((n - 4) / 3, 2),
        _ => ((n - 2) / 3, 1),
    }
}

/// The tiles of `n` outputs that use `point`.
#[inline(always)]
pub(super) fn tiles(n: usize, point: Point) -> impl Iterator<Item = OutputTile> + Clone {
    let (threes, twos) = tile_counts(n);
    let all = if point == Point::MinusOne { threes } else { threes + twos };
    (0..all).map(move |i| {
        if i < threes {
            OutputTile { start: 3 * i, len: 3 }
        } else {
            OutputTile { start: 3 * threes + 2 * (i - threes), len: 2 }
        }
    })
}

/// Number of [`tiles`].
pub(super) fn tile_count(n: usize, point: Point) -> usize {
    tiles(n, point).count()
}

impl Point {
    /// Input transform: (i, j, sign) stands for input `i` + sign · input `j` of a tile of `len` outputs.
    #[inline(always)]
    pub(super) fn input_transform(self, len: usize) -> (usize, usize, f32) {
        match (self, len) {
            (Self::Zero, 3) => (0, 2, -1.0),
            (Self::One, 3) => (1, 2, 1.0),
            (Self::MinusOne, _) => (2, 1, -1.0),
            (Self::Infinity, 3) => (3, 1, -1.0),
            (Self::Zero, _) => (0, 1, -1.0),
            // Twice the middle input, because the weights of this point are halved.
            (Self::One, _) => (1, 1, 1.0),
            (Self::Infinity, _) => (2, 1, -1.0),
        }
    }

    /// Output transform: factor of this point's product in each output of a tile of `len` outputs.
    #[inline(always)]
    pub(super) fn output_transform(self, len: usize) -> [f32; 3] {
        match (self, len) {
            (Self::Zero, _) => [1.0, 0.0, 0.0],
            (Self::One, _) => [1.0, 1.0, 1.0],
            (Self::MinusOne, _) => [1.0, -1.0, 1.0],
            (Self::Infinity, 3) => [0.0, 0.0, 1.0],
            (Self::Infinity, _) => [0.0, 1.0, 0.0],
        }
    }

    /// Filter transform: factor of each of the two taps in the weights of this point.
    pub(super) fn filter_transform(self) -> [f32; 2] {
        match self {
            Self::Zero => [1.0, 0.0],
            Self::One => [0.5, 0.5],
            Self::MinusOne => [0.5, -0.5],
            Self::Infinity => [0.0, 1.0],
        }
    }
}
