//! Prints a generated face as text: `cargo run -p ganlet-runtime --example ascii -- 7` for seed 7.

use ganlet_runtime::{Arena, Generator, Model, arena_len, include_model};

static MODEL: &[u8] = include_model!("faces.model");
const ARENA: usize = arena_len(MODEL);

/// Characters from dark to bright.
const SHADES: &[u8] = b" .:-=+*#%@";

/// Returns the image of `seed` as text, two characters per pixel.
pub fn draw(seed: u32) -> Result<String, Box<dyn std::error::Error>> {
    let model = Model::from_bytes(MODEL)?;
    let mut arena = Arena::<ARENA>::new();
    let mut generator = Generator::new(&model, &mut arena)?;
    let mut text = String::new();
    let mut rows = generator.rows(&model.latent(seed));
    while let Some(row) = rows.next_row() {
        for pixel in row.chunks(model.channels().into()) {
            let mean = pixel.iter().map(|&v| usize::from(v)).sum::<usize>() / pixel.len();
            let shade = char::from(SHADES[mean * SHADES.len() / 256]);
            text.extend([shade, shade]);
        }
        text.push('\n');
    }
    Ok(text)
}

#[allow(dead_code, reason = "a test includes this file")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |word| word.parse())?;
    print!("{}", draw(seed)?);
    Ok(())
}
