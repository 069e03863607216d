//! Claims about the whole project, one module each subject.
mod executor;
mod gradients;
mod golden_models;
mod hostile_models;
mod streaming;
