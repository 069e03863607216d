//! What the postcard header of a model file says: the layers, how they connect, where their numbers lie.
use heapless::Vec;
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
/// Entries of an activation table: one for each high byte, and the end of the last interval.
pub const TABLE_LEN: usize = 257;

/// A run of bytes in the blob; starts at a multiple of four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub at: u32,
    /// Count of bytes.
    pub len: u32,
}

/// Height, width and channels of a tensor; stored row by row, channels innermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether the tensor holds no value.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Where a layer reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The latent vector, a tensor of one pixel with zero point 0.
    Latent,
    /// The output of an earlier layer.
    Layer(u8),
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }
}

/// How an accumulator becomes an i8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Requantise, add the zero point, saturate: linear, and ReLU where the zero point is -128.
    Clamp,
    /// Requantise to i16 and look up with linear interpolation: tanh, sigmoid, leaky ReLU.
    Table(Span),
}

/// How the weights of a layer lie in flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// One byte a weight.
    #[default]
    Compact,
    /// Pairs of weights in words that multiply without unpacking: twice the flash, fewer instructions.
    Fast,
}

impl Layout {
    /// The layout's name in tables and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
        }
    }
}

/// One step of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What is computed.
    pub op: Op,
    /// Where it reads from.
    pub input: Source,
    /// The i8 that stands for the real number 0 in the output.
    pub zero_point: i8,
    /// How accumulators become output.
    pub activation: Activation,
    /// How the weights lie in flash.
    pub layout: Layout,
    /// Products that a lane may add up before it is emptied; 0 where no lanes are used.
    pub interval: u16,
    /// Weights, i8 or packed words; of an `Add`, two i32.
    pub weights: Span,
    /// Biases, i32: one a channel; for each phase of a transposed convolution, of a doubling one for each border
    /// case too; or (dense only) one a value.
    pub bias: Span,
    /// Multipliers, u32 below 2^31: one a channel; one in all for an `Add`.
    pub scale: Span,
}

/// The structure of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Length of the latent vector.
    pub latent: u16,
    /// Classes to choose from; 0 for an unconditional model, the only kind of version 1.
    pub classes: u16,
    /// The picture: its channels are 1 or 3.
    pub output: Shape,
    /// The layers in topological order; the last one is the picture.
    pub layers: Vec<Layer, MAX_LAYERS>,
}
