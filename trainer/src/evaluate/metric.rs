//! The names of the metrics, and the confidence interval of each over repeated measurements.
use crate::metrics::ConfidenceInterval;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Name of one metric of a [`Quality`](super::Quality) or [`PointsQuality`](super::PointsQuality).
///
/// In JSON it is the key of the value, such as `recall` or `classes.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Metric {
    /// Fréchet distance of features.
    Frechet,
    /// Kernel distance of features.
    Kernel,
    /// Precision.
    Precision,
    /// Recall.
    Recall,
    /// Density.
    Density,
    /// Coverage.
    Coverage,
    /// KL divergence of the class shares.
    ClassKl,
    /// Share of images recognized as the requested class.
    AsRequested,
    /// Distance to the nearest training image, relative to held-out images.
    Memorization,
    /// Lower bound on the number of distinct images.
    Support,
    /// Share of the rarest class.
    Rare,
    /// Sliced Wasserstein distance of patches on this pyramid level, 0 being the finest.
    Patches(usize),
    /// Share of this class.
    Class(usize),
    /// Number of modes found.
    Modes,
    /// Share of points near a mode.
    HighQuality,
    /// Reverse KL divergence of the mode shares.
    ReverseKl,
    /// Standard deviation within modes, relative to σ.
    Spread,
    /// 1-Wasserstein distance.
    Wasserstein,
    /// Jensen-Shannon divergence.
    JensenShannon,
}

/// Metrics without an index, with their keys.
const NAMED: [(Metric, &str); 17] = [
    (Metric::Frechet, "frechet"),
    (Metric::Kernel, "kernel"),
    (Metric::Precision, "precision"),
    (Metric::Recall, "recall"),
    (Metric::Density, "density"),
    (Metric::Coverage, "coverage"),
    (Metric::ClassKl, "class_kl"),
    (Metric::AsRequested, "as_asked"),
    (Metric::Memorization, "memorization"),
    (Metric::Support, "support"),
    (Metric::Rare, "rare"),
    (Metric::Modes, "modes"),
    (Metric::HighQuality, "high_quality"),
    (Metric::ReverseKl, "reverse_kl"),
    (Metric::Spread, "spread"),
    (Metric::Wasserstein, "wasserstein"),
    (Metric::JensenShannon, "jensen_shannon"),
];

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patches(level) => write!(f, "patches.{level}"),
            Self::Class(class) => write!(f, "classes.{class}"),
            named => f.write_str(NAMED.iter().find(|n| n.0 == *named).map_or("", |n| n.1)),
        }
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(key: &str) -> Result<Self, String> {
        let indexed = || match key.split_once('.')? {
            ("patches", level) => level.parse().ok().map(Self::Patches),
            ("classes", class) => class.parse().ok().map(Self::Class),
            _ => None,
        };
        let named = NAMED.iter().find(|n| n.1 == key).map(|n| n.0);
        named.or_else(indexed).ok_or_else(|| format!("no metric is called {key}"))
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        key.parse()
    }
}

impl Metric {
    /// Name of the metric in tables.
    pub fn label(self) -> String {
        let name = match self {
            Self::Frechet => "Fréchet distance",
            Self::Kernel => "kernel distance",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Density => "density",
            Self::Coverage => "coverage",
            Self::ClassKl => "classes, KL",
            Self::AsRequested => "as asked",
            Self::Memorization => "memorization",
            Self::Support => "different, at least",
            Self::Rare => "rarest class",
            Self::Modes => "modes",
            Self::HighQuality => "high quality",
            Self::ReverseKl => "reverse KL",
            Self::Spread => "spread",
            Self::Wasserstein => "Wasserstein distance",
            Self::JensenShannon => "Jensen-Shannon",
            Self::Patches(level) => return format!("patches {}", level + 1),
            Self::Class(class) => return format!("class {class}"),
        };
        name.to_owned()
    }

    /// Whether the value is a lower bound, of which a mean or an interval says nothing.
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::Support)
    }
}

/// Source of the samples of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleSource {
    /// The float network of a run; images.
    Float,
    /// The int8 model; images.
    Int8,
    /// The int8 model; images that the discriminator accepted.
    Accepted,
    /// The float network of a run; points.
    Points,
}

impl SampleSource {
    /// Returns the name, which is its key in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int8 => "int8",
            Self::Accepted => "accepted",
            Self::Points => "points",
        }
    }
}

/// Confidence intervals by metric.
pub type Intervals = BTreeMap<Metric, ConfidenceInterval>;

/// Returns the confidence interval of every metric over repeated measurements. Bounds, and metrics that a measurement lacks, are omitted.
///
/// ```
/// use ganlet_trainer::evaluate::{Metric, intervals};
/// let runs = [vec![(Metric::Frechet, 9.0)], vec![(Metric::Frechet, 11.0)]];
/// assert_eq!(intervals(&runs)[&Metric::Frechet].mean, 10.0);
/// ```
pub fn intervals(measured: &[Vec<(Metric, f64)>]) -> Intervals {
    let Some(first) = measured.first() else { return BTreeMap::new() };
    let of = |metric: Metric| {
        let find = |list: &Vec<(Metric, f64)>| list.iter().find(|n| n.0 == metric).map(|n| n.1);
        ConfidenceInterval::of(&measured.iter().map(find).collect::<Option<Vec<_>>>()?)
    };
    first.iter().filter(|m| !m.0.is_bound()).filter_map(|(metric, _)| Some((*metric, of(*metric)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_parsed_from_its_key() {
        let indexed = [Metric::Patches(0), Metric::Class(12)];
        for metric in NAMED.iter().map(|n| n.0).chain(indexed) {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        assert!("classes.x".parse::<Metric>().is_err() && "color".parse::<Metric>().is_err());
    }
}
