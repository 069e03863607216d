//! Why samples cannot be evaluated.
use super::RejectionError;
use crate::data::DataError;
use crate::text::grouped;
use ganlet_runtime::FormatError;
use std::fmt;

/// Why samples cannot be evaluated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Unsuitable samples or reference data.
    Unsuitable {
        /// The samples or data, such as "generated images".
        subject: &'static str,
        /// What was found.
        found: String,
        /// What is required.
        expected: String,
        /// What the user can do.
        remedy: String,
    },
    /// The model file is not valid.
    Format(FormatError),
    /// The data to compare with cannot be loaded.
    Data(DataError),
    /// The discriminator cannot accept and reject images.
    Rejection(RejectionError),
}

impl EvaluateError {
    /// There are fewer than `least` items.
    pub(super) fn too_few(subject: &'static str, found: usize, least: usize, why: &str, remedy: &str) -> Self {
        let expected = format!("{} or more, {why}", grouped(least));
        Self::Unsuitable { subject, found: grouped(found), expected, remedy: remedy.into() }
    }
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsuitable { subject, found, expected, remedy } => {
                let lines = format!("  expected: {expected}\n  found:    {found}\n  to do:    {remedy}");
                write!(f, "cannot evaluate the {subject}\n{lines}")
            }
            Self::Format(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Rejection(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EvaluateError {}

impl From<FormatError> for EvaluateError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl From<DataError> for EvaluateError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl From<RejectionError> for EvaluateError {
    fn from(error: RejectionError) -> Self {
        Self::Rejection(error)
    }
}
