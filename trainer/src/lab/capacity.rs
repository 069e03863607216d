//! Capacity against flash: how good the pictures of generators become that take so many bytes of a device.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::to_bytes;
use crate::draw::{Plot, PlotSeries, image_grid};
use crate::evaluate::{Evaluator, int8_pictures};
use crate::export::device_net;
use crate::nets::Generator;
use crate::quantize::{QuantizationReport, QuantizeOptions, quantize};
use crate::recipe::Recipe;
use crate::run;
use crate::train::Trainer;
use serde_json::json;

/// What is made larger and smaller.
const RECIPE: &str = "faces";
/// Parts of the recipe's widths, in eighths.
const EIGHTHS: [usize; 5] = [1, 2, 4, 8, 12];
/// Pictures that are judged of each.
const JUDGED: usize = 1000;
/// Pictures of each on the sheet.
const DRAWN: usize = 16;
/// Seeds from here on are judged.
const SEED: u32 = 1;

/// A trained generator of one size.
struct Sized {
    widths: Vec<usize>,
    weights: usize,
    report: QuantizationReport,
    float: f64,
    int8: f64,
}

/// Trains generators of several widths against the same discriminator for `steps` steps each, and measures what they cost and make.
pub fn capacity(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let recipe = Recipe::open(RECIPE, &[format!("train.steps={steps}")])?;
    let Some(run::PictureSplit { train, held_out }) = run::load_data(&recipe)?.pictures else {
        return Err(LabError::Request(format!("{RECIPE} are no pictures")));
    };
    let mut judge = Evaluator::new(&held_out, &train, context.threads)?;
    let floor = judge.floor(JUDGED)?;
    let (mut found, mut drawn, mut stopped) = (Vec::new(), Vec::new(), false);
    for eighths in EIGHTHS {
        let Some((sized, pictures)) = one(&recipe, eighths, &mut judge, context)? else {
            stopped = true;
            break;
        };
        (context.progress)(&format!(
            "widths {:?}: {} B of flash, distance {:.1}",
            sized.widths, sized.report.flash_bytes, sized.int8
        ));
        found.push(sized);
        drawn.push(pictures);
    }
    let mut table = ResultTable::new(&[
        "widths",
        ">weights",
        ">flash B",
        ">RAM B",
        ">MACs",
        ">distance, float",
        ">int8",
        ">PSNR dB",
    ]);
    for Sized { widths, weights, report, float, int8 } in &found {
        table.push([
            format!("{widths:?}"),
            weights.to_string(),
            report.flash_bytes.to_string(),
            report.arena_bytes.to_string(),
            report.macs.to_string(),
            format!("{float:.1}"),
            format!("{int8:.1}"),
            format!("{:.1}", report.psnr.mean_db),
        ]);
    }
    let values: Vec<_> = found
        .iter()
        .map(|s| {
            json!({
                "widths": s.widths,
                "weights": s.weights,
                "flash_bytes": s.report.flash_bytes,
                "arena_bytes": s.report.arena_bytes,
                "macs": s.report.macs,
                "frechet_float": s.float,
                "frechet_int8": s.int8,
                "psnr_mean_db": s.report.psnr.mean_db,
            })
        })
        .collect();
    if !found.is_empty() {
        let shape = crate::data::Dataset::shape(&held_out);
        let (h, w, c) = (shape[0], shape[1], shape[2]);
        let all: Vec<_> = drawn.iter().flat_map(|p| p.chunks_exact(h * w * c)).collect();
        (context.save)("capacity-pictures.png", &image_grid(&all, (w, h, c), DRAWN, 3).png())?;
        let place = |s: &Sized| s.report.flash_bytes as f64 / 1024.0;
        let plot = Plot {
            title: format!("Distance to held-out pictures after {steps} steps"),
            x_label: "KB of flash".into(),
            y_label: "Fréchet distance".into(),
            series: vec![
                PlotSeries::new("int8 generator", found.iter().map(|s| (place(s), s.int8)).collect()),
                PlotSeries::new("real pictures", found.iter().map(|s| (place(s), floor)).collect()),
            ],
            ..Plot::default()
        };
        (context.save)("capacity.png", &plot.png())?;
        (context.save)("capacity.svg", plot.svg().as_bytes())?;
    }
    let notes = vec![format!(
        "{RECIPE}, {steps} steps, {JUDGED} pictures against {} held-out ones; as many real training pictures get {floor:.1}",
        judge.references()
    )];
    let values = json!({ "lab": "capacity", "steps": steps, "floor": floor, "sizes": values, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

/// One size with a few of its pictures; nothing when it was stopped.
fn one(
    recipe: &Recipe,
    eighths: usize,
    judge: &mut Evaluator,
    context: &mut LabContext<'_>,
) -> Result<Option<(Sized, Vec<u8>)>, LabError> {
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
    let float = to_bytes(&trainer.samples(SEED, JUDGED), (low, high));
    let weights = trainer.generator().len();
    let net = device_net(&mut trainer, None).map_err(|e| LabError::Request(e.to_string()))?;
    let made = quantize(&net, &QuantizeOptions::default()).map_err(|e| LabError::Request(e.to_string()))?;
    let int8 = int8_pictures(&made.file, SEED, JUDGED, |_, _| {}).map_err(|e| LabError::Request(e.to_string()))?;
    let Generator::Dcgan { widths, .. } = recipe.generator else {
        return Err(LabError::Request(format!("{RECIPE} has no widths")));
    };
    let pictures = int8[..DRAWN * int8.len() / JUDGED].to_vec();
    let distance = |judge: &mut Evaluator, bytes: &[u8]| judge.measure(bytes, |_, _| {}).map(|q| q.frechet);
    let (float, int8) = (distance(judge, &float)?, distance(judge, &int8)?);
    Ok(Some((Sized { widths, weights, report: made.report, float, int8 }, pictures)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_flash_makes_better_pictures_and_an_early_stop_keeps_the_small_ones() {
        let mut kept = Vec::new();
        let mut save = |name: &str, _: &[u8]| {
            kept.push(name.to_owned());
            Ok(())
        };
        let told = std::cell::Cell::new(0);
        let (stop, mut tell) = (|| told.get() == 3, |_: &str| told.set(told.get() + 1));
        let mut context = LabContext { stop: &stop, progress: &mut tell, save: &mut save, threads: 0 };
        let found = capacity(60, &mut context).unwrap();
        assert!(found.stopped && found.table.rows.len() == 3);
        let sizes = found.values["sizes"].as_array().unwrap();
        let of = |key: &str| sizes.iter().map(|s| s[key].as_f64().unwrap()).collect::<Vec<_>>();
        assert!(of("flash_bytes").is_sorted() && of("arena_bytes").is_sorted() && of("macs").is_sorted());
        let (distance, floor) = (of("frechet_int8"), found.values["floor"].as_f64().unwrap());
        assert!(distance[2] < distance[0] && distance.iter().all(|d| *d > floor), "{distance:?}, floor {floor}");
        assert_eq!(kept, ["capacity-pictures.png", "capacity.png", "capacity.svg"]);
    }
}
