//! The HTML page that summarizes a run: images, curves and numbers in one file.

mod html;
mod page;

pub use html::{Page, PageFigure, PageTable};
