//! How a command fails: a message for the user and an exit code for scripts.

use ganlet_trainer::files;
use std::error::Error;
use std::fmt::Display;
use std::path::Path;

/// Exit code if the work failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code if the input or the command line is not usable.
pub(crate) const UNUSABLE: u8 = 2;
/// Exit code if Ctrl-C or a signal stopped the work. What was finished is saved.
pub(crate) const STOPPED: u8 = 3;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub(crate) code: u8,
    /// Message for standard error: what is wrong, where, and what to do. Empty if everything was printed already.
    pub(crate) message: String,
}

impl Failure {
    /// The work failed.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self { code: FAILED, message: message.to_string() }
    }

    /// The work was stopped, and everything was printed already.
    pub(crate) fn stopped() -> Self {
        Self { code: STOPPED, message: String::new() }
    }

    /// The input or the command line is not usable.
    pub(crate) fn unusable(message: impl Display) -> Self {
        Self { code: UNUSABLE, message: message.to_string() }
    }

    /// A file is not usable.
    pub(crate) fn file(path: &Path, cause: impl Display) -> Self {
        Self::unusable(format!("{}: {cause}", files::shown(path)))
    }
}

/// An error of a library is a complete message for the user. The exit code is that of failed work.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
