//! Small models with random weights: they have the structure of real generators, but their images are noise.

use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source},
};
use ganlet_sim::host::ModelFile;

/// Length of the latent vector of every model here.
pub(crate) const LATENT: u16 = 12;

/// Returns numbers in -32..=31 from a linear congruential generator.
fn random(state: &mut u32, count: usize) -> Vec<i8> {
    let next = || {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((*state >> 24) as u8 as i8) / 4
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Returns a model with a dense layer and two transposed convolutions that double the size. Both sides must be multiples of four.
pub(crate) fn image_model(width: u16, height: u16, channels: u16) -> ModelFile {
    image_model_with(width, height, channels, &[])
}

/// Returns [`image_model`] with directions in latent space.
pub(crate) fn image_model_with(width: u16, height: u16, channels: u16, directions: &[Vec<i8>]) -> ModelFile {
    const INNER: u16 = 6;
    let mut state = 7;
    let start = Shape { h: height / 4, w: width / 4, c: INNER };
    let mut builder = ModelBuilder::new("noise", LATENT);
    let mut spec = |op, input, weights, bias: usize, scale: usize, gain: f64| LayerSpec {
        op,
        input,
        zero_point: 0,
        table: None,
        weights: random(&mut state, weights),
        wide: [0; 2],
        bias: vec![0; bias],
        scale: vec![(gain * 2f64.powi(32)) as u32; scale],
    };
    let up = |c| Op::ConvTranspose { k: 4, s: 2, p: 1, c };
    let inner = usize::from(INNER);
    let dense = spec(
        Op::Dense { shape: start },
        Source::Latent,
        usize::from(LATENT) * start.len() as usize,
        start.len() as usize,
        inner,
        0.03,
    );
    let input = builder.push(&dense);
    let input = builder.push(&spec(up(INNER), input, 16 * inner * inner, 4 * inner, inner, 0.012));
    let last = usize::from(channels);
    builder.push(&spec(up(channels), input, 16 * inner * last, 4 * last, last, 0.012));
    builder.directions(directions);
    ModelFile::of(&builder.finish().expect("a model that the runtime accepts"))
}
