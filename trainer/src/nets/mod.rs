//! Families of generators and discriminators, from the few numbers a recipe gives to lists of layers.
mod discriminator;
mod generator;

use crate::graph::Window;
use crate::nn::{Activation, Layer};
pub use discriminator::{Discriminator, Judging, Minibatch};
pub use generator::{Generator, Upsampling};
use std::fmt;

/// k4 s2 p1: halves a side, or doubles it when transposed.
const HALVE: Window = Window { kernel: 4, stride: 2, pad: 1 };
/// k3 s1 p1: keeps a side.
const KEEP: Window = Window { kernel: 3, stride: 1, pad: 1 };
/// k1 s1 p0: each pixel by itself.
const POINT: Window = Window { kernel: 1, stride: 1, pad: 0 };
/// k2 s2 p0: halves a side.
const PAIRS: Window = Window { kernel: 2, stride: 2, pad: 0 };

/// A family that cannot make networks for this data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    what: &'static str,
    why: String,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.what, self.why)
    }
}

impl std::error::Error for NetworkError {}

impl NetworkError {
    pub(crate) fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

/// Widest layer that a recipe may ask for.
const MAX_WIDTH: usize = 16_384;

fn widths_ok(what: &'static str, widths: &[usize]) -> Result<(), NetworkError> {
    match widths.iter().find(|&&w| w == 0 || w > MAX_WIDTH) {
        Some(w) => Err(NetworkError { what, why: format!("a width of {w}: expected 1 to {MAX_WIDTH}") }),
        None => Ok(()),
    }
}

fn leaky(slope: f32) -> Layer {
    Layer::Activation(Activation::Leaky(slope))
}

fn no_picture(what: &'static str, family: &str, shape: &[usize]) -> NetworkError {
    let why = format!(
        "the {family} family is for pictures, the data are points of {} numbers: use family = \"mlp\"",
        shape[0]
    );
    NetworkError { what, why }
}
