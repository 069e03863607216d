//! Emulated devices on a desktop: the app with an emulated panel, shown as PNG, GIF, in a terminal or in a window.
//!
//! ```no_run
//! use ganlet_sim::{Button, host};
//!
//! # fn main() -> Result<(), host::SimError> {
//! let model = host::ModelFile::read("generator.model".as_ref())?;
//! let device = host::Device::named("st7789-240")?;
//! let mut simulator = host::Simulator::new(model.bytes(), device)?.with_seed(42);
//! simulator.press(Button::Right);
//! simulator.save_png("device.png".as_ref())?;
//! # Ok(())
//! # }
//! ```

mod bezel;
mod boards;
mod bus;
mod cycle_range;
mod device;
mod error;
mod flash_plan;
mod frame;
mod frame_cost;
mod gif;
mod graphics;
mod instructions;
mod model;
mod panel;
mod script;
mod simulator;
mod terminal;
mod text;
mod uf2;
#[cfg(feature = "window")]
mod window;

pub use bezel::DevicePortrait;
pub use boards::{
    BoardError, BoardInfo, BusRegisters, EmulatedMachine, EmulatedPanel, FlashTool, ModelRegion, RegionFit,
};
pub use bus::{Bus, Wiring};
pub use cycle_range::CycleRange;
pub use device::{Chip, ColorDepth, Device, ModelFit, UnknownDevice};
pub use error::SimError;
pub use flash_plan::{CommandLine, FlashPlan, FlashRoute, ModelPlace};
pub use frame::Frame;
pub use frame_cost::FrameCost;
pub use gif::{save_frames, save_gif};
pub use graphics::TerminalGraphics;
pub use instructions::{Core, CoreWork, DeviceCounts, ImageCount, MeasuredLayout, ModelWork, UnknownCore};
pub use model::ModelFile;
pub use script::{Script, ScriptStep};
pub use simulator::Simulator;
pub use terminal::{print_frame, run_terminal};
pub use uf2::{FlashSegment, NotAProgram, uf2_file};
#[cfg(feature = "window")]
pub use window::{WindowDevice, run_window};

/// Frames per second of the window, the terminal and the animations.
pub const FRAMES_PER_SECOND: u32 = 25;
