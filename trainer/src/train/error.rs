//! Why a training step failed.
use crate::data::DataError;
use crate::exec::NotFinite;
use std::fmt;

/// Why a step failed. The update that failed was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// A loss or a gradient was not finite.
    NotFinite(NotFinite),
    /// Training examples could not be read.
    Data(DataError),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(e) => e.fmt(f),
            Self::Data(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for StepError {}

impl From<NotFinite> for StepError {
    fn from(e: NotFinite) -> Self {
        Self::NotFinite(e)
    }
}
