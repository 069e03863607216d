//! What is known of a set of pictures, and of a generator: the numbers that `eval --json` prints.
use super::Identity;
use crate::metrics::{ConfidenceInterval, SupportEstimate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a set of pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Pictures judged.
    pub samples: usize,
    /// Fréchet distance of their features to those of the held-out real pictures. Not a FID: see [`Identity`].
    pub frechet: f64,
    /// Unbiased kernel distance of the features, over `compared` pictures of each side.
    pub kernel: f64,
    /// Share of the pictures that lie among real ones.
    pub precision: f64,
    /// Share of the real pictures that lie among these.
    pub recall: f64,
    /// Real neighborhoods around a picture, on average, over 3.
    pub density: f64,
    /// Share of real neighborhoods that hold a picture.
    pub coverage: f64,
    /// Pictures of each side that `kernel` to `coverage` come from.
    pub compared: usize,
    /// Share of each class as the classifier sees it; empty without a classifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<f64>,
    /// KL of these shares to the real ones, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_kl: Option<f64>,
    /// Share of the pictures that the classifier sees as the class that was asked for, where classes were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_asked: Option<f64>,
    /// What takes longer; absent from quick measurements.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Survey>,
}

/// What takes longer to find out of a set of pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Standard deviation of the kernel distance over 10 disjoint parts of the compared pictures; absent where parts are too small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_spread: Option<f64>,
    /// Sliced Wasserstein distance of patches on each level of Laplacian pyramids, finest first; empty for pictures below 7 pixels.
    pub patches: Vec<f64>,
    /// Pairs that are nearer to each other than real pictures are, and how many different pictures that means.
    pub support: SupportEstimate,
    /// Mean distance to the nearest training picture, over that of held-out real pictures: 1 is honest, 0 a copy. Absent for training pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorization: Option<f64>,
    /// Share of the held-out real pictures of each class that lie among these; absent classes are absent from the held-out pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_recall: Vec<Option<f64>>,
    /// The class that is rarest among real pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rare: Option<Rare>,
}

/// What became of the rarest class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rare {
    /// Its number.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Its share of the held-out real pictures.
    pub real: f64,
    /// Its share of the judged ones, as the classifier sees it.
    pub share: f64,
    /// Share of its held-out real pictures that lie among the judged ones.
    pub recall: f64,
}

/// A generator before and after it became integers; the JSON of `eval --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Pictures judged of each kind.
    pub samples: usize,
    /// Real pictures that they were judged against.
    pub references: usize,
    /// What sets of as many real training pictures get as Fréchet distance, on average.
    pub floor: f64,
    /// Standard deviation of that over the sets; absent where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_spread: Option<f64>,
    /// Pictures of the float network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float: Option<Quality>,
    /// Pictures of the integer model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<Quality>,
    /// As many real training pictures: what each number is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<Quality>,
    /// 95 % confidence intervals of the numbers over repeated measurements, by kind of picture and name of the number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, BTreeMap<String, ConfidenceInterval>>,
    /// Mean PSNR of int8 against float, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_mean_db: Option<f64>,
    /// The worst picture's PSNR, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr_min_db: Option<f64>,
    /// What the distances were measured with.
    pub features: Identity,
    /// Names of the classes; empty without a classifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// Share of the held-out real pictures that the classifier sees as what they are labeled; none without a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_as_labeled: Option<f64>,
}

impl Quality {
    /// Its numbers by the names of their keys; those of lists carry their place, as in `classes.3`.
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let mut list: Vec<(String, f64)> = [
            ("frechet", Some(self.frechet)),
            ("kernel", Some(self.kernel)),
            ("precision", Some(self.precision)),
            ("recall", Some(self.recall)),
            ("density", Some(self.density)),
            ("coverage", Some(self.coverage)),
            ("class_kl", self.class_kl),
            ("as_asked", self.as_asked),
            ("memorization", self.survey.as_ref().and_then(|s| s.memorization)),
            ("support", self.survey.as_ref().map(|s| s.support.at_least)),
            ("rare", self.survey.as_ref().and_then(|s| s.rare.as_ref()).map(|r| r.share)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
        let patches = self.survey.iter().flat_map(|s| &s.patches).enumerate();
        list.extend(patches.map(|(level, v)| (format!("patches.{level}"), *v)));
        list.extend(self.classes.iter().enumerate().map(|(class, v)| (format!("classes.{class}"), *v)));
        list
    }
}

/// The interval of every number over repeated measurements, by name; a number that one of them lacks is left out.
///
/// ```
/// use ganlet_trainer::evaluate::intervals;
/// let runs = [vec![("frechet".to_owned(), 9.0)], vec![("frechet".to_owned(), 11.0)]];
/// assert_eq!(intervals(&runs)["frechet"].mean, 10.0);
/// ```
pub fn intervals(measured: &[Vec<(String, f64)>]) -> BTreeMap<String, ConfidenceInterval> {
    let Some(first) = measured.first() else { return BTreeMap::new() };
    let of = |name: &str| {
        let find = |list: &Vec<(String, f64)>| list.iter().find(|n| n.0 == name).map(|n| n.1);
        ConfidenceInterval::of(&measured.iter().map(find).collect::<Option<Vec<_>>>()?)
    };
    first.iter().filter_map(|(name, _)| Some((name.clone(), of(name)?))).collect()
}
