//! Experiments that reproduce results of the literature. Each one produces a table, figures and JSON.
mod about;
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
mod small_images;
mod stacked;
mod symmetry;
mod theory;
mod vanishing;

pub use about::{AboutExperiment, EXPERIMENTS};
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
use crate::draw::Plot;
use crate::evaluate::EvaluateError;
use crate::exec::NotFinite;
use crate::nets::NetworkError;
use crate::recipe::RecipeError;
use crate::train::StepError;
use std::fmt;

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultTable {
    /// Column headings. A column whose heading starts with `>` is aligned right.
    pub headings: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl ResultTable {
    /// Creates a table without rows.
    pub fn new(headings: &[&str]) -> Self {
        Self { headings: headings.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

/// Results of an experiment. Its figures are passed to [`LabContext::save`] while it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabResults {
    /// The measurements.
    pub table: ResultTable,
    /// Remarks on the table, one sentence each.
    pub notes: Vec<String>,
    /// The measurements as JSON.
    pub values: serde_json::Value,
    /// Whether the user stopped the experiment before its end.
    pub stopped: bool,
}

/// Saves a finished file under a name.
pub type Save<'a> = dyn FnMut(&str, &[u8]) -> std::io::Result<()> + 'a;

/// The interface between a running experiment and its caller.
pub struct LabContext<'a> {
    /// Returns whether to stop. Finished parts are kept.
    pub stop: &'a dyn Fn() -> bool,
    /// Receives messages about the progress.
    pub progress: &'a mut dyn FnMut(&str),
    /// Receives finished figures.
    pub save: &'a mut Save<'a>,
    /// Threads for training; 0 uses one per core.
    pub threads: usize,
}

impl LabContext<'_> {
    /// Saves a plot as `name.png` and `name.svg`.
    fn save_plot(&mut self, name: &str, plot: &Plot) -> std::io::Result<()> {
        (self.save)(&format!("{name}.png"), &plot.png())?;
        (self.save)(&format!("{name}.svg"), plot.svg().as_bytes())
    }
}

/// Why an experiment failed.
#[derive(Debug)]
pub enum LabError {
    /// The options cannot be used.
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

impl From<StepError> for LabError {
    fn from(e: StepError) -> Self {
        match e {
            StepError::NotFinite(e) => Self::NotFinite(e),
            StepError::Data(e) => Self::Request(e.to_string()),
        }
    }
}

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

macro_rules! request_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for LabError {
            fn from(e: $error) -> Self {
                Self::Request(e.to_string())
            }
        }
    )*};
}

request_errors!(RecipeError, NetworkError, DataError, EvaluateError);

/// Returns an error if a value of `option` is listed twice.
fn each_once<T: PartialEq + fmt::Debug>(option: &str, values: &[T]) -> Result<(), LabError> {
    match values.iter().enumerate().find(|(i, v)| values[..*i].contains(v)) {
        Some((_, twice)) => {
            Err(LabError::Request(format!("{option}: {twice:?} is listed twice; list each value once")))
        }
        None => Ok(()),
    }
}

/// The median; the mean of the two middle values if their number is even, NaN if there are none.
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
