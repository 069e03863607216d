//! Helpers for the project-wide tests: comparisons of executors and gradients, and the networks of the golden model files.
pub mod check;
pub mod golden;
