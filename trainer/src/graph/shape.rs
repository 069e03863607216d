//! Shapes: up to four dimensions; images are `[batch, height, width, channels]`.
use std::fmt;

/// Dimensions, outermost first. A scalar has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; 4],
    rank: usize,
}

impl Shape {
    /// The shape of a scalar.
    pub const SCALAR: Self = Self { dims: [1; 4], rank: 0 };

    /// A shape with these dimensions.
    ///
    /// # Panics
    /// If there are more than four dimensions or one of them is 0.
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= 4, "a shape has at most four dimensions, found {dims:?}");
        assert!(dims.iter().all(|&d| d > 0), "every dimension must be at least 1, found {dims:?}");
        let mut all = [1; 4];
        all[..dims.len()].copy_from_slice(dims);
        Self { dims: all, rank: dims.len() }
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements.
    #[expect(clippy::len_without_is_empty, reason = "a shape always holds at least one element")]
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Length of the innermost dimension; 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// The dimensions padded on the left with ones to rank four.
    pub(crate) fn four(&self) -> [usize; 4] {
        let mut four = [1; 4];
        four[4 - self.rank..].copy_from_slice(self.dims());
        four
    }

    /// This shape with the length of one axis replaced.
    pub fn with(&self, axis: usize, len: usize) -> Self {
        let mut dims = self.dims;
        dims[axis] = len;
        Self::new(&dims[..self.rank])
    }

    /// Whether this shape broadcasts to `to`: aligned on the right, every dimension is equal or 1 (the NumPy rule).
    pub fn broadcasts_to(&self, to: Self) -> bool {
        self.rank <= to.rank && self.four().iter().zip(to.four()).all(|(&a, b)| a == b || a == 1)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}
