//! The postcard header of a model file: layers, their connections, and the spans of their numbers in the blob.
use super::{OLDEST_VERSION, WITH_PALETTES};
use heapless::Vec;
use postcard::{Deserializer, de_flavors::Slice};
use serde::{Deserialize, Serialize};

/// Maximum number of layers.
pub const MAX_LAYERS: usize = 24;
/// Maximum length of the latent vector, classes included.
pub const MAX_LATENT: usize = 256;
/// Maximum height or width of a tensor.
pub const MAX_SIDE: u16 = 1024;
/// Maximum number of channels of a tensor.
pub const MAX_CHANNELS: u16 = 4096;
/// Maximum side of a convolution kernel.
pub const MAX_KERNEL: u8 = 16;
/// Maximum number of images of a model, which are the levels of a pyramid.
pub const MAX_IMAGES: usize = 4;
/// Maximum number of colors of a palette.
pub const MAX_COLORS: usize = 64;
/// Entries of an activation table: one for each high byte, plus the end of the last interval.
pub const TABLE_LEN: usize = 257;

/// A range of bytes in the blob, at a multiple of four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    /// Offset of the first byte.
    pub at: u32,
    /// Number of bytes.
    pub len: u32,
}

/// Height, width and channels of a tensor, which is stored row by row with interleaved channels (HWC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Height: rows.
    pub h: u16,
    /// Width: pixels per row.
    pub w: u16,
    /// Channels per pixel.
    pub c: u16,
}

impl Shape {
    /// Returns the number of values in a row.
    pub const fn row_len(self) -> usize {
        self.w as usize * self.c as usize
    }

    /// Returns the number of values in the tensor.
    pub const fn len(self) -> u64 {
        self.h as u64 * self.w as u64 * self.c as u64
    }

    /// Returns the number of values in the tensor, saturated at the largest u32.
    pub(crate) fn count(self) -> u32 {
        super::product(u32::from(self.h) * u32::from(self.w), self.c.into())
    }

    /// Returns whether the tensor has no values.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The tensor that a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// The latent vector, a tensor of one pixel with zero point 0.
    Latent,
    /// The output of an earlier layer.
    Layer(u8),
}

/// The operation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Op {
    /// Fully connected: every output is a weighted sum of all inputs.
    Dense {
        /// Shape of the output.
        shape: Shape,
    },
    /// Convolution with a `k`×`k` kernel, stride `s` and `p` pixels of padding on each side.
    Conv {
        /// Kernel side.
        k: u8,
        /// Stride.
        s: u8,
        /// Padding.
        p: u8,
        /// Output channels.
        c: u16,
    },
    /// Transposed convolution; the output is `(h - 1) * s + k - 2 * p` rows high.
    ConvTranspose {
        /// Kernel side, at least the stride.
        k: u8,
        /// Stride.
        s: u8,
        /// Padding.
        p: u8,
        /// Output channels.
        c: u16,
    },
    /// Nearest-neighbor upsampling: every pixel is repeated `factor` times in both directions.
    Upsample {
        /// Scale factor.
        factor: u8,
    },
    /// Weighted sum of two tensors of the same shape, as in a residual block.
    Add {
        /// The second tensor.
        other: Source,
    },
    /// Depthwise convolution: each channel has a kernel of its own.
    Depthwise {
        /// Kernel side.
        k: u8,
        /// Stride.
        s: u8,
        /// Padding.
        p: u8,
    },
    /// For each pixel, the mean of the colors of a palette, in the shares softmax(values of the pixel).
    Palette {
        /// The palette: one pixel with the first channel of all colors, then the second, and so on.
        colors: Source,
    },
}

impl Op {
    /// Returns the name of the operation in tables and JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv-transpose",
            Self::Upsample { .. } => "upsample",
            Self::Add { .. } => "add",
            Self::Depthwise { .. } => "depthwise",
            Self::Palette { .. } => "palette",
        }
    }
}

/// The activation function, which maps an accumulator to an i8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Activation {
    /// Requantize, add the zero point and saturate: linear, or ReLU if the zero point is -128.
    Clamp,
    /// Requantize to i16 and interpolate in a table: tanh, sigmoid, leaky ReLU. In a palette: the share of a color, by the distance of
    /// its value from the largest value of the pixel.
    Table(Span),
}

/// Layout of the weights of a layer in flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum WeightLayout {
    /// One byte per weight.
    #[default]
    Compact,
    /// Pairs of weights in 32-bit words that multiply without unpacking: twice the flash, fewer instructions.
    Fast,
}

impl WeightLayout {
    /// Returns the name of the layout in tables, options and JSON: `compact` or `fast`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
        }
    }
}

/// One layer of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Layer {
    /// The operation.
    pub op: Op,
    /// The tensor that it reads.
    pub input: Source,
    /// Zero point of the output: the i8 that represents 0.
    pub zero_point: i8,
    /// The activation function.
    pub activation: Activation,
    /// Layout of the weights in flash.
    pub layout: WeightLayout,
    /// Number of steps that a lane can accumulate before it is emptied; 0 in most layers. A positive value makes a transposed convolution with
    /// k 4, s 2 and p 1 a *doubling* layer, whose weights and rows are words of two lanes.
    pub interval: u16,
    /// Weights: i8 or packed words; for `Add`, two i32.
    pub weights: Span,
    /// Biases, i32: one per channel; in a transposed convolution one per phase and channel, in a doubling layer also per border
    /// case; in a dense layer one per channel or per value.
    pub bias: Span,
    /// Multipliers, u32 below 2^31: one per channel; a single one for `Add`.
    pub scale: Span,
}

impl Layer {
    /// Returns whether the layer is a doubling layer, which multiplies words of two lanes.
    pub(crate) const fn doubles(&self) -> bool {
        self.interval > 0
    }
}

/// The structure of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Header<'a> {
    /// Name of the model in UTF-8.
    pub name: &'a [u8],
    /// Length of the latent vector without classes.
    pub latent: u16,
    /// Number of classes; 0 for an unconditional model. Each is an input after the latent's values.
    pub classes: u16,
    /// Indices of the layers whose outputs are images of 1 or 3 channels, ascending. The last one is the model's image, the
    /// others are smaller levels of it.
    pub images: Vec<u8, MAX_IMAGES>,
    /// The layers in topological order. Layers after the image are the discriminator, whose last layer has a single output.
    pub layers: Vec<Layer, MAX_LAYERS>,
    /// Directions in latent space, each as many i8 as the latent has values. Version 2 has none.
    #[serde(skip)]
    pub directions: Span,
}

impl<'a> Header<'a> {
    /// Creates a header without layers.
    pub(crate) fn empty() -> Self {
        Self { name: &[], latent: 0, classes: 0, images: Vec::new(), layers: Vec::new(), directions: Span::default() }
    }

    /// Returns the number of input values: the latent's, plus one per class.
    pub(crate) fn inputs(&self) -> u16 {
        self.latent.saturating_add(self.classes)
    }

    /// Decodes `bytes` into an empty header; returns whether they are exactly one header of format version `version`.
    ///
    /// The fields are decoded one by one. Code derived by serde reads the same format but is five times as large.
    #[inline(never)]
    pub(crate) fn decode(&mut self, bytes: &'a [u8], version: u16) -> bool {
        let ops = if version >= WITH_PALETTES { 7 } else { 6 };
        let mut fields = Fields { rest: Deserializer::from_bytes(bytes), ops, valid: true };
        self.name = fields.bytes();
        self.latent = fields.short();
        self.classes = fields.short();
        for _ in 0..fields.word() {
            if self.images.push(fields.byte()).is_err() {
                return false;
            }
        }
        for _ in 0..fields.word() {
            // Too many layers, or the bytes have ended.
            if self.layers.push(fields.layer()).is_err() || !fields.valid {
                return false;
            }
        }
        if version > OLDEST_VERSION {
            self.directions = fields.span();
        }
        fields.valid && fields.rest.finalize().is_ok_and(<[u8]>::is_empty)
    }
}

/// Reads the fields of a header. After an error it returns zeros.
struct Fields<'a> {
    rest: Deserializer<'a, Slice<'a>>,
    /// Number of operations of the format version.
    ops: u32,
    /// Whether no error has occurred.
    valid: bool,
}

impl<'a> Fields<'a> {
    fn take<T: Deserialize<'a> + Default>(&mut self) -> T {
        T::deserialize(&mut self.rest).unwrap_or_else(|_| {
            self.valid = false;
            T::default()
        })
    }

    #[inline(never)]
    fn bytes(&mut self) -> &'a [u8] {
        self.take()
    }

    #[inline(never)]
    fn byte(&mut self) -> u8 {
        self.take()
    }

    #[inline(never)]
    fn word(&mut self) -> u32 {
        self.take()
    }

    #[inline(never)]
    fn short(&mut self) -> u16 {
        let word = self.word();
        self.valid &= word <= u16::MAX.into();
        word as u16
    }

    /// Reads the number of an enum variant, one of `count`.
    fn variant(&mut self, count: u32) -> u32 {
        let variant = self.word();
        self.valid &= variant < count;
        variant
    }

    #[inline(never)]
    fn span(&mut self) -> Span {
        Span { at: self.word(), len: self.word() }
    }

    #[inline(never)]
    fn shape(&mut self) -> Shape {
        Shape { h: self.short(), w: self.short(), c: self.short() }
    }

    #[inline(never)]
    fn source(&mut self) -> Source {
        if self.variant(2) == 0 { Source::Latent } else { Source::Layer(self.byte()) }
    }

    #[inline(never)]
    fn op(&mut self) -> Op {
        match self.variant(self.ops) {
            0 => Op::Dense { shape: self.shape() },
            3 => Op::Upsample { factor: self.byte() },
            4 => Op::Add { other: self.source() },
            6 => Op::Palette { colors: self.source() },
            variant => {
                let (k, s, p) = (self.byte(), self.byte(), self.byte());
                match variant {
                    1 => Op::Conv { k, s, p, c: self.short() },
                    2 => Op::ConvTranspose { k, s, p, c: self.short() },
                    _ => Op::Depthwise { k, s, p },
                }
            }
        }
    }

    #[inline(never)]
    fn layer(&mut self) -> Layer {
        Layer {
            op: self.op(),
            input: self.source(),
            zero_point: self.byte() as i8,
            activation: if self.variant(2) == 0 { Activation::Clamp } else { Activation::Table(self.span()) },
            layout: if self.variant(2) == 0 { WeightLayout::Compact } else { WeightLayout::Fast },
            interval: self.short(),
            weights: self.span(),
            bias: self.span(),
            scale: self.span(),
        }
    }
}
