//! The float network run one picture at a time: the reference of every comparison.
use super::net::{Dims, FloatNet, FloatOp, FloatSource};

/// A network with its weights laid out for running: for each output, the weights of its inputs in a row.
pub(super) struct Forward<'a> {
    net: &'a FloatNet,
    shapes: Vec<Dims>,
    weights: Vec<Vec<f32>>,
}

impl<'a> Forward<'a> {
    /// # Panics
    /// When the layers do not fit together.
    pub(super) fn new(net: &'a FloatNet) -> Self {
        let shapes = net.shapes().expect("the layers fit together");
        let arrange = |layer: &super::FloatLayer| match layer.op {
            FloatOp::Dense { h, w, c, .. } => transpose(&layer.weight, h * w * c),
            FloatOp::Conv { c_out, .. } => transpose(&layer.weight, c_out),
            // [k, k, c_out, c_in] to [c_out, k, k, c_in].
            FloatOp::ConvTranspose { k, c_in, c_out, .. } => (0..c_out)
                .flat_map(|o| (0..k * k).map(move |tap| (tap * c_out + o) * c_in))
                .flat_map(|at| layer.weight[at..at + c_in].iter().copied())
                .collect(),
            FloatOp::Depthwise { .. } => layer.weight.clone(),
            FloatOp::Upsample { .. } | FloatOp::Add { .. } => Vec::new(),
        };
        let weights = net.layers.iter().map(arrange).collect();
        Self { net, shapes, weights }
    }

    /// Runs latent `z` to the picture and behind it; `see` gets every layer's number, values before and after its activation. Gives the picture.
    pub(super) fn run(&self, z: &[i8], mut see: impl FnMut(usize, &[f32], &[f32])) -> Vec<f32> {
        let picture = self.net.picture();
        let mut shown = Vec::new();
        self.chain(0, latent(z), |index, before, after| {
            see(index, before, after);
            if index == picture {
                shown = after.to_vec();
            }
        });
        shown
    }

    /// What the very last layer makes of latent `z`.
    pub(super) fn run_all(&self, z: &[i8]) -> Vec<f32> {
        self.chain(0, latent(z), |_, _, _| {})
    }

    /// What the layers behind the picture say of pictures, one after the other.
    pub(super) fn judge(&self, pictures: &[f32]) -> Vec<f32> {
        let picture = self.net.picture();
        let judged = pictures.chunks_exact(self.shapes[picture].len());
        judged.flat_map(|values| self.chain(picture + 1, values.to_vec(), |_, _, _| {})).collect()
    }

    /// Runs the layers from `first` on, on what the one before made (the latent, for the very first).
    fn chain(&self, first: usize, given: Vec<f32>, mut see: impl FnMut(usize, &[f32], &[f32])) -> Vec<f32> {
        // One value more than layers: the latent stands in front.
        let mut values = vec![Vec::new(); first];
        values.push(given);
        for (index, layer) in self.net.layers.iter().enumerate().skip(first) {
            let sums = self.sums(index, &values);
            values.push(sums.iter().map(|&x| layer.activation.apply(x)).collect());
            see(index, &sums, &values[index + 1]);
        }
        values.pop().unwrap_or_default()
    }

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
                for (pixel, (y, x)) in out.chunks_exact_mut(to.c).zip(places(to)) {
                    let at = ((y / factor) * from.w + x / factor) * from.c;
                    pixel.copy_from_slice(&input[at..at + from.c]);
                }
            }
            FloatOp::Add { other } => {
                out.iter_mut().zip(input.iter().zip(read(other))).for_each(|(v, (a, b))| *v = a + b);
            }
            FloatOp::Depthwise { k, s, p, c } => {
                let under = |o: usize, t: usize| (o * s + t).checked_sub(p);
                for (pixel, (y, x)) in out.chunks_exact_mut(c).zip(places(to)) {
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
                // The input position under tap t of output o.
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

fn latent(z: &[i8]) -> Vec<f32> {
    z.iter().map(|&v| f32::from(v) / 32.0).collect()
}

/// Adds the products of all taps that `under` puts on the picture.
fn windows(
    out: &mut [f32],
    to: Dims,
    input: &[f32],
    from: Dims,
    k: usize,
    weights: &[f32],
    under: impl Fn(usize, usize) -> Option<usize>,
) {
    for (pixel, (y, x)) in out.chunks_exact_mut(to.c).zip(places(to)) {
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

fn places(dims: Dims) -> impl Iterator<Item = (usize, usize)> {
    (0..dims.h).flat_map(move |y| (0..dims.w).map(move |x| (y, x)))
}

/// Columns of a matrix of `columns` columns, one behind the other.
fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}

/// Eight sums side by side: the order is fixed, and a compiler may use vectors.
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
