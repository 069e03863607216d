//! Why a network cannot become an integer model, found before any work is done.
use super::net::{Dims, FloatLayer, FloatNet, FloatOp};
use crate::nn::Layer;
use ganlet_runtime::{
    FormatError,
    encode::{MAX_CHANNELS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_SIDE},
};
use std::fmt;

/// Why a network cannot become an integer model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The network as a whole does not fit.
    Net {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A layer does not fit.
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its operation.
        kind: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The model format refuses the result.
    Format(FormatError),
}

impl QuantizeError {
    /// Even the smallest file is larger than the budget; names the layer that weighs most.
    pub(super) fn over_budget(net: &FloatNet, compact: u64, budget: u64) -> Self {
        let largest = net.layers.iter().enumerate().max_by_key(|(_, l)| l.weight.len());
        let (layer, kind, weights) = largest.map_or((0, "", 0), |(i, l)| (i, l.op.kind(), l.weight.len()));
        let problem = format!(
            "the model takes {compact} bytes with every layer compact, {weights} of them here, and the flash budget is {budget}"
        );
        Self::Layer { layer, kind, problem, remedy: "give the budget that it takes, or train with fewer channels" }
    }

    /// A layer that trains, but that the model format does not know.
    pub(super) fn unknown(layer: usize, found: &Layer) -> Self {
        let kind = match found {
            Layer::MinibatchStddev { .. } | Layer::MinibatchDiscrimination { .. } => "comparison within a batch",
            Layer::Score { .. } => "score of a class",
            _ => "layer",
        };
        let remedy = "a device sees one picture at a time: leave technique.minibatch and data.classes away, or export without the discriminator";
        Self::Layer { layer, kind, problem: "this version of the model format has no such layer".into(), remedy }
    }

    pub(super) fn no_layers() -> Self {
        Self::Net { problem: "it has no layers".into(), remedy: "export a generator" }
    }
}

impl From<FormatError> for QuantizeError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl fmt::Display for QuantizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { problem, remedy } => write!(f, "the network cannot be exported: {problem}; {remedy}"),
            Self::Layer { layer, kind, problem, remedy } => {
                write!(f, "layer {layer} ({kind}) cannot be exported: {problem}; {remedy}")
            }
            Self::Format(error) => write!(f, "the model format does not hold this network: {error}"),
        }
    }
}

impl std::error::Error for QuantizeError {}

/// Checks everything that does not need a calibration.
pub(super) fn check(net: &FloatNet) -> Result<(), QuantizeError> {
    let refuse = |problem: String, remedy| Err(QuantizeError::Net { problem, remedy });
    let (black, white) = net.range;
    if !(black.is_finite() && white.is_finite() && black < white) {
        return refuse(format!("its range {black} to {white} is not one"), "give the values of black and white");
    }
    if net.latent == 0 || net.latent > MAX_LATENT {
        return refuse(format!("its latent has {} values", net.latent), "use 1 to 256 latent values");
    }
    if net.layers.is_empty() {
        return Err(QuantizeError::no_layers());
    }
    if net.layers.len() > MAX_LAYERS {
        return refuse(format!("it has {} layers", net.layers.len()), "use at most 24 layers");
    }
    let mut shapes: Vec<Dims> = Vec::new();
    for (index, layer) in net.layers.iter().enumerate() {
        let shape = read(net, layer, &shapes).and_then(|input| check_layer(layer, input));
        shapes.push(shape.map_err(|(problem, remedy)| QuantizeError::Layer {
            layer: index,
            kind: layer.op.kind(),
            problem,
            remedy,
        })?);
    }
    let (picture, last) = (shapes[net.picture()], shapes[shapes.len() - 1]);
    if net.judges > 0 && last.len() != 1 {
        let problem = format!("its discriminator makes {} numbers", last.len());
        return refuse(problem, "export it without the discriminator, whose last layer must make a single number");
    }
    let Dims { h, w, c } = picture;
    if h * w == 1 && c != 1 {
        let problem = format!("it makes {c} numbers, not a picture");
        return refuse(problem, "export networks whose last layer gives height × width × 1 or 3 channels");
    }
    if c != 1 && c != 3 {
        let (layer, kind) = (net.picture(), net.layers[net.picture()].op.kind());
        let problem = format!("the picture has {c} channels");
        return Err(QuantizeError::Layer { layer, kind, problem, remedy: "end with 1 channel (gray) or 3 (RGB)" });
    }
    Ok(())
}

type Problem = (String, &'static str);

/// The shape of what a layer reads.
fn read(net: &FloatNet, layer: &FloatLayer, shapes: &[Dims]) -> Result<Dims, Problem> {
    let of = |source| {
        let remedy = "let layers read earlier ones";
        net.shape_of(source, shapes).ok_or_else(|| (format!("it reads {source:?}, which comes later"), remedy))
    };
    let input = of(layer.input)?;
    if let Some(second) = layer.op.other().map(of).transpose()?
        && second != input
    {
        let [a, b] = [input, second].map(|d| format!("{}×{}×{}", d.h, d.w, d.c));
        return Err((format!("it adds {a} and {b}"), "let both branches make one shape"));
    }
    Ok(input)
}

fn check_layer(layer: &FloatLayer, input: Dims) -> Result<Dims, Problem> {
    if let FloatOp::Conv { k, s, p, .. } | FloatOp::ConvTranspose { k, s, p, .. } | FloatOp::Depthwise { k, s, p, .. } =
        layer.op
    {
        let most = usize::from(MAX_KERNEL);
        if k == 0 || s == 0 || k > most || s > most || p >= k {
            let problem = format!("kernel {k}, stride {s}, padding {p}");
            return Err((problem, "use kernels and strides of 1 to 16, and padding below the kernel"));
        }
        if matches!(layer.op, FloatOp::ConvTranspose { .. }) && k < s {
            return Err((format!("kernel {k} leaves holes at stride {s}"), "use a kernel no smaller than the stride"));
        }
    }
    let Some(output) = layer.op.output(input).filter(|d| d.len() > 0) else {
        let Dims { h, w, c } = input;
        return Err((format!("{:?} does not take {h}×{w}×{c}", layer.op), "match it with the layer before"));
    };
    let (side, channels) = (usize::from(MAX_SIDE), usize::from(MAX_CHANNELS));
    if output.h > side || output.w > side || output.c > channels {
        let problem = format!("its output is {}×{}×{}", output.h, output.w, output.c);
        return Err((problem, "stay within 1024 pixels a side and 4096 channels"));
    }
    if layer.weight.len() != layer.op.weights() {
        let problem = format!("it has {} weights where {} belong", layer.weight.len(), layer.op.weights());
        return Err((problem, "check the layout of the weights"));
    }
    let dense = matches!(layer.op, FloatOp::Dense { .. });
    let upsample = matches!(layer.op, FloatOp::Upsample { .. });
    let bare = upsample || matches!(layer.op, FloatOp::Add { .. });
    let biases = layer.bias.len();
    if biases != 0 && (bare || (biases != output.c && !(dense && biases == output.len()))) {
        return Err((format!("it has {biases} biases for {} channels", output.c), "give one bias a channel"));
    }
    if let Some(bad) = layer.weight.iter().chain(&layer.bias).find(|v| !v.is_finite()) {
        return Err((format!("it holds the number {bad}"), "train again from the last good checkpoint"));
    }
    if upsample && layer.activation != super::Activation::Linear {
        return Err(("it has an activation".into(), "put the activation behind the layer before the upsampling"));
    }
    Ok(output)
}
