//! The error of every function that reads or writes a data set.

use crate::files;
use std::fmt;
use std::path::Path;

/// A data set that cannot be used. The message fits on one screen and ends with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    /// The file, folder or name that was refused.
    pub place: String,
    /// What a valid data set has there.
    pub expected: String,
    /// What was found instead.
    pub found: String,
    /// What the user can do about it.
    pub remedy: String,
}

impl DataError {
    pub(crate) fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), expected: expected.into(), found: found.into(), remedy: remedy.into() }
    }

    /// The operating system failed to read `path`.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "check the spelling; a relative path starts at the current folder",
            std::io::ErrorKind::PermissionDenied => "make it readable for this user (chmod +r)",
            _ => "check that the disk is readable",
        };
        Self::new(path.display().to_string(), "a readable file or folder", error.to_string(), remedy)
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cannot use the data in {}", files::one_line(&self.place))?;
        writeln!(f, "  expected: {}", self.expected)?;
        writeln!(f, "  found:    {}", self.found)?;
        write!(f, "  to do:    {}", self.remedy)
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_place_expectation_finding_and_remedy() {
        let text = DataError::new("x.npz", "`images`", "`pics`", "rename it").to_string();
        assert_eq!(
            text,
            "cannot use the data in x.npz\n  expected: `images`\n  found:    `pics`\n  to do:    rename it"
        );
    }
}
