//! Runs the crate's examples as a user would.
#![forbid(unsafe_code)]

#[path = "../examples/custom.rs"]
mod custom;
#[path = "../examples/own_images.rs"]
mod own_images;
#[path = "../examples/ring.rs"]
mod ring;

#[test]
fn the_ring_trains_and_is_drawn() {
    ring::main().unwrap();
}

#[test]
fn own_images_are_trained_on_and_exported() {
    own_images::main().unwrap();
}

#[test]
fn a_custom_data_set_with_custom_networks_and_loss_trains() {
    custom::main().unwrap();
}
