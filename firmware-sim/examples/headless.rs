//! Runs the app on an emulated device without a window and saves what its panel shows:
//! `cargo run -p ganlet-sim --example headless -- faces.model device.png`.

use ganlet_sim::host::{Device, ModelFile, SimError, Simulator};
use ganlet_sim::{Button, Screen};
use std::path::Path;

/// Opens `model` on a 240x240 panel, goes to the next image, then to the walk, and saves the panel as `png`.
///
/// Returns the screen that is shown at the end.
pub fn session(model: &Path, png: &Path) -> Result<Screen, SimError> {
    let file = ModelFile::read(model)?;
    let mut simulator = Simulator::new(file.bytes(), Device::named("st7789-240")?)?.with_seed(42);
    simulator.press(Button::Right); // seed 43
    simulator.press(Button::Select); // the walk from seed 43 to 44
    for _ in 0..25 {
        simulator.tick(); // one second
    }
    simulator.save_png(png)?;
    Ok(simulator.app().screen())
}

#[allow(dead_code, reason = "a test includes this file")]
fn main() -> Result<(), SimError> {
    let mut words = std::env::args().skip(1);
    let faces = concat!(env!("CARGO_MANIFEST_DIR"), "/models/faces.model").to_owned();
    let (model, png) = (words.next().unwrap_or(faces), words.next().unwrap_or_else(|| "device.png".to_owned()));
    session(model.as_ref(), png.as_ref())?;
    println!("wrote {png}");
    Ok(())
}
