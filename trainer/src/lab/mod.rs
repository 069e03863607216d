//! Laboratories: small experiments that show what the literature says, each a table, figures and numbers for programs.
mod capacity;
mod compare;
mod counting;
mod densities;
mod dirac;
mod figure;
mod playground;
mod point_run;
mod points;
mod rates;
mod stacked;
mod symmetry;
mod theory;
mod vanishing;

pub use capacity::capacity;
pub use compare::compare;
pub use counting::counting;
pub use densities::densities;
pub use dirac::dirac;
pub use playground::{START as PLAYGROUND, playground};
pub use points::{LabMixture, PointsOptions, REMEDIES, points};
pub use rates::{RateGridOptions, rates};
pub use stacked::{StackedOptions, stacked};
pub use symmetry::symmetry;
pub use theory::theory;
pub use vanishing::vanishing;

use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::exec::NotFinite;
use crate::nets::NetworkError;
use crate::recipe::RecipeError;
use std::fmt;

/// A table in plain words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultTable {
    /// Above the columns; `>` in front of one puts it to the right.
    pub headings: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl ResultTable {
    /// A table with these headings and no rows.
    pub fn new(headings: &[&str]) -> Self {
        Self { headings: headings.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

/// What a laboratory found; its figures went to [`LabContext::keep`] as they were finished.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabResults {
    /// What was measured.
    pub table: ResultTable,
    /// What to read from it, a sentence each.
    pub notes: Vec<String>,
    /// The same and more for programs.
    pub values: serde_json::Value,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Takes a finished file by its name.
pub type Keep<'a> = dyn FnMut(&str, &[u8]) -> std::io::Result<()> + 'a;

/// Those who watch a laboratory.
pub struct LabContext<'a> {
    /// Whether to stop and keep what is finished.
    pub stop: &'a dyn Fn() -> bool,
    /// Hears what is going on.
    pub progress: &'a mut dyn FnMut(&str),
    /// Takes figures.
    pub save: &'a mut Keep<'a>,
    /// Threads for training; 0 for one a core.
    pub threads: usize,
}

/// Why a laboratory could not go on.
#[derive(Debug)]
pub enum LabError {
    /// What was asked for cannot be done.
    Request(String),
    /// A value was not finite.
    NotFinite(NotFinite),
    /// A figure could not be written.
    File(std::io::Error),
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => f.write_str(why),
            Self::NotFinite(e) => e.fmt(f),
            Self::File(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for LabError {}

impl From<NotFinite> for LabError {
    fn from(e: NotFinite) -> Self {
        Self::NotFinite(e)
    }
}

impl From<std::io::Error> for LabError {
    fn from(e: std::io::Error) -> Self {
        Self::File(e)
    }
}

macro_rules! asked {
    ($($error:ty),*) => {$(
        impl From<$error> for LabError {
            fn from(e: $error) -> Self {
                Self::Request(e.to_string())
            }
        }
    )*};
}

asked!(RecipeError, NetworkError, DataError, EvaluateError);

/// Refuses values of `option` of which one is there twice.
fn each_once<T: PartialEq + fmt::Debug>(option: &str, values: &[T]) -> Result<(), LabError> {
    match values.iter().enumerate().find(|(i, v)| values[..*i].contains(v)) {
        Some((_, twice)) => Err(LabError::Request(format!("{option}: {twice:?} is named twice; name each once"))),
        None => Ok(()),
    }
}

/// The middle value; the mean of two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    sorted.get(low..=high).map_or(f64::NAN, |middle| middle.iter().sum::<f64>() / middle.len() as f64)
}

#[test]
fn a_median_is_the_middle_or_the_mean_of_two() {
    assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    assert_eq!(median(&[1.0, f64::INFINITY]), f64::INFINITY);
    assert!(median(&[]).is_nan());
}
