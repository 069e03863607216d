//! The examples run, and the model that they show is the one in `firmware-sim/models`.
#![allow(missing_docs, reason = "a test")]

#[path = "../examples/ascii.rs"]
pub mod ascii;
#[allow(unused_attributes, reason = "`no_std` applies where the file is a crate of its own")]
#[path = "../examples/device.rs"]
pub mod device;

use embedded_graphics::{mock_display::MockDisplay, prelude::*};

#[test]
fn the_ascii_example_prints_one_line_per_row() {
    let face = ascii::draw(7).unwrap();
    assert_eq!(face.lines().map(str::len).collect::<Vec<_>>(), [32; 16]);
    assert_ne!(face, ascii::draw(8).unwrap());
}

#[test]
fn the_device_example_draws_the_whole_image() {
    let mut display = MockDisplay::new();
    device::draw_face(&mut display, 7).unwrap();
    assert_eq!(display.affected_area().size, Size::new(16, 16));
}
