//! Firmware for boards and for emulated cores: built, linked and read back.

pub(crate) mod bench;
pub(crate) mod board;
pub(crate) mod elf;
pub(crate) mod machines;
pub(crate) mod samples;
mod vfp;

use crate::console;

/// Tells the user what is being installed.
pub(crate) fn report_installation(what: &str) {
    console::note(&format!("installing: {what}"));
}
