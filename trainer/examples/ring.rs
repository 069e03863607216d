//! Trains a GAN on eight Gaussians in a ring and draws its samples: `cargo run --release -p ganlet-trainer --example ring`.
use ganlet_trainer::prelude::*;

pub(crate) fn main() -> Result<(), GanError> {
    let mut gan = Gan::recipe("ring")?.seed(1).steps(600).build()?;
    gan.train(|step| {
        if step.step % 100 == 0 {
            println!("step {:4}: D(x) {:.2}, D(G(z)) {:.2}", step.step, step.d_real, step.d_fake);
        }
    })?;
    for point in gan.samples(0, 5).chunks(2) {
        println!("({:.2}, {:.2})", point[0], point[1]);
    }
    gan.save_figure(std::env::temp_dir().join("ganlet-ring.png"))
}
