//! The HTML page that summarizes a run: pictures, curves and numbers in one file.

mod html;
mod page;

pub use html::{Page, PageFigure, PageTable};
