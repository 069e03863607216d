//! Reasons why bytes are refused as a model, with their messages.
use super::{OLDEST_VERSION, VERSION};
use core::fmt;

/// The reason why bytes were refused as a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The address of the bytes is not a multiple of 4.
    Misaligned,
    /// There are fewer bytes than the file states.
    Truncated {
        /// Number of bytes.
        found: usize,
        /// Number of bytes expected: of the file, or of the prelude if that is incomplete.
        expected: usize,
    },
    /// There are more bytes than the file states.
    TrailingBytes {
        /// Number of bytes.
        found: usize,
        /// Number of bytes that the file states.
        expected: usize,
    },
    /// The first four bytes are not those of a model file.
    Magic,
    /// The file was written for another version of the format.
    Version {
        /// Version of the file.
        found: u16,
    },
    /// The checksum does not match, so the file is damaged.
    Checksum {
        /// Checksum of the bytes.
        found: u32,
        /// Checksum that the file states.
        expected: u32,
    },
    /// The lengths and offsets of the prelude contradict each other, or reserved bytes are not zero.
    Prelude,
    /// The header does not decode.
    Header,
    /// A property of the whole model is out of range.
    Model {
        /// The property.
        what: &'static str,
        /// Value in the file.
        found: u32,
        /// Value or bound expected.
        expected: Expected,
    },
    /// A layer is out of range or does not fit its inputs.
    Layer {
        /// The layer, counted from 0.
        layer: u8,
        /// The property.
        what: &'static str,
        /// Value in the file.
        found: u32,
        /// Value or bound expected.
        expected: Expected,
    },
    /// The arena size that the prelude states is not what the layers need.
    Arena {
        /// Index of the kernel family in [`crate::KernelFamily::ALL`].
        family: u8,
        /// Bytes stated.
        found: u32,
        /// Bytes needed.
        expected: u32,
    },
}

/// The value that a model should have instead of the one found. Displays as in "at most 64".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This value.
    Exactly(u32),
    /// This value or more.
    AtLeast(u32),
    /// This value or less.
    AtMost(u32),
    /// Less than this value.
    Below(u32),
    /// No value at all.
    Nothing,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (relation, value) = match *self {
            Self::Exactly(value) => ("", value),
            Self::AtLeast(value) => ("at least ", value),
            Self::AtMost(value) => ("at most ", value),
            Self::Below(value) => ("less than ", value),
            Self::Nothing => return f.write_str("none"),
        };
        write!(f, "{relation}{value}")
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => {
                f.write_str("the model does not start at a multiple of 4 bytes: embed it with include_model!")
            }
            Self::Truncated { found, expected } => {
                write!(f, "the model is truncated: found {found} bytes, expected {expected}")
            }
            Self::TrailingBytes { found, expected } => {
                write!(f, "bytes follow the model: found {found} bytes, expected {expected}")
            }
            Self::Magic => f.write_str("not a model file: the first four bytes are not \"GNLT\""),
            Self::Version { found } => write!(
                f,
                "the model has format version {found}, this runtime reads versions {OLDEST_VERSION} to {VERSION}: export it again or \
                 update the runtime"
            ),
            Self::Checksum { found, expected } => {
                write!(f, "the model is damaged: found checksum {found:08x}, expected {expected:08x}")
            }
            Self::Prelude => f.write_str("the model's first 48 bytes contradict each other"),
            Self::Header => f.write_str("the model's header does not decode"),
            Self::Model { what, found, expected } => write!(f, "model: {what}: found {found}, expected {expected}"),
            Self::Layer { layer, what, found, expected } => {
                write!(f, "layer {layer}: {what}: found {found}, expected {expected}")
            }
            Self::Arena { family, found, expected } => {
                write!(
                    f,
                    "the model states an arena of {found} bytes for kernel family {family}, its layers need {expected}"
                )
            }
        }
    }
}

impl core::error::Error for FormatError {}
