//! Image quality against flash size: generators of several widths, trained in the same way.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::to_bytes;
use crate::draw::{Plot, PlotSeries, image_grid};
use crate::evaluate::{Evaluator, int8_images};
use crate::export::device_net;
use crate::nets::Generator;
use crate::quantize::{QuantizationReport, QuantizeOptions, quantize};
use crate::recipe::Recipe;
use crate::run;
use crate::train::Trainer;
use serde_json::json;

/// The recipe whose generator is scaled.
const RECIPE: &str = "faces-small";
/// Factors on the widths of the recipe's generator, in eighths.
const EIGHTHS: [usize; 5] = [1, 2, 4, 8, 12];
/// Number of images per measurement.
const MEASURED: usize = 1000;
/// Number of images of each generator in the figure.
const DRAWN: usize = 16;
/// First seed of the measured images.
const SEED: u32 = 1;

/// Measurements of a trained generator of one size.
struct GeneratorSize {
    widths: Vec<usize>,
    weights: usize,
    report: QuantizationReport,
    frechet_float: f64,
    frechet_int8: f64,
}

impl GeneratorSize {
    fn table_row(&self) -> [String; 8] {
        [
            format!("{:?}", self.widths),
            self.weights.to_string(),
            self.report.flash_bytes.to_string(),
            self.report.arena_bytes.to_string(),
            self.report.macs.to_string(),
            format!("{:.1}", self.frechet_float),
            format!("{:.1}", self.frechet_int8),
            format!("{:.1}", self.report.psnr.mean_db),
        ]
    }

    fn values(&self) -> serde_json::Value {
        json!({
            "widths": self.widths,
            "weights": self.weights,
            "flash_bytes": self.report.flash_bytes,
            "arena_bytes": self.report.arena_bytes,
            "macs": self.report.macs,
            "frechet_float": self.frechet_float,
            "frechet_int8": self.frechet_int8,
            "psnr_mean_db": self.report.psnr.mean_db,
        })
    }
}

/// Trains generators of several widths against the same discriminator for `steps` steps each, and measures their cost and quality.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn capacity(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let recipe = Recipe::open(RECIPE, &[format!("train.steps={steps}")])?;
    let Some(run::ImageSplit { train, held_out }) = run::load_data(&recipe)?.images else {
        return Err(LabError::Request(format!("the data of recipe {RECIPE} is not images")));
    };
    let mut evaluator = Evaluator::new(&held_out, &train, context.threads)?;
    let floor = evaluator.floor(MEASURED)?;
    let (mut sizes, mut images, mut stopped) = (Vec::new(), Vec::new(), false);
    for eighths in EIGHTHS {
        let Some((size, bytes)) = train_size(&recipe, eighths, &mut evaluator, context)? else {
            stopped = true;
            break;
        };
        (context.progress)(&format!(
            "widths {:?}: {} B of flash, distance {:.1}",
            size.widths, size.report.flash_bytes, size.frechet_int8
        ));
        sizes.push(size);
        images.push(bytes);
    }
    let headings = ["widths", ">weights", ">flash B", ">RAM B", ">MACs", ">distance, float", ">int8", ">PSNR dB"];
    let mut table = ResultTable::new(&headings);
    sizes.iter().for_each(|size| table.push(size.table_row()));
    if !sizes.is_empty() {
        let (w, h, c) = (held_out.width(), held_out.height(), held_out.channels());
        let images: Vec<_> = images.iter().flat_map(|bytes| bytes.chunks_exact(h * w * c)).collect();
        (context.save)("capacity-images.png", &image_grid(&images, (w, h, c), DRAWN, 3).png())?;
        context.save_plot("capacity", &plot(&sizes, floor, steps))?;
    }
    let notes = vec![format!(
        "{RECIPE}, {steps} steps, {MEASURED} images against {} held-out ones; the same number of real training images gets {floor:.1}",
        evaluator.references()
    )];
    let values: Vec<_> = sizes.iter().map(GeneratorSize::values).collect();
    let values = json!({ "lab": "capacity", "steps": steps, "floor": floor, "sizes": values, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

fn plot(sizes: &[GeneratorSize], floor: f64, steps: u64) -> Plot {
    let flash_kb = |size: &GeneratorSize| size.report.flash_bytes as f64 / 1024.0;
    let int8 = sizes.iter().map(|size| (flash_kb(size), size.frechet_int8));
    let real = sizes.iter().map(|size| (flash_kb(size), floor));
    Plot {
        title: format!("Distance to held-out images after {steps} steps"),
        x_label: "flash, KB".into(),
        y_label: "Fréchet distance".into(),
        series: vec![PlotSeries::new("int8 generator", int8.collect()), PlotSeries::new("real images", real.collect())],
        ..Plot::default()
    }
}

/// Trains and measures a generator of one size; also returns the bytes of some int8 images. `None` if the user stopped it.
fn train_size(
    recipe: &Recipe,
    eighths: usize,
    evaluator: &mut Evaluator,
    context: &mut LabContext<'_>,
) -> Result<Option<(GeneratorSize, Vec<u8>)>, LabError> {
    let mut recipe = recipe.clone();
    if let Generator::Dcgan { widths, .. } = &mut recipe.generator {
        widths.iter_mut().for_each(|w| *w = (*w * eighths / 8).max(1));
    }
    let (data, steps) = (run::load_data(&recipe)?.train, recipe.train.steps);
    let mut trainer = Trainer::new(recipe.clone(), data, 1, steps, context.threads)?;
    while trainer.step() < steps {
        if (context.stop)() {
            return Ok(None);
        }
        trainer.advance()?;
    }
    let [low, high] = recipe.data.range;
    let float = to_bytes(&trainer.samples(SEED, MEASURED), (low, high));
    let weights = trainer.generator().len();
    let net = device_net(&mut trainer, None).map_err(|e| LabError::Request(e.to_string()))?;
    let quantized = quantize(&net, &QuantizeOptions::default()).map_err(|e| LabError::Request(e.to_string()))?;
    let int8 = int8_images(&quantized.file, SEED, MEASURED, |_, _| {}).map_err(|e| LabError::Request(e.to_string()))?;
    let Generator::Dcgan { widths, .. } = recipe.generator else {
        return Err(LabError::Request(format!("the generator of recipe {RECIPE} has no widths")));
    };
    let bytes = int8[..DRAWN * int8.len() / MEASURED].to_vec();
    let distance = |evaluator: &mut Evaluator, bytes: &[u8]| evaluator.measure(bytes, |_, _| {}).map(|q| q.frechet);
    let (frechet_float, frechet_int8) = (distance(evaluator, &float)?, distance(evaluator, &int8)?);
    Ok(Some((GeneratorSize { widths, weights, report: quantized.report, frechet_float, frechet_int8 }, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_generators_have_smaller_distances_and_an_early_stop_keeps_the_results() {
        let mut kept = Vec::new();
        let mut save = |name: &str, _: &[u8]| {
            kept.push(name.to_owned());
            Ok(())
        };
        let messages = std::cell::Cell::new(0);
        let (stop, mut progress) = (|| messages.get() == 3, |_: &str| messages.set(messages.get() + 1));
        let mut context = LabContext { stop: &stop, progress: &mut progress, save: &mut save, threads: 0 };
        let found = capacity(60, &mut context).unwrap();
        assert!(found.stopped && found.table.rows.len() == 3);
        let sizes = found.values["sizes"].as_array().unwrap();
        let of = |key: &str| sizes.iter().map(|s| s[key].as_f64().unwrap()).collect::<Vec<_>>();
        assert!(of("flash_bytes").is_sorted() && of("arena_bytes").is_sorted() && of("macs").is_sorted());
        let (distance, floor) = (of("frechet_int8"), found.values["floor"].as_f64().unwrap());
        assert!(distance[2] < distance[0] && distance.iter().all(|d| *d > floor), "{distance:?}, floor {floor}");
        assert_eq!(kept, ["capacity-images.png", "capacity.png", "capacity.svg"]);
    }
}
