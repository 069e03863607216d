//! Claims about the whole project, one module each subject.
mod executor;
mod gradients;
