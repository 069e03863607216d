//! Random integer networks with all kinds of layers, for property tests of the runtime on all cores.
use super::oracle::output_shape;
use ganlet_runtime::{
    Shape,
    encode::{LayerSpec, LayoutChoice, ModelBuilder, Op, Source},
};

/// A small reproducible random number generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// Returns the next 64 random bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number in `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_bits() % n
    }

    /// Returns a weight; one in four is ±127.
    fn weight(&mut self) -> i8 {
        match self.below(8) {
            0 => 127,
            1 => -127,
            _ => (self.below(255) as i16 - 127) as i8,
        }
    }
}

/// A random network: its layers and its model file in two layouts.
#[derive(Clone, Debug)]
pub struct RandomNet {
    /// Layers, weights in training order.
    pub layers: Vec<LayerSpec>,
    /// Length of the latent vector.
    pub latent: u16,
    /// Shape of the image.
    pub output: Shape,
    /// Model file with every layer in the compact layout.
    pub file: Vec<u8>,
    /// Model file with every layer that allows it in the fast layout.
    pub fast: Vec<u8>,
}

impl RandomNet {
    /// Builds network number `seed`.
    pub fn new(seed: u64) -> Self {
        Self::build(seed, false)
    }

    /// Builds network number `seed` with all weights at ±127, so that most values saturate.
    pub fn extreme(seed: u64) -> Self {
        Self::build(seed, true)
    }

    fn build(seed: u64, extreme: bool) -> Self {
        let mut random = SplitMix64(seed);
        let latent = 1 + random.below(20) as u16;
        let mut net = RandomNetBuilder { random, latent, extreme, layers: Vec::new(), shapes: Vec::new() };
        net.add_layers();
        let RandomNetBuilder { layers, shapes, .. } = net;
        let output = *shapes.last().unwrap();
        let mut builder = ModelBuilder::new("random", latent);
        for layer in &layers {
            builder.push(layer);
        }
        let mut file =
            |layouts| builder.layouts(layouts).finish().unwrap_or_else(|e| panic!("net {seed}: {e}: {layers:#?}"));
        let (file, fast) = (file(LayoutChoice::Compact), file(LayoutChoice::Fast));
        Self { layers, latent, output, file, fast }
    }
}

struct RandomNetBuilder {
    random: SplitMix64,
    latent: u16,
    extreme: bool,
    layers: Vec<LayerSpec>,
    shapes: Vec<Shape>,
}

impl RandomNetBuilder {
    fn add_layers(&mut self) {
        let side = |d: &mut SplitMix64, n| 1 + d.below(n) as u16;
        let d = &mut self.random;
        let shape = Shape { h: side(d, 5), w: side(d, 6), c: side(d, 9) };
        self.push(Op::Dense { shape }, Source::Latent);
        for _ in 0..self.random.below(5) {
            let before = self.last();
            let op = self.any_op(before);
            self.push(op, self.end());
            // With probability 1/3 a residual block: a convolution that keeps the shape, plus its input.
            if self.random.below(3) == 0 && self.last().h < 40 {
                let skip = self.end();
                let c = self.last().c;
                let k = 1 + 2 * self.random.below(3) as u8;
                self.push(Op::Conv { k, s: 1, p: k / 2, c }, skip);
                self.push(Op::Add { other: skip }, self.end());
            }
        }
        let c = if self.random.below(2) == 0 { 1 } else { 3 };
        let op = match self.random.below(3) {
            0 => Op::ConvTranspose { k: 4, s: 2, p: 1, c },
            1 => Op::Conv { k: 3, s: 1, p: 1, c },
            _ => Op::Dense { shape: Shape { h: 1 + self.random.below(6) as u16, w: 7, c } },
        };
        if self.random.below(3) == 0 {
            return self.add_palette(c);
        }
        self.push(op, self.end());
    }

    /// A palette of the latent or of all values so far, and the mixture of its colors.
    fn add_palette(&mut self, channels: u16) {
        let (input, colors) = (self.end(), 1 + self.random.below(6) as u16);
        let from = if self.random.below(2) == 0 { Source::Latent } else { input };
        self.push(Op::Dense { shape: Shape { h: 1, w: 1, c: colors * channels } }, from);
        let palette = self.end();
        self.push(Op::Conv { k: 3, s: 1, p: 1, c: colors }, input);
        self.push(Op::Palette { colors: palette }, self.end());
    }

    fn last(&self) -> Shape {
        *self.shapes.last().unwrap()
    }

    fn end(&self) -> Source {
        Source::Layer((self.layers.len() - 1) as u8)
    }

    fn any_op(&mut self, input: Shape) -> Op {
        let d = &mut self.random;
        let c = 1 + d.below(9) as u16;
        let small = input.h.max(input.w) < 24;
        let (k, s) = (1 + d.below(5) as u8, 1 + d.below(3) as u8);
        let p = d.below(k.into()) as u8;
        match d.below(7) {
            0 | 1 if small => Op::ConvTranspose { k: 4, s: 2, p: 1, c },
            2 if small && k >= s && (input.h.min(input.w) - 1) * u16::from(s) + u16::from(k) > 2 * u16::from(p) => {
                Op::ConvTranspose { k, s, p, c }
            }
            3 if small => Op::Upsample { factor: 1 + d.below(3) as u8 },
            4 if input.h.min(input.w) + 2 * u16::from(p) >= u16::from(k) => Op::Conv { k, s, p, c },
            5 if input.h.min(input.w) + 2 * u16::from(p) >= u16::from(k) => Op::Depthwise { k, s, p },
            _ => Op::Conv { k: 3, s: 1, p: 1, c },
        }
    }

    fn push(&mut self, op: Op, input: Source) {
        let from = match input {
            Source::Latent => Shape { h: 1, w: 1, c: self.latent },
            Source::Layer(i) => self.shapes[usize::from(i)],
        };
        let palette =
            if let Op::Palette { colors: Source::Layer(i) } = op { self.shapes[usize::from(i)] } else { from };
        let shape = output_shape(op, from, palette);
        let d = &mut self.random;
        let (c_in, c) = (usize::from(from.c), usize::from(shape.c));
        let (count, fan_in) = match op {
            Op::Dense { shape } => ((from.len() * shape.len()) as usize, from.len()),
            Op::Conv { k, .. } => (usize::from(k).pow(2) * c_in * c, u64::from(k).pow(2) * c_in as u64),
            Op::ConvTranspose { k, s, .. } => {
                (usize::from(k).pow(2) * c_in * c, u64::from(k.div_ceil(s)).pow(2) * c_in as u64)
            }
            Op::Depthwise { k, .. } => (usize::from(k).pow(2) * c, u64::from(k).pow(2)),
            Op::Upsample { .. } | Op::Add { .. } | Op::Palette { .. } => (0, 1 << 14),
        };
        let mut layer = LayerSpec {
            op,
            input,
            zero_point: d.next_bits() as i8,
            table: None,
            weights: (0..count)
                .map(|_| match d.weight() {
                    w if self.extreme => 127 * if w < 0 { -1 } else { 1 },
                    w => w,
                })
                .collect(),
            wide: [0; 2],
            bias: Vec::new(),
            scale: Vec::new(),
        };
        let per_value = matches!(op, Op::Dense { .. }) && d.below(2) == 0;
        let (biases, scales) = match op {
            Op::Upsample { .. } | Op::Palette { .. } => (0, 0),
            Op::Add { .. } => (1, 1),
            Op::ConvTranspose { s, .. } => (usize::from(s).pow(2) * c, c),
            _ => (if per_value { shape.len() as usize } else { c }, c),
        };
        match op {
            Op::Upsample { .. } | Op::Palette { .. } => {
                let copied = if let Op::Palette { colors } = op { colors } else { input };
                layer.zero_point = match copied {
                    Source::Latent => 0,
                    Source::Layer(i) => self.layers[usize::from(i)].zero_point,
                }
            }
            Op::Add { .. } => layer.wide = [d.below(1 << 21) as i32, -(d.below(1 << 21) as i32)],
            _ => {}
        }
        layer.bias = (0..biases).map(|_| d.below(40_000) as i32 - 20_000).collect();
        let table = scales > 0 && d.below(3) == 0;
        if table {
            let slope = 1 + d.below(300) as i64;
            layer.table = Some(std::array::from_fn(|i| {
                ((i as i64 - 128) * slope + d.below(200) as i64).clamp(-32768, 32767) as i16
            }));
        }
        if let Op::Palette { .. } = op {
            let halving = 1 + d.below(40) as i64;
            let first = 1 + d.below(32_767) as i64;
            layer.table = Some(std::array::from_fn(|i| (first >> (i as i64 / halving).min(15)) as i16));
        }
        // A typical accumulator fills the output range, an unusual one saturates.
        let typical = (fan_in as f64).sqrt() * 5000.0;
        let range = if table { 16000.0 } else { 90.0 } * if self.extreme { 30.0 } else { 1.0 };
        let m = (range / typical).min(0.49) * 4_294_967_296.0;
        layer.scale =
            (0..scales).map(|_| (m * (0.5 + d.below(1000) as f64 / 1000.0)).min(2_147_483_647.0) as u32).collect();
        self.layers.push(layer);
        self.shapes.push(shape);
    }
}
