//! Judges 8-bit pictures against held-out real ones.
use super::extract::{Extractor, Seen};
use super::network::{FEWEST_FEATURES, FeatureNetwork, Identity};
use super::survey::Ground;
use super::{EvaluateError, Quality};
use crate::data::{Dataset, ImageDataset};
use crate::metrics::{ClassHistogram, FeatureMoments, Memorization, kernel_distance, memorization, precision_recall};
use ndarray::{ArrayView2, s};

/// Neighbors that make a neighborhood (Kynkäänniemi et al. 2019).
pub(super) const NEIGHBORS: usize = 3;
/// Most pictures of each side that are compared one by one: the work grows with the square.
const COMPARED: usize = 2000;
/// Most sets of real pictures that a floor is averaged over.
const FLOOR_SETS: usize = 8;

/// Judges pictures against held-out real ones, whose features it computes once.
pub struct Evaluator {
    pub(super) extractor: Extractor,
    identity: Identity,
    pub(super) train: ImageDataset,
    /// The held-out pictures themselves, and what is seen in them.
    pub(super) held_out: ImageDataset,
    pub(super) reference: Seen,
    moments: FeatureMoments,
    /// Real pictures of each class, for a classifier.
    pub(super) wanted: Vec<f64>,
    /// Share of the real pictures that the classifier sees as they are labeled.
    as_labeled: Option<f64>,
    /// What a survey needs, made by the first one.
    pub(super) ground: Option<Ground>,
}

impl Evaluator {
    /// Prepares to judge against `reference`, the held-out split; `train` is the other one. 0 threads: one a core.
    ///
    /// # Errors
    /// When the splits are of different shapes or too small for any feature network.
    pub fn new(reference: &ImageDataset, train: &ImageDataset, threads: usize) -> Result<Self, EvaluateError> {
        if reference.shape() != train.shape() {
            return Err(EvaluateError {
                what: "pictures against held-out ones",
                found: format!("training pictures of {:?} [height, width, channels]", train.shape()),
                expected: format!("{:?}, as the held-out ones", reference.shape()),
                remedy: "split one data set",
            });
        }
        let network = FeatureNetwork::of(reference);
        let features = network.as_ref().map_or(FEWEST_FEATURES, |n| n.identity.features);
        let Some(network) = network.filter(|_| reference.count() >= 2 * features) else {
            return Err(EvaluateError::too_few(
                "pictures against held-out ones",
                reference.count(),
                2 * features,
                &format!("two for each of {features} features"),
                "add pictures: a fifth of a small data set is held out",
            ));
        };
        let mut extractor = Extractor::new(&network, threads);
        let seen = extractor.see(reference.count(), |i| reference.bytes(i), |_, _| {});
        let mut wanted = vec![0.0; network.classes];
        if network.classes > 0 {
            (0..reference.count())
                .filter_map(|i| reference.label(i))
                .for_each(|label| wanted[usize::from(label)] += 1.0);
        }
        let labels: Option<Vec<u8>> = (0..seen.classes.len()).map(|i| reference.label(i)).collect();
        Ok(Self {
            as_labeled: labels.and_then(|labels| agreement(&seen.classes, &labels)),
            extractor,
            identity: network.identity,
            train: train.clone(),
            held_out: reference.clone(),
            ground: None,
            moments: FeatureMoments::of(seen.features.view()),
            reference: seen,
            wanted,
        })
    }

    /// The network that judges.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Held-out real pictures.
    pub fn references(&self) -> usize {
        self.reference.features.nrows()
    }

    /// Fewest pictures that can be judged: twice the features, or a covariance would say little.
    pub fn least(&self) -> usize {
        2 * self.identity.features
    }

    /// Names of the classes that [`Quality::classes`] counts; empty without a classifier.
    pub fn class_names(&self) -> &[String] {
        if self.wanted.is_empty() { &[] } else { self.train.label_names() }
    }

    /// The Fréchet distance that `n` real training pictures get, on average: no honest generator does better with `n` samples.
    ///
    /// # Errors
    /// With too few pictures.
    pub fn floor(&mut self, n: usize) -> Result<f64, EvaluateError> {
        let floors = self.floors(n)?;
        Ok(floors.iter().sum::<f64>() / floors.len() as f64)
    }

    /// The distances of up to 8 disjoint sets of `n` real training pictures, since one set's varies by a third.
    ///
    /// A training set of fewer pictures gives them all.
    ///
    /// # Errors
    /// With too few pictures.
    pub fn floors(&mut self, n: usize) -> Result<Vec<f64>, EvaluateError> {
        let n = n.min(self.train.count());
        self.enough("real training pictures", n)?;
        let sets = (self.train.count() / n).clamp(1, FLOOR_SETS);
        let train = &self.train;
        let seen = self.extractor.see(sets * n, |i| train.bytes(i), |_, _| {});
        let distance = |set: usize| {
            let part = seen.features.slice(s![set * n..(set + 1) * n, ..]);
            FeatureMoments::of(part).distance(&self.moments)
        };
        Ok((0..sets).map(distance).collect())
    }

    /// What the first `n` real training pictures get in every number.
    ///
    /// # Errors
    /// With too few pictures.
    pub fn measure_real(&mut self, n: usize) -> Result<Quality, EvaluateError> {
        let n = n.min(self.train.count());
        self.enough("real training pictures", n)?;
        let train = &self.train;
        let seen = self.extractor.see(n, |i| train.bytes(i), |_, _| {});
        Ok(self.judge(&seen))
    }

    /// Judges `pictures`, [n, height, width, channels]; `progress` gets pictures seen and n.
    ///
    /// # Errors
    /// When there are too few, or their bytes are no whole pictures.
    pub fn measure(&mut self, pictures: &[u8], progress: impl FnMut(usize, usize)) -> Result<Quality, EvaluateError> {
        let seen = self.see(pictures, progress)?;
        Ok(self.judge(&seen))
    }

    /// The same of pictures that were asked to be of the classes `asked`, one for each.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn measure_asked(&mut self, pictures: &[u8], asked: &[u8]) -> Result<Quality, EvaluateError> {
        let seen = self.see(pictures, |_, _| {})?;
        Ok(self.judge_asked(&seen, asked))
    }

    /// Share of the held-out real pictures that the classifier sees as they are labeled; none without a classifier.
    pub fn real_as_labeled(&self) -> Option<f64> {
        self.as_labeled
    }

    /// How much nearer to training pictures `pictures` lie than held-out real ones do, by features.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn memorization(
        &mut self,
        pictures: &[u8],
        progress: impl FnMut(usize, usize),
    ) -> Result<Memorization, EvaluateError> {
        let seen = self.see(pictures, |_, _| {})?;
        let train = &self.train;
        let known = self.extractor.see(train.count(), |i| train.bytes(i), progress);
        Ok(memorization(known.features.view(), seen.features.view(), self.reference.features.view()))
    }

    pub(super) fn see(&mut self, pictures: &[u8], progress: impl FnMut(usize, usize)) -> Result<Seen, EvaluateError> {
        let size: usize = self.train.shape().iter().product();
        if !pictures.len().is_multiple_of(size) {
            return Err(EvaluateError {
                what: "generated pictures",
                found: format!("{} bytes", pictures.len()),
                expected: format!("whole pictures of {:?} bytes [height, width, channels]", self.train.shape()),
                remedy: "evaluate a generator on the data that it was trained on",
            });
        }
        let n = pictures.len() / size;
        self.enough("generated pictures", n)?;
        Ok(self.extractor.see(n, |i| &pictures[i * size..][..size], progress))
    }

    pub(super) fn enough(&self, what: &'static str, n: usize) -> Result<(), EvaluateError> {
        if n >= self.least() {
            return Ok(());
        }
        let why = format!("two for each of {} features", self.identity.features);
        Err(EvaluateError::too_few(what, n, self.least(), &why, "ask for more samples (2,000 are usual)"))
    }

    /// Pictures of each side that are compared one by one.
    pub(super) fn compared(&self, seen: &Seen) -> usize {
        COMPARED.min(seen.features.nrows()).min(self.references())
    }

    pub(super) fn judge_asked(&self, seen: &Seen, asked: &[u8]) -> Quality {
        Quality { as_asked: agreement(&seen.classes, asked), ..self.judge(seen) }
    }

    pub(super) fn judge(&self, seen: &Seen) -> Quality {
        let compared = self.compared(seen);
        let (real, made) = (self.reference.features.slice(s![..compared, ..]), seen.features.slice(s![..compared, ..]));
        let near = |real: ArrayView2<'_, f64>, made: ArrayView2<'_, f64>| precision_recall(real, made, NEIGHBORS);
        let far = || (kernel_distance(real, made), FeatureMoments::of(seen.features.view()).distance(&self.moments));
        let (near, (kernel, frechet)) = if self.extractor.threads() > 1 {
            rayon::join(|| near(real, made), far)
        } else {
            (near(real, made), far())
        };
        let classes = (!self.wanted.is_empty()).then(|| ClassHistogram::of(&seen.classes, &self.wanted));
        Quality {
            samples: seen.features.nrows(),
            frechet,
            kernel,
            precision: near.precision,
            recall: near.recall,
            density: near.density,
            coverage: near.coverage,
            compared,
            class_kl: classes.as_ref().map(|c| c.kl).filter(|kl| kl.is_finite()),
            classes: classes.map_or_else(Vec::new, |c| c.shares),
            as_asked: None,
            survey: None,
        }
    }
}

/// Share of the places in which both agree; none where nothing was seen.
fn agreement(seen: &[u8], wanted: &[u8]) -> Option<f64> {
    let same = seen.iter().zip(wanted).filter(|(a, b)| a == b).count();
    (!seen.is_empty() && seen.len() == wanted.len()).then(|| same as f64 / seen.len() as f64)
}
