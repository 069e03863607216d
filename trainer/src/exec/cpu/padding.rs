//! Zero-padded images, and the offsets at which convolutions read and write them.
use crate::graph::Window;
use crate::plan::ConvShape;
use std::cell::RefCell;

/// Maximum elements of a block of padded images, unless one image has more: 256 KiB.
const BLOCK: usize = 1 << 16;

/// Buffers of one thread. They grow once and are kept.
#[derive(Default)]
pub(super) struct Scratch {
    /// Padded images.
    pub(super) padded: Vec<f32>,
    /// Offset in A of each row: where the taps of an output begin.
    pub(super) a_rows: Vec<usize>,
    /// Offset in C of each row.
    pub(super) c_rows: Vec<usize>,
    /// Offset of each segment of a row of A.
    pub(super) segments: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers to `work`.
pub(super) fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    SCRATCH.with_borrow_mut(work);
}

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Padding {
    /// At the top and at the left.
    before: usize,
    /// At the bottom and at the right.
    after: (usize, usize),
}

/// Size of an image `[h, w, channels]` and of its zero padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PaddedImage {
    h: usize,
    w: usize,
    channels: usize,
    padding: Padding,
}

impl PaddedImage {
    /// The input x of a convolution.
    pub(super) fn input(w: Window, s: &ConvShape) -> Self {
        Self { h: s.h, w: s.w, channels: s.ci, padding: Padding { before: w.pad, after: (w.pad, w.pad) } }
    }

    /// The output y of a convolution, padded for reading by the transposed convolution.
    pub(super) fn output(w: Window, s: &ConvShape) -> Self {
        let before = w.kernel.div_ceil(w.stride) - 1;
        let after = |len: usize, out: usize| ((len - 1 + w.pad) / w.stride).saturating_sub(out - 1);
        let padding = Padding { before, after: (after(s.h, s.oh), after(s.w, s.ow)) };
        Self { h: s.oh, w: s.ow, channels: s.co, padding }
    }

    /// Columns including the padding.
    pub(super) fn width(&self) -> usize {
        self.w + self.padding.before + self.padding.after.1
    }

    /// Rows including the padding.
    pub(super) fn height(&self) -> usize {
        self.h + self.padding.before + self.padding.after.0
    }

    /// Elements of an image without the padding.
    fn bare_len(&self) -> usize {
        self.h * self.w * self.channels
    }

    /// Elements of an image including the padding.
    pub(super) fn len(&self) -> usize {
        self.height() * self.width() * self.channels
    }

    /// Images per block, out of `images`.
    pub(super) fn block(&self, images: usize) -> usize {
        (BLOCK / self.len()).clamp(1, images.max(1))
    }

    /// Copies the images `x` with their padding to `to`, or returns `x` itself if there is no padding.
    pub(super) fn pad<'a>(&self, x: &'a [f32], to: &'a mut Vec<f32>) -> &'a [f32] {
        if self.len() == self.bare_len() {
            return x;
        }
        let n = x.len() / self.bare_len();
        if to.len() < n * self.len() {
            to.resize(n * self.len(), 0.0);
        }
        let (padded_row, row) = (self.width() * self.channels, self.w * self.channels);
        let left = self.padding.before * self.channels;
        for (x, to) in x.chunks_exact(self.bare_len()).zip(to.chunks_exact_mut(self.len())) {
            let (above, rest) = to.split_at_mut(self.padding.before * padded_row);
            let (inside, below) = rest.split_at_mut(self.h * padded_row);
            above.fill(0.0);
            below.fill(0.0);
            for (x, to) in x.chunks_exact(row).zip(inside.chunks_exact_mut(padded_row)) {
                to[..left].fill(0.0);
                to[left..][..row].copy_from_slice(x);
                to[left + row..].fill(0.0);
            }
        }
        &to[..n * self.len()]
    }
}

/// One of the stride² phases of a transposed convolution: all outputs that the same taps contribute to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Phase {
    /// First tap along each axis, y then x.
    residue: [usize; 2],
    /// Number of taps along each axis.
    pub(super) taps: [usize; 2],
    /// First output along each axis.
    pub(super) first: [usize; 2],
    /// Where the taps of the first output begin in the padded image, along each axis.
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
    /// Length of the k dimension: multiply-adds per output.
    pub(super) fn k(&self, s: &ConvShape) -> usize {
        self.taps[0] * self.taps[1] * s.co
    }

    /// Position (y, x) in the kernel of tap `i` of this phase.
    pub(super) fn tap(&self, w: Window, i: usize) -> (usize, usize) {
        let (y, x) = (i / self.taps[1], i % self.taps[1]);
        let back = |d: usize, at: usize| self.residue[d] + (self.taps[d] - 1 - at) * w.stride;
        (back(0, y), back(1, x))
    }

    /// Fills the offset tables for a number of images: where the taps of each output begin, and where the output lies.
    pub(super) fn fill_offsets(&self, w: Window, s: &ConvShape, image: &PaddedImage, images: usize, to: &mut Scratch) {
        let Scratch { a_rows, c_rows, segments, .. } = to;
        a_rows.clear();
        c_rows.clear();
        segments.clear();
        segments.extend((0..self.taps[0]).map(|y| y * image.width() * s.co));
        for p in 0..images {
            for (i, y) in (self.first[0]..s.h).step_by(w.stride).enumerate() {
                let input = (p * image.height() + self.from[0] + i) * image.width() + self.from[1];
                let output = (p * s.h + y) * s.w;
                for (j, x) in (self.first[1]..s.w).step_by(w.stride).enumerate() {
                    a_rows.push((input + j) * s.co);
                    c_rows.push((output + x) * s.ci);
                }
            }
        }
    }
}
