//! How a command fails: a message for people and the exit code for scripts.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;

/// Exit code when the work failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code when the input or the command line cannot be used.
pub(crate) const UNUSABLE: u8 = 2;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's exit code.
    pub(crate) code: u8,
    /// What is told on standard error: names what and where, and what to do. Empty when all is told already.
    pub(crate) message: String,
}

impl Failure {
    /// The work failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    /// The input or the command line cannot be used.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self { code: UNUSABLE, message: message.into() }
    }

    /// A file cannot be used, for the given reason.
    pub(crate) fn file(path: &Path, cause: impl Display) -> Self {
        Self::unusable(format!("{}: {cause}", path.display()))
    }
}

/// Errors of the libraries say all that is needed; unless told otherwise, they mean that the work failed.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error.to_string())
    }
}
