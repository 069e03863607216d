//! Trains the classifiers with which image quality is measured, and writes them to `trainer/assets`.
//!
//! `cargo run --release -p ganlet-trainer --example feature-networks` writes the same bytes every time.
use ganlet_trainer::data;
use ganlet_trainer::evaluate::{Augmentation, ClassifierOptions, train_classifier};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let jitter = Augmentation::Jitter { rotation: 0.2, scale: 0.1, shift: 2.0 };
    let classifiers = [
        ("digits", data::digits()?, ClassifierOptions { seed: 1, steps: 6000, augmentation: jitter }),
        ("faces", data::faces()?, ClassifierOptions { seed: 1, steps: 16_000, augmentation: Augmentation::Mirror }),
    ];
    for (name, images, options) in classifiers {
        let (train, held_out) = images.default_split()?;
        let trained = train_classifier(&train, &held_out, options, |step, loss| {
            if step % 2000 == 0 {
                println!("{name}: step {step} of {}, loss {loss:.4}", options.steps);
            }
        })?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/features-{name}.bin"));
        std::fs::write(&path, &trained.file)?;
        println!(
            "{name}: accuracy {:.2} % on training images, {:.2} % on held-out images; {} bytes, hash {}",
            100.0 * trained.train_accuracy,
            100.0 * trained.held_out_accuracy,
            trained.file.len(),
            trained.hash
        );
    }
    println!("copy these hashes to trainer/src/evaluate/network.rs");
    Ok(())
}
