//! The app that shows generated pictures, and emulated panels to run it on.
//!
//! The app itself needs neither `std` nor a heap nor floating point: a board draws with it into any
//! [`DrawTarget`](embedded_graphics::draw_target::DrawTarget). With the feature `host` (the default) there are emulated
//! devices, which write pictures and animations or run in a terminal or a window.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![forbid(unsafe_code)]

mod app;
mod board;
mod color;
#[cfg(feature = "host")]
pub mod host;
mod input;
mod kept;
mod layout;
mod plot;
mod screens;
mod stream;

pub use app::{App, Screen};
pub use board::{Board, Keys, Memory, Session};
pub use color::{PanelColor, luma};
pub use input::{Button, NoSuchButton, TwoButtons};
pub use kept::Kept;
pub use layout::{Caption, Layout};
pub use screens::Theme;
pub use stream::{MAX_AVERAGED, Placement};
