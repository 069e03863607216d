//! The inner kernels of all products: a few rows by up to 64 columns, each row read wherever it lies.
//!
//! The left side is never packed. A tile broadcasts its numbers one by one, so a row may be a row of a matrix,
//! a column of one, or the taps of a convolution's output in a padded picture. The right side lies in panels
//! of 64 columns and comes from the second-level cache as fast as the products need it. `docs/SPEED.md` tells
//! what that reaches.

use super::buffer::Buffer;
use super::split::{Parts, each};
#[cfg(target_arch = "aarch64")]
use super::tile_neon;
#[cfg(target_arch = "x86_64")]
use super::tile_x86;
use crate::simd::{InstructionSet, instruction_set, multiversion};
use std::cell::RefCell;

/// Columns of a panel of the right side.
pub(super) const PANEL: usize = 64;
/// Products of one row that follow each other before the next row's: the panel's part then stays in the second-level cache.
const DEPTH: usize = 1024;
/// Most columns of the kernel that sums along rows.
pub(super) const NARROW: usize = 4;

/// Where rows begin.
#[derive(Clone, Copy)]
pub(super) enum Lines<'a> {
    /// At equal distances.
    Even(usize),
    /// Anywhere.
    Table(&'a [usize]),
}

impl Lines<'_> {
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> usize {
        match self {
            Self::Even(stride) => row * stride,
            Self::Table(table) => table[row],
        }
    }

    /// The farthest beginning among the first `rows` rows, of which there is one at least.
    #[inline(always)]
    pub(super) fn farthest(&self, rows: usize) -> usize {
        match self {
            Self::Even(stride) => (rows - 1) * stride,
            Self::Table(table) => table[..rows].iter().fold(0, |far, &at| far.max(at)),
        }
    }
}

/// The left side: row `r` holds the numbers at `lines(r) + segment + i·step`, segment after segment.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) data: &'a [f32],
    pub(super) lines: Lines<'a>,
    pub(super) segments: &'a [usize],
    /// Numbers of a segment.
    pub(super) len: usize,
    pub(super) step: usize,
}

impl Left<'_> {
    /// Length of a row.
    fn depth(&self) -> usize {
        self.segments.len() * self.len
    }
}

/// The right side in panels of 64 columns: row `k` of panel `p` begins at `p·panel + k·step`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) data: &'a [f32],
    pub(super) panel: usize,
    pub(super) step: usize,
}

impl<'a> Right<'a> {
    /// A matrix of `n` columns as it lies, row by row.
    pub(super) fn rows(data: &'a [f32], n: usize) -> Self {
        Self { data, panel: PANEL, step: n }
    }

    /// What [`packed_len`] numbers hold after packing `k` rows.
    pub(super) fn packed(data: &'a [f32], k: usize, n: usize) -> Self {
        Self { data, panel: k * PANEL, step: n.min(PANEL) }
    }
}

/// Numbers that a packed right side of `k` x `n` takes.
pub(super) fn packed_len(k: usize, n: usize) -> usize {
    k * if n <= PANEL { n } else { n.next_multiple_of(PANEL) }
}

/// Packs a right side of `k` rows and `n` columns that lies row by row.
pub(super) fn pack(to: &mut [f32], (k, n): (usize, usize), from: &[f32]) {
    let step = n.min(PANEL);
    each(0..n.div_ceil(PANEL), Parts::one(to, k * PANEL), &|panel, mut parts| {
        let (j, lines) = (panel * PANEL, parts.slices[0].0.chunks_mut(step));
        let width = PANEL.min(n - j);
        for (line, from) in lines.take(k).zip(from.chunks_exact(n)) {
            line[..width].copy_from_slice(&from[j..][..width]);
        }
    });
}

multiversion! {
    /// Packs `rows` rows, from row `first` of `k` on, of `n` columns that lie column by column, each `rows` long.
    pub(super) fn pack_columns(to: &mut [f32], k: usize, n: usize, first: usize, rows: usize, from: &[f32]) {
        let step = n.min(PANEL);
        for j in (0..n).step_by(16) {
            let panel = &mut to[j / PANEL * PANEL * k + first * step + j % PANEL..];
            let width = 16.min(n - j);
            for i in (0..rows).step_by(16) {
                let height = 16.min(rows - i);
                if (width, height) == (16, 16) {
                    // Whole squares by arrays of known length: no calls, no counting.
                    let square: [&[f32; 16]; 16] = std::array::from_fn(|c| {
                        from[(j + c) * rows + i..].first_chunk().unwrap_or(&[0.0; 16])
                    });
                    for r in 0..16 {
                        if let Some(line) = panel[(i + r) * step..].first_chunk_mut::<16>() {
                            *line = std::array::from_fn(|c| square[c][r]);
                        }
                    }
                    continue;
                }
                for r in 0..height {
                    for c in 0..width {
                        panel[(i + r) * step + c] = from[(j + c) * rows + i + r];
                    }
                }
            }
        }
    }
}

thread_local! {
    static PACKED: RefCell<Buffer> = RefCell::default();
}

/// Lends the calling thread's buffer for a packed right side; it grows once and stays.
pub(super) fn with_packed(len: usize, work: impl FnOnce(&mut [f32])) {
    PACKED.with_borrow_mut(|packed| {
        packed.grow(len);
        work(&mut packed[..len]);
    });
}

/// The result: column `j` of row `r` at `lines(r) + j`.
pub(super) struct Out<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) lines: Lines<'a>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Add to what is there.
    pub(super) add: bool,
}

/// result (+)= left · right.
///
/// # Panics
/// When a row, a panel or the result does not lie within its numbers.
pub(super) fn multiply(left: Left<'_>, right: Right<'_>, result: &mut Out<'_>) {
    if left.depth() == 0 {
        return;
    }
    let panels = result.columns.div_ceil(PANEL);
    for p in 0..panels {
        let from = p * PANEL;
        let width = PANEL.min(result.columns - from);
        let mut done = 0;
        let mut piece = |segments: &[usize], offset: usize, len: usize| {
            let right = Panel { data: &right.data[p * right.panel + done * right.step..], step: right.step, width };
            let left = Left { data: &left.data[offset..], segments, len, ..left };
            columns(left, right, result, from, result.add || done > 0);
            done += segments.len() * len;
        };
        if left.len <= DEPTH {
            left.segments.chunks(DEPTH / left.len).for_each(|segments| piece(segments, 0, left.len));
        } else {
            for segment in left.segments.chunks(1) {
                for at in (0..left.len).step_by(DEPTH) {
                    piece(segment, at * left.step, DEPTH.min(left.len - at));
                }
            }
        }
    }
}

/// One panel of the right side.
#[derive(Clone, Copy)]
struct Panel<'a> {
    data: &'a [f32],
    step: usize,
    width: usize,
}

/// Whether the micro-kernels of this processor use vector instructions.
pub(super) fn vectorized() -> bool {
    instruction_set() != InstructionSet::Portable
}

fn columns(left: Left<'_>, right: Panel<'_>, result: &mut Out<'_>, from: usize, add: bool) {
    match instruction_set() {
        #[cfg(target_arch = "x86_64")]
        // A row or two would leave larger tiles mostly idle.
        InstructionSet::Avx512 if result.rows <= 2 => match right.width.div_ceil(16) {
            1 => tiles::<2>(left, right, result, from, add, tile_x86::wide::<2, 1>),
            2 => tiles::<2>(left, right, result, from, add, tile_x86::wide::<2, 2>),
            3 => tiles::<2>(left, right, result, from, add, tile_x86::wide::<2, 3>),
            _ => tiles::<2>(left, right, result, from, add, tile_x86::wide::<2, 4>),
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => match right.width.div_ceil(16) {
            1 => tiles::<12>(left, right, result, from, add, tile_x86::wide::<12, 1>),
            2 => tiles::<12>(left, right, result, from, add, tile_x86::wide::<12, 2>),
            3 => tiles::<8>(left, right, result, from, add, tile_x86::wide::<8, 3>),
            _ => tiles::<6>(left, right, result, from, add, tile_x86::wide::<6, 4>),
        },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => by_sixteen(left, right, result, from, add, tile_x86::narrow),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => by_sixteen(left, right, result, from, add, tile_neon::tile),
        InstructionSet::Portable => by_sixteen(left, right, result, from, add, portable),
    }
}

/// Kernels of 16 columns take a panel in four runs.
fn by_sixteen(left: Left<'_>, right: Panel<'_>, result: &mut Out<'_>, from: usize, add: bool, kernel: Kernel<6>) {
    for j in (0..right.width).step_by(16) {
        let part = Panel { data: &right.data[j..], width: 16.min(right.width - j), ..right };
        tiles::<6>(left, part, result, from + j, add, kernel);
    }
}

/// What a kernel is told: bounds are checked before it is called.
pub(super) struct Tile<'a, const ROWS: usize> {
    pub(super) left: *const f32,
    pub(super) rows: [usize; ROWS],
    pub(super) segments: &'a [usize],
    pub(super) len: usize,
    pub(super) step: usize,
    pub(super) right: *const f32,
    pub(super) right_step: usize,
    pub(super) width: usize,
    pub(super) result: *mut f32,
    pub(super) places: [usize; ROWS],
    pub(super) add: bool,
}

// SAFETY: callers check bounds and choose a kernel whose instructions the processor has; see `tiles`.
#[allow(unsafe_code)]
type Kernel<const ROWS: usize> = unsafe fn(&Tile<'_, ROWS>);

fn tiles<const ROWS: usize>(
    left: Left<'_>,
    right: Panel<'_>,
    result: &mut Out<'_>,
    from: usize,
    add: bool,
    kernel: Kernel<ROWS>,
) {
    let reach = left.segments.iter().max().map_or(0, |&s| s + (left.len - 1) * left.step);
    let (rows, places) = (left.lines, result.lines);
    assert!((left.depth() - 1) * right.step + right.width <= right.data.len(), "a panel exceeds its numbers");
    assert!(rows.farthest(result.rows) + reach < left.data.len(), "a row exceeds the left numbers");
    assert!(places.farthest(result.rows) + from + right.width <= result.data.len(), "a row exceeds the result");
    let mut tile = Tile {
        left: left.data.as_ptr(),
        rows: [0; ROWS],
        segments: left.segments,
        len: left.len,
        step: left.step,
        right: right.data.as_ptr(),
        right_step: right.step,
        width: right.width,
        result: result.data.as_mut_ptr(),
        places: [0; ROWS],
        add,
    };
    for first in (0..result.rows).step_by(ROWS) {
        if let (Lines::Even(row), Lines::Even(place), true) = (rows, places, first + ROWS <= result.rows) {
            for r in 0..ROWS {
                tile.rows[r] = (first + r) * row;
                tile.places[r] = (first + r) * place + from;
            }
        } else {
            for r in 0..ROWS {
                // Rows beyond the last repeat it: they compute and store the same numbers once more.
                let row = (first + r).min(result.rows - 1);
                tile.rows[r] = rows.at(row);
                tile.places[r] = places.at(row) + from;
            }
        }
        // SAFETY: every row, the panel and every place lie within their slices, as asserted above; `instruction_set`
        // chose a kernel whose instructions this processor has, and the width fits it.
        #[allow(unsafe_code)]
        unsafe {
            kernel(&tile);
        }
    }
}

/// The twin of the vector kernels, and the kernel of processors without them: 6 rows by up to 16 columns.
///
/// # Safety
/// As asserted by [`tiles`].
// SAFETY: see above; it uses no instructions that a processor might lack.
#[allow(unsafe_code)]
unsafe fn portable(t: &Tile<'_, 6>) {
    let mut sums = [[0.0f32; 16]; 6];
    let mut right = t.right;
    // SAFETY: the caller checked all rows, the panel and the places.
    unsafe {
        for &segment in t.segments {
            for i in 0..t.len {
                let mut line = [0.0f32; 16];
                std::ptr::copy_nonoverlapping(right, line.as_mut_ptr(), t.width);
                for (sums, row) in sums.iter_mut().zip(t.rows) {
                    let a = *t.left.add(row + segment + i * t.step);
                    sums.iter_mut().zip(line).for_each(|(s, b)| *s += a * b);
                }
                right = right.wrapping_add(t.right_step);
            }
        }
        if t.add {
            for (sums, place) in sums.iter_mut().zip(t.places) {
                (0..t.width).for_each(|j| sums[j] += *t.result.add(place + j));
            }
        }
        for (sums, place) in sums.iter().zip(t.places) {
            std::ptr::copy_nonoverlapping(sums.as_ptr(), t.result.add(place), t.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 64) as f32 / 16.0 - 2.0).collect()
    }

    /// Small multiples of 1/16: every sum is exact, so kernels must agree to the last bit.
    #[test]
    fn kernels_equal_their_portable_twin() {
        for (m, segments, len, n) in [
            (1, 1, 1, 1),
            (6, 1, 9, 16),
            (13, 2, 5, 17),
            (25, 3, 8, 40),
            (7, 1, 33, 64),
            (12, 2, 700, 65),
            (5, 1, 2100, 130),
        ] {
            let k = segments * len;
            let (a, b) = (numbers(m * k + 3, m), numbers(k * n, n));
            let starts: Vec<_> = (0..segments).map(|s| s * len).collect();
            for transposed in [false, true] {
                let lines: Vec<_> = (0..m).map(|r| if transposed { r } else { r * k }).collect();
                let starts: Vec<_> = starts.iter().map(|s| if transposed { s * m } else { *s }).collect();
                let step = if transposed { m } else { 1 };
                let left = Left { data: &a, lines: Lines::Table(&lines), segments: &starts, len, step };
                let mut packed = vec![0.0; packed_len(k, n)];
                pack(&mut packed, (k, n), &b);
                for right in [Right::rows(&b, n), Right::packed(&packed, k, n)] {
                    let mut c = vec![1.0; m * n];
                    let mut result = Out { data: &mut c, lines: Lines::Even(n), rows: m, columns: n, add: true };
                    multiply(left, right, &mut result);
                    for (e, got) in c.iter().enumerate() {
                        let (i, j) = (e / n, e % n);
                        let element = |l: usize| if transposed { a[l * m + i] } else { a[i * k + l] };
                        let want = 1.0 + (0..k).map(|l| element(l) * b[l * n + j]).sum::<f32>();
                        assert_eq!(*got, want, "{m}x{k}x{n} element {e}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_of_this_processor_gives_the_same() {
        let (m, k, n) = (19, 50, 16);
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let left = Left { data: &a, lines: Lines::Even(k), segments: &[0], len: k, step: 1 };
        let right = Panel { data: &b, step: n, width: n };
        let run = |kernel: &dyn Fn(&mut Out<'_>)| {
            let mut c = vec![0.5; m * n];
            kernel(&mut Out { data: &mut c, lines: Lines::Even(n), rows: m, columns: n, add: true });
            c
        };
        let want = run(&|result| by_sixteen(left, right, result, 0, true, portable));
        #[cfg(target_arch = "x86_64")]
        {
            if instruction_set() != InstructionSet::Portable {
                assert_eq!(run(&|result| by_sixteen(left, right, result, 0, true, tile_x86::narrow)), want);
            }
            if instruction_set() == InstructionSet::Avx512 {
                assert_eq!(run(&|result| tiles::<12>(left, right, result, 0, true, tile_x86::wide::<12, 1>)), want);
            }
        }
        #[cfg(target_arch = "aarch64")]
        assert_eq!(run(&|result| by_sixteen(left, right, result, 0, true, tile_neon::tile)), want);
        assert_eq!(want.len(), m * n);
    }

    #[test]
    fn packing_transposes_where_told() {
        let from = numbers(70 * 20, 3);
        let mut packed = vec![0.0; packed_len(20, 70)];
        pack_columns(&mut packed, 20, 70, 0, 20, &from);
        for (i, j) in (0..20 * 70).map(|e| (e / 70, e % 70)) {
            assert_eq!(packed[j / PANEL * 20 * PANEL + i * PANEL + j % PANEL], from[j * 20 + i]);
        }
    }
}
