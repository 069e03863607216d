//! A number of clock cycles between two bounds.

use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

/// Clock cycles, between two bounds: the time of some instructions depends on their operands, or on the alignment of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleRange {
    /// The fewest cycles.
    pub min: u64,
    /// The most cycles.
    pub max: u64,
}

impl CycleRange {
    /// Returns a range with one value.
    #[must_use]
    pub const fn exactly(cycles: u64) -> Self {
        Self { min: cycles, max: cycles }
    }
}

impl Add for CycleRange {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { min: self.min + other.min, max: self.max + other.max }
    }
}

impl Mul<u64> for CycleRange {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { min: self.min * times, max: self.max * times }
    }
}
