//! Why a run could not start, go on or be kept.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Something about a run's files: which, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    path: PathBuf,
    what: String,
}

impl RunError {
    pub(crate) fn new(path: &Path, what: impl fmt::Display) -> Self {
        Self { path: path.into(), what: what.to_string() }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; check the path",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; choose a folder that you may write to with --out"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; make room, then go on with --resume: earlier checkpoints are untouched"
            }
            _ => "",
        };
        Self::new(path, format!("{error}{remedy}"))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for RunError {}
