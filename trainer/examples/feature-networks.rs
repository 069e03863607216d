//! Trains the classifiers that image quality is measured with and writes them to `trainer/assets`.
//!
//! `cargo run --release -p ganlet-trainer --example feature-networks`; the same bytes every time.
use ganlet_trainer::data;
use ganlet_trainer::evaluate::{Lesson, Variation, teach};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let jitter = Variation::Jitter { turn: 0.2, size: 0.1, shift: 2.0 };
    let lessons = [
        ("digits", data::digits()?, Lesson { seed: 1, steps: 6000, variation: jitter }),
        ("faces", data::faces()?, Lesson { seed: 1, steps: 16_000, variation: Variation::Mirror }),
    ];
    for (name, images, lesson) in lessons {
        let (train, held_out) = images.usual_split()?;
        let taught = teach(&train, &held_out, lesson, |step, loss| {
            if step % 2000 == 0 {
                println!("{name}: step {step} of {}, loss {loss:.4}", lesson.steps);
            }
        })?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/features-{name}.bin"));
        std::fs::write(&path, &taught.file)?;
        println!(
            "{name}: {:.2} % of its training images right, {:.2} % of held-out ones; {} bytes, hash {}",
            100.0 * taught.train_accuracy,
            100.0 * taught.held_out_accuracy,
            taught.file.len(),
            taught.hash
        );
    }
    println!("state these hashes in trainer/src/evaluate/network.rs");
    Ok(())
}
