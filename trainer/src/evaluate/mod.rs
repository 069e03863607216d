//! Evaluation: measures the quality of a generator's samples against held-out real data.
//!
//! [`evaluate_run`] and [`evaluate_model`] evaluate generators of images, [`evaluate_points`] generators of points. An
//! [`Evaluator`] measures images of any origin:
//!
//! ```
//! use ganlet_trainer::data;
//! use ganlet_trainer::evaluate::Evaluator;
//! let (train, held_out) = data::blobs(8, 8, 3, 600, 4).split(400, 200).unwrap();
//! let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
//! let real = evaluator.measure_real(200).unwrap();
//! assert!(real.recall > 0.5);
//! ```
mod checkpoint;
mod classifier;
mod classifier_training;
mod device;
mod error;
mod extract;
mod generator;
mod images;
mod metric;
mod network;
mod points;
mod quality;
mod realism;
mod rejection;
mod slow_metrics;
mod slow_reference;
#[cfg(test)]
mod tests;
mod verdict;

pub use checkpoint::{POINTS, checkpoint_measure};
pub use classifier::EmbeddedClassifier;
pub use classifier_training::{Augmentation, ClassifierOptions, TrainedClassifier, cross_entropy, train_classifier};
pub use device::int8_images;
pub use error::EvaluateError;
pub use generator::{
    EvaluationProgress, FIRST_SEED, IMAGES, PointsEvaluation, SETS, SampleAmount, evaluate_model, evaluate_points,
    evaluate_run, evaluate_run_with_rejection, model_data,
};
pub use images::Evaluator;
pub use metric::{Intervals, Metric, SampleSource, intervals};
pub use network::{FEATURES, FeatureNetwork, FeatureNetworkId, RANDOM_SEED};
pub use points::{PointsQuality, points};
pub use quality::{AcceptedImages, Evaluation, Quality, RareClass, SlowMetrics};
pub use realism::{Comparison, Realism};
pub use rejection::{
    DiscriminatorFit, RejectionError, RejectionOptions, RejectionSampler, ScoredImage, Selection, fit_discriminator,
};
pub use verdict::{Change, Trend};
