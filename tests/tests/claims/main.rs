//! Tests of the whole project, one module per subject.
mod allocation;
mod dependencies;
mod documents;
mod executor;
mod exported;
mod golden_models;
mod gradients;
mod hostile_models;
mod metrics;
mod objectives;
mod packages;
mod public_api;
mod recipes;
mod streaming;
mod tidy;
mod training;
mod watching;
