//! What the postcard header of a model file says: the layers, how they connect, where their numbers lie.
use heapless::Vec;
use postcard::{Deserializer, de_flavors::Slice};
use serde::{Deserialize, Serialize};

/// Most layers a model may have.
pub const MAX_LAYERS: usize = 24;
/// Longest latent vector.
pub const MAX_LATENT: usize = 256;
/// Largest height or width of a tensor.
pub const MAX_SIDE: u16 = 1024;
/// Most channels of a tensor.
pub const MAX_CHANNELS: u16 = 4096;
/// Largest kernel side.
pub const MAX_KERNEL: u8 = 16;
/// Most pictures of a model: the levels of a pyramid.
pub const MAX_PICTURES: usize = 4;
/// Entries of an activation table: one for each high byte, and the end of the last interval.
pub const TABLE_LEN: usize = 257;

/// A run of bytes in the blob; starts at a multiple of four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    /// First byte.
    pub at: u32,
    /// Count of bytes.
    pub len: u32,
}

/// Height, width and channels of a tensor; stored row by row, channels innermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Rows.
    pub h: u16,
    /// Pixels in a row.
    pub w: u16,
    /// Channels of a pixel.
    pub c: u16,
}

impl Shape {
    /// Values in one row.
    pub const fn row_len(self) -> usize {
        self.w as usize * self.c as usize
    }

    /// Values in the tensor.
    pub const fn len(self) -> u64 {
        self.h as u64 * self.w as u64 * self.c as u64
    }

    /// Values in the tensor; a count that 32 bits do not hold is cut to the largest that they do.
    pub(crate) fn count(self) -> u32 {
        super::product(u32::from(self.h) * u32::from(self.w), self.c.into())
    }

    /// Whether the tensor holds no value.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Where a layer reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// The latent vector, a tensor of one pixel with zero point 0.
    Latent,
    /// The output of an earlier layer.
    Layer(u8),
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Op {
    /// Every output value is a weighted sum of every input value.
    Dense {
        /// The output's shape.
        shape: Shape,
    },
    /// Convolution with a `k`×`k` kernel, stride `s`, `p` pixels of padding on each side.
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
    /// Every pixel is repeated `factor` times in both directions.
    Upsample {
        /// Repetitions.
        factor: u8,
    },
    /// The weighted sum of two tensors of one shape.
    Add {
        /// The second tensor.
        other: Source,
    },
    /// A convolution of each channel by itself.
    Depthwise {
        /// Kernel side.
        k: u8,
        /// Stride.
        s: u8,
        /// Padding.
        p: u8,
    },
}

impl Op {
    /// The operation's name in tables and messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv-transpose",
            Self::Upsample { .. } => "upsample",
            Self::Add { .. } => "add",
            Self::Depthwise { .. } => "depthwise",
        }
    }
}

/// How an accumulator becomes an i8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Activation {
    /// Requantize, add the zero point, saturate: linear, and ReLU where the zero point is -128.
    Clamp,
    /// Requantize to i16 and look up with linear interpolation: tanh, sigmoid, leaky ReLU.
    Table(Span),
}

/// How the weights of a layer lie in flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum WeightLayout {
    /// One byte a weight.
    #[default]
    Compact,
    /// Pairs of weights in words that multiply without unpacking: twice the flash, fewer instructions.
    Fast,
}

impl WeightLayout {
    /// The layout's name in tables and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
        }
    }
}

/// One step of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Layer {
    /// What is computed.
    pub op: Op,
    /// Where it reads from.
    pub input: Source,
    /// The i8 that stands for the real number 0 in the output.
    pub zero_point: i8,
    /// How accumulators become output.
    pub activation: Activation,
    /// How the weights lie in flash.
    pub layout: WeightLayout,
    /// Products that a lane may add up before it is emptied: it makes a transposed convolution with k 4, s 2 and p 1 a
    /// *doubling* layer, whose weights and rows are words of two lanes. 0 in other layers.
    pub interval: u16,
    /// Weights, i8 or packed words; of an `Add`, two i32.
    pub weights: Span,
    /// Biases, i32: one a channel; for each phase of a transposed convolution, of a doubling one for each border
    /// case too; or (dense only) one a value.
    pub bias: Span,
    /// Multipliers, u32 below 2^31: one a channel; one in all for an `Add`.
    pub scale: Span,
}

impl Layer {
    /// Whether the layer multiplies words of two lanes.
    pub(crate) const fn doubles(&self) -> bool {
        self.interval > 0
    }
}

/// The structure of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Header<'a> {
    /// The model's name, in UTF-8.
    pub name: &'a [u8],
    /// Length of the latent vector.
    pub latent: u16,
    /// Classes to choose from; 0 for an unconditional model. Each is a value behind the latent's.
    pub classes: u16,
    /// The layers whose outputs are pictures of 1 or 3 channels, in ascending order: the last one is the model's picture,
    /// those before it are smaller levels of it.
    pub pictures: Vec<u8, MAX_PICTURES>,
    /// The layers in topological order. Those behind the picture judge it: the last one makes a single value.
    pub layers: Vec<Layer, MAX_LAYERS>,
}

impl<'a> Header<'a> {
    /// A header without layers.
    pub(crate) fn empty() -> Self {
        Self { name: &[], latent: 0, classes: 0, pictures: Vec::new(), layers: Vec::new() }
    }

    /// Values that the first layers read: the latent's, and one for each class.
    pub(crate) fn inputs(&self) -> u16 {
        self.latent.saturating_add(self.classes)
    }

    /// Reads an empty header from exactly these bytes; tells whether they are one.
    ///
    /// Postcard decodes number by number. What serde would derive is the same format in five times the code.
    #[inline(never)]
    pub(crate) fn decode(&mut self, bytes: &'a [u8]) -> bool {
        let mut fields = Fields { rest: Deserializer::from_bytes(bytes), sound: true };
        self.name = fields.bytes();
        self.latent = fields.short();
        self.classes = fields.short();
        for _ in 0..fields.word() {
            if self.pictures.push(fields.byte()).is_err() {
                return false;
            }
        }
        for _ in 0..fields.word() {
            // The list is longer than any model's, or the bytes have ended.
            if self.layers.push(fields.layer()).is_err() || !fields.sound {
                return false;
            }
        }
        fields.sound && fields.rest.finalize().is_ok_and(<[u8]>::is_empty)
    }
}

/// The fields of a header, one after the other; zeros once something was wrong.
struct Fields<'a> {
    rest: Deserializer<'a, Slice<'a>>,
    sound: bool,
}

impl<'a> Fields<'a> {
    fn take<T: Deserialize<'a> + Default>(&mut self) -> T {
        T::deserialize(&mut self.rest).unwrap_or_else(|_| {
            self.sound = false;
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
        self.sound &= word <= u16::MAX.into();
        word as u16
    }

    /// The number of a variant, one of `count`.
    fn variant(&mut self, count: u32) -> u32 {
        let variant = self.word();
        self.sound &= variant < count;
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
        match self.variant(6) {
            0 => Op::Dense { shape: self.shape() },
            3 => Op::Upsample { factor: self.byte() },
            4 => Op::Add { other: self.source() },
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
