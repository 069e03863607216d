//! Helpers of the project-wide tests: comparison of executors and gradients, and the networks of the golden model files.
pub mod check;
pub mod golden;
