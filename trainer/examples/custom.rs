//! Trains with a custom data set, custom networks and a custom loss: `cargo run --release -p ganlet-trainer --example custom`.
use ganlet_trainer::prelude::*;

/// Points on a circle of radius 1.
struct Circle;

impl Dataset for Circle {
    fn name(&self) -> &str {
        "circle"
    }

    fn shape(&self) -> &[usize] {
        &[2]
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        key.uniform(out);
        for point in out.chunks_exact_mut(2) {
            let (sin, cos) = (point[0] * std::f32::consts::TAU).sin_cos();
            point.copy_from_slice(&[cos, sin]);
        }
    }
}

/// Mean of softplus(sign · scores): the cross-entropy of logits.
fn cross_entropy(g: &mut Graph, scores: NodeId, sign: f32) -> NodeId {
    let signed = g.affine(scores, sign, 0.0);
    let losses = g.unary(Unary::Softplus, signed);
    g.mean(losses)
}

pub(crate) fn main() -> Result<(), GanError> {
    let hidden = |inputs| [Layer::dense(inputs, &[32]), Layer::leaky_relu(0.2)];
    let generator = [&hidden(4)[..], &hidden(32), &[Layer::dense(32, &[2])]].concat();
    let discriminator = [&hidden(2)[..], &hidden(32), &[Layer::score(32)]].concat();
    let mut gan = Gan::recipe("ring+non-saturating")?
        .data(Circle)
        .generator(Network::new("generator", &[4], generator))
        .discriminator(Network::new("discriminator", &[2], discriminator))
        .loss(
            |g, scores| {
                let (real, fake) = (cross_entropy(g, scores.real, -1.0), cross_entropy(g, scores.fake, 1.0));
                g.add(real, fake)
            },
            |g, scores| cross_entropy(g, scores.fake, -1.0),
        )
        .steps(300)
        .build()?;
    gan.train(|_| {})?;
    let radius = |p: &[f32]| p[0].hypot(p[1]);
    let mean = gan.samples(0, 1000).chunks(2).map(radius).sum::<f32>() / 1000.0;
    println!("mean radius of the samples {mean:.2}, of the data 1");
    Ok(())
}
