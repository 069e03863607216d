//! Limits the memory that images take while they are decoded, all threads together.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::memory;

/// Memory that may be used at the same time, and how much of it is not in use.
pub(crate) struct MemoryBudget {
    total: u64,
    left: Mutex<u64>,
    returned: Condvar,
}

/// A part of a [`MemoryBudget`], returned when it is dropped.
pub(crate) struct Reservation<'b> {
    budget: &'b MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub(crate) fn new(total: u64) -> Self {
        Self { total, left: Mutex::new(total), returned: Condvar::new() }
    }

    /// Half of the memory that is free now.
    pub(crate) fn of_free_memory() -> Self {
        Self::new((memory::free() / 2.0) as u64)
    }

    /// The whole budget in bytes.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Reserves `bytes`, after waiting for other reservations to end if necessary; `None` if the whole budget is smaller.
    ///
    /// A thread that holds a reservation must not ask for another one, or two threads could wait for each other.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<Reservation<'_>> {
        if bytes > self.total {
            return None;
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = self.returned.wait_while(left, |left| *left < bytes).unwrap_or_else(PoisonError::into_inner);
        *left -= bytes;
        Some(Reservation { budget: self, bytes })
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        *self.budget.left.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_share_a_budget_and_too_large_requests_are_refused() {
        let budget = MemoryBudget::new(100);
        assert!(budget.reserve(101).is_none());
        let (in_use, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let part = budget.reserve(40);
                        most.fetch_max(in_use.fetch_add(40, Ordering::SeqCst) + 40, Ordering::SeqCst);
                        in_use.fetch_sub(40, Ordering::SeqCst);
                        drop(part);
                    }
                });
            }
        });
        assert!((40..=80).contains(&most.into_inner()));
        assert!(budget.reserve(100).is_some(), "everything was returned");
    }
}
