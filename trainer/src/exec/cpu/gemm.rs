//! Matrix products through matrixmultiply, with checked bounds.
use super::split::{Parts, each};

/// Operations that make a task of its own worth while.
const TASK_FLOPS: usize = 1 << 21;
/// Most tasks of one product.
const MAX_TASKS: usize = 16;
/// Fewest rows of a task: each packs the right side again.
const TASK_ROWS: usize = 32;

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
pub(crate) fn product((m, k, n): (usize, usize, usize), a: (&[f32], bool), b: (&[f32], bool), out: &mut [f32]) {
    let strides = |transposed: bool, rows: usize, cols: usize| if transposed { (1, rows) } else { (cols, 1) };
    let (ars, acs) = strides(a.1, m, k);
    let (brs, bcs) = strides(b.1, k, n);
    let tasks = (2 * m * k * n / TASK_FLOPS).clamp(1, MAX_TASKS).min(m.div_ceil(TASK_ROWS));
    let rows = m.div_ceil(tasks).next_multiple_of(8);
    each(0..m.div_ceil(rows), Parts::one(out, rows * n), &|task, mut parts| {
        let (out, _) = &mut parts.slices[0];
        let m = out.len() / n;
        let left = MatRef { data: &a.0[task * rows * ars..], rows: ars, cols: acs };
        let right = MatRef { data: b.0, rows: brs, cols: bcs };
        sgemm((m, k, n), left, right, 0.0, MatMut { data: out, rows: n, cols: 1 });
    });
}
