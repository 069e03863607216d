//! Cross-layer equalization: scales the channels of hidden tensors so that one int8 scale per tensor suits all of them.
//!
//! Scaling a channel by s > 0 and the weights that read it by 1/s changes nothing in floats if the activation between them is
//! linear, ReLU or leaky ReLU (Nagel et al. 2019, section 4.1). In integers a small channel of a tensor with a large one would
//! have only a few levels.
use super::{
    Activation, FloatNet, FloatOp, FloatSource,
    calibrate::TensorStats,
    net::{Dims, FloatLayer},
};

/// Importance below which the weights that read a channel do not influence its scale.
const LEAST_IMPORTANCE: f64 = 1e-6;

/// Powers of a channel's share with which tensors of the generator are scaled. The square root divides a channel's unevenness equally between
/// its values and the weights that read it; larger powers leave more of it in the values, for generators whose weights matter more.
pub(super) const POWERS: [f64; 3] = [0.5, 0.7, 0.85];

/// The hidden tensors to equalize.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Equalized {
    /// The tensors of the discriminator.
    Discriminator,
    /// All; those of the generator with this power.
    All(f64),
}

impl FloatNet {
    /// Returns the network with other channel scales, which computes the same images and scores, and the factor of each channel of each
    /// layer; none for layers whose channels stay the same. `stats` are those of this network.
    ///
    /// Sums and upsampling tie tensors together: these have the same scales. Each channel c of a group of tied tensors is scaled to
    /// the range m^p, with the power p ([`POWERS`]; 1/2 in the discriminator), where m is the largest share of c in an output of a reader: |weight|·range of c, divided by the largest such
    /// product of that output. Shares do not depend on the scales of other tensors, so one pass over the network is enough.
    pub(super) fn equalized(&self, stats: &[TensorStats], which: Equalized) -> (Self, Vec<Vec<f32>>) {
        let shapes = self.shapes().expect("the network was checked");
        let mut net = self.clone();
        let mut all_scales = vec![Vec::new(); self.layers.len()];
        for group in self.groups() {
            let from_generator = group.iter().any(|&tensor| tensor <= self.image());
            let power = match which {
                Equalized::Discriminator if from_generator => continue,
                Equalized::All(power) if from_generator => power,
                _ => 0.5,
            };
            let scales = self.scales(&group, stats, &shapes, power);
            let tied = |source| matches!(source, FloatSource::Layer(i) if group.contains(&i));
            for (index, layer) in net.layers.iter_mut().enumerate() {
                if group.contains(&index) {
                    layer.scale_outputs(&scales);
                    all_scales[index].clone_from(&scales);
                }
                if tied(layer.input) {
                    layer.scale_inputs(&scales);
                }
            }
        }
        (net, all_scales)
    }

    /// Returns the sets of hidden tensors that must have the same channel scales, without those whose scales are fixed.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut group_of: Vec<usize> = (0..self.layers.len()).collect();
        let mut fixed = vec![false; self.layers.len()];
        for (index, layer) in self.layers.iter().enumerate() {
            let homogeneous =
                matches!(layer.activation, Activation::Linear | Activation::Relu | Activation::LeakyRelu(_));
            let shown = index == self.image() || self.levels.contains(&index) || index + 1 == self.layers.len();
            fixed[index] = shown || !homogeneous;
            let inputs = match layer.op {
                FloatOp::Upsample { .. } => vec![layer.input],
                FloatOp::Add { other } => vec![layer.input, other],
                _ => Vec::new(),
            };
            for input in inputs {
                match input {
                    FloatSource::Latent => fixed[index] = true,
                    FloatSource::Layer(i) => {
                        let (from, to) = (group_of[i], group_of[index]);
                        group_of.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
                    }
                }
            }
        }
        let members = |group: usize| (0..group_of.len()).filter(|&i| group_of[i] == group).collect::<Vec<_>>();
        let groups = (0..self.layers.len()).map(members);
        groups.filter(|group| !group.is_empty() && group.iter().all(|&i| !fixed[i])).collect()
    }

    /// Returns the factor of each channel of a group of tensors.
    fn scales(&self, group: &[usize], stats: &[TensorStats], shapes: &[Dims], power: f64) -> Vec<f32> {
        let channels = group.first().map_or(0, |&tensor| shapes[tensor].c);
        let mut ranges = vec![0.0f64; channels];
        for (i, &peak) in group.iter().flat_map(|&tensor| stats[tensor].peaks.iter().enumerate()) {
            ranges[i % channels] = ranges[i % channels].max(peak.into());
        }
        // The largest share of each channel in an output, and its largest weight relative to that output's largest product.
        let (mut shares, mut weights) = (vec![0.0f64; channels], vec![0.0f64; channels]);
        for layer in self.layers.iter().filter(|l| group.iter().any(|&tensor| l.input == FloatSource::Layer(tensor))) {
            if let FloatOp::Depthwise { .. } = layer.op {
                shares.fill(1.0);
                continue;
            }
            let mut largest = vec![0.0f64; layer.weight.len().min(layer.outputs())];
            let product = |i: usize| f64::from(layer.weight[i].abs()) * ranges[layer.input_channel(i, channels)];
            for i in 0..layer.weight.len() {
                let output = &mut largest[layer.output_of(i)];
                *output = output.max(product(i));
            }
            for (i, weight) in layer.weight.iter().enumerate() {
                let (channel, most) = (layer.input_channel(i, channels), largest[layer.output_of(i)]);
                if most > 0.0 {
                    shares[channel] = shares[channel].max(product(i) / most);
                    weights[channel] = weights[channel].max(f64::from(weight.abs()) / most);
                }
            }
        }
        let scale = |channel: usize| {
            let (range, share, weight) = (ranges[channel], shares[channel], weights[channel]);
            let scale = match range {
                // A channel that was never active gets the scale at which its weights are as large as others.
                0.0 => weight,
                range => share.max(LEAST_IMPORTANCE).powf(power) / range,
            };
            if scale > 0.0 { scale.clamp(1e-18, 1e18) as f32 } else { 1.0 }
        };
        (0..channels).map(scale).collect()
    }
}

impl FloatLayer {
    /// Number of outputs whose weights are quantized together: channels, or values of a dense layer.
    fn outputs(&self) -> usize {
        match self.op {
            FloatOp::Dense { h, w, c, .. } => h * w * c,
            FloatOp::Conv { c_out, .. } | FloatOp::ConvTranspose { c_out, .. } => c_out,
            FloatOp::Depthwise { c, .. } => c,
            FloatOp::Upsample { .. } | FloatOp::Add { .. } | FloatOp::Palette { .. } => 0,
        }
    }

    /// Returns the output that weight `i` contributes to.
    fn output_of(&self, i: usize) -> usize {
        match self.op {
            FloatOp::ConvTranspose { c_in, c_out, .. } => i / c_in % c_out,
            _ => i % self.outputs(),
        }
    }

    /// Returns the channel that weight `i` reads, for an input of `channels` channels.
    fn input_channel(&self, i: usize, channels: usize) -> usize {
        match self.op {
            FloatOp::ConvTranspose { .. } | FloatOp::Depthwise { .. } => i % channels,
            _ => i / self.outputs() % channels,
        }
    }

    /// Returns the magnitudes of the weights of each output channel.
    pub(super) fn weights_by_channel(&self) -> Vec<Vec<f64>> {
        let channels = if let FloatOp::Dense { c, .. } = self.op { c } else { self.outputs() };
        let mut of_channel = vec![Vec::new(); channels];
        for (i, weight) in self.weight.iter().enumerate() {
            of_channel[self.output_of(i) % channels].push(f64::from(weight.abs()));
        }
        of_channel
    }

    /// Multiplies the channels of the output.
    pub(super) fn scale_outputs(&mut self, scales: &[f32]) {
        for i in 0..self.weight.len() {
            self.weight[i] *= scales[self.output_of(i) % scales.len()];
        }
        self.bias.iter_mut().enumerate().for_each(|(i, b)| *b *= scales[i % scales.len()]);
    }

    /// Divides the weights by the factors of the channels that they read, so that the output stays the same.
    pub(super) fn scale_inputs(&mut self, scales: &[f32]) {
        for i in 0..self.weight.len() {
            self.weight[i] /= scales[self.input_channel(i, scales.len())];
        }
    }
}
