//! The size and quality of an exported run in one record: the contents of `summary.json`.
use super::PreparedRun;
use crate::evaluate::{Evaluation, Metric, SampleSource};
use crate::quantize::Quantized;
use serde::Serialize;

/// Size, quality and cost of an exported run. Its JSON keys are read by other tools.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportSummary {
    /// Minutes from the start of training to the finished export.
    pub minutes: f64,
    /// Fréchet distance of the float network: the mean over the sets of latents.
    pub frechet_float: f64,
    /// Fréchet distance of the int8 model: the mean to which the confidence interval belongs.
    pub frechet_int8: f64,
    /// Fréchet distance of real training images.
    pub frechet_floor: f64,
    /// Lower end of the int8 distance's 95 % confidence interval.
    pub frechet_int8_low: Option<f64>,
    /// Upper end of the int8 distance's 95 % confidence interval.
    pub frechet_int8_high: Option<f64>,
    /// Mean PSNR of int8 against float images, in dB.
    pub psnr_mean_db: f64,
    /// Lowest PSNR of an image, in dB.
    pub psnr_min_db: f64,
    /// Bytes of the model file.
    pub model_bytes: usize,
    /// Bytes of RAM for drawing: the arena.
    pub ram_bytes: usize,
    /// Whether streamed rows equal the whole-tensor oracle bit for bit.
    pub bit_exact: bool,
    /// Training steps of the checkpoint.
    pub steps: u64,
    /// Parameters of the generator.
    pub parameters: usize,
    /// Multiply-accumulates per image.
    pub macs: u64,
    /// Name of the emulated device.
    pub device: String,
    /// Recall of the int8 model, as a mean.
    pub recall: f64,
    /// Precision of the int8 model, as a mean.
    pub precision: f64,
    /// Distance to the nearest training image, relative to held-out images.
    pub memorization: Option<f64>,
    /// Lower bound on the number of distinct images.
    pub different_at_least: Option<f64>,
    /// Alarms raised during training.
    pub alarms: usize,
}

/// What [`ExportSummary::new`] summarizes.
#[derive(Clone, Copy)]
pub struct SummaryInputs<'a> {
    /// The exported run.
    pub run: &'a PreparedRun,
    /// Its int8 model.
    pub quantized: &'a Quantized,
    /// The evaluation of both; `None` if there are too few images.
    pub evaluation: Option<&'a Evaluation>,
    /// Result of [`bit_exact`](super::bit_exact).
    pub bit_exact: bool,
    /// Minutes from the start of training to the finished export.
    pub minutes: f64,
    /// Name of the emulated device.
    pub device: &'a str,
    /// Alarms raised during training.
    pub alarms: usize,
}

impl ExportSummary {
    /// Collects the numbers; those that were not measured are NaN, or `None` if they are optional.
    pub fn new(inputs: SummaryInputs<'_>) -> Self {
        let SummaryInputs { run, quantized, evaluation, bit_exact, minutes, device, alarms } = inputs;
        let report = &quantized.report;
        let mean = |source, metric| evaluation.and_then(|e| e.mean(source, metric));
        let int8 = |metric| mean(SampleSource::Int8, metric);
        let interval =
            evaluation.and_then(|e| e.intervals.get(&SampleSource::Int8)).and_then(|i| i.get(&Metric::Frechet));
        Self {
            minutes,
            frechet_float: mean(SampleSource::Float, Metric::Frechet).unwrap_or(f64::NAN),
            frechet_int8: int8(Metric::Frechet).unwrap_or(f64::NAN),
            frechet_floor: evaluation.map_or(f64::NAN, |e| e.floor),
            frechet_int8_low: interval.map(|i| i.low),
            frechet_int8_high: interval.map(|i| i.high),
            psnr_mean_db: report.psnr.mean_db,
            psnr_min_db: report.psnr.min_db,
            model_bytes: report.flash_bytes,
            ram_bytes: report.arena_bytes,
            bit_exact,
            steps: run.checkpoint.step,
            parameters: run.trainer.generator().len(),
            macs: report.macs,
            device: device.to_owned(),
            recall: int8(Metric::Recall).unwrap_or(f64::NAN),
            precision: int8(Metric::Precision).unwrap_or(f64::NAN),
            memorization: int8(Metric::Memorization),
            // A mean of bounds would be no bound.
            different_at_least: evaluation.and_then(|e| e.int8.as_ref()?.metric(Metric::Support)),
            alarms,
        }
    }
}
