//! Everything that a program needs to build, train and export a GAN.
pub use crate::data::{Dataset, ImageDataset};
pub use crate::draw::Image;
pub use crate::gan::{Gan, GanBuilder, GanError};
pub use crate::graph::{Graph, NodeId, Unary, Window};
pub use crate::loss::Scores;
pub use crate::nn::{Activation, Layer, Network};
pub use crate::philox::Key;
pub use crate::quantize::Quantized;
pub use crate::recipe::Recipe;
pub use crate::train::StepReport;
