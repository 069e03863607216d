//! Builds firmware for boards and for emulated cores, and reads the linked programs.

pub(crate) mod bench;
pub(crate) mod board;
pub(crate) mod elf;
pub(crate) mod machines;
pub(crate) mod samples;
mod vfp;

use crate::console;

/// Prints what is being installed.
pub(crate) fn report_installation(what: &str) {
    console::note(&format!("installing: {what}"));
}
