//! Operands of a matrix product C (m x n) = A (m x k) · B (k x n), in the vocabulary of the BLIS papers.
//!
//! A is never packed. A micro-kernel broadcasts the elements of A one by one, so a row of A may be a row of a matrix, a
//! column of a matrix, or the taps of one convolution output in a padded image. B is read in panels of [`panel_width`]
//! columns.
use crate::simd::instruction_set;

/// Columns of a panel of B: as many as a micro-tile of the instruction set has.
#[inline]
pub(super) fn panel_width() -> usize {
    if instruction_set().lanes() == 16 { 64 } else { 16 }
}

/// Where the rows of an operand begin in its slice.
#[derive(Clone, Copy)]
pub(super) enum RowOffsets<'a> {
    /// Row `i` begins at `i` times this row stride.
    Strided(usize),
    /// Row `i` begins at entry `i` of the table.
    Table(&'a [usize]),
}

impl RowOffsets<'_> {
    /// Offset of `row`.
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> usize {
        match self {
            Self::Strided(stride) => row * stride,
            Self::Table(table) => table[row],
        }
    }

    /// The largest offset among the first `rows` rows. `rows` must not be 0.
    #[inline(always)]
    pub(super) fn max(&self, rows: usize) -> usize {
        match self {
            Self::Strided(stride) => (rows - 1) * stride,
            Self::Table(table) => table[..rows].iter().fold(0, |max, &at| max.max(at)),
        }
    }
}

/// The operand A, read in place. Its k dimension consists of segments of equal length.
///
/// Element (i, p) lies at `rows.at(i) + segments[p / segment_len] + p % segment_len · col_stride`.
#[derive(Clone, Copy)]
pub(super) struct OperandA<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: RowOffsets<'a>,
    /// Offset of each segment from the beginning of a row.
    pub(super) segments: &'a [usize],
    /// Elements of a segment.
    pub(super) segment_len: usize,
    /// Distance between neighboring elements of a segment.
    pub(super) col_stride: usize,
}

impl<'a> OperandA<'a> {
    /// A strided matrix with `k` columns.
    pub(super) fn strided(data: &'a [f32], row_stride: usize, k: usize, col_stride: usize) -> Self {
        Self { data, rows: RowOffsets::Strided(row_stride), segments: &[0], segment_len: k, col_stride }
    }

    /// A dense row-major matrix with `k` columns.
    pub(super) fn row_major(data: &'a [f32], k: usize) -> Self {
        Self::strided(data, k, k, 1)
    }

    /// Length of the k dimension.
    pub(super) fn k(&self) -> usize {
        self.segments.len() * self.segment_len
    }
}

/// The operand B in panels of [`panel_width`] columns. Row `p` of panel `j` begins at `j · panel_stride + p ·
/// row_stride`.
#[derive(Clone, Copy)]
pub(super) struct OperandB<'a> {
    pub(super) data: &'a [f32],
    pub(super) panel_stride: usize,
    pub(super) row_stride: usize,
}

impl<'a> OperandB<'a> {
    /// A dense row-major matrix with `n` columns, read in place.
    pub(super) fn row_major(data: &'a [f32], n: usize) -> Self {
        Self { data, panel_stride: panel_width(), row_stride: n }
    }

    /// A packed B of `k` x `n` elements; see [`pack_b`](super::pack::pack_b).
    pub(super) fn packed(data: &'a [f32], k: usize, n: usize) -> Self {
        Self { data, panel_stride: k * panel_width(), row_stride: n.min(panel_width()) }
    }
}

/// The result C. Element (i, j) lies at `rows.at(i) + j`.
pub(super) struct OutputC<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: RowOffsets<'a>,
    pub(super) m: usize,
    pub(super) n: usize,
    /// Add the product to C instead of overwriting C.
    pub(super) accumulate: bool,
}

impl<'a> OutputC<'a> {
    /// A dense row-major matrix of `m` x `n` elements, to be overwritten.
    pub(super) fn row_major(data: &'a mut [f32], m: usize, n: usize) -> Self {
        Self { data, rows: RowOffsets::Strided(n), m, n, accumulate: false }
    }
}

/// Arguments of a micro-kernel: `MR` rows by `width` columns of C, over one k-block. The caller has checked all bounds.
pub(super) struct MicroTile<'a, const MR: usize> {
    pub(super) a: *const f32,
    /// Offset of each row in A.
    pub(super) a_rows: [usize; MR],
    pub(super) segments: &'a [usize],
    pub(super) segment_len: usize,
    pub(super) a_col_stride: usize,
    pub(super) b: *const f32,
    pub(super) b_row_stride: usize,
    pub(super) width: usize,
    pub(super) c: *mut f32,
    /// Offset of each row in C.
    pub(super) c_rows: [usize; MR],
    pub(super) accumulate: bool,
}

/// Largest n that the dot-product kernels compute.
pub(super) const MAX_DOT_COLUMNS: usize = 4;
/// Rows of A per call of a dot-product kernel.
pub(super) const DOT_ROWS: usize = 4;

/// Operands of a dot-product kernel: four rows of A and all columns of B.
pub(super) struct DotRows<'a> {
    pub(super) a: &'a [f32],
    /// Offset of each row in A.
    pub(super) a_rows: [usize; DOT_ROWS],
    pub(super) segments: &'a [usize],
    pub(super) segment_len: usize,
    /// The columns of B, one after the other.
    pub(super) b: &'a [f32],
    pub(super) k: usize,
}

/// The dot products of each row with each column.
pub(super) type DotSums = [[f32; MAX_DOT_COLUMNS]; DOT_ROWS];
