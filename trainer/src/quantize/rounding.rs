//! Rounds weights so that the errors of one output cancel each other on the inputs that occur.
//!
//! Rounding each weight to the nearest integer ignores that inputs are correlated. Here the weights of an output are rounded one after
//! the other, and the error of each is passed on to those that are not rounded yet, in the proportion that keeps the output closest to
//! the float one: optimal brain quantization (Frantar & Alistarh 2022, eq. 2 and 3) in the fixed order of GPTQ (Frantar et al. 2023,
//! section 3.3).
use super::calibrate::parallel;
use super::float::{Forward, shares};
use super::net::{Activation, Dims, FloatLayer, FloatNet, FloatOp, FloatSource};
use ndarray::{Array2, ArrayView2, Axis};
use std::ops::Range;

/// Images whose activations are inputs of the layers.
const IMAGES: usize = 128;
/// Latents whose activations are inputs of the dense layers before the first convolution: each gives only one window.
const LATENTS: usize = 1024;
/// Windows of each image and phase.
const WINDOWS: usize = 48;
/// Windows of each image and phase for layers whose outputs matter at few positions.
const SENSITIVE_WINDOWS: usize = 144;
/// Layers whose outputs sum more products are rounded to the nearest: their matrices would be too large.
const MOST_PRODUCTS: usize = 1152;
/// Share of the mean variance that is added to all variances, so that rare inputs do not dominate.
const DAMPING: f64 = 0.01;
/// Largest integer weight.
const MOST: f64 = 127.0;

/// Returns the integer weights of each layer, in the order of its float weights; empty for a layer whose weights are rounded to the nearest.
///
/// The weight 127 stands for the largest weight of each output channel.
pub(super) fn round(net: &FloatNet) -> Vec<Vec<i8>> {
    let windows = collect_windows(net);
    parallel(net.layers.len(), |i| round_layer(&net.layers[i], &windows[i]))
}

/// Number of phases of a layer, and of the products that are summed into an output of one phase; `None` for layers that are not rounded
/// here. Latent values are independent, so the first layers have nothing to gain.
fn phases(layer: &FloatLayer) -> Option<(usize, usize)> {
    let (phases, products) = match layer.op {
        FloatOp::Dense { inputs, .. } => (1, inputs),
        FloatOp::Conv { k, c_in, .. } => (1, k * k * c_in),
        FloatOp::ConvTranspose { k, s, c_in, .. } if s > 0 && k % s == 0 => (s * s, (k / s) * (k / s) * c_in),
        _ => return None,
    };
    (layer.input != FloatSource::Latent && products <= MOST_PRODUCTS).then_some((phases, products))
}

/// Returns, for each output of a phase, the indices of the weights that are summed into it, in the order of the values of a window.
fn groups(layer: &FloatLayer, phase: usize) -> Vec<Vec<usize>> {
    match layer.op {
        FloatOp::Dense { inputs, h, w, c } => {
            let outputs = h * w * c;
            (0..outputs).map(|o| (0..inputs).map(|i| i * outputs + o).collect()).collect()
        }
        FloatOp::Conv { k, c_in, c_out, .. } => {
            (0..c_out).map(|o| (0..k * k * c_in).map(|i| i * c_out + o).collect()).collect()
        }
        FloatOp::ConvTranspose { k, s, c_in, c_out, .. } => {
            let taps: Vec<usize> = taps(k, s, phase).map(|(ky, kx)| ky * k + kx).collect();
            let weights = |o: usize, tap: usize| (0..c_in).map(move |i| (tap * c_out + o) * c_in + i);
            (0..c_out).map(|o| taps.iter().flat_map(|&tap| weights(o, tap)).collect()).collect()
        }
        _ => Vec::new(),
    }
}

/// The taps (ky, kx) of a phase of a transposed convolution.
fn taps(k: usize, s: usize, phase: usize) -> impl Iterator<Item = (usize, usize)> {
    (phase / s..k).step_by(s).flat_map(move |ky| (phase % s..k).step_by(s).map(move |kx| (ky, kx)))
}

/// Windows of the inputs of one phase of a layer.
#[derive(Clone, Default)]
struct Windows {
    /// The values of each window, one after the other.
    values: Vec<f32>,
    /// How much each output of each window changes the image; empty if that is not known.
    sensitivity: Vec<f32>,
}

/// Collects windows of the inputs of each layer, by layer and phase.
fn collect_windows(net: &FloatNet) -> Vec<Vec<Windows>> {
    let dense = net.layers.iter().take_while(|layer| matches!(layer.op, FloatOp::Dense { .. })).count();
    let mut all = windows_of_layers(net, 0..dense, LATENTS);
    all.extend(windows_of_layers(net, dense..net.layers.len(), IMAGES));
    all
}

/// Collects windows of the inputs of some layers on the first `seeds` latents.
fn windows_of_layers(net: &FloatNet, layers: Range<usize>, seeds: usize) -> Vec<Vec<Windows>> {
    let (forward, shapes) = (Forward::new(net), net.shapes().unwrap_or_default());
    let images = parallel(seeds, |seed| {
        let outputs = forward.outputs(&net.inputs_of_seed(seed as u32), layers.end);
        let of_layer = |index: usize| -> Vec<Windows> {
            let layer = &net.layers[index];
            let (Some((count, _)), FloatSource::Layer(from)) = (phases(layer), layer.input) else { return Vec::new() };
            let (input, to) = ((&outputs[from][..], shapes[from]), shapes[index]);
            let sensitivity = sensitivity(net, index, &outputs).unwrap_or_default();
            let most = if sensitivity.is_empty() { WINDOWS } else { SENSITIVE_WINDOWS };
            (0..count).map(|phase| windows(layer.op, input, to, &sensitivity, (phase, seed, most))).collect()
        };
        layers.clone().map(of_layer).collect::<Vec<_>>()
    });
    let count = |index: usize| phases(&net.layers[index]).map_or(0, |(count, _)| count);
    let mut all: Vec<Vec<Windows>> = layers.clone().map(|index| vec![Windows::default(); count(index)]).collect();
    for image in images {
        for (all, phases) in all.iter_mut().zip(image) {
            for (all, windows) in all.iter_mut().zip(phases) {
                all.values.extend(windows.values);
                all.sensitivity.extend(windows.sensitivity);
            }
        }
    }
    all
}

/// Returns how much a small change of each sum of layer `index`, before its activation, changes the image; `None` if all changes are equal or
/// unknown, which is the case unless the layer computes the image or the logits of a palette.
///
/// A logit z of a color with share p changes the pixel by p·(color - pixel)·dz. Most logits change nothing, because one color has the
/// whole share.
fn sensitivity(net: &FloatNet, index: usize, outputs: &[Vec<f32>]) -> Option<Vec<f32>> {
    let (layer, values) = (&net.layers[index], &outputs[index]);
    let slope = |y: f32| match layer.activation {
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Bounded(limit) => 1.0 - (y / limit).powi(2),
        _ => 1.0,
    };
    let image = net.image();
    if index == image {
        return (layer.activation != Activation::Linear).then(|| values.iter().map(|&y| slope(y)).collect());
    }
    let FloatOp::Palette { palette: FloatSource::Layer(palette), colors, channels } = net.layers[image].op else {
        return None;
    };
    if net.layers[image].input != FloatSource::Layer(index) {
        return None;
    }
    let (palette, pixels) = (outputs.get(palette)?, outputs.get(image)?);
    let of_pixel = |(logits, pixel): (&[f32], &[f32])| -> Vec<f32> {
        let shares = shares(logits);
        let distance = |color: usize| {
            let of_channel = |channel: usize| (palette[channel * colors + color] - pixel[channel]).powi(2);
            (0..channels).map(of_channel).sum::<f32>().sqrt()
        };
        (0..colors).map(|color| shares[color] * distance(color) * slope(logits[color])).collect()
    };
    Some(values.chunks_exact(colors).zip(pixels.chunks_exact(channels)).flat_map(of_pixel).collect())
}

/// The input position that a tap of an output position reads, if it is not in the padding; both along one axis.
type Read = dyn Fn(usize, usize) -> Option<usize>;

/// Returns up to `most` windows of `input` that a phase of an operation sums, at positions that differ from seed to seed.
fn windows(
    op: FloatOp,
    (input, from): (&[f32], Dims),
    to: Dims,
    sensitivity: &[f32],
    (phase, seed, most): (usize, usize, usize),
) -> Windows {
    let (taps, stride, start, read): (Vec<(usize, usize)>, _, _, Box<Read>) = match op {
        FloatOp::Conv { k, s, p, .. } => {
            let taps = (0..k * k).map(|tap| (tap / k, tap % k)).collect();
            (taps, 1, [0, 0], Box::new(move |o, t| (o * s + t).checked_sub(p)))
        }
        FloatOp::ConvTranspose { k, s, p, .. } => {
            let first = |r: usize| (r + s - p % s) % s;
            let read = move |o: usize, t: usize| (o + p).checked_sub(t).map(|n| n / s);
            (self::taps(k, s, phase).collect(), s, [first(phase / s), first(phase % s)], Box::new(read))
        }
        _ => return Windows { values: input.to_vec(), sensitivity: Vec::new() },
    };
    let rows = (start[0]..to.h).step_by(stride);
    let positions: Vec<(usize, usize)> =
        rows.flat_map(|y| (start[1]..to.w).step_by(stride).map(move |x| (y, x))).collect();
    let step = positions.len().div_ceil(most).max(1);
    let mut windows = Windows::default();
    for &(y, x) in positions.iter().skip(seed % step).step_by(step) {
        for &(ky, kx) in &taps {
            let pixel = read(y, ky).zip(read(x, kx)).filter(|&(iy, ix)| iy < from.h && ix < from.w);
            match pixel {
                Some((iy, ix)) => windows.values.extend_from_slice(&input[(iy * from.w + ix) * from.c..][..from.c]),
                None => windows.values.extend(std::iter::repeat_n(0.0, from.c)),
            }
        }
        if !sensitivity.is_empty() {
            windows.sensitivity.extend_from_slice(&sensitivity[(y * to.w + x) * to.c..][..to.c]);
        }
    }
    windows
}

/// Rounds the weights of a layer, whose inputs are the `windows` of each phase.
fn round_layer(layer: &FloatLayer, windows: &[Windows]) -> Vec<i8> {
    let Some((_, products)) = phases(layer) else { return Vec::new() };
    let mut rounded = vec![0; layer.weight.len()];
    let largest = layer.largest_weights();
    for (phase, windows) in windows.iter().enumerate() {
        let feedback = |sensitivity: Option<&[f32]>| Feedback::new(&windows.values, products, sensitivity);
        let shared = if windows.sensitivity.is_empty() { feedback(None) } else { None };
        for (output, group) in groups(layer, phase).iter().enumerate() {
            let own: Vec<f32> = windows.sensitivity.iter().skip(output).step_by(largest.len()).copied().collect();
            // The covariance has no inverse if the output never matters.
            let own = if own.is_empty() { None } else { feedback(Some(&own)).or_else(|| feedback(None)) };
            let Some(feedback) = own.as_ref().or(shared.as_ref()) else { return Vec::new() };
            let step = f64::from(largest[layer.channel_of(group[0])]) / MOST;
            if step > 0.0 {
                let weights: Vec<f64> = group.iter().map(|&i| f64::from(layer.weight[i]) / step).collect();
                group.iter().zip(feedback.round(weights)).for_each(|(&i, q)| rounded[i] = q);
            }
        }
    }
    rounded
}

/// How the rounding error of a weight is passed on to the others.
struct Feedback {
    /// The weights in the order of rounding: those of the inputs that vary most come first.
    order: Vec<usize>,
    /// The upper triangular matrix U with UᵀU = H⁻¹, where H is the covariance of the inputs in this order.
    upper: Array2<f64>,
}

impl Feedback {
    /// Computes the feedback for `windows` of `n` values each, to which the output has this `sensitivity`; `None` if the covariance has no
    /// inverse.
    fn new(windows: &[f32], n: usize, sensitivity: Option<&[f32]>) -> Option<Self> {
        let mut windows = ArrayView2::from_shape((windows.len() / n, n), windows).ok()?.to_owned();
        // The bias corrects the mean error.
        let mean = windows.mean_axis(Axis(0))?;
        windows -= &mean;
        for (mut window, &factor) in windows.rows_mut().into_iter().zip(sensitivity.unwrap_or_default()) {
            window *= factor;
        }
        let covariance = windows.t().dot(&windows).mapv(f64::from);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| covariance[[b, b]].total_cmp(&covariance[[a, a]]));
        let damping = DAMPING * covariance.diag().sum() / n as f64;
        let mut upper = Array2::from_shape_fn((n, n), |(i, j)| {
            covariance[[order[i], order[j]]] + if i == j { damping } else { 0.0 }
        });
        factor(&mut upper)?;
        invert(&mut upper);
        Some(Self { order, upper })
    }

    /// Rounds the weights of one output, given in integer steps.
    fn round(&self, mut weights: Vec<f64>) -> Vec<i8> {
        let mut rounded = vec![0; weights.len()];
        for (i, &at) in self.order.iter().enumerate() {
            let row = self.upper.row(i);
            let q = weights[at].round().clamp(-MOST, MOST);
            rounded[at] = q as i8;
            let error = (weights[at] - q) / row[i];
            for (u, &later) in row.iter().zip(&self.order).skip(i + 1) {
                weights[later] -= error * u;
            }
        }
        rounded
    }
}

/// Replaces a symmetric positive definite matrix by the upper triangular U with U·Uᵀ equal to it; `None` if it is not positive definite.
fn factor(m: &mut Array2<f64>) -> Option<()> {
    for j in (0..m.nrows()).rev() {
        let pivot = m[[j, j]];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let root = pivot.sqrt();
        // Column j of U.
        (0..j).for_each(|i| m[[i, j]] /= root);
        m[[j, j]] = root;
        let column: Vec<f64> = (0..j).map(|i| m[[i, j]]).collect();
        for (i, mut row) in m.rows_mut().into_iter().enumerate().take(j) {
            let factor = column[i];
            row.iter_mut().zip(&column).for_each(|(v, c)| *v -= factor * c);
        }
        m.row_mut(j).iter_mut().take(j).for_each(|v| *v = 0.0);
    }
    Some(())
}

/// Replaces an upper triangular matrix by its inverse.
fn invert(m: &mut Array2<f64>) {
    let n = m.nrows();
    for i in (0..n).rev() {
        // Row i of the inverse: the unit row minus the products with the rows below, which are inverted already.
        let own: Vec<f64> = m.row(i).iter().copied().collect();
        let mut row = vec![0.0; n];
        row[i] = 1.0;
        for (j, factor) in own.iter().enumerate().skip(i + 1) {
            row.iter_mut().zip(m.row(j)).skip(j).for_each(|(v, below)| *v -= factor * below);
        }
        m.row_mut(i).iter_mut().zip(row).for_each(|(to, v)| *to = v / own[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Key;

    #[test]
    fn the_factor_of_the_inverse_is_upper_triangular() {
        let original = ndarray::arr2(&[[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]);
        let mut upper = original.clone();
        factor(&mut upper).unwrap();
        assert!((&upper.dot(&upper.t()) - &original).iter().all(|v: &f64| v.abs() < 1e-12), "{upper}");
        invert(&mut upper);
        let unit = upper.t().dot(&upper).dot(&original);
        assert!((unit - Array2::<f64>::eye(3)).iter().all(|v| v.abs() < 1e-12) && upper[[2, 0]] == 0.0, "{upper}");
        assert!(factor(&mut ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]])).is_none());
    }

    #[test]
    fn errors_of_correlated_inputs_cancel() {
        // Two inputs that are always equal: only the sum of their weights matters.
        let windows: Vec<f32> = (0..64).flat_map(|i| [i as f32, i as f32]).collect();
        let feedback = Feedback::new(&windows, 2, None).unwrap();
        let rounded = feedback.round(vec![3.4, 5.4]);
        assert_eq!(rounded.iter().map(|q| i32::from(*q)).sum::<i32>(), 9, "{rounded:?}");
        // Independent inputs keep the nearest weights.
        let windows: Vec<f32> = (0..64).flat_map(|i| [(i % 8) as f32, (i / 8) as f32]).collect();
        assert_eq!(Feedback::new(&windows, 2, None).unwrap().round(vec![3.4, -5.4]), [3, -5]);
    }

    /// A generator of 8x8 pixels with random weights and every operation whose weights are rounded here.
    fn generator() -> FloatNet {
        let layer = |index: usize, op: FloatOp, activation| {
            let mut weight = vec![0.0; op.weights()];
            Key { seed: 5, stream: index as u32, step: 0 }.normal(&mut weight);
            FloatLayer { op, input: FloatSource::before(index), weight, bias: Vec::new(), activation }
        };
        let layers = vec![
            layer(0, FloatOp::Dense { inputs: 8, h: 1, w: 1, c: 12 }, Activation::Relu),
            layer(1, FloatOp::Dense { inputs: 12, h: 4, w: 4, c: 8 }, Activation::Relu),
            layer(2, FloatOp::ConvTranspose { k: 4, s: 2, p: 1, c_in: 8, c_out: 8 }, Activation::Relu),
            layer(3, FloatOp::Conv { k: 3, s: 1, p: 1, c_in: 8, c_out: 3 }, Activation::Linear),
        ];
        let name = "random".to_owned();
        FloatNet {
            name,
            inputs: 8,
            classes: 0,
            layers,
            levels: Vec::new(),
            discriminator_layers: 0,
            range: (-1.0, 1.0),
        }
    }

    /// Returns the variance of the image's error, summed over pixels, if only one layer has integer weights.
    fn error(net: &FloatNet, layer: usize, integer: &dyn Fn(usize, f64) -> f64) -> f64 {
        let (mut other, largest) = (net.clone(), net.layers[layer].largest_weights());
        for (i, weight) in other.layers[layer].weight.iter_mut().enumerate() {
            let step = f64::from(largest[net.layers[layer].channel_of(i)]) / MOST;
            *weight = (integer(i, f64::from(*weight) / step) * step) as f32;
        }
        let (exact, changed) = (Forward::new(net), Forward::new(&other));
        let mut errors: Vec<Vec<f64>> = Vec::new();
        for seed in 1000..1100 {
            let z = net.inputs_of_seed(seed);
            let images = [exact.run(&z, |_, _, _| {}), changed.run(&z, |_, _, _| {})];
            errors.push(images[0].iter().zip(&images[1]).map(|(a, b)| f64::from(a - b)).collect());
        }
        let n = errors.len() as f64;
        let variance = |value: usize| {
            let mean = errors.iter().map(|e| e[value]).sum::<f64>() / n;
            errors.iter().map(|e| (e[value] - mean).powi(2)).sum::<f64>() / n
        };
        (0..errors[0].len()).map(variance).sum::<f64>()
    }

    #[test]
    fn every_layer_comes_closer_to_the_float_network_than_with_the_nearest_weights() {
        let net = generator();
        let rounded = round(&net);
        assert!(rounded[0].is_empty(), "latent values are independent");
        for (layer, rounded) in rounded.iter().enumerate().skip(1) {
            let nearest = error(&net, layer, &|_, w| w.round());
            let fed_back = error(&net, layer, &|i, _| f64::from(rounded[i]));
            assert!(fed_back < 0.8 * nearest, "layer {layer}: {fed_back} against {nearest}");
        }
    }

    #[test]
    fn the_sensitivity_of_logits_agrees_with_finite_differences() {
        let layer = |index: usize, op: FloatOp, input, activation| {
            let mut weight = vec![0.0; op.weights()];
            Key { seed: 3, stream: index as u32, step: 0 }.normal(&mut weight);
            FloatLayer { op, input, weight, bias: vec![0.0; if op.weights() > 0 { 3 } else { 0 }], activation }
        };
        let (logits, colors) = (FloatSource::Layer(0), FloatSource::Layer(1));
        let (image, palette) =
            (FloatOp::Dense { inputs: 8, h: 4, w: 4, c: 3 }, FloatOp::Dense { inputs: 8, h: 1, w: 1, c: 3 });
        let mixed = FloatOp::Palette { palette: colors, colors: 3, channels: 1 };
        let net = FloatNet {
            layers: vec![
                layer(0, image, FloatSource::Latent, Activation::Bounded(4.0)),
                layer(1, palette, FloatSource::Latent, Activation::Tanh),
                layer(2, mixed, logits, Activation::Linear),
            ],
            ..generator()
        };
        let (z, change) = (net.inputs_of_seed(1), 1e-3);
        let found = sensitivity(&net, 0, &Forward::new(&net).outputs(&z, 3)).unwrap();
        for color in 0..3 {
            let mut other = net.clone();
            other.layers[0].bias[color] = change;
            let pixels = net.forward(&z).into_iter().zip(other.forward(&z));
            for (pixel, (before, after)) in pixels.enumerate() {
                let (found, difference) = (found[3 * pixel + color], (after - before).abs() / change);
                assert!((found - difference).abs() < 2e-3, "pixel {pixel}, color {color}: {found} for {difference}");
            }
        }
        assert!(found.iter().any(|&s| s > 0.1));
        assert_eq!(sensitivity(&net, 1, &[Vec::new(), Vec::new()]), None);
    }
}
