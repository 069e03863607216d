//! Pictures with a border of zeros, and where a convolution finds its rows in them.
use crate::graph::Window;
use crate::plan::ConvShape;
use std::cell::RefCell;

/// Numbers that a block of padded pictures may hold, unless one picture holds more: a quarter of a megabyte.
const BLOCK: usize = 1 << 16;

/// Buffers of one thread; they grow once and stay.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) padded: Vec<f32>,
    pub(super) lines: Vec<usize>,
    pub(super) places: Vec<usize>,
    pub(super) segments: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers.
pub(super) fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    SCRATCH.with_borrow_mut(work);
}

/// Zeros before and behind the rows and columns of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Border {
    pub(super) before: usize,
    pub(super) behind: (usize, usize),
}

/// A picture's size, bordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plane {
    h: usize,
    w: usize,
    pub(super) channels: usize,
    pub(super) border: Border,
}

impl Plane {
    /// The input side of a convolution.
    pub(super) fn input(w: Window, s: &ConvShape) -> Self {
        Self { h: s.h, w: s.w, channels: s.ci, border: Border { before: w.pad, behind: (w.pad, w.pad) } }
    }

    /// The output side, as the transposed convolution reads it.
    pub(super) fn output(w: Window, s: &ConvShape) -> Self {
        let before = w.kernel.div_ceil(w.stride) - 1;
        let behind = |len: usize, out: usize| ((len - 1 + w.pad) / w.stride).saturating_sub(out - 1);
        Self {
            h: s.oh,
            w: s.ow,
            channels: s.co,
            border: Border { before, behind: (behind(s.h, s.oh), behind(s.w, s.ow)) },
        }
    }

    /// Columns with the border.
    pub(super) fn width(&self) -> usize {
        self.w + self.border.before + self.border.behind.1
    }

    /// Rows with the border.
    pub(super) fn height(&self) -> usize {
        self.h + self.border.before + self.border.behind.0
    }

    /// Numbers of a picture without the border.
    pub(super) fn bare(&self) -> usize {
        self.h * self.w * self.channels
    }

    /// Numbers of a picture with it.
    pub(super) fn len(&self) -> usize {
        self.height() * self.width() * self.channels
    }

    /// Pictures of a block.
    pub(super) fn block(&self, pictures: usize) -> usize {
        (BLOCK / self.len()).clamp(1, pictures.max(1))
    }

    /// Lays the pictures `x` out with their borders, or lends `x` if there is none.
    pub(super) fn pad<'a>(&self, x: &'a [f32], to: &'a mut Vec<f32>) -> &'a [f32] {
        if self.len() == self.bare() {
            return x;
        }
        let n = x.len() / self.bare();
        if to.len() < n * self.len() {
            to.resize(n * self.len(), 0.0);
        }
        let (line, row) = (self.width() * self.channels, self.w * self.channels);
        let left = self.border.before * self.channels;
        for (x, to) in x.chunks_exact(self.bare()).zip(to.chunks_exact_mut(self.len())) {
            let (above, rest) = to.split_at_mut(self.border.before * line);
            let (inside, below) = rest.split_at_mut(self.h * line);
            above.fill(0.0);
            below.fill(0.0);
            for (x, to) in x.chunks_exact(row).zip(inside.chunks_exact_mut(line)) {
                to[..left].fill(0.0);
                to[left..][..row].copy_from_slice(x);
                to[left + row..].fill(0.0);
            }
        }
        &to[..n * self.len()]
    }
}

/// One of the stride² phases of a transposed convolution: the outputs whose taps are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Phase {
    /// First tap along each side, y then x.
    pub(super) residue: [usize; 2],
    /// Count of taps along each side.
    pub(super) taps: [usize; 2],
    /// First output along each side.
    pub(super) first: [usize; 2],
    /// Where the first output's taps begin in the bordered plane, along each side.
    pub(super) from: [usize; 2],
}

/// The phases of `w`.
pub(super) fn phases(w: Window) -> impl Iterator<Item = Phase> {
    let s = w.stride;
    (0..s * s).map(move |i| {
        let residue = [i / s, i % s];
        let taps = residue.map(|r| (w.kernel - r.min(w.kernel)).div_ceil(s));
        // The first output with (output + pad) % stride = residue.
        let first = residue.map(|r| (r + s - w.pad % s) % s);
        let before = w.kernel.div_ceil(s) - 1;
        let from = [0, 1].map(|d| (first[d] + w.pad) / s + 1 + before - taps[d].min(before + 1));
        Phase { residue, taps, first, from }
    })
}

impl Phase {
    /// Products of one output.
    pub(super) fn depth(&self, s: &ConvShape) -> usize {
        self.taps[0] * self.taps[1] * s.co
    }

    /// The kernel's tap (y, x) that reads tap `i` of a row.
    pub(super) fn tap(&self, w: Window, i: usize) -> (usize, usize) {
        let (y, x) = (i / self.taps[1], i % self.taps[1]);
        let back = |d: usize, at: usize| self.residue[d] + (self.taps[d] - 1 - at) * w.stride;
        (back(0, y), back(1, x))
    }

    /// Fills the tables for `pictures`: where each output's taps begin, and where it lies.
    pub(super) fn tables(&self, w: Window, s: &ConvShape, plane: &Plane, pictures: usize, to: &mut Scratch) {
        let Scratch { lines, places, segments, .. } = to;
        lines.clear();
        places.clear();
        segments.clear();
        segments.extend((0..self.taps[0]).map(|y| y * plane.width() * s.co));
        for p in 0..pictures {
            for (i, y) in (self.first[0]..s.h).step_by(w.stride).enumerate() {
                let line = (p * plane.height() + self.from[0] + i) * plane.width() + self.from[1];
                let place = (p * s.h + y) * s.w;
                for (j, x) in (self.first[1]..s.w).step_by(w.stride).enumerate() {
                    lines.push((line + j) * s.co);
                    places.push((place + x) * s.ci);
                }
            }
        }
    }
}
