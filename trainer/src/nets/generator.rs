//! Generator families: build layers from the few hyperparameters in a recipe.
use super::{HALVE, KEEP, NetworkError, POINT, check_widths, images_only, leaky};
use crate::nn::{Activation, Layer, Network};
use ganlet_runtime::encode::MAX_COLORS;
use serde::{Deserialize, Serialize};

/// Layer that doubles the sides of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upsampling {
    /// Transposed convolution with kernel 4 and stride 2 (Radford et al. 2016).
    #[default]
    Transpose,
    /// Nearest-neighbor upsampling, then a 3x3 convolution.
    Nearest,
    /// Nearest-neighbor upsampling, then a depthwise-separable convolution: 3x3 depthwise, 1x1 (Howard et al. 2017).
    Separable,
}

/// Family and size of a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "family")]
pub enum Generator {
    /// Dense layers with ReLU between them, for points.
    Mlp {
        /// Length of the latent vector.
        latent: usize,
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// Number of latent values that are replaced by their signs: a discrete code lets the generator cover a disconnected support
        /// (Khayatkhoei et al. 2018).
        #[serde(default)]
        binary_latents: usize,
    },
    /// Dense layer to a small image, then upsampling layers with ReLU between them and tanh at the end.
    Dcgan {
        /// Length of the latent vector.
        latent: usize,
        /// Number of latent values that are replaced by their signs, as for [`Generator::Mlp`].
        #[serde(default)]
        binary_latents: usize,
        /// Widths of the mapping network: dense layers between the latent and the first layer (Karras et al. 2019).
        #[serde(default)]
        mapping: Vec<usize>,
        /// Channels of the small image and after each upsampling except the last.
        widths: Vec<usize>,
        /// Layer that doubles the sides.
        #[serde(default)]
        upsampling: Upsampling,
        /// End with a 3x3 convolution at full size instead of an upsampling layer.
        #[serde(default)]
        refine: bool,
        /// Channels of 1x1 convolutions with ReLU at full size, before the last layer; they need `refine`.
        #[serde(default)]
        pointwise: Vec<usize>,
        /// Number of colors of each image's own palette; 0 for none. The last layer then gives, for each pixel, the shares of the colors
        /// instead of the color, so areas can be flat and outlines sharp. It needs `refine`.
        #[serde(default)]
        palette: usize,
        /// Batch normalization before each ReLU.
        #[serde(default)]
        batch_norm: bool,
    },
    /// Dense layer to a small image, residual blocks that double the sides (He et al. 2016), a convolution and tanh.
    Residual {
        /// Length of the latent vector.
        latent: usize,
        /// Channels of the small image and after each block.
        widths: Vec<usize>,
        /// Batch normalization in the residual blocks.
        #[serde(default)]
        batch_norm: bool,
    },
    /// Laplacian pyramid (Denton et al. 2015) in one network: each level adds a residual to the upsampled previous level.
    Pyramid {
        /// Length of the latent vector.
        latent: usize,
        /// Channels of the feature maps of each level, smallest first.
        widths: Vec<usize>,
    },
}

impl Generator {
    /// Name of the family in recipes.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Mlp { .. } => "mlp",
            Self::Dcgan { .. } => "dcgan",
            Self::Residual { .. } => "residual",
            Self::Pyramid { .. } => "pyramid",
        }
    }

    /// Length of the latent vector.
    pub fn latent(&self) -> usize {
        match self {
            Self::Mlp { latent, .. }
            | Self::Dcgan { latent, .. }
            | Self::Residual { latent, .. }
            | Self::Pyramid { latent, .. } => *latent,
        }
    }

    /// Returns the largest number of channels or features between its layers.
    pub fn largest_width(&self) -> usize {
        let (widths, more): (&[usize], &[usize]) = match self {
            Self::Mlp { hidden, .. } => (hidden, &[]),
            Self::Dcgan { mapping, widths, .. } => (widths, mapping),
            Self::Residual { widths, .. } | Self::Pyramid { widths, .. } => (widths, &[]),
        };
        widths.iter().chain(more).copied().max().unwrap_or(1)
    }

    /// Returns the generator with all widths reduced by the factor that makes `largest` the largest one.
    ///
    /// Widths are rounded down to multiples of 8, which devices compute together, or of 4 below 16. None is reduced below 4.
    #[must_use]
    pub fn narrowed(&self, largest: usize) -> Self {
        let whole = self.largest_width();
        let narrow = |width: &mut usize| {
            let exact = *width * largest / whole;
            let rounded = if exact >= 16 { exact / 8 * 8 } else { (exact / 4 * 4).max(4) };
            *width = if largest >= whole { *width } else { rounded.min(*width) };
        };
        let mut narrowed = self.clone();
        match &mut narrowed {
            Self::Mlp { hidden, .. } => hidden.iter_mut().for_each(narrow),
            Self::Dcgan { mapping, widths, pointwise, .. } => {
                widths.iter_mut().chain(mapping).chain(pointwise).for_each(narrow);
            }
            Self::Residual { widths, .. } | Self::Pyramid { widths, .. } => widths.iter_mut().for_each(narrow),
        }
        narrowed
    }

    /// Returns its widths as `key = value`, for messages.
    pub fn widths(&self) -> String {
        match self {
            Self::Mlp { hidden, .. } => format!("generator.hidden = {hidden:?}"),
            Self::Dcgan { mapping, widths, .. } if !mapping.is_empty() => {
                format!("generator.widths = {widths:?}, generator.mapping = {mapping:?}")
            }
            Self::Dcgan { widths, .. } | Self::Residual { widths, .. } | Self::Pyramid { widths, .. } => {
                format!("generator.widths = {widths:?}")
            }
        }
    }

    /// Builds the network for examples of `shape`; with `classes`, a one-hot class follows the latent in its input. With `class_shares`, the
    /// last latent value chooses the class instead.
    ///
    /// # Errors
    /// If the family cannot produce this shape.
    pub fn network(&self, shape: &[usize], classes: usize, class_shares: &[f32]) -> Result<Network, NetworkError> {
        let what = "generator";
        check_widths(what, &[self.latent()])?;
        let mut layers = self.discrete_latents(class_shares)?;
        let input = self.latent() + classes + class_shares.len().saturating_sub(1);
        match (self, shape) {
            (Self::Mlp { hidden, .. }, _) => {
                let inputs = dense(&mut layers, input, hidden)?;
                layers.push(Layer::Dense { inputs, to: shape.to_vec() });
                if shape.len() == 3 {
                    layers.push(Layer::Activation(Activation::Tanh));
                }
            }
            (Self::Dcgan { mapping, widths, upsampling, refine, pointwise, palette, batch_norm, .. }, &[_, _, c]) => {
                let upsamplings = widths.len() - usize::from(*refine && !widths.is_empty());
                colors(&mut layers, input, (*palette, c), *refine)?;
                let inputs = dense(&mut layers, input, mapping)?;
                let first = first_image(&mut layers, inputs, widths, upsamplings, shape)?;
                norm(&mut layers, first, *batch_norm);
                let mut inputs = first;
                for &width in &widths[1..] {
                    double(&mut layers, *upsampling, inputs, width);
                    norm(&mut layers, width, *batch_norm);
                    inputs = width;
                }
                let inputs = points(&mut layers, inputs, pointwise, (*refine, *batch_norm))?;
                if *refine {
                    refined(&mut layers, inputs, *palette, c);
                } else {
                    double(&mut layers, *upsampling, inputs, c);
                    layers.push(Layer::Activation(Activation::Tanh));
                }
            }
            (Self::Residual { widths, batch_norm, .. }, &[_, _, c]) => {
                let mut inputs = first_image(&mut layers, input, widths, widths.len().max(1) - 1, shape)?;
                layers.push(leaky(0.0));
                for &outputs in &widths[1..] {
                    layers.extend([Layer::Fork, Layer::Upsample(2), Layer::Conv { window: KEEP, inputs, outputs }]);
                    norm(&mut layers, outputs, *batch_norm);
                    layers.push(Layer::Conv { window: KEEP, inputs: outputs, outputs });
                    layers.extend(batch_norm.then_some(Layer::BatchNorm { channels: outputs }));
                    layers.extend([Layer::Swap, Layer::Upsample(2), Layer::Conv { window: POINT, inputs, outputs }]);
                    layers.extend([Layer::Join, leaky(0.0)]);
                    inputs = outputs;
                }
                layers.push(Layer::Conv { window: KEEP, inputs, outputs: c });
                layers.push(Layer::Activation(Activation::Tanh));
            }
            (Self::Pyramid { widths, .. }, &[_, _, c]) => {
                let mut inputs = first_image(&mut layers, input, widths, widths.len().max(1) - 1, shape)?;
                layers.extend([leaky(0.0), Layer::Level { window: KEEP, inputs, outputs: c }]);
                for &outputs in &widths[1..] {
                    layers.extend([Layer::ConvTranspose { window: HALVE, inputs, outputs }, leaky(0.0)]);
                    layers.push(Layer::Level { window: KEEP, inputs: outputs, outputs: c });
                    inputs = outputs;
                }
                layers.push(Layer::Image);
            }
            _ => return Err(images_only(what, self.family(), shape)),
        }
        Ok(Network::new(what, &[self.latent() + classes], layers))
    }

    /// Returns the layers that replace the first latent values by their signs and the last one by a class, if there are any.
    fn discrete_latents(&self, class_shares: &[f32]) -> Result<Vec<Layer>, NetworkError> {
        let count = match self {
            Self::Mlp { binary_latents, .. } | Self::Dcgan { binary_latents, .. } => *binary_latents,
            Self::Residual { .. } | Self::Pyramid { .. } => 0,
        };
        let latent = self.latent();
        let most = if class_shares.is_empty() { latent } else { latent - 1 };
        if count > most {
            let last = if most < latent { ", because the last one chooses the class" } else { "" };
            let why = format!("binary_latents = {count} with latent = {latent}: expected 0 to {most}{last}");
            return Err(NetworkError::new("generator", why));
        }
        let mut layers: Vec<_> = (count > 0).then_some(Layer::BinaryLatents { count }).into_iter().collect();
        if !class_shares.is_empty() {
            if !are_chosen(class_shares) {
                let why = format!(
                    "data.class_shares = {class_shares:?}: expected at least 1.3 % of their sum for each class"
                );
                return Err(NetworkError::new("generator", why));
            }
            layers.push(Layer::ClassLatent { thresholds: class_thresholds(class_shares) });
        }
        Ok(layers)
    }
}

/// Returns whether a random latent value chooses each class with half to twice its share.
///
/// It does if each share is 1.3 % or more, the probability of one step of the latent in the middle of its distribution. Nearer to the ends,
/// where the steps are smaller, shares may be smaller too.
pub(crate) fn are_chosen(shares: &[f32]) -> bool {
    let total: f64 = shares.iter().map(|&share| f64::from(share)).sum();
    let mut pairs = class_frequencies(shares).into_iter().zip(shares);
    pairs.all(|(frequency, share)| (0.5..=2.0).contains(&(frequency * total / f64::from(*share))))
}

/// Returns the values between which a latent value stands for a class, one less than there are classes, so that the classes have these shares.
///
/// A latent value is a multiple of 1/32 with a normal distribution; the thresholds lie between two of them, so the share of a class is off
/// by 1.3 percentage points at most.
pub(crate) fn class_thresholds(shares: &[f32]) -> Vec<f32> {
    let all: f64 = (-127..=127).map(step_density).sum();
    let total: f64 = shares.iter().map(|&s| f64::from(s)).sum();
    let mut wanted = 0.0;
    let below = |share: &f32| {
        wanted += f64::from(*share) / total;
        let (mut step, mut reached) = (-127, step_density(-127) / all);
        // The step whose half is nearer is the last one below the threshold.
        while step < 126 && reached + 0.5 * step_density(step + 1) / all < wanted {
            step += 1;
            reached += step_density(step) / all;
        }
        (step as f32 + 0.5) / 32.0
    };
    shares[..shares.len().saturating_sub(1)].iter().map(below).collect()
}

/// Returns how often a random latent value chooses each class if the classes have these shares.
pub(crate) fn class_frequencies(shares: &[f32]) -> Vec<f64> {
    let thresholds = class_thresholds(shares);
    let mut frequencies = vec![0.0; shares.len()];
    let mut class = 0;
    for step in -127..=127 {
        while thresholds.get(class).is_some_and(|threshold| step as f32 / 32.0 > *threshold) {
            class += 1;
        }
        frequencies[class] += step_density(step);
    }
    let all: f64 = frequencies.iter().sum();
    frequencies.iter().map(|frequency| frequency / all).collect()
}

/// Density of the normal distribution at a latent value of `step`/32, without its constant factor.
fn step_density(step: i32) -> f64 {
    (-0.5 * (f64::from(step) / 32.0).powi(2)).exp()
}

/// Bound of the logits of a palette's colors, so that their exponentials neither overflow nor vanish.
const MOST_LOGIT: f32 = 8.0;
/// Width of the hidden layer before a palette, for each color.
const HIDDEN_PER_COLOR: usize = 6;

/// Appends the layers that compute the palette from the `inputs` numbers of the latent, and keep it for the last layer.
fn colors(
    layers: &mut Vec<Layer>,
    inputs: usize,
    (palette, channels): (usize, usize),
    refine: bool,
) -> Result<(), NetworkError> {
    let wrong = match palette {
        0 => return Ok(()),
        1 => format!("expected 0 or 2 to {MAX_COLORS} colors"),
        n if n > MAX_COLORS => format!("expected at most {MAX_COLORS} colors"),
        _ if !refine => "it needs refine = true: set generator.refine = true".into(),
        _ => String::new(),
    };
    if !wrong.is_empty() {
        return Err(NetworkError::new("generator", format!("palette = {palette}: {wrong}")));
    }
    layers.push(Layer::Fork);
    let inputs = dense(layers, inputs, &[HIDDEN_PER_COLOR * palette])?;
    layers.extend([Layer::Dense { inputs, to: vec![palette * channels] }, Layer::Activation(Activation::Tanh)]);
    layers.push(Layer::Swap);
    Ok(())
}

/// Appends dense layers of these widths, each with ReLU; returns the number of features.
fn dense(layers: &mut Vec<Layer>, mut inputs: usize, widths: &[usize]) -> Result<usize, NetworkError> {
    check_widths("generator", widths)?;
    for &width in widths {
        layers.extend([Layer::Dense { inputs, to: vec![width] }, leaky(0.0)]);
        inputs = width;
    }
    Ok(inputs)
}

/// Appends a dense layer to the image that `upsamplings` upsampling layers enlarge to `shape`; returns its channels.
fn first_image(
    layers: &mut Vec<Layer>,
    inputs: usize,
    widths: &[usize],
    upsamplings: usize,
    shape: &[usize],
) -> Result<usize, NetworkError> {
    let what = "generator";
    check_widths(what, widths)?;
    let Some(&first) = widths.first() else {
        return Err(NetworkError::new(what, "`widths` is empty: expected at least one number of channels"));
    };
    let (h, w) = (shape[0], shape[1]);
    let by = 1 << upsamplings.min(13);
    if upsamplings > 12 || h % by != 0 || w % by != 0 {
        let near = |up: usize| [w, h].map(|side| (side / by + usize::from(side % by > 0 && up > 0)).max(1) * by);
        let (below, above) = (near(0), near(1));
        let sizes = if below == above { format!("{above:?}") } else { format!("{below:?} or {above:?}") };
        let why = format!(
            "{} widths double the sides {upsamplings} times, but the sides of {w}x{h} images are not multiples of {by}: use \
             fewer generator.widths, or set data.size = {sizes}",
            widths.len(),
        );
        return Err(NetworkError::new(what, why));
    }
    layers.push(Layer::Dense { inputs, to: vec![h / by, w / by, first] });
    Ok(first)
}

/// Appends 1x1 convolutions of these widths, each with ReLU; returns the number of channels.
fn points(
    layers: &mut Vec<Layer>,
    mut inputs: usize,
    widths: &[usize],
    (refine, batch_norm): (bool, bool),
) -> Result<usize, NetworkError> {
    if !refine && !widths.is_empty() {
        let why = format!("pointwise = {widths:?} needs refine = true: set generator.refine = true");
        return Err(NetworkError::new("generator", why));
    }
    check_widths("generator", widths)?;
    for &outputs in widths {
        layers.push(Layer::Conv { window: POINT, inputs, outputs });
        norm(layers, outputs, batch_norm);
        inputs = outputs;
    }
    Ok(inputs)
}

/// Appends the convolution at full size: to the image, or to the shares of the palette's colors.
fn refined(layers: &mut Vec<Layer>, inputs: usize, palette: usize, channels: usize) {
    let (outputs, activation) = match palette {
        0 => (channels, Activation::Tanh),
        colors => (colors, Activation::Bounded(MOST_LOGIT)),
    };
    layers.extend([Layer::Conv { window: KEEP, inputs, outputs }, Layer::Activation(activation)]);
    if palette > 0 {
        layers.push(Layer::Palette { colors: palette, channels });
    }
}

/// Appends ReLU, with batch normalization before it if `batch_norm` is set.
fn norm(layers: &mut Vec<Layer>, channels: usize, batch_norm: bool) {
    layers.extend(batch_norm.then_some(Layer::BatchNorm { channels }));
    layers.push(leaky(0.0));
}

/// Appends a layer that doubles the sides.
fn double(layers: &mut Vec<Layer>, upsampling: Upsampling, inputs: usize, outputs: usize) {
    match upsampling {
        Upsampling::Transpose => layers.push(Layer::ConvTranspose { window: HALVE, inputs, outputs }),
        Upsampling::Nearest => layers.extend([Layer::Upsample(2), Layer::Conv { window: KEEP, inputs, outputs }]),
        Upsampling::Separable => layers.extend([
            Layer::Upsample(2),
            Layer::Depthwise { window: KEEP, channels: inputs },
            Layer::Conv { window: POINT, inputs, outputs },
        ]),
    }
}
