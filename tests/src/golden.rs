//! The networks of the golden model files, whose weights come from short formulas.
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, ModelBuilder, Op, Source, TABLE_LEN},
};

/// Returns the layers of `tiny-v2.model`: a dense layer and a transposed convolution, gray, 4x4.
pub fn tiny() -> Vec<LayerSpec> {
    let dense = Op::Dense { shape: Shape { h: 2, w: 2, c: 2 } };
    let transpose = Op::ConvTranspose { k: 4, s: 2, p: 1, c: 1 };
    vec![
        layer(dense, Source::Latent, 4 * 8, 2, -128, 1 << 26),
        layer(transpose, Source::Layer(0), 16 * 2, 4, 0, 1 << 25),
    ]
}

/// Returns `tiny-v3.model`: `tiny-v2.model` with two directions in latent space.
pub fn directed_file() -> Vec<u8> {
    let directions = [vec![64, 64, 64, 64], vec![64, -64, 64, -64]];
    builder("tiny", 4, &tiny()).directions(&directions).finish().unwrap_or_else(|e| panic!("tiny: {e}"))
}

/// Returns the layers of `kinds-v2.model`: every kind of layer and activation, three channels, 6x10.
pub fn kinds() -> Vec<LayerSpec> {
    let tabled = |mut layer: LayerSpec, entry: fn(i32) -> i32| {
        layer.table = Some(std::array::from_fn::<_, TABLE_LEN, _>(|i| entry(i as i32 - 128) as i16));
        layer
    };
    let dense = Op::Dense { shape: Shape { h: 3, w: 5, c: 3 } };
    let conv = |k, c| Op::Conv { k, s: 1, p: k / 2, c };
    let mut sum = layer(Op::Add { other: Source::Layer(0) }, Source::Layer(1), 0, 1, -20, 1 << 11);
    sum.wide = [1 << 20, 3 << 19];
    vec![
        // Leaky ReLU with slope 1/8.
        tabled(layer(dense, Source::Latent, 6 * 45, 45, 0, 1 << 30), |i| {
            if i < 0 { i * 512 } else { (i * 4096).min(32512) }
        }),
        layer(conv(3, 3), Source::Layer(0), 9 * 3 * 3, 3, 5, 1 << 23),
        sum,
        LayerSpec { bias: vec![], scale: vec![], ..layer(Op::Upsample { factor: 2 }, Source::Layer(2), 0, 0, -20, 0) },
        layer(Op::Depthwise { k: 3, s: 1, p: 1 }, Source::Layer(3), 9 * 3, 3, 7, 1 << 25),
        // A linear function that saturates at both ends.
        tabled(layer(conv(5, 3), Source::Layer(4), 25 * 3 * 3, 3, 0, 1 << 29), |i| (i * 1600).clamp(-32768, 32512)),
    ]
}

/// Returns the layers of `pyramid-v2.model`: a 4x4 level, an 8x8 level with its residual, and a discriminator; three classes.
pub fn pyramid() -> Vec<LayerSpec> {
    let dense = |h, w, c| Op::Dense { shape: Shape { h, w, c } };
    let mut sum = layer(Op::Add { other: Source::Layer(1) }, Source::Layer(2), 0, 1, 0, 1 << 11);
    sum.wide = [1 << 20, 1 << 20];
    vec![
        layer(dense(4, 4, 1), Source::Latent, 7 * 16, 16, 0, 1 << 26),
        LayerSpec { bias: vec![], scale: vec![], ..layer(Op::Upsample { factor: 2 }, Source::Layer(0), 0, 0, 0, 0) },
        layer(dense(8, 8, 1), Source::Latent, 7 * 64, 64, 0, 1 << 25),
        sum,
        layer(Op::Conv { k: 4, s: 2, p: 1, c: 4 }, Source::Layer(3), 16 * 4, 4, -128, 1 << 24),
        layer(dense(1, 1, 1), Source::Layer(4), 64, 1, 0, 1 << 23),
    ]
}

/// Returns the layers of `palette-v4.model`: the palette, features, the shares of four colors, and their mixture; 8x8.
pub fn palette() -> Vec<LayerSpec> {
    let dense = |h, w, c| Op::Dense { shape: Shape { h, w, c } };
    // The share halves with every eight steps below the largest value.
    let shares = std::array::from_fn::<_, TABLE_LEN, _>(|i| 32767 >> (i / 8).min(15));
    vec![
        layer(dense(1, 1, 12), Source::Latent, 6 * 12, 12, 3, 1 << 27),
        layer(dense(8, 8, 2), Source::Latent, 6 * 128, 128, -128, 1 << 26),
        layer(Op::Conv { k: 3, s: 1, p: 1, c: 4 }, Source::Layer(1), 9 * 2 * 4, 4, 0, 1 << 24),
        LayerSpec {
            bias: vec![],
            scale: vec![],
            table: Some(shares),
            ..layer(Op::Palette { colors: Source::Layer(0) }, Source::Layer(2), 0, 0, 3, 0)
        },
    ]
}

/// Returns the model file of [`pyramid`].
pub fn pyramid_file() -> Vec<u8> {
    let mut builder = builder("pyramid", 4, &pyramid());
    builder.classes(3).images(&[0, 3]).finish().unwrap_or_else(|e| panic!("pyramid: {e}"))
}

/// Returns the model file of `layers`, which read a latent of `latent` values.
pub fn file(name: &str, latent: u16, layers: &[LayerSpec]) -> Vec<u8> {
    builder(name, latent, layers).finish().unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Returns a builder that holds `layers`, for callers that choose the layout.
pub fn builder(name: &str, latent: u16, layers: &[LayerSpec]) -> ModelBuilder {
    let mut builder = ModelBuilder::new(name, latent);
    for layer in layers {
        builder.push(layer);
    }
    builder
}

fn layer(op: Op, input: Source, weights: usize, biases: usize, zero_point: i8, m: u32) -> LayerSpec {
    let scales = match op {
        Op::Dense { shape } => usize::from(shape.c),
        Op::ConvTranspose { c, .. } => c.into(),
        _ => biases,
    };
    LayerSpec {
        op,
        input,
        zero_point,
        table: None,
        weights: (0..weights).map(|i| ((i * 89 + 40) % 255) as i16 - 127).map(|w| w as i8).collect(),
        wide: [0; 2],
        bias: (0..biases).map(|i| 500 - 300 * i as i32 % 2000).collect(),
        scale: (0..scales).map(|i| m + i as u32 * (m >> 3)).collect(),
    }
}
