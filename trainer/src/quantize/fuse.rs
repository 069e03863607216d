//! Upsampling and the convolution behind it as one transposed convolution.
use super::{Activation, FloatLayer, FloatNet, FloatOp, FloatSource};

impl FloatNet {
    /// The same network with every "upsample, then convolve with stride 1" as one transposed convolution.
    ///
    /// Upsampling by f is itself a transposed convolution with a kernel of f×f ones; composed with a k×k kernel
    /// it has side k + f - 1 and stride f. For ×2 and 3×3: four taps an output instead of nine, and no upsampled
    /// rows in RAM, for 16 weights instead of 9.
    pub(super) fn fuse_upsampling(&self) -> Self {
        let mut layers: Vec<FloatLayer> = Vec::new();
        // What each old layer makes is made by this new one; nothing for an upsampling that went into its reader.
        let mut names: Vec<Option<usize>> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if self.sole_reader(index).is_some_and(|reader| fuse(layer, &self.layers[reader]).is_some()) {
                names.push(None);
                continue;
            }
            let before = match layer.input {
                FloatSource::Layer(i) if names[i].is_none() => Some(&self.layers[i]),
                _ => None,
            };
            let fused = before.and_then(|up| fuse(up, layer)).unwrap_or_else(|| layer.clone());
            let name = |source| match source {
                FloatSource::Layer(i) => names[i].map_or(source, FloatSource::Layer),
                latent => latent,
            };
            layers.push(fused.reading(name));
            names.push(Some(layers.len() - 1));
        }
        let levels = self.levels.iter().filter_map(|&level| names[level]).collect();
        Self { layers, levels, ..self.clone() }
    }

    /// The only layer that reads what layer `index` makes, if nobody looks at that.
    fn sole_reader(&self, index: usize) -> Option<usize> {
        let mut readers = (index + 1..self.layers.len()).filter(|&i| self.layers[i].reads(index));
        let (first, second) = (readers.next(), readers.next());
        first.filter(|_| second.is_none() && index != self.picture() && !self.levels.contains(&index))
    }
}

fn fuse(up: &FloatLayer, conv: &FloatLayer) -> Option<FloatLayer> {
    let (FloatOp::Upsample { factor: f }, FloatOp::Conv { k, s: 1, p, c_in, c_out }) = (up.op, conv.op) else {
        return None;
    };
    if up.activation != Activation::Linear || p >= k || f == 0 {
        return None;
    }
    let side = k + f - 1;
    let mut weight = vec![0.0; side * side * c_out * c_in];
    for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
        for (dy, dx) in (0..f).flat_map(|dy| (0..f).map(move |dx| (dy, dx))) {
            // An output at `o` reads the upsampled pixel o + ky - p, which is `dy` into its source.
            let (ty, tx) = (dy + k - 1 - ky, dx + k - 1 - kx);
            for o in 0..c_out {
                for i in 0..c_in {
                    weight[((ty * side + tx) * c_out + o) * c_in + i] +=
                        conv.weight[((ky * k + kx) * c_in + i) * c_out + o];
                }
            }
        }
    }
    let op = FloatOp::ConvTranspose { k: side, s: f, p: k - 1 - p, c_in, c_out };
    Some(FloatLayer { op, input: up.input, weight, bias: conv.bias.clone(), activation: conv.activation })
}
