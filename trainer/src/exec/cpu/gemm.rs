//! Dense matrix products: selects a kernel, packs B if that saves time, and divides the work into tasks.
use super::dot;
use super::microkernel::{self, vectorized};
use super::operands::{MAX_DOT_COLUMNS, OperandA, OperandB, OutputC, RowOffsets, panel_width};
use super::tasks::{TaskSlices, for_each_task};
use super::weights::{WeightLayout, Weights};
use crate::simd::multiversion;

/// Minimum floating-point operations per task.
const TASK_FLOPS: usize = 1 << 20;
/// Maximum tasks per product.
const MAX_TASKS: usize = 16;
/// Minimum rows per task: the height of the tallest micro-tile.
const TASK_ROWS: usize = 12;

/// Largest m for which B is read in place: packing would cost more than it saves.
const MAX_M_UNPACKED: usize = 128;
/// Largest k for which B is read in place: its panels fit the first-level cache anyway.
const MAX_K_UNPACKED: usize = 128;

/// Smallest n for which B is packed although it is read few times: each row lies in other pages, so a panel that is read in
/// place waits for memory. Calls that read the same weights share the packed ones.
const MIN_FAR_ROWS: usize = 4096;
/// Smallest m for which that pays.
const MIN_M_FAR_ROWS: usize = 16;

/// A strided matrix to read.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub col_stride: usize,
}

/// A strided matrix to write.
pub struct MatMut<'a> {
    /// The elements.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub col_stride: usize,
}

/// Computes `c = a·b + beta·c` with matrixmultiply, for `a` of m x k and `b` of k x n. Rows of `a` may overlap.
///
/// # Panics
/// If a matrix does not lie within its slice, or if elements of `c` coincide.
pub fn sgemm((m, k, n): (usize, usize, usize), a: MatRef<'_>, b: MatRef<'_>, beta: f32, c: MatMut<'_>) {
    if m == 0 || n == 0 {
        return;
    }
    let reach = |rows: usize, cols: usize, rs: usize, cs: usize| (rows - 1) * rs + (cols - 1) * cs;
    assert!(k > 0 && reach(m, k, a.row_stride, a.col_stride) < a.data.len(), "matrix A of {m}x{k} exceeds its slice");
    assert!(reach(k, n, b.row_stride, b.col_stride) < b.data.len(), "matrix B of {k}x{n} exceeds its slice");
    assert!(reach(m, n, c.row_stride, c.col_stride) < c.data.len(), "matrix C of {m}x{n} exceeds its slice");
    assert!(
        (c.col_stride >= 1 && c.row_stride >= n * c.col_stride)
            || (c.row_stride >= 1 && c.col_stride >= m * c.row_stride),
        "elements of matrix C overlap"
    );
    // SAFETY: each matrix lies within its slice and elements of `c` are distinct, as asserted above. Strides are below
    // isize::MAX because slices are.
    #[allow(unsafe_code)]
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.col_stride as isize,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.col_stride as isize,
            beta,
            c.data.as_mut_ptr(),
            c.row_stride as isize,
            c.col_stride as isize,
        );
    }
}

/// c = a · b for dense row-major matrices. The flags of `a` and `b` say whether each is read transposed.
///
/// Uses the kernels of this crate if they have vector instructions for this processor, otherwise matrixmultiply.
pub(crate) fn matmul((m, k, n): (usize, usize, usize), a: (&[f32], bool), b: (Weights<'_>, bool), c: &mut [f32]) {
    if n == 1 && a.1 && vectorized() {
        // Aᵀ · b is computed as bᵀ · A: one row with many columns fills the vectors.
        if m >= MIN_ROW_LEN {
            let columns = task_rows((m, k, n)).next_multiple_of(16);
            return for_each_task(0..m.div_ceil(columns), TaskSlices::one(c, columns), &|task, mut slices| {
                weighted_sum_of_rows(b.0.plain, &a.0[task * columns..], m, slices.first());
            });
        }
        let columns = task_rows((m, k, n)).next_multiple_of(panel_width());
        return for_each_task(0..m.div_ceil(columns), TaskSlices::one(c, columns), &|task, mut slices| {
            let c = slices.first();
            let vector = OperandA::strided(b.0.plain, 0, k, 1);
            let (matrix, n) = (OperandB::row_major(&a.0[task * columns..], m), c.len());
            let rows = RowOffsets::Strided(0);
            microkernel::multiply(vector, matrix, &mut OutputC { data: c, rows, m: 1, n, accumulate: false });
        });
    }
    let rows = task_rows((m, k, n));
    with_prepared_b((m, k, n), a, b, |product| {
        for_each_task(0..m.div_ceil(rows), TaskSlices::one(c, rows * n), &|task, mut slices| {
            product.multiply_rows(task * rows, slices.first());
        });
    });
}

/// c = xᵀ · y, or c += xᵀ · y with `accumulate`. The rows of x have m elements, those of y have n.
pub(super) fn transposed_product((m, n): (usize, usize), x: &[f32], y: &[f32], accumulate: bool, c: &mut [f32]) {
    let k = x.len() / m;
    if !vectorized() {
        let a = MatRef { data: x, row_stride: 1, col_stride: m };
        let b = MatRef { data: y, row_stride: n, col_stride: 1 };
        return sgemm(
            (m, k, n),
            a,
            b,
            if accumulate { 1.0 } else { 0.0 },
            MatMut { data: c, row_stride: n, col_stride: 1 },
        );
    }
    // One row with many columns fills the vectors.
    let ((m, n), x, y) = if n == 1 { ((1, m), y, x) } else { ((m, n), x, y) };
    let rows = RowOffsets::Strided(n);
    let mut c = OutputC { data: c, rows, m, n, accumulate };
    microkernel::multiply(OperandA::strided(x, 1, k, m), OperandB::row_major(y, n), &mut c);
}

/// Minimum number of columns of [`weighted_sum_of_rows`]. A micro-kernel reads a long matrix in narrow slices, in an order
/// that caches do not foresee.
const MIN_ROW_LEN: usize = 512;

multiversion! {
    /// c = the sum of the rows of `matrix`, which are `row_stride` apart, each times its weight.
    fn weighted_sum_of_rows(weights: &[f32], matrix: &[f32], row_stride: usize, c: &mut [f32]) {
        /// Columns whose sums stay in the first-level cache.
        const BLOCK: usize = 1024;
        for (at, c) in (0..).step_by(BLOCK).zip(c.chunks_mut(BLOCK)) {
            let n = c.len();
            let row = |p: usize| &matrix[p * row_stride + at..][..n];
            let quads = weights.len() / 4 * 4;
            c.fill(0.0);
            for (p, w) in (0..quads).step_by(4).zip(weights.chunks_exact(4)) {
                let (r0, r1, r2, r3) = (row(p), row(p + 1), row(p + 2), row(p + 3));
                for i in 0..n {
                    c[i] += (w[0] * r0[i] + w[1] * r1[i]) + (w[2] * r2[i] + w[3] * r3[i]);
                }
            }
            for (p, w) in weights.iter().enumerate().skip(quads) {
                c.iter_mut().zip(row(p)).for_each(|(c, r)| *c += w * r);
            }
        }
    }
}

/// Rows of C per task. Depends on the sizes only.
fn task_rows((m, k, n): (usize, usize, usize)) -> usize {
    let tasks = (2 * m * k * n / TASK_FLOPS).clamp(1, MAX_TASKS).min(m.div_ceil(TASK_ROWS));
    m.div_ceil(tasks).next_multiple_of(12)
}

/// A product whose operand B is packed if needed, to be computed a few rows at a time.
pub(super) struct PreparedProduct<'a> {
    /// (m, k, n)
    size: (usize, usize, usize),
    /// The matrix, and whether it is read transposed.
    a: (&'a [f32], bool),
    b: PreparedB<'a>,
}

/// Operand B in the form that a kernel reads.
#[derive(Clone, Copy)]
pub(super) enum PreparedB<'a> {
    /// In place, transposed or not, for matrixmultiply.
    Plain(&'a [f32], bool),
    /// Column after column, for the dot-product kernel.
    Columns(&'a [f32]),
    /// In panels, for the micro-kernels.
    Panels(OperandB<'a>),
}

impl<'a> PreparedB<'a> {
    /// An operand that the vector kernels read: packed as [`weight_layout`] demands, or in place.
    fn new((_, k, n): (usize, usize, usize), a_transposed: bool, b: &'a [f32], packed: bool) -> Self {
        match (n <= MAX_DOT_COLUMNS && !a_transposed, packed) {
            (true, _) => Self::Columns(b),
            (false, true) => Self::Panels(OperandB::packed(b, k, n)),
            (false, false) => Self::Panels(OperandB::row_major(b, n)),
        }
    }

    /// Operand B of a product whose A is not transposed. `packed` are the packed weights if the product reads them.
    pub(super) fn of_weights(
        size: (usize, usize, usize),
        b: &'a [f32],
        transposed: bool,
        packed: Option<&'a [f32]>,
    ) -> Self {
        match packed {
            Some(packed) => Self::new(size, false, packed, true),
            None if vectorized() => Self::new(size, false, b, false),
            None => Self::Plain(b, transposed),
        }
    }
}

impl<'a> PreparedProduct<'a> {
    /// A product with the rows of `a`.
    pub(super) fn of_rows((k, n): (usize, usize), a: &'a [f32], b: PreparedB<'a>) -> Self {
        Self { size: (a.len() / k, k, n), a: (a, false), b }
    }
}

impl PreparedProduct<'_> {
    /// Computes rows of C from row `first` on, as many as fit into `c`.
    pub(super) fn multiply_rows(&self, first: usize, c: &mut [f32]) {
        let (m, k, n) = self.size;
        let (a, transposed) = self.a;
        let (row_stride, col_stride) = if transposed { (1, m) } else { (k, 1) };
        let (data, rows) = (&a[first * row_stride..], c.len() / n);
        match self.b {
            PreparedB::Panels(b) if k <= max_short_k() && n.is_multiple_of(16) => {
                return short_product((k, n), data, (row_stride, col_stride), b, c);
            }
            PreparedB::Panels(b) if k == 1 => return outer_product(&data[..rows], &b.data[..n], c),
            _ => {}
        }
        let a = OperandA::strided(data, row_stride, k, col_stride);
        match self.b {
            PreparedB::Plain(b, transposed) => {
                let (b_row_stride, b_col_stride) = if transposed { (1, k) } else { (n, 1) };
                let a = MatRef { data, row_stride, col_stride };
                let b = MatRef { data: b, row_stride: b_row_stride, col_stride: b_col_stride };
                sgemm((rows, k, n), a, b, 0.0, MatMut { data: c, row_stride: n, col_stride: 1 });
            }
            PreparedB::Columns(columns) => dot::multiply(a, columns, &mut OutputC::row_major(c, rows, n)),
            PreparedB::Panels(b) => microkernel::multiply(a, b, &mut OutputC::row_major(c, rows, n)),
        }
    }
}

multiversion! {
    /// c = a · b for a column `a` and a row `b`: every element of `a` times every element of `b`.
    fn outer_product(a: &[f32], b: &[f32], c: &mut [f32]) {
        for (row, a) in c.chunks_exact_mut(b.len()).zip(a) {
            row.iter_mut().zip(b).for_each(|(c, b)| *c = a * b);
        }
    }
}

/// Largest k that [`short_product`] can compute.
const MAX_SHORT_K: usize = 3;

/// Largest k that it does compute. With wide panels, the micro-kernels are faster from k = 2 on.
fn max_short_k() -> usize {
    if panel_width() == 16 { MAX_SHORT_K } else { 1 }
}

multiversion! {
    /// c = a · b with a k of at most [`MAX_SHORT_K`] and a multiple of 16 columns, of which 16 at a time stay in registers.
    /// A micro-kernel would spend more time on C than on the few multiply-adds. `size` is (k, n); rows and columns of `a`
    /// are `a_strides` apart.
    fn short_product(size: (usize, usize), a: &[f32], a_strides: (usize, usize), b: OperandB<'_>, c: &mut [f32]) {
        let (k, n) = size;
        let width = panel_width();
        for j in (0..n).step_by(16) {
            let mut columns = [[0.0; 16]; MAX_SHORT_K];
            for (p, columns) in columns.iter_mut().enumerate().take(k) {
                let at = j / width * b.panel_stride + p * b.row_stride + j % width;
                columns.copy_from_slice(&b.data[at..][..16]);
            }
            let [x, y, z] = columns;
            for (i, row) in c.chunks_exact_mut(n).enumerate() {
                let a = |p: usize| a[i * a_strides.0 + p * a_strides.1];
                let Some(row) = row[j..].first_chunk_mut::<16>() else { return };
                match k {
                    1 => *row = x.map(|x| a(0) * x),
                    2 => {
                        let a = [a(0), a(1)];
                        for l in 0..16 {
                            row[l] = a[0] * x[l] + a[1] * y[l];
                        }
                    }
                    _ => {
                        let a = [a(0), a(1), a(2)];
                        for l in 0..16 {
                            row[l] = a[0] * x[l] + a[1] * y[l] + a[2] * z[l];
                        }
                    }
                }
            }
        }
    }
}

/// Packs B if that saves time, and passes the product to `work`. `a_transposed` and `b_transposed` say how the matrices are
/// read.
pub(super) fn with_prepared_b(
    (m, k, n): (usize, usize, usize),
    (a, a_transposed): (&[f32], bool),
    (b, b_transposed): (Weights<'_>, bool),
    work: impl FnOnce(&PreparedProduct<'_>),
) {
    let (size, a) = ((m, k, n), (a, a_transposed));
    match weight_layout(size, a_transposed, b_transposed) {
        Some(layout) => b.with(layout, |packed| {
            let b = PreparedB::new(size, a_transposed, packed, true);
            work(&PreparedProduct { size, a, b });
        }),
        None => {
            let b = if vectorized() {
                PreparedB::new(size, a_transposed, b.plain, false)
            } else {
                PreparedB::Plain(b.plain, b_transposed)
            };
            work(&PreparedProduct { size, a, b });
        }
    }
}

/// The layout in which a product reads B; `None` if B is read in place.
pub(super) fn weight_layout(
    (m, k, n): (usize, usize, usize),
    a_transposed: bool,
    b_transposed: bool,
) -> Option<WeightLayout> {
    if !vectorized() || (n == 1 && a_transposed) {
        return None;
    }
    if n <= MAX_DOT_COLUMNS && !a_transposed {
        return (!b_transposed && n > 1).then_some(WeightLayout::Packed { k, n });
    }
    if b_transposed {
        return Some(WeightLayout::PackedTranspose { k, n });
    }
    // With few rows, B is read too few times to be worth a copy; a single panel or a short k needs no copy.
    let is_reused = n > panel_width() && m > MAX_M_UNPACKED && k > MAX_K_UNPACKED;
    (is_reused || (n >= MIN_FAR_ROWS && m >= MIN_M_FAR_ROWS)).then_some(WeightLayout::Packed { k, n })
}
