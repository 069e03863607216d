//! The reference generators of the device benchmarks: fixed shapes, random weights from a fixed seed.
//!
//! Weights are normally distributed, quantized per output channel as the exporter does, and scaled by He's rule so that
//! every layer's values fill their range. They are not trained, since the cost of an image does not depend on its content.
use super::random_models::SplitMix64;
use ganlet_runtime::{
    FormatError, Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source, TABLE_LEN},
};

/// Root mean square of a hidden layer's values, in quantization steps above its zero point.
const HIDDEN: f64 = 60.0;
/// Root mean square of a latent value: standard normal, in quantization steps of 1/32.
const LATENT: f64 = 32.0;

/// A generator of one dense layer and transposed convolutions (k4 s2 p1), with ReLU between them and tanh at the end.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceModel {
    /// Name in tables and model files.
    pub name: &'static str,
    latent: u16,
    /// Output shape of the dense layer.
    first: Shape,
    /// Output channels of the transposed convolutions.
    channels: &'static [u16],
}

/// Gray 28x28 images, such as handwritten digits.
pub const DIGITS28: ReferenceModel =
    ReferenceModel { name: "digits28", latent: 64, first: Shape { h: 7, w: 7, c: 32 }, channels: &[16, 1] };
/// RGB 64x64 images from a DCGAN of a quarter of the usual width.
pub const DCGAN64_16: ReferenceModel =
    ReferenceModel { name: "dcgan64-16", latent: 128, first: Shape { h: 4, w: 4, c: 128 }, channels: &[64, 32, 16, 3] };
/// RGB 64x64 images from the classic DCGAN.
pub const DCGAN64_64: ReferenceModel = ReferenceModel {
    name: "dcgan64-64",
    latent: 128,
    first: Shape { h: 4, w: 4, c: 512 },
    channels: &[256, 128, 64, 3],
};
/// All reference generators, smallest first.
pub const REFERENCE_MODELS: [ReferenceModel; 3] = [DIGITS28, DCGAN64_16, DCGAN64_64];

impl ReferenceModel {
    /// Encodes the model file, every layer in the compact layout.
    ///
    /// # Errors
    /// If the model format stopped supporting these shapes.
    pub fn file(&self) -> Result<Vec<u8>, FormatError> {
        self.builder().finish()
    }

    /// Returns a builder that holds the layers, for callers that choose the layout.
    pub fn builder(&self) -> ModelBuilder {
        let mut builder = ModelBuilder::new(self.name, self.latent);
        let mut random = SplitMix64(self.name.bytes().fold(0, |seed, b| seed << 8 | u64::from(b)));

        let dense = Op::Dense { shape: self.first };
        let mut at = builder.push(&layer(&mut random, dense, Source::Latent, self.latent.into(), false));
        let mut inputs = self.first.c;
        for (i, &c) in self.channels.iter().enumerate() {
            let op = Op::ConvTranspose { k: 4, s: 2, p: 1, c };
            at = builder.push(&layer(&mut random, op, at, inputs.into(), i + 1 == self.channels.len()));
            inputs = c;
        }
        builder
    }
}

fn layer(random: &mut SplitMix64, op: Op, input: Source, inputs: usize, last: bool) -> LayerSpec {
    // In training order, a dense layer's outputs and a transposed convolution's inputs are innermost.
    let (channels, taps, fan_in) = match op {
        Op::Dense { shape } => (usize::from(shape.c), usize::from(shape.h) * usize::from(shape.w), inputs),
        Op::ConvTranspose { k, s, c, .. } => (c.into(), usize::from(k).pow(2), inputs * usize::from(k / s).pow(2)),
        _ => (0, 0, 1),
    };
    let dense = matches!(op, Op::Dense { .. });
    let channel_of = |i: usize| if dense { i % channels } else { i / inputs % channels };
    let normal: Vec<i32> = (0..taps * channels * inputs).map(|_| normal(random)).collect();
    let mut largest = vec![1; channels];
    for (i, &v) in normal.iter().enumerate() {
        let most = &mut largest[channel_of(i)];
        *most = v.abs().max(*most);
    }
    let quantized = |(i, &v): (usize, &i32)| {
        let most = largest[channel_of(i)];
        ((v * 127 * 2 + v.signum() * most) / (2 * most)) as i8
    };
    let weights: Vec<i8> = normal.iter().enumerate().map(quantized).collect();

    let (input_zero, input_rms) = if input == Source::Latent { (0, LATENT) } else { (-128, HIDDEN) };
    // ReLU keeps half of the variance. The last layer's table maps 4096 to 1.
    let wanted = if last { 4096.0 } else { HIDDEN * 2f64.sqrt() };
    let multiplier = |most: &i32| {
        let weight_rms = 127.0 * UNIT / f64::from(*most);
        (wanted / (weight_rms * input_rms * (fan_in as f64).sqrt()) * 4_294_967_296.0) as u32
    };
    LayerSpec {
        op,
        input,
        zero_point: if last { 0 } else { -128 },
        table: last.then(tanh),
        bias: folded(op, &weights, channels, inputs, input_zero),
        scale: largest.iter().map(multiplier).collect(),
        wide: [0; 2],
        weights,
    }
}

/// Returns the biases that cancel the input's zero point: `-zero · Σ weights`, over the taps of each output phase.
fn folded(op: Op, weights: &[i8], channels: usize, inputs: usize, zero: i32) -> Vec<i32> {
    let Op::ConvTranspose { k, s, .. } = op else { return vec![0; channels] };
    let (k, s) = (usize::from(k), usize::from(s));
    let mut biases = vec![0; s * s * channels];
    for (i, &w) in weights.iter().enumerate() {
        let (channel, tap) = (i / inputs % channels, i / inputs / channels);
        biases[((tap / k % s) * s + tap % k % s) * channels + channel] -= zero * i32::from(w);
    }
    biases
}

/// Standard deviation of [`normal`], which sums twelve uniform 8-bit numbers.
const UNIT: f64 = 256.0;

/// Returns an approximately normal number.
fn normal(random: &mut SplitMix64) -> i32 {
    let (a, b) = (random.next_bits().to_le_bytes(), random.next_bits().to_le_bytes());
    a.iter().chain(&b[..4]).map(|&v| 2 * i32::from(v) - 255).sum::<i32>() / 2
}

/// Returns a table of tanh over -8..8, as display levels with eight fraction bits.
fn tanh() -> [i16; TABLE_LEN] {
    std::array::from_fn(|i| {
        let x = (i as f64 - 128.0) / 16.0;
        ((x.tanh() * 127.5 - 0.5) * 256.0).round() as i16
    })
}
