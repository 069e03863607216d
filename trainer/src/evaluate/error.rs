//! Why samples cannot be judged.
use crate::text::grouped;
use std::fmt;

/// Samples or references that cannot be judged: what they are, what was found, what was expected, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateError {
    /// What is wrong: "generated pictures".
    pub what: &'static str,
    /// What there is.
    pub found: String,
    /// What is needed.
    pub expected: String,
    /// What the user can do.
    pub remedy: &'static str,
}

impl EvaluateError {
    /// Fewer than `least` items.
    pub(super) fn too_few(what: &'static str, found: usize, least: usize, why: &str, remedy: &'static str) -> Self {
        Self { what, found: grouped(found), expected: format!("{} or more, {why}", grouped(least)), remedy }
    }
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, expected, remedy } = self;
        write!(f, "cannot judge the {what}\n  expected: {expected}\n  found:    {found}\n  to do:    {remedy}")
    }
}

impl std::error::Error for EvaluateError {}
