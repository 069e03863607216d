//! Matrix products: of dense matrices by the tile kernels, of any strides by matrixmultiply, with checked bounds.
use super::dot;
use super::packs::{Layout, Weights};
use super::split::{Parts, each};
use super::tile::{self, Left, Lines, NARROW, Out, PANEL, Right};
use crate::simd::multiversion;

/// Operations that make a task of its own worth while.
const TASK_FLOPS: usize = 1 << 20;
/// Most tasks of one product.
const MAX_TASKS: usize = 16;
/// Fewest rows of a task: those of a tile.
const TASK_ROWS: usize = 12;

/// Rows up to which the right side is read as it lies: a copy costs more than it saves. Depth up to which a panel of it stays in the
/// first-level cache anyway.
const UNPACKED: usize = 128;
const SHALLOW: usize = 128;

/// A strided matrix to read.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Distance between rows.
    pub rows: usize,
    /// Distance between columns.
    pub cols: usize,
}

/// A strided matrix to write.
pub struct MatMut<'a> {
    /// The numbers.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub rows: usize,
    /// Distance between columns.
    pub cols: usize,
}

/// `c = a·b + beta·c` for a of m x k and b of k x n; rows of `a` may overlap.
///
/// # Panics
/// When a matrix does not lie within its numbers, or elements of `c` would coincide.
pub fn sgemm((m, k, n): (usize, usize, usize), a: MatRef<'_>, b: MatRef<'_>, beta: f32, c: MatMut<'_>) {
    if m == 0 || n == 0 {
        return;
    }
    let reach = |rows: usize, cols: usize, rs: usize, cs: usize| (rows - 1) * rs + (cols - 1) * cs;
    assert!(k > 0 && reach(m, k, a.rows, a.cols) < a.data.len(), "left matrix {m}x{k} exceeds its numbers");
    assert!(reach(k, n, b.rows, b.cols) < b.data.len(), "right matrix {k}x{n} exceeds its numbers");
    assert!(reach(m, n, c.rows, c.cols) < c.data.len(), "result {m}x{n} exceeds its numbers");
    assert!((c.cols >= 1 && c.rows >= n * c.cols) || (c.rows >= 1 && c.cols >= m * c.rows), "result overlaps itself");
    // SAFETY: each matrix lies within its slice and elements of `c` are distinct, as asserted above; strides
    // are below isize::MAX because slices are.
    #[allow(unsafe_code)]
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.data.as_ptr(),
            a.rows as isize,
            a.cols as isize,
            b.data.as_ptr(),
            b.rows as isize,
            b.cols as isize,
            beta,
            c.data.as_mut_ptr(),
            c.rows as isize,
            c.cols as isize,
        );
    }
}

/// The product of two dense row-major matrices, each read transposed if told so, into `out`.
///
/// Our own kernels take it where the processor has vector instructions that they are written for, else matrixmultiply.
pub(crate) fn product((m, k, n): (usize, usize, usize), a: (&[f32], bool), b: (Weights<'_>, bool), out: &mut [f32]) {
    if n == 1 && a.1 && tile::vectorized() {
        // One column of many rows is one row of many columns: vectors fill.
        let rows = task_rows((m, k, n)).next_multiple_of(PANEL);
        return each(0..m.div_ceil(rows), Parts::one(out, rows), &|task, mut parts| {
            let (out, _) = &mut parts.slices[0];
            let left = Left { data: b.0.plain, lines: Lines::Even(0), segments: &[0], len: k, step: 1 };
            let (right, columns) = (Right::rows(&a.0[task * rows..], m), out.len());
            tile::multiply(left, right, &mut Out { data: out, lines: Lines::Even(0), rows: 1, columns, add: false });
        });
    }
    let rows = task_rows((m, k, n));
    with_rows((m, k, n), a, b, |product| {
        each(0..m.div_ceil(rows), Parts::one(out, rows * n), &|task, mut parts| {
            product.multiply(task * rows, parts.slices[0].0);
        });
    });
}

/// Rows of a task: by sizes alone.
fn task_rows((m, k, n): (usize, usize, usize)) -> usize {
    let tasks = (2 * m * k * n / TASK_FLOPS).clamp(1, MAX_TASKS).min(m.div_ceil(TASK_ROWS));
    m.div_ceil(tasks).next_multiple_of(12)
}

/// A product whose right side is ready, to be taken a few rows at a time.
pub(super) struct Rows<'a> {
    size: (usize, usize, usize),
    left: (&'a [f32], bool),
    right: Ready<'a>,
}

/// A right side as a kernel wants it.
#[derive(Clone, Copy)]
enum Ready<'a> {
    /// As it lies, transposed or not, for matrixmultiply.
    Plain(&'a [f32], bool),
    /// Column after column, for sums along rows.
    Columns(&'a [f32]),
    Panels(Right<'a>),
}

impl Rows<'_> {
    /// As many rows of the product as fit into `out`, from row `first` on.
    pub(super) fn multiply(&self, first: usize, out: &mut [f32]) {
        let (m, k, n) = self.size;
        let (a, ta) = self.left;
        let (stride, step) = if ta { (1, m) } else { (k, 1) };
        let (data, rows) = (&a[first * stride..], out.len() / n);
        if let (1, Ready::Panels(right)) = (k, self.right) {
            return outer(&data[..rows], &right.data[..n], out);
        }
        let left = Left { data, lines: Lines::Even(stride), segments: &[0], len: k, step };
        match self.right {
            Ready::Plain(b, tb) => {
                let (rs, cs) = if tb { (1, k) } else { (n, 1) };
                let left = MatRef { data, rows: stride, cols: step };
                let right = MatRef { data: b, rows: rs, cols: cs };
                sgemm((rows, k, n), left, right, 0.0, MatMut { data: out, rows: n, cols: 1 });
            }
            Ready::Columns(columns) => {
                let mut out = Out { data: out, lines: Lines::Even(n), rows, columns: n, add: false };
                dot::multiply(left, columns, &mut out);
            }
            Ready::Panels(right) => {
                let mut out = Out { data: out, lines: Lines::Even(n), rows, columns: n, add: false };
                tile::multiply(left, right, &mut out);
            }
        }
    }
}

multiversion! {
    /// Every number of the left by every number of the right.
    fn outer(left: &[f32], right: &[f32], out: &mut [f32]) {
        let n = right.len();
        if n.is_multiple_of(16) {
            // Columns of known count stay in registers.
            for j in (0..n).step_by(16) {
                let Some(columns) = right[j..].first_chunk::<16>() else { return };
                for (row, a) in out.chunks_exact_mut(n).zip(left) {
                    let Some(row) = row[j..].first_chunk_mut::<16>() else { return };
                    for i in 0..16 {
                        row[i] = a * columns[i];
                    }
                }
            }
        } else {
            for (row, a) in out.chunks_exact_mut(n).zip(left) {
                row.iter_mut().zip(right).for_each(|(o, b)| *o = a * b);
            }
        }
    }
}

/// Readies the right side, packed where that pays, and lends the product to `work`.
pub(super) fn with_rows(
    (m, k, n): (usize, usize, usize),
    (a, ta): (&[f32], bool),
    (b, tb): (Weights<'_>, bool),
    work: impl FnOnce(&Rows<'_>),
) {
    let (size, left) = ((m, k, n), (a, ta));
    if let Some(layout) = layout(size, ta, tb) {
        return b.with(layout, |ready| {
            let narrow = n <= NARROW && !ta;
            let right = if narrow { Ready::Columns(ready) } else { Ready::Panels(Right::packed(ready, k, n)) };
            work(&Rows { size, left, right });
        });
    }
    let right = if !tile::vectorized() {
        Ready::Plain(b.plain, tb)
    } else if n <= NARROW && !ta {
        Ready::Columns(b.plain)
    } else {
        Ready::Panels(Right::rows(b.plain, n))
    };
    work(&Rows { size, left, right });
}

/// How a product reads its right side; none where that stays as it lies.
pub(super) fn layout((m, k, n): (usize, usize, usize), ta: bool, tb: bool) -> Option<Layout> {
    if !tile::vectorized() || (n == 1 && ta) {
        return None;
    }
    if n <= NARROW && !ta {
        return (!tb && n > 1).then_some(Layout::Matrix(k, n));
    }
    if tb {
        return Some(Layout::Turned(k, n));
    }
    // Few rows read the right side too seldom to be worth a copy; a single panel, or a shallow one, needs none.
    (n > PANEL && m > UNPACKED && k > SHALLOW).then_some(Layout::Matrix(k, n))
}
