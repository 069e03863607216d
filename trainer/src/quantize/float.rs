//! Runs the float network, one image at a time. It is the reference of every comparison.
use super::net::{Activation, Dims, FloatLayer, FloatNet, FloatOp, FloatSource};

impl FloatNet {
    /// Computes the image for the inputs `z`, each meaning `z / 32`: values rows first, channels innermost.
    ///
    /// # Panics
    /// If the layers do not fit together; [`super::quantize`] reports which one instead.
    pub fn forward(&self, z: &[i8]) -> Vec<f32> {
        Forward::new(self).run(z, |_, _, _| {})
    }

    /// Returns the discriminator's score D(G(z)) for the inputs `z`, 0..=1; `None` without a discriminator.
    pub fn score(&self, z: &[i8]) -> Option<f32> {
        let score = Forward::new(self).run_all(z).last().copied();
        score.filter(|_| self.discriminator_layers > 0)
    }

    /// Appends a discriminator and a sigmoid that maps its logit to a score in 0..=1.
    ///
    /// Some losses train a discriminator on score differences only, so that its logits have no absolute meaning. `real` then holds real
    /// images whose mean logit becomes the score 0.5.
    #[must_use]
    pub fn with_discriminator(mut self, discriminator: Self, real: Option<&[f32]>) -> Self {
        let (image, first) = (self.image(), self.layers.len());
        let moved = |source| match source {
            FloatSource::Latent => FloatSource::Layer(image),
            FloatSource::Layer(i) => FloatSource::Layer(first + i),
        };
        self.discriminator_layers = discriminator.layers.len();
        self.layers.extend(discriminator.layers.into_iter().map(|layer| layer.with_sources(moved)));
        if let Some(real) = real {
            let logits = Forward::new(&self).discriminate(real);
            let mean = logits.iter().map(|&v| f64::from(v)).sum::<f64>() / logits.len().max(1) as f64;
            if let Some(last) = self.layers.last_mut() {
                let bias = last.bias.first().copied().unwrap_or(0.0) - mean as f32;
                last.bias = vec![bias];
            }
        }
        if let Some(last) = self.layers.last_mut() {
            last.activation = Activation::Sigmoid;
        }
        self
    }
}

/// A network whose weights are rearranged so that those of one output are contiguous.
pub(super) struct Forward<'a> {
    net: &'a FloatNet,
    shapes: Vec<Dims>,
    weights: Vec<Vec<f32>>,
}

impl<'a> Forward<'a> {
    /// # Panics
    /// If the layers do not fit together.
    pub(super) fn new(net: &'a FloatNet) -> Self {
        let shapes = net.shapes().expect("the layers fit together");
        let arrange = |layer: &FloatLayer| match layer.op {
            FloatOp::Dense { h, w, c, .. } => transpose(&layer.weight, h * w * c),
            FloatOp::Conv { c_out, .. } => transpose(&layer.weight, c_out),
            // [k, k, c_out, c_in] to [c_out, k, k, c_in].
            FloatOp::ConvTranspose { k, c_in, c_out, .. } => (0..c_out)
                .flat_map(|o| (0..k * k).map(move |tap| (tap * c_out + o) * c_in))
                .flat_map(|at| layer.weight[at..at + c_in].iter().copied())
                .collect(),
            FloatOp::Depthwise { .. } => layer.weight.clone(),
            FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => Vec::new(),
        };
        let weights = net.layers.iter().map(arrange).collect();
        Self { net, shapes, weights }
    }

    /// Runs all layers on the inputs `z` and returns the image.
    ///
    /// `observe` receives each layer's index and its values before and after the activation.
    pub(super) fn run(&self, z: &[i8], mut observe: impl FnMut(usize, &[f32], &[f32])) -> Vec<f32> {
        let image = self.net.image();
        let mut shown = Vec::new();
        self.run_from(0, dequantized(z), |index, before, after| {
            observe(index, before, after);
            if index == image {
                shown = after.to_vec();
            }
        });
        shown
    }

    /// Runs all layers on the inputs `z` and returns the output of the last one.
    pub(super) fn run_all(&self, z: &[i8]) -> Vec<f32> {
        self.run_from(0, dequantized(z), |_, _, _| {})
    }

    /// Runs the first `layers` layers on the inputs `z`; `observe` is that of [`Self::run`].
    pub(super) fn run_first(&self, z: &[i8], layers: usize, mut observe: impl FnMut(usize, &[f32], &[f32])) {
        let mut values = vec![dequantized(z)];
        for index in 0..layers {
            let (sums, output) = self.output(index, &values);
            observe(index, &sums, &output);
            values.push(output);
        }
    }

    /// Runs the first `layers` layers on the inputs `z` and returns their outputs.
    pub(super) fn outputs(&self, z: &[i8], layers: usize) -> Vec<Vec<f32>> {
        let mut outputs = Vec::new();
        self.run_first(z, layers, |_, _, after| outputs.push(after.to_vec()));
        outputs
    }

    /// Returns the discriminator's output for each of `images`, which are stored one after the other.
    pub(super) fn discriminate(&self, images: &[f32]) -> Vec<f32> {
        let image = self.net.image();
        let each = images.chunks_exact(self.shapes[image].len());
        each.flat_map(|values| self.run_from(image + 1, values.to_vec(), |_, _, _| {})).collect()
    }

    /// Runs the layers from `first` on; `input` is the output of the layer before it, or the latent if `first` is 0.
    fn run_from(&self, first: usize, input: Vec<f32>, mut observe: impl FnMut(usize, &[f32], &[f32])) -> Vec<f32> {
        let mut values = vec![Vec::new(); first];
        values.push(input);
        for index in first..self.net.layers.len() {
            let (sums, output) = self.output(index, &values);
            observe(index, &sums, &output);
            values.push(output);
        }
        values.pop().unwrap_or_default()
    }

    /// Computes the output of layer `index` before and after its activation. `values[0]` is the latent, `values[i + 1]` the output of layer i.
    fn output(&self, index: usize, values: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
        let sums = self.sums(index, values);
        let output = sums.iter().map(|&x| self.net.layers[index].activation.apply(x)).collect();
        (sums, output)
    }

    /// Computes the output of layer `index` before its activation.
    fn sums(&self, index: usize, values: &[Vec<f32>]) -> Vec<f32> {
        let read = |source: FloatSource| match source {
            FloatSource::Latent => &values[0],
            FloatSource::Layer(i) => &values[i + 1],
        };
        let source = self.net.layers[index].input;
        let input = read(source);
        let from = self.net.shape_of(source, &self.shapes).expect("layers read earlier ones");
        let (layer, to, weights) = (&self.net.layers[index], self.shapes[index], &self.weights[index]);
        let mut out = vec![0.0; to.len()];
        for (i, value) in out.iter_mut().enumerate() {
            *value = match layer.bias.len() {
                0 => 0.0,
                n => layer.bias[i % n],
            };
        }
        match layer.op {
            FloatOp::Dense { inputs, .. } => {
                out.iter_mut().zip(weights.chunks_exact(inputs)).for_each(|(v, row)| *v += dot(row, input));
            }
            FloatOp::Upsample { factor } => {
                for (pixel, (y, x)) in out.chunks_exact_mut(to.c).zip(positions(to)) {
                    let at = ((y / factor) * from.w + x / factor) * from.c;
                    pixel.copy_from_slice(&input[at..at + from.c]);
                }
            }
            FloatOp::Add { other } => {
                out.iter_mut().zip(input.iter().zip(read(other))).for_each(|(v, (a, b))| *v = a + b);
            }
            FloatOp::Palette { palette, colors, channels } => {
                for (pixel, logits) in out.chunks_exact_mut(channels).zip(input.chunks_exact(colors)) {
                    mix(pixel, logits, read(palette));
                }
            }
            FloatOp::Depthwise { k, s, p, c } => {
                let under = |o: usize, t: usize| (o * s + t).checked_sub(p);
                for (pixel, (y, x)) in out.chunks_exact_mut(c).zip(positions(to)) {
                    for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                        let (Some(iy), Some(ix)) = (under(y, ky), under(x, kx)) else { continue };
                        if iy < from.h && ix < from.w {
                            let seen = &input[(iy * from.w + ix) * c..][..c];
                            let taps = &weights[(ky * k + kx) * c..][..c];
                            pixel.iter_mut().zip(seen.iter().zip(taps)).for_each(|(v, (a, w))| *v += a * w);
                        }
                    }
                }
            }
            FloatOp::Conv { k, s, p, .. } => {
                // The input position that tap t of output o reads.
                let under = |o: usize, t: usize| (o * s + t).checked_sub(p);
                windows(&mut out, to, input, from, k, weights, under);
            }
            FloatOp::ConvTranspose { k, s, p, .. } => {
                let under = |o: usize, t: usize| (o + p).checked_sub(t).filter(|n| n % s == 0).map(|n| n / s);
                windows(&mut out, to, input, from, k, weights, under);
            }
        }
        out
    }
}

/// Computes a pixel as the mean of the palette's colors in the shares softmax(logits).
fn mix(pixel: &mut [f32], logits: &[f32], palette: &[f32]) {
    let shares = shares(logits);
    for (value, colors) in pixel.iter_mut().zip(palette.chunks_exact(logits.len())) {
        *value = dot(&shares, colors);
    }
}

/// Returns softmax(logits).
pub(super) fn shares(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().fold(f32::MIN, |m, v| m.max(*v));
    let mut shares: Vec<f32> = logits.iter().map(|v| (v - most).exp()).collect();
    let total: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

/// Returns the real values of the inputs `z`.
fn dequantized(z: &[i8]) -> Vec<f32> {
    z.iter().map(|&v| f32::from(v) / 32.0).collect()
}

/// Computes the sums of a convolution. `under(o, t)` is the input position that tap t of output position o reads, if there is one.
fn windows(
    out: &mut [f32],
    to: Dims,
    input: &[f32],
    from: Dims,
    k: usize,
    weights: &[f32],
    under: impl Fn(usize, usize) -> Option<usize>,
) {
    for (pixel, (y, x)) in out.chunks_exact_mut(to.c).zip(positions(to)) {
        for ky in 0..k {
            let Some(iy) = under(y, ky).filter(|&iy| iy < from.h) else { continue };
            for kx in 0..k {
                let Some(ix) = under(x, kx).filter(|&ix| ix < from.w) else { continue };
                let seen = &input[(iy * from.w + ix) * from.c..][..from.c];
                for (o, value) in pixel.iter_mut().enumerate() {
                    *value += dot(&weights[((o * k + ky) * k + kx) * from.c..][..from.c], seen);
                }
            }
        }
    }
}

/// Returns all (y, x) of a tensor, row by row.
fn positions(dims: Dims) -> impl Iterator<Item = (usize, usize)> {
    (0..dims.h).flat_map(move |y| (0..dims.w).map(move |x| (y, x)))
}

/// Returns the columns of a matrix with `columns` columns, one after the other.
fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}

/// Returns the dot product. Eight partial sums fix the order of additions and let the compiler vectorize.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0; 8];
    for (x, y) in a8.zip(b8) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
