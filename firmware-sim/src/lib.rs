//! Shows generated images on a microcontroller's display, and emulates such devices on a desktop.
//!
//! ```
//! use ganlet_sim::{Button, host::{Device, ModelFile, Simulator}};
//!
//! let file = ModelFile::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/faces.model").as_ref())?;
//! let mut simulator = Simulator::new(file.bytes(), Device::named("st7789-240")?)?.with_seed(42);
//! simulator.press(Button::Right);
//! assert_eq!(simulator.app().seed(), 43);
//! let panel = simulator.frame(); // the pixels of the panel; `save_png` writes an image of the whole device
//! assert_eq!((panel.width, panel.height), (240, 240));
//! # Ok::<(), ganlet_sim::host::SimError>(())
//! ```
//!
//! The app needs neither `std` nor a heap nor floating point, and draws on any
//! [`DrawTarget`](embedded_graphics::draw_target::DrawTarget). A board implements [`Board`], and [`Session`] runs the [`App`] on it. The
//! feature `host` (on by default) adds emulated devices, which write images and animations or run in a terminal or a window.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![forbid(unsafe_code)]

mod app;
mod board;
mod color;
#[cfg(feature = "host")]
pub mod host;
mod input;
mod layout;
mod plot;
mod saved_latents;
mod screens;
mod stream;

pub use app::{App, Screen};
pub use board::{Board, Inputs, RamUse, Session};
pub use color::{PanelColor, luma};
pub use input::{Button, NoSuchButton, TwoButtons};
pub use layout::{CaptionPlace, ScreenLayout};
pub use saved_latents::SavedLatents;
pub use screens::Theme;
pub use stream::{ImagePlacement, MAX_AVERAGED};

/// Compiles the code of the README.
#[cfg(all(doctest, feature = "host"))]
#[doc = include_str!("../README.md")]
struct FrontPage;
