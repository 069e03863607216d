//! Evaluates a generator on several sets of latents: the float network of a run, its int8 model, or a model file alone.
use super::metric::{Intervals, Metric, SampleSource, intervals};
use super::realism::Reference;
use super::{
    AcceptedImages, EvaluateError, Evaluation, Evaluator, PointsQuality, Quality, Realism, RejectionOptions,
    RejectionSampler, int8_images, points,
};
use crate::data::{Dataset, GaussianMixture, to_bytes};
use crate::metrics::ConfidenceInterval;
use crate::quantize::{AlignedModel, Quantized};
use crate::recipe::{NAMED, Recipe};
use crate::run::{ImageSplit, load_data_of_shape};
use crate::train::Trainer;
use ganlet_runtime::Model;
use serde::Serialize;

/// First seed of the evaluated images; sample grids use much smaller seeds.
pub const FIRST_SEED: u32 = 1 << 20;
/// Default number of images in a set.
pub const IMAGES: usize = 2000;
/// Default number of disjoint sets of latents.
pub const SETS: usize = 3;
/// Images that the float network draws between two progress reports.
const BATCH: usize = 250;

/// Number of samples to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleAmount {
    /// Images or points in a set.
    pub samples: usize,
    /// Disjoint sets of latents. More than one gives confidence intervals.
    pub sets: usize,
}

/// Progress of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationProgress {
    /// The discriminator is being fitted to the generator's images.
    Fit {
        /// Finished steps.
        done: usize,
        /// Number of steps.
        total: usize,
    },
    /// Real images are being measured.
    RealImages,
    /// A set of generated images begins.
    Set {
        /// What draws the images.
        source: SampleSource,
        /// Number of the set, from 1.
        set: usize,
        /// Number of sets.
        sets: usize,
    },
    /// Images of the current set were drawn or measured.
    Images {
        /// Number of images so far.
        done: usize,
        /// Number of images in the set.
        total: usize,
    },
}

/// What draws the images of an evaluation.
enum ImageSource<'a> {
    Float(&'a mut Trainer),
    Int8 {
        file: &'a [u8],
        classes: usize,
    },
    /// Int8 images that the discriminator accepts.
    Accepted {
        sampler: Box<RejectionSampler<'a>>,
        classes: usize,
        scored: usize,
        accepted: usize,
    },
}

/// Images, and their seeds.
struct DrawnImages {
    bytes: Vec<u8>,
    seeds: Vec<u32>,
}

/// Evaluates the images of a run's EMA generator and, if given, those of its int8 model for the same seeds.
///
/// # Errors
/// If there are too few samples or held-out images.
pub fn evaluate_run(
    trainer: &mut Trainer,
    split: &ImageSplit,
    quantized: Option<&Quantized>,
    amount: SampleAmount,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Evaluation, EvaluateError> {
    let classes = trainer.recipe().class_inputs();
    let mut sources = vec![ImageSource::Float(trainer)];
    sources.extend(quantized.map(|q| ImageSource::Int8 { file: &q.file, classes }));
    let found = evaluate_images(split, sources, amount, progress)?;
    Ok(match quantized {
        Some(quantized) => found.with_psnr(quantized),
        None => found,
    })
}

/// Evaluates what [`evaluate_run`] does, and also the int8 images that the discriminator accepts.
///
/// # Errors
/// If the discriminator cannot score images, or there are too few samples or held-out images.
pub fn evaluate_run_with_rejection(
    trainer: &mut Trainer,
    split: &ImageSplit,
    quantized: &Quantized,
    options: RejectionOptions,
    amount: SampleAmount,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Evaluation, EvaluateError> {
    let (file, classes, total) = (&quantized.file, trainer.recipe().class_inputs(), options.fit_steps as usize);
    let mut fitting = |done: u64| progress(EvaluationProgress::Fit { done: done as usize, total });
    let sampler = RejectionSampler::new(trainer, file, &split.train, options, &mut fitting)?;
    let (fit, sampler) = (sampler.fit(), Box::new(sampler));
    let sources = vec![
        ImageSource::Float(trainer),
        ImageSource::Int8 { file, classes },
        ImageSource::Accepted { sampler, classes, scored: 0, accepted: 0 },
    ];
    let mut found = evaluate_images(split, sources, amount, progress)?.with_psnr(quantized);
    if let Some(accepted) = &mut found.accepted {
        (accepted.wished_share, accepted.fit) = (options.share, fit);
    }
    Ok(found)
}

/// Loads the data to compare a model file with: `data` or, by default, the data of the recipe that the model is named after. The images
/// are brought to the shape of the model's images.
///
/// # Errors
/// If the file is not a model, no data are named and none are known by its name, or the data cannot be loaded.
pub fn model_data(file: &[u8], data: Option<&str>) -> Result<ImageSplit, EvaluateError> {
    let aligned = AlignedModel::new(file);
    let model = Model::from_bytes(aligned.bytes())?;
    let recipe = NAMED.iter().find(|n| n.0 == model.name()).and_then(|n| Recipe::open(n.0, &[]).ok());
    let (source, held_out) = match (data, &recipe) {
        (Some(data), _) => (data.to_owned(), None),
        (None, Some(recipe)) => (recipe.data.source.clone(), recipe.data.held_out),
        (None, None) => {
            return Err(EvaluateError::Unsuitable {
                subject: "model file",
                found: format!("a model named `{}`, after no recipe that comes with the project", model.name()),
                expected: "the data that it was trained on".into(),
                remedy: "name these data with --data, or evaluate its run folder".into(),
            });
        }
    };
    let (w, h) = model.size();
    let shape = [usize::from(h), usize::from(w), usize::from(model.channels())];
    load_data_of_shape(&source, shape, [-1.0, 1.0], held_out)?.images.ok_or_else(|| EvaluateError::Unsuitable {
        subject: "model file",
        found: format!("points, in the data {source}"),
        expected: "images".into(),
        remedy: "name a set of images with --data".into(),
    })
}

/// Evaluates the images of a model file against those of `split`.
///
/// # Errors
/// If the file is not a model, its images have another shape than the data, or there are too few samples.
pub fn evaluate_model(
    file: &[u8],
    split: &ImageSplit,
    amount: SampleAmount,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Evaluation, EvaluateError> {
    let aligned = AlignedModel::new(file);
    let model = Model::from_bytes(aligned.bytes())?;
    let source = ImageSource::Int8 { file, classes: model.classes().into() };
    evaluate_images(split, vec![source], amount, progress)
}

fn evaluate_images(
    split: &ImageSplit,
    sources: Vec<ImageSource<'_>>,
    amount: SampleAmount,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Evaluation, EvaluateError> {
    let mut evaluator = Evaluator::new(&split.held_out, &split.train, 0)?;
    // This is checked before anything is drawn.
    evaluator.check_count("generated images", amount.samples)?;
    progress(EvaluationProgress::RealImages);
    let floors = evaluator.floors(amount.samples)?;
    let mut evaluation = Evaluation {
        samples: amount.samples,
        references: evaluator.references(),
        floor: floors.iter().sum::<f64>() / floors.len() as f64,
        floor_spread: ConfidenceInterval::of(&floors).map(|i| i.spread),
        float: None,
        int8: None,
        accepted: None,
        realism: None,
        real: Some(evaluator.measure_real_all_metrics(amount.samples)?),
        intervals: Default::default(),
        psnr_mean_db: None,
        psnr_min_db: None,
        features: evaluator.identity().clone(),
        class_names: evaluator.class_names().to_vec(),
        real_as_labeled: evaluator.real_as_labeled(),
    };
    for mut source in sources {
        let kind = source.kind();
        let sets = measure_sets(&mut evaluator, &mut source, amount, progress)?;
        if sets.len() > 1 {
            let metrics: Vec<_> = sets.iter().map(Quality::metrics).collect();
            evaluation.intervals.insert(kind, intervals(&metrics));
        }
        let first = sets.first().cloned();
        let realism = mean_realism(&sets, evaluation.real.as_ref(), &evaluator.reference(evaluation.floor));
        match source {
            ImageSource::Float(_) => (evaluation.float, evaluation.realism) = (first, realism),
            ImageSource::Int8 { .. } => (evaluation.int8, evaluation.realism) = (first, realism),
            ImageSource::Accepted { scored, accepted, .. } => {
                let share = accepted as f64 / scored.max(1) as f64;
                let found = |quality| AcceptedImages { wished_share: share, share, fit: None, realism, quality };
                evaluation.accepted = first.map(found);
            }
        }
    }
    Ok(evaluation)
}

/// Compares sets of generated images with real ones: the comparison of the first set, with the means of its numbers over all sets.
fn mean_realism(sets: &[Quality], real: Option<&Quality>, reference: &Reference<'_>) -> Option<Realism> {
    let all: Vec<_> = sets.iter().map(|made| Some(Realism::of(made, real?, reference))).collect::<Option<_>>()?;
    let mean = |of: fn(&Realism) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let findings = all.first()?.findings.clone();
    Some(Realism::from_ratios(mean(|r| r.features), mean(|r| r.details), findings, reference.has_random_features))
}

/// Draws each set of images and measures it with all metrics.
fn measure_sets(
    evaluator: &mut Evaluator,
    source: &mut ImageSource<'_>,
    amount: SampleAmount,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Vec<Quality>, EvaluateError> {
    let n = amount.samples;
    let mut sets = Vec::with_capacity(amount.sets);
    for set in 0..amount.sets {
        progress(EvaluationProgress::Set { source: source.kind(), set: set + 1, sets: amount.sets });
        let first = FIRST_SEED.wrapping_add((set * n) as u32);
        let mut images = |done, total| progress(EvaluationProgress::Images { done, total });
        let DrawnImages { bytes, seeds } = source.draw(first, n, &mut images)?;
        let classes = source.classes();
        // Seed s shows class s modulo the number of classes, as on devices.
        let requested: Vec<u8> = seeds.iter().map(|&seed| (seed as usize % classes.max(1)) as u8).collect();
        let requested = (classes > 0).then_some(&requested[..]);
        sets.push(evaluator.measure_all_metrics(&bytes, requested, images)?);
    }
    Ok(sets)
}

impl ImageSource<'_> {
    fn kind(&self) -> SampleSource {
        match self {
            Self::Float(_) => SampleSource::Float,
            Self::Int8 { .. } => SampleSource::Int8,
            Self::Accepted { .. } => SampleSource::Accepted,
        }
    }

    fn classes(&self) -> usize {
        match self {
            Self::Float(trainer) => trainer.recipe().class_inputs(),
            Self::Int8 { classes, .. } | Self::Accepted { classes, .. } => *classes,
        }
    }

    /// Draws the images of seeds `first..first + n`; of the next `n` accepted seeds with rejection.
    fn draw(
        &mut self,
        first: u32,
        n: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<DrawnImages, EvaluateError> {
        let seeds = (0..n as u32).map(|i| first.wrapping_add(i)).collect();
        match self {
            Self::Float(trainer) => {
                let [black, white] = trainer.recipe().data.range;
                let mut bytes = Vec::with_capacity(n * trainer.data().shape().iter().product::<usize>());
                for from in (0..n).step_by(BATCH) {
                    let count = BATCH.min(n - from);
                    let values = trainer.samples(first.wrapping_add(from as u32), count);
                    bytes.extend(to_bytes(&values, (black, white)));
                    progress(from + count, n);
                }
                Ok(DrawnImages { bytes, seeds })
            }
            Self::Int8 { file, .. } => Ok(DrawnImages { bytes: int8_images(file, first, n, progress)?, seeds }),
            Self::Accepted { sampler, scored, accepted, .. } => {
                let next = FIRST_SEED.wrapping_add(*scored as u32);
                let found = sampler.draw(next, n, &mut |done| progress(done, n))?;
                (*scored, *accepted) = (*scored + found.scored.len(), *accepted + n);
                Ok(DrawnImages { seeds: found.seeds(), bytes: found.images })
            }
        }
    }
}

impl Evaluation {
    fn with_psnr(self, quantized: &Quantized) -> Self {
        let psnr = &quantized.report.psnr;
        Self { psnr_mean_db: Some(psnr.mean_db), psnr_min_db: Some(psnr.min_db), ..self }
    }
}

/// The evaluation of a generator of points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PointsEvaluation {
    /// Quality of the first set.
    #[serde(flatten)]
    pub quality: PointsQuality,
    /// 95 % confidence intervals over the sets; empty with one set.
    #[serde(skip_serializing_if = "Intervals::is_empty")]
    pub intervals: Intervals,
    /// Number of dimensions of a point.
    #[serde(skip)]
    pub dimensions: usize,
}

/// Evaluates the points of a run's EMA generator against the mixture that it was trained on.
///
/// # Errors
/// If there are too few points.
pub fn evaluate_points(
    trainer: &mut Trainer,
    mixture: &GaussianMixture,
    amount: SampleAmount,
) -> Result<PointsEvaluation, EvaluateError> {
    let mut measure = |set: usize| points(&trainer.samples(set as u32, amount.samples), mixture);
    let quality = measure(0)?;
    let mut metrics: Vec<Vec<(Metric, f64)>> = vec![quality.metrics()];
    for set in 1..amount.sets {
        metrics.push(measure(set)?.metrics());
    }
    Ok(PointsEvaluation { quality, intervals: intervals(&metrics), dimensions: mixture.shape()[0] })
}
