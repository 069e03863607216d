//! Claims about the whole project, one module each subject.
mod golden_models;
mod hostile_models;
mod streaming;
