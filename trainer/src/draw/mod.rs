//! Drawing primitives: images, image grids, plots, diagrams of networks and animations.
//!
//! All functions take plain data and return an [`Image`], an SVG element, or the bytes of a PNG or GIF file.

mod animation;
pub(crate) mod axis;
pub(crate) mod canvas;
mod format;
mod grid;
mod image;
mod networks;
pub(crate) mod plot;
mod plot_png;
mod plot_svg;
mod scatter;
pub(crate) mod svg;

pub use animation::animation;
pub use format::{ImageFormat, UnknownImageFormat};
pub use grid::image_grid;
pub use image::Image;
pub use networks::{NetworkDiagram, TrainingStatus};
pub use plot::{Plot, PlotSeries};
pub use scatter::Scatter;
