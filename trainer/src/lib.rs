//! Trains GANs on the CPU and shrinks their generators to integers.
pub mod philox;
pub mod quantise;
