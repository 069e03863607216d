//! Trains a GAN on images in memory and exports an int8 model: `cargo run --release -p ganlet-trainer --example own_images`.
use ganlet_trainer::prelude::*;

/// 500 images of 8x8 gray pixels: a bright square of 4x4 at a random place.
fn squares() -> Vec<u8> {
    let mut pixels = vec![0; 500 * 64];
    for (i, image) in pixels.chunks_exact_mut(64).enumerate() {
        let (left, top) = (i % 5, i / 5 % 5);
        (0..16).for_each(|p| image[(top + p / 4) * 8 + left + p % 4] = 255);
    }
    pixels
}

pub(crate) fn main() -> Result<(), GanError> {
    let images = ImageDataset::new("squares", (8, 8, 1), squares(), None)?;
    let mut gan = Gan::recipe("faces")?.set("generator.widths=[32, 16]")?.data(images).steps(150).build()?;
    gan.train(|step| {
        if step.step % 50 == 0 {
            println!("step {:3}: losses D {:.3}, G {:.3}", step.step, step.discriminator_loss, step.generator_loss);
        }
    })?;
    gan.save_figure(std::env::temp_dir().join("ganlet-squares.png"))?;

    let model = gan.export(std::env::temp_dir().join("ganlet-squares.model"))?;
    println!("{} bytes, {:.1} dB from float to int8", model.file.len(), model.report.psnr.mean_db);
    Ok(())
}
