//! Draws a generated face on any embedded-graphics display, as firmware does. The READMEs show this code.
#![no_std]

use embedded_graphics::{image::Image, pixelcolor::Rgb565, prelude::*};
use ganlet_runtime::{Arena, GeneratedImage, Generator, Model, arena_len, include_model};

static MODEL: &[u8] = include_model!("faces.model"); // stays in flash
const ARENA: usize = arena_len(MODEL); // a file that is not a model does not compile

/// Draws the face of `seed` in the display's top left corner.
pub fn draw_face<D: DrawTarget<Color = Rgb565>>(display: &mut D, seed: u32) -> Result<(), D::Error> {
    let model = Model::from_bytes(MODEL).expect("faces.model is damaged"); // checks everything, once
    let mut arena = Arena::<ARENA>::new();
    // The last call that can fail.
    let generator = Generator::new(&model, &mut arena).expect("the arena is too small");
    let face = GeneratedImage::<Rgb565>::new(generator, model.latent(seed));
    Image::new(&face, Point::zero()).draw(display) // computes and draws one row at a time
}
