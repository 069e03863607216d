//! Chains: kernels over the same rows that run as one kernel call, a block of rows at a time.
//!
//! In a network of dense layers a row is an example of the batch. The activations of a block stay in the cache from the
//! first layer to the last gradient, and values that only the chain reads are never stored for the whole batch. Sums over
//! rows, such as weight gradients and losses, are added up by task.
use super::fused::{FusedKernel, FusedProduct, MAX_FUSED_NODES};
use std::ops::Range;

/// Maximum members of a chain.
pub(crate) const MAX_MEMBERS: usize = 64;
/// Maximum inputs of a chain.
pub(crate) const MAX_INPUTS: usize = 120;
/// Maximum outputs of a chain.
pub(crate) const MAX_OUTPUTS: usize = MAX_FUSED_NODES;
/// Maximum elements of the sums of a chain. Every task keeps its own.
pub(crate) const MAX_SUMS: usize = 1 << 17;
/// Minimum rows per task: adding up the weight gradients of all tasks then takes a hundredth of the time.
const TASK_ROWS: usize = 256;
/// Minimum rows per task if there are only two, so that a second thread has work to do.
const HALF_ROWS: usize = 96;
/// Minimum floating-point operations per task.
const TASK_FLOPS: f64 = 1e6;
/// Maximum tasks of a chain.
const MAX_TASKS: usize = 16;

/// Where a member reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An input of the kernel call: as a whole, or from the member's first row on.
    Input(usize),
    /// A buffer of one block of rows, which no other kernel reads.
    Local(usize),
    /// A stored output of the kernel call.
    Output(usize),
}

/// What a member computes.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Fused(FusedKernel),
    /// Adds Xᵀ · Y to a sum of m x n elements. The rows of X have m elements, those of Y have n.
    WeightGradient {
        m: usize,
        n: usize,
    },
    /// Copies rows of `width` elements, and writes zeros before and after them.
    Pad {
        before: usize,
        rows: usize,
        width: usize,
    },
}

/// One kernel of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) work: Work,
    /// First row and number of rows, of those of the chain.
    pub(crate) first: usize,
    pub(crate) rows: usize,
    /// The inputs of the kernel, in its order.
    pub(crate) from: Vec<Place>,
    /// The stored outputs of the kernel.
    pub(crate) to: Vec<Place>,
    /// The member's sums among those of the chain.
    pub(crate) sums: Range<usize>,
}

impl Member {
    /// The matrix product of a fused kernel.
    pub(crate) fn product(&self) -> Option<FusedProduct> {
        match &self.work {
            Work::Fused(f) => f.product,
            _ => None,
        }
    }

    /// The input that is operand B of the product.
    pub(crate) fn b(&self) -> Option<usize> {
        match (&self.work, self.from.last()) {
            (Work::Fused(f), Some(&Place::Input(b))) if f.product.is_some() => Some(b),
            _ => None,
        }
    }

    /// Floating-point operations of the matrix product.
    pub(crate) fn flops(&self) -> f64 {
        let (m, k, n) = match self.work {
            Work::WeightGradient { m, n } => (m, self.rows, n),
            _ => self.product().map_or((0, 0, 0), |p| p.size),
        };
        2.0 * m as f64 * k as f64 * n as f64
    }
}

/// A stored output of a chain: rows of `width` elements, of which the first belongs to row `first` of the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredRows {
    pub(crate) first: usize,
    pub(crate) width: usize,
}

/// Members that run one after the other on each block of rows.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) rows: usize,
    /// Number of tasks; see [`tasks`].
    pub(crate) tasks: usize,
    pub(crate) members: Vec<Member>,
    /// Elements per row of each local buffer.
    pub(crate) locals: Vec<usize>,
    /// The first outputs of the kernel call.
    pub(crate) stored: Vec<StoredRows>,
    /// The other outputs: position and length of each among the sums.
    pub(crate) sums: Vec<(usize, usize)>,
    /// Number of elements of the sums of all members.
    pub(crate) sums_len: usize,
}

impl Chain {
    /// Floating-point operations of all products.
    pub(crate) fn flops(&self) -> f64 {
        self.members.iter().map(Member::flops).sum()
    }
}

/// Number of tasks of a chain. It depends on the sizes only.
pub(crate) fn tasks(rows: usize, flops: f64) -> usize {
    let by_rows = (rows / TASK_ROWS).max((rows / HALF_ROWS).min(2));
    by_rows.min((flops / TASK_FLOPS) as usize).clamp(1, MAX_TASKS)
}
