//! A naive whole-tensor implementation of the integer arithmetic: the reference for the streaming runtime.
//!
//! It keeps complete tensors and computes each sum in one loop. It follows `docs/FORMAT.md`, reads the weights in
//! training order, and only shares the types that describe a layer with the runtime.
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, Op, Source},
};

/// An i8 tensor held in full, rows outermost, channels innermost.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Height, width and channels.
    pub shape: Shape,
    /// Zero point: the i8 value that stands for 0.
    pub zero_point: i8,
    /// Quantized values.
    pub values: Vec<i8>,
}

impl Tensor {
    /// Returns the values as pixels, 0..=255.
    pub fn pixels(&self) -> Vec<u8> {
        self.values.iter().map(|&v| (i16::from(v) + 128) as u8).collect()
    }

    /// Returns the value at (y, x, c), or the zero point outside the tensor.
    fn at(&self, y: i64, x: i64, c: usize) -> i64 {
        let (h, w) = (i64::from(self.shape.h), i64::from(self.shape.w));
        if y < 0 || x < 0 || y >= h || x >= w {
            return self.zero_point.into();
        }
        self.values[(y * w + x) as usize * usize::from(self.shape.c) + c].into()
    }
}

/// Returns the last layer's output for `latent` as pixels, 0..=255.
///
/// A conditional generator's `latent` ends with the one-hot class, as [`ganlet_runtime::Latent::values`] does.
pub fn image(layers: &[LayerSpec], latent: &[i8]) -> Vec<u8> {
    tensors(layers, latent).last().map_or_else(Vec::new, Tensor::pixels)
}

/// Returns the output of every layer, in order.
pub fn tensors(layers: &[LayerSpec], latent: &[i8]) -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = Vec::new();
    let first = Tensor { shape: Shape { h: 1, w: 1, c: latent.len() as u16 }, zero_point: 0, values: latent.to_vec() };
    for layer in layers {
        let read = |source: Source| match source {
            Source::Latent => &first,
            Source::Layer(i) => &tensors[usize::from(i)],
        };
        let tensor = apply(layer, read(layer.input), |source| read(source).clone());
        tensors.push(tensor);
    }
    tensors
}

/// Returns the output shape of a layer for an input of shape `input`, and a palette of shape `palette`.
pub fn output_shape(op: Op, input: Shape, palette: Shape) -> Shape {
    let conv = |n: u16, k: u8, s: u8, p: u8| (n + 2 * u16::from(p) - u16::from(k)) / u16::from(s) + 1;
    let transpose = |n: u16, k: u8, s: u8, p: u8| (n - 1) * u16::from(s) + u16::from(k) - 2 * u16::from(p);
    match op {
        Op::Dense { shape } => shape,
        Op::Add { .. } => input,
        Op::Palette { .. } => Shape { c: palette.c / input.c, ..input },
        Op::Upsample { factor: f } => Shape { h: input.h * u16::from(f), w: input.w * u16::from(f), c: input.c },
        Op::Conv { k, s, p, c } => Shape { h: conv(input.h, k, s, p), w: conv(input.w, k, s, p), c },
        Op::Depthwise { k, s, p } => Shape { h: conv(input.h, k, s, p), w: conv(input.w, k, s, p), c: input.c },
        Op::ConvTranspose { k, s, p, c } => Shape { h: transpose(input.h, k, s, p), w: transpose(input.w, k, s, p), c },
    }
}

fn apply(layer: &LayerSpec, input: &Tensor, read: impl Fn(Source) -> Tensor) -> Tensor {
    let palette = if let Op::Palette { colors } = layer.op { read(colors).shape } else { input.shape };
    let shape = output_shape(layer.op, input.shape, palette);
    let (c_in, c_out) = (usize::from(input.shape.c), usize::from(shape.c));
    let mut values = Vec::new();
    for y in 0..i64::from(shape.h) {
        for x in 0..i64::from(shape.w) {
            for o in 0..c_out {
                let index = values.len();
                let mut acc = 0i64;
                match layer.op {
                    Op::Dense { .. } => {
                        let units = shape.len() as usize;
                        for (i, &v) in input.values.iter().enumerate() {
                            acc += i64::from(v) * i64::from(layer.weights[i * units + index]);
                        }
                    }
                    Op::Conv { k, s, p, .. } => {
                        for (ky, kx, i) in taps(k, c_in) {
                            let (iy, ix) = (y * i64::from(s) + ky - i64::from(p), x * i64::from(s) + kx - i64::from(p));
                            let weight = layer.weights[((ky * i64::from(k) + kx) as usize * c_in + i) * c_out + o];
                            acc += input.at(iy, ix, i) * i64::from(weight);
                        }
                    }
                    Op::Depthwise { k, s, p } => {
                        for (ky, kx, _) in taps(k, 1) {
                            let (iy, ix) = (y * i64::from(s) + ky - i64::from(p), x * i64::from(s) + kx - i64::from(p));
                            let weight = layer.weights[(ky * i64::from(k) + kx) as usize * c_out + o];
                            acc += input.at(iy, ix, o) * i64::from(weight);
                        }
                    }
                    Op::ConvTranspose { k, s, p, .. } => {
                        for (ky, kx, i) in taps(k, c_in) {
                            let (ny, nx) = (y + i64::from(p) - ky, x + i64::from(p) - kx);
                            let s = i64::from(s);
                            // Only every s-th position holds an input pixel; positions outside the input are padding.
                            if ny.rem_euclid(s) == 0 && nx.rem_euclid(s) == 0 {
                                let weight = layer.weights[((ky * i64::from(k) + kx) as usize * c_out + o) * c_in + i];
                                acc += input.at(ny.div_euclid(s), nx.div_euclid(s), i) * i64::from(weight);
                            }
                        }
                    }
                    Op::Upsample { factor } => {
                        let f = i64::from(factor);
                        values.push(input.at(y / f, x / f, o) as i8);
                        continue;
                    }
                    Op::Palette { colors } => {
                        values.push(mixed(layer, (input, y, x), &read(colors), o));
                        continue;
                    }
                    Op::Add { other } => {
                        let other = read(other);
                        acc +=
                            input.at(y, x, o) * i64::from(layer.wide[0]) + other.at(y, x, o) * i64::from(layer.wide[1]);
                    }
                }
                let channel = if matches!(layer.op, Op::Add { .. }) { 0 } else { o };
                let bias = match layer.op {
                    Op::Dense { .. } if layer.bias.len() > c_out => layer.bias[index],
                    Op::ConvTranspose { s, p, .. } => {
                        let phase = |n: i64| (n + i64::from(p)) as usize % usize::from(s);
                        layer.bias[(phase(y) * usize::from(s) + phase(x)) * c_out + o]
                    }
                    _ => layer.bias[channel],
                };
                acc += i64::from(bias);
                assert!(i32::try_from(acc).is_ok(), "the accumulator does not fit into an i32");
                values.push(finish(layer, acc, layer.scale[channel]));
            }
        }
    }
    Tensor { shape, zero_point: layer.zero_point, values }
}

/// Returns channel `channel` of the mixture of the palette's colors at a pixel (y, x) of `input`.
fn mixed(layer: &LayerSpec, (input, y, x): (&Tensor, i64, i64), palette: &Tensor, channel: usize) -> i8 {
    let table = layer.table.as_ref().expect("a palette has a table");
    let colors = usize::from(input.shape.c);
    let largest = (0..colors).map(|i| input.at(y, x, i)).max().unwrap_or(0);
    let (mut sum, mut total) = (0, 0);
    for i in 0..colors {
        let share = i64::from(table[(largest - input.at(y, x, i)) as usize]);
        sum += share * (palette.at(0, 0, channel * colors + i) + 128);
        total += share;
    }
    ((sum + total / 2).div_euclid(total) - 128) as i8
}

fn taps(k: u8, c_in: usize) -> impl Iterator<Item = (i64, i64, usize)> {
    let k = i64::from(k);
    (0..k).flat_map(move |ky| (0..k).flat_map(move |kx| (0..c_in).map(move |i| (ky, kx, i))))
}

fn finish(layer: &LayerSpec, acc: i64, m: u32) -> i8 {
    let scaled = (acc * i64::from(m) + (1 << 31)).div_euclid(1 << 32);
    match &layer.table {
        None => (scaled + i64::from(layer.zero_point)).clamp(-128, 127) as i8,
        Some(table) => {
            let u = scaled.clamp(-32768, 32767) + 32768;
            let (i, fraction) = ((u / 256) as usize, u % 256);
            let (low, high) = (i64::from(table[i]), i64::from(table[i + 1]));
            let exact = low * 256 + (high - low) * fraction;
            (exact + 32768).div_euclid(65536).clamp(-128, 127) as i8
        }
    }
}
