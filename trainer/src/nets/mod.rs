//! Network families: turn the few hyperparameters of a recipe into lists of layers for generators and discriminators.
mod discriminator;
mod generator;

use crate::graph::Window;
use crate::nn::{Activation, Layer};
pub use discriminator::{Discriminator, DiscriminatorOptions, Minibatch};
pub use generator::{Generator, Upsampling};
pub(crate) use generator::{are_chosen, class_frequencies, class_thresholds};
use std::fmt;

/// Kernel 4, stride 2, padding 1: halves a side; transposed, doubles it.
const HALVE: Window = Window { kernel: 4, stride: 2, pad: 1 };
/// Kernel 3, stride 1, padding 1: keeps a side.
const KEEP: Window = Window { kernel: 3, stride: 1, pad: 1 };
/// Kernel 1, stride 1, padding 0: works on each pixel separately.
const POINT: Window = Window { kernel: 1, stride: 1, pad: 0 };
/// Kernel 2, stride 2, padding 0: halves a side.
const PAIRS: Window = Window { kernel: 2, stride: 2, pad: 0 };

/// Networks that cannot be built, or do not fit the data or this machine.
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

/// Largest width of a layer.
const MAX_WIDTH: usize = 16_384;

fn check_widths(what: &'static str, widths: &[usize]) -> Result<(), NetworkError> {
    match widths.iter().find(|&&w| w == 0 || w > MAX_WIDTH) {
        Some(w) => Err(NetworkError { what, why: format!("a width is {w}: expected 1 to {MAX_WIDTH}") }),
        None => Ok(()),
    }
}

fn leaky(slope: f32) -> Layer {
    Layer::Activation(Activation::Leaky(slope))
}

fn images_only(what: &'static str, family: &str, shape: &[usize]) -> NetworkError {
    let why = format!(
        "the {family} family generates images, but the data has points of {} numbers: set {what}.family = \"mlp\"",
        shape[0]
    );
    NetworkError { what, why }
}
