//! Trains GANs on the CPU and shrinks their generators to integers.
pub mod data;
pub mod metrics;
pub mod philox;
pub mod report;
