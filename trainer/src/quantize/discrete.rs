//! Chooses the int8 values that stand for binary latents and one-hot classes, so that the weights that read them lose less precision.
//!
//! All weights of an output share one step. If the weights of a class are four times as large as the others, the others lose two
//! bits. A binary value is -1 or 1 and a class 0 or 1, so k/32 times that value is exact in int8 too, and the weights that read it are
//! divided by k/32.
use super::net::{FloatLayer, FloatNet, FloatOp, FloatSource};
use std::ops::Range;

/// The int8 value of a latent of 1. Factors are multiples of 1/32, from 1 up to 127/32, where the value is the largest int8 number.
const ONE: f64 = 32.0;
const MOST: f64 = 127.0;
/// Number of thresholds that are tried for the relative size of weights, each 5 % below the one before.
const THRESHOLDS: i32 = 60;
/// Changes of one factor that are tried afterwards, and how often.
const CHANGES: [f64; 4] = [0.8, 0.9, 1.12, 1.25];
const PASSES: usize = 3;

/// The tensor with binary latents and a class.
#[derive(Clone, Debug)]
pub(super) struct DiscreteValues {
    pub(super) layer: usize,
    /// Values that are -1 or 1.
    pub(super) binary: Range<usize>,
    /// Values of which one is 1 and the others are 0.
    pub(super) one_hot: Range<usize>,
}

impl FloatNet {
    /// Multiplies the discrete values by the factors with which the weights that read them lose least when they are rounded.
    ///
    /// The loss is the variance of the rounding errors of an output, divided by the variance of the output, on average over the outputs of a
    /// layer and summed over the layers. First, all factors are chosen together, with one threshold for the size of an
    /// input's weights: inputs above it are scaled down to it. Then the factors are improved one at a time.
    pub(super) fn scale_discrete_values(&mut self, discrete: &DiscreteValues) {
        let source = FloatSource::Layer(discrete.layer);
        let readers: Vec<&FloatLayer> = self.layers.iter().filter(|layer| layer.input == source).collect();
        let inputs = readers.iter().filter_map(|layer| match layer.op {
            FloatOp::Dense { inputs, .. } => Some(inputs),
            _ => None,
        });
        let inputs: Vec<usize> = inputs.collect();
        // Another kind of reader has no weights that belong to one value.
        if readers.is_empty() || inputs.len() < readers.len() {
            return;
        }
        let power = |i| if discrete.one_hot.contains(&i) { 1.0 / discrete.one_hot.len() as f64 } else { 1.0 };
        let power: Vec<f64> = (0..inputs[0]).map(power).collect();
        let columns: Vec<Columns> = readers.iter().map(|layer| Columns::new(layer, &power)).collect();
        let values: Vec<usize> = discrete.binary.clone().chain(discrete.one_hot.clone()).collect();
        let loss = |scales: &[f64]| columns.iter().map(|c| c.loss(scales, &power)).sum::<f64>();
        let allowed = |factor: f64| (factor * ONE).round().clamp(ONE, MOST) / ONE;

        let sizes: Vec<f64> = (0..inputs[0]).map(|i| columns.iter().map(|c| c.size(i)).fold(0.0, f64::max)).collect();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return;
        }
        let below = |threshold: f64| -> Vec<f64> {
            let mut scales = vec![1.0; inputs[0]];
            values.iter().for_each(|&i| scales[i] = allowed(sizes[i] / threshold));
            scales
        };
        let tried = (0..THRESHOLDS).map(|i| below(largest * 0.95f64.powi(i)));
        let best = tried.min_by(|a, b| loss(a).total_cmp(&loss(b)));
        let mut scales = best.unwrap_or_else(|| vec![1.0; inputs[0]]);
        let mut least = loss(&scales);
        for (_, &value) in (0..PASSES).flat_map(|pass| values.iter().map(move |value| (pass, value))) {
            for change in CHANGES {
                let before = scales[value];
                scales[value] = allowed(before * change);
                match loss(&scales) {
                    better if better < least => least = better,
                    _ => scales[value] = before,
                }
            }
        }
        let scales: Vec<f32> = scales.into_iter().map(|s| s as f32).collect();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            if index == discrete.layer {
                layer.scale_outputs(&scales);
            } else if layer.input == source {
                layer.scale_inputs(&scales);
            }
        }
    }
}

/// The weights of a dense layer that reads discrete values.
struct Columns {
    /// The largest weight of each channel for each input value.
    largest: Vec<Vec<f64>>,
    /// Variance of each channel's outputs.
    variance: Vec<f64>,
}

impl Columns {
    fn new(layer: &FloatLayer, power: &[f64]) -> Self {
        let inputs = power.len();
        let channels = layer.largest_weights().len();
        let outputs = layer.weight.len() / inputs;
        let (mut largest, mut variance) = (vec![vec![0.0f64; inputs]; channels], vec![0.0; channels]);
        for (i, &weight) in layer.weight.iter().enumerate() {
            let (channel, input) = (layer.channel_of(i), i / outputs);
            let weight = f64::from(weight.abs());
            let most = &mut largest[channel][input];
            *most = most.max(weight);
            variance[channel] += weight * weight * power[input] * channels as f64 / outputs as f64;
        }
        Self { largest, variance }
    }

    /// Returns the root mean square over channels of an input's largest weight, relative to the root mean square output of the channel.
    fn size(&self, input: usize) -> f64 {
        let channels = self.largest.iter().zip(&self.variance).filter(|(_, variance)| **variance > 0.0);
        let squares = channels.map(|(of_inputs, variance)| of_inputs[input].powi(2) / variance);
        (squares.sum::<f64>() / self.largest.len() as f64).sqrt()
    }

    /// Returns the mean over channels of the variance of the rounding errors, relative to the variance of the outputs.
    fn loss(&self, scales: &[f64], power: &[f64]) -> f64 {
        let inputs: f64 = scales.iter().zip(power).map(|(s, p)| s * s * p).sum();
        let step = |of_inputs: &Vec<f64>| of_inputs.iter().zip(scales).map(|(w, s)| w / s).fold(0.0, f64::max) / 127.0;
        let relative = self.largest.iter().zip(&self.variance).filter(|(_, variance)| **variance > 0.0);
        relative.map(|(of_inputs, variance)| step(of_inputs).powi(2) * inputs / variance).sum::<f64>()
            / self.largest.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::Activation;
    use super::*;
    use crate::philox::Key;

    /// A generator of 4x4 pixels that reads two latents, two binary latents and four classes; the weights of the classes are the largest.
    fn generator() -> FloatNet {
        let passed = FloatOp::Dense { inputs: 8, h: 1, w: 1, c: 8 };
        let image = FloatOp::Dense { inputs: 8, h: 4, w: 4, c: 1 };
        let identity = (0..64).map(|i| if i / 8 == i % 8 { 1.0 } else { 0.0 }).collect();
        let mut weight = vec![0.0; image.weights()];
        Key { seed: 7, stream: 0, step: 0 }.normal(&mut weight);
        weight.iter_mut().enumerate().for_each(|(i, w)| *w *= if i / 16 < 4 { 0.05 } else { 0.2 });
        let layer = |op, input, weight, activation| FloatLayer { op, input, weight, bias: Vec::new(), activation };
        FloatNet {
            name: "random".to_owned(),
            inputs: 8,
            classes: 0,
            layers: vec![
                layer(passed, FloatSource::Latent, identity, Activation::Limit(127.0 / 32.0)),
                layer(image, FloatSource::Layer(0), weight, Activation::Tanh),
            ],
            levels: Vec::new(),
            discriminator_layers: 0,
            range: (-1.0, 1.0),
        }
    }

    #[test]
    fn larger_discrete_values_leave_smaller_rounding_errors() {
        let (net, discrete) = (generator(), DiscreteValues { layer: 0, binary: 2..4, one_hot: 4..8 });
        let mut scaled = net.clone();
        scaled.scale_discrete_values(&discrete);
        let inputs = |class: usize| {
            let mut z = [19_i8, -40, 32, -32, 0, 0, 0, 0];
            z[4 + class] = 32;
            z
        };
        let rounded = |net: &FloatNet| {
            let (mut rounded, step) = (net.clone(), net.layers[1].largest_weights()[0] / 127.0);
            rounded.layers[1].weight.iter_mut().for_each(|w| *w = (*w / step).round() * step);
            rounded
        };
        let distance = |net: &FloatNet, class| {
            let (a, b) = (generator().forward(&inputs(class)), net.forward(&inputs(class)));
            a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f32>()
        };
        for class in 0..4 {
            assert!(distance(&scaled, class) < 1e-5, "the images stay the same");
            let (before, after) = (distance(&rounded(&net), class), distance(&rounded(&scaled), class));
            assert!(after < 0.7 * before, "class {class}: {after} after, {before} before");
        }
        let steps = |value: usize| f64::from(scaled.layers[0].weight[9 * value]) * ONE;
        assert_eq!([steps(0), steps(1)], [ONE, ONE], "other latents keep their values");
        assert!((2..8).all(|value| steps(value).fract() == 0.0 && (ONE..=MOST).contains(&steps(value))));
    }
}
