//! HTML pages: of a run, with images, curves and numbers in one file, and of an experiment.

mod experiment;
mod html;
mod neighbors;
mod numbers;
mod page;
mod run;

pub use experiment::ExperimentPage;
pub use html::{Page, PageFigure, PageTable};
