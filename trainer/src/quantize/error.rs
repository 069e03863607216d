//! Why a network cannot be quantized. Everything except the flash budget and the file format is checked before calibration.
use super::net::{Dims, FloatLayer, FloatNet, FloatOp};
use crate::nn::Layer;
use ganlet_runtime::{
    FormatError,
    encode::{MAX_CHANNELS, MAX_KERNEL, MAX_LATENT, MAX_LAYERS, MAX_SIDE},
};
use std::fmt;

/// Why a network cannot be quantized.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The network as a whole is not supported.
    Net {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A layer is not supported.
    Layer {
        /// Index of the layer, from 0.
        layer: usize,
        /// Name of its operation.
        operation: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The model format rejects the result.
    Format(FormatError),
}

impl QuantizeError {
    /// The smallest possible file is larger than the flash budget; names the largest layer.
    pub(super) fn over_budget(net: &FloatNet, compact: u64, budget: u64) -> Self {
        let largest = net.layers.iter().enumerate().max_by_key(|(_, l)| l.weight.len());
        let (layer, operation, weights) = largest.map_or((0, "", 0), |(i, l)| (i, l.op.kind(), l.weight.len()));
        let problem = format!(
            "the model takes {compact} bytes with every layer compact, {weights} of them here, and the flash budget is {budget}"
        );
        Self::Layer {
            layer,
            operation,
            problem,
            remedy: "raise the flash budget to that size, or train with fewer channels",
        }
    }

    /// A layer that can be trained but has no counterpart in the model format.
    pub(super) fn unsupported(layer: usize, found: &Layer) -> Self {
        let operation = match found {
            Layer::MinibatchStddev { .. } | Layer::MinibatchDiscrimination { .. } => "minibatch comparison",
            _ => "layer",
        };
        let remedy = "a device draws one image at a time: train without technique.minibatch, or export without the discriminator";
        Self::Layer { layer, operation, problem: "the model format has no such layer".into(), remedy }
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
            Self::Layer { layer, operation, problem, remedy } => {
                write!(f, "layer {layer} ({operation}) cannot be exported: {problem}; {remedy}")
            }
            Self::Format(error) => write!(f, "the model format cannot represent this network: {error}"),
        }
    }
}

impl std::error::Error for QuantizeError {}

/// Checks everything that can be checked before calibration.
pub(super) fn check(net: &FloatNet) -> Result<(), QuantizeError> {
    let refuse = |problem: String, remedy| Err(QuantizeError::Net { problem, remedy });
    let (black, white) = net.range;
    if !(black.is_finite() && white.is_finite() && black < white) {
        return refuse(
            format!("its range {black} to {white} is empty or not finite"),
            "set data.range to the values of black and white",
        );
    }
    if net.inputs == 0 || net.inputs > MAX_LATENT {
        let classes = match net.classes {
            0 => String::new(),
            classes => format!(", {classes} of them for the classes"),
        };
        let remedy = "use 1 to 256 latent values, as in generator.latent = 256";
        return refuse(format!("its latent has {} values{classes}", net.inputs), remedy);
    }
    if net.layers.is_empty() {
        return Err(QuantizeError::no_layers());
    }
    if net.layers.len() > MAX_LAYERS {
        return refuse(format!("it has {} layers", net.layers.len()), "use at most 24 layers");
    }
    let mut shapes: Vec<Dims> = Vec::new();
    for (index, layer) in net.layers.iter().enumerate() {
        let shape = input_shape(net, layer, &shapes).and_then(|input| check_layer(layer, input));
        shapes.push(shape.map_err(|(problem, remedy)| QuantizeError::Layer {
            layer: index,
            operation: layer.op.kind(),
            problem,
            remedy,
        })?);
    }
    let (image, last) = (shapes[net.image()], shapes[shapes.len() - 1]);
    if net.discriminator_layers > 0 && last.len() != 1 {
        let problem = format!("its discriminator outputs {} numbers", last.len());
        return refuse(problem, "export without the discriminator, or end it with a layer of one output");
    }
    let Dims { h, w, c } = image;
    if h * w == 1 && c != 1 {
        let problem = format!("it outputs {c} numbers, not an image");
        return refuse(problem, "export a network whose last layer outputs height × width × 1 or 3 channels");
    }
    if c != 1 && c != 3 {
        let (layer, operation) = (net.image(), net.layers[net.image()].op.kind());
        let problem = format!("the image has {c} channels");
        return Err(QuantizeError::Layer { layer, operation, problem, remedy: "end with 1 channel (gray) or 3 (RGB)" });
    }
    Ok(())
}

type Problem = (String, &'static str);

/// Returns the shape of the tensor that a layer reads.
fn input_shape(net: &FloatNet, layer: &FloatLayer, shapes: &[Dims]) -> Result<Dims, Problem> {
    let of = |source| {
        let remedy = "let every layer read an earlier one";
        net.shape_of(source, shapes)
            .ok_or_else(|| (format!("it reads {source:?}, which is not an earlier layer"), remedy))
    };
    let input = of(layer.input)?;
    if let Some(second) = layer.op.other().map(of).transpose()?
        && !layer.op.accepts(input, second)
    {
        let [a, b] = [input, second].map(|d| format!("{}×{}×{}", d.h, d.w, d.c));
        return Err(match layer.op {
            FloatOp::Palette { colors, channels, .. } => (
                format!("its palette has the shape {b}, expected 1×1×{}", colors * channels),
                "compute the palette with a dense layer",
            ),
            _ => (format!("it adds tensors of shapes {a} and {b}"), "give both branches the same shape"),
        });
    }
    Ok(input)
}

/// Checks one layer and returns its output shape.
fn check_layer(layer: &FloatLayer, input: Dims) -> Result<Dims, Problem> {
    if let FloatOp::Conv { k, s, p, .. } | FloatOp::ConvTranspose { k, s, p, .. } | FloatOp::Depthwise { k, s, p, .. } =
        layer.op
    {
        let most = usize::from(MAX_KERNEL);
        if k == 0 || s == 0 || k > most || s > most || p >= k {
            let problem = format!("kernel {k}, stride {s}, padding {p}");
            return Err((problem, "use kernels and strides of 1 to 16, and a padding smaller than the kernel"));
        }
        if matches!(layer.op, FloatOp::ConvTranspose { .. }) && k < s {
            return Err((
                format!("kernel {k} leaves gaps at stride {s}"),
                "use a kernel at least as large as the stride",
            ));
        }
    }
    let Some(output) = layer.op.output(input).filter(|d| d.len() > 0) else {
        let Dims { h, w, c } = input;
        return Err((
            format!("{:?} does not accept an input of {h}×{w}×{c}", layer.op),
            "match it to the layer before",
        ));
    };
    let (side, channels) = (usize::from(MAX_SIDE), usize::from(MAX_CHANNELS));
    if output.h > side || output.w > side || output.c > channels {
        let problem = format!("its output is {}×{}×{}", output.h, output.w, output.c);
        return Err((problem, "use at most 1024 pixels a side and 4096 channels"));
    }
    if layer.weight.len() != layer.op.weights() {
        let problem = format!("it has {} weights, expected {}", layer.weight.len(), layer.op.weights());
        return Err((problem, "check the layout of the weights"));
    }
    let dense = matches!(layer.op, FloatOp::Dense { .. });
    let upsample = matches!(layer.op, FloatOp::Upsample { .. });
    let palette = matches!(layer.op, FloatOp::Palette { .. });
    let bare = upsample || palette || matches!(layer.op, FloatOp::Add { .. });
    let biases = layer.bias.len();
    if biases != 0 && (bare || (biases != output.c && !(dense && biases == output.len()))) {
        return Err((format!("it has {biases} biases for {} channels", output.c), "give one bias per channel"));
    }
    if let Some(bad) = layer.weight.iter().chain(&layer.bias).find(|v| !v.is_finite()) {
        return Err((format!("it contains the value {bad}"), "train again from the last good checkpoint"));
    }
    if (upsample || palette) && layer.activation != super::Activation::Linear {
        return Err(("it has an activation".into(), "apply the activation in the layer before"));
    }
    Ok(output)
}
