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

    /// An error whose text names the file and the remedy already.
    pub(crate) fn told(error: &io::Error) -> Self {
        Self::new(Path::new(""), error)
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; check the path",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; make it writable, or choose another folder"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room, then go on with --resume",
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                "; there is a file of that name: choose another"
            }
            _ => "",
        };
        Self::new(path, format!("{error}{remedy}"))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.as_os_str().is_empty() {
            return f.write_str(&self.what);
        }
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for RunError {}
