//! Why a run cannot start, continue or be saved.
use crate::data::DataError;
use crate::exec::NotFinite;
use crate::files;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A problem with a run's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// The file or folder; empty if the problem names it.
    path: PathBuf,
    problem: String,
}

impl RunError {
    pub(crate) fn new(path: &Path, problem: impl fmt::Display) -> Self {
        Self { path: path.into(), problem: problem.to_string() }
    }

    /// Wraps an error of [`write`](crate::files::write()), whose text already names the file and the remedy.
    pub(crate) fn of_write(error: &io::Error) -> Self {
        Self::new(Path::new(""), error)
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; check the path",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; make it writable, or choose another folder"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; free some disk space, then continue with --resume"
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                "; a file of that name exists: choose another name"
            }
            _ => "",
        };
        Self::new(path, format!("{error}{remedy}"))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.as_os_str().is_empty() {
            return f.write_str(&self.problem);
        }
        write!(f, "{}: {}", files::shown(&self.path), self.problem)
    }
}

impl std::error::Error for RunError {}

/// Why training ended before its last step.
#[derive(Debug)]
pub enum TrainingError {
    /// A value was not finite; the checkpoints in the folder are intact.
    NotFinite(NotFinite),
    /// The training examples could not be read; the last checkpoint is intact.
    Data(DataError),
    /// A file of the run could not be read or written.
    Run(RunError),
}

impl fmt::Display for TrainingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(e) => write!(
                f,
                "{e}\nTraining stopped before that update was applied; the last checkpoint is good. A smaller \
                 optimizer.learning_rate usually helps, and so does a regularizer on the discriminator if there is none."
            ),
            Self::Data(e) => {
                write!(f, "training ended, because an image could not be read; the last checkpoint is good.\n{e}")
            }
            Self::Run(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for TrainingError {}

impl From<RunError> for TrainingError {
    fn from(e: RunError) -> Self {
        Self::Run(e)
    }
}
