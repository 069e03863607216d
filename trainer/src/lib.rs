//! Trains GANs on the CPU and shrinks their generators to integers.
pub mod data;
pub mod evaluate;
pub mod exec;
pub mod graph;
pub mod loss;
pub mod metrics;
pub mod nets;
pub mod nn;
pub mod optim;
pub mod philox;
pub mod plan;
pub mod quantise;
pub mod recipe;
pub mod regularise;
pub mod report;
pub mod run;
pub mod train;
