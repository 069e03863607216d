//! How good a generator is: distances between its samples and held-out real data, beside what real data gets.
mod device;
mod error;
mod extract;
mod network;
mod pictures;
mod points;
mod quality;
mod reader;
mod survey;
mod teach;
#[cfg(test)]
mod tests;

pub use device::int8_pictures;
pub use error::EvaluateError;
pub use network::{FEATURES, FeatureNetwork, Identity, RANDOM_SEED};
pub use pictures::Evaluator;
pub use points::{PointsQuality, points};
pub use quality::{Evaluation, Quality, Rare, Survey, intervals};
pub use reader::DigitReader;
pub use teach::{Lesson, Taught, Variation, teach};
