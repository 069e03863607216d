//! What a run leaves for people to look at: picture grids, animations, plots and a page of HTML.
//!
//! Everything takes plain data and gives bytes or text; [`write()`] puts them on disk, whole or not at all.

mod animation;
pub(crate) mod axis;
mod grid;
mod html;
mod image;
mod networks;
mod number;
mod page;
mod plot;
pub(crate) mod plot_png;
mod plot_svg;
mod scatter;
mod write;

pub use animation::animation;
pub use grid::grid;
pub use html::{Figure, Report, Table, html};
pub use image::Image;
pub use networks::{Networks, Standing};
pub use plot::{Plot, Series};
pub use scatter::Scatter;
pub use write::write;
