//! A sweep over learning rates: mode coverage for every pair of discriminator and generator learning rates.
use super::point_run::{FinishedRun, run};
use super::{LabContext, LabError, LabResults, ResultTable, each_once};
use crate::data::{AnyDataset, BuiltinDataset};
use crate::draw::Image;
use crate::draw::canvas::{BACKGROUND, DARK, SOFT, text};
use crate::recipe::Recipe;
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;
use serde_json::json;

/// Width and height of a cell of the figure, in pixels.
const CELL: (usize, usize) = (96, 48);
/// Minimum width of the figure, enough for the caption.
const MIN_WIDTH: usize = 504;
const LEFT: usize = 96;
const TOP: usize = 74;
/// Color of a cell whose points are all of high quality.
const FULL: [u8; 3] = [96, 165, 250];

/// Options of [`rates`].
#[derive(Clone, Debug)]
pub struct RateGridOptions {
    /// `ring`, `grid` or `bimodal-1d`, optionally with methods, as in `ring+minimax`.
    pub recipe: String,
    /// Learning rates of the discriminator.
    pub discriminator: Vec<f32>,
    /// Learning rates of the generator.
    pub generator: Vec<f32>,
    /// Steps of each run.
    pub steps: u64,
    /// Settings (`key=value`) that override those of the recipe.
    pub settings: Vec<String>,
}

/// A pair of learning rates and its recipe.
struct RatePair {
    discriminator: f32,
    generator: f32,
    recipe: Recipe,
}

/// Trains once for every pair of learning rates and measures the result.
///
/// # Errors
/// When an option cannot be used or a figure cannot be written. A run that diverges is a result, not an error.
pub fn rates(options: &RateGridOptions, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let pairs = open_recipes(options)?;
    let source = pairs.first().map(|pair| pair.recipe.data.source.clone()).unwrap_or_default();
    let set = BuiltinDataset::from_name(&source).map(BuiltinDataset::open).transpose()?;
    let Some(AnyDataset::Mixture(mixture)) = set else {
        return Err(LabError::Request(format!("{}: its data is not points; try ring or grid", options.recipe)));
    };
    let (mut runs, mut stopped) = (Vec::new(), false);
    for RatePair { discriminator, generator, recipe } in &pairs {
        let Some((finished, _)) = run(recipe, 1, &mixture, None, context)? else {
            stopped = true;
            break;
        };
        let outcome = match finished.diverged {
            Some(step) => format!("diverged at step {step}"),
            None => {
                let quality = &finished.quality;
                format!("{}/{} modes, {:.1} %", quality.modes, quality.of, 100.0 * quality.high_quality)
            }
        };
        (context.progress)(&format!("discriminator {discriminator:?}, generator {generator:?}: {outcome}"));
        runs.push(finished);
    }
    if !runs.is_empty() {
        (context.save)("rates.png", &figure(options, &runs).png())?;
    }
    let values = json!({
        "lab": "rates",
        "recipe": options.recipe,
        "steps": options.steps,
        "runs": pairs.iter().zip(&runs).map(|(pair, run)| run_values(pair, run)).collect::<Vec<_>>(),
        "stopped": stopped,
    });
    let note = format!(
        "{}, {} steps, seed 1: modes found, and the share of points within 3 sigma of a mode, %",
        options.recipe, options.steps
    );
    Ok(LabResults { table: table(options, &runs), notes: vec![note], values, stopped })
}

/// Opens the recipes of all pairs, so that an unusable option is reported before any training.
fn open_recipes(options: &RateGridOptions) -> Result<Vec<RatePair>, LabError> {
    for (option, rates) in [("--discriminator", &options.discriminator), ("--generator", &options.generator)] {
        each_once(option, rates)?;
        if let Some(rate) = rates.iter().find(|r| !(**r > 0.0 && r.is_finite())) {
            return Err(LabError::Request(format!("{option} {rate:?}: expected positive numbers, such as 1e-4,1e-3")));
        }
    }
    let open = |discriminator: f32, generator: f32| {
        let own = [
            format!("optimizer.learning_rate={discriminator:?}"),
            format!("optimizer.generator_learning_rate={generator:?}"),
            format!("train.steps={}", options.steps),
        ];
        let settings: Vec<_> = options.settings.iter().cloned().chain(own).collect();
        Ok(RatePair { discriminator, generator, recipe: Recipe::open(&options.recipe, &settings)? })
    };
    let pairs = options.discriminator.iter().flat_map(|d| options.generator.iter().map(move |g| (*d, *g)));
    pairs.map(|(discriminator, generator)| open(discriminator, generator)).collect()
}

/// A row per learning rate of the discriminator, a column per learning rate of the generator.
fn table(options: &RateGridOptions, runs: &[FinishedRun]) -> ResultTable {
    let columns = options.generator.len();
    let headings = options.generator.iter().map(|g| format!(">G {g:?}"));
    let headings = ["discriminator's learning rate".to_owned()].into_iter().chain(headings).collect();
    let mut table = ResultTable { headings, rows: Vec::new() };
    for (row, discriminator) in runs.chunks(columns.max(1)).zip(&options.discriminator) {
        let mut cells = vec![format!("{discriminator:?}")];
        cells.extend(row.iter().map(cell));
        cells.resize(columns + 1, String::new());
        table.rows.push(cells);
    }
    table
}

fn run_values(pair: &RatePair, run: &FinishedRun) -> serde_json::Value {
    json!({
        "discriminator": pair.discriminator,
        "generator": pair.generator,
        "modes": run.quality.modes,
        "hq": run.quality.high_quality,
        "rkl": run.quality.reverse_kl,
        "seconds": run.seconds,
        "diverged": run.diverged,
    })
}

/// The content of a cell: modes found, and the percentage of high-quality points.
fn cell(run: &FinishedRun) -> String {
    if run.diverged.is_some() {
        return "diverged".into();
    }
    format!("{}/{} {:.0}", run.quality.modes, run.quality.of, 100.0 * run.quality.high_quality)
}

/// A cell for each pair; more high-quality points give a darker blue.
fn figure(options: &RateGridOptions, runs: &[FinishedRun]) -> Image {
    let (columns, rows) = (options.generator.len(), options.discriminator.len());
    let width = (LEFT + columns * CELL.0 + 24).max(MIN_WIDTH);
    let mut paper = Image::new(width, TOP + rows * CELL.1 + 24, BACKGROUND);
    let print = |paper: &mut Image, content: &str, (x, y): (usize, usize), color, alignment| {
        text(paper, content, (x as f64, y as f64), &FONT_7X13, color, alignment);
    };
    text(&mut paper, &options.recipe, (16.0, 10.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
    print(
        &mut paper,
        "modes, % high quality; rows: learning rate of D, columns: of G",
        (16, 34),
        SOFT,
        Alignment::Left,
    );
    for (i, rate) in options.generator.iter().enumerate() {
        print(&mut paper, &format!("{rate:?}"), (LEFT + i * CELL.0 + CELL.0 / 2, TOP - 18), DARK, Alignment::Center);
    }
    for (i, rate) in options.discriminator.iter().enumerate() {
        print(&mut paper, &format!("{rate:?}"), (LEFT - 8, TOP + i * CELL.1 + 18), DARK, Alignment::Right);
    }
    for (i, run) in runs.iter().enumerate() {
        let share = run.quality.high_quality;
        let mix = |k: usize| (f64::from(BACKGROUND[k]) + share * (f64::from(FULL[k]) - f64::from(BACKGROUND[k]))) as u8;
        let at = (LEFT + i % columns * CELL.0, TOP + i / columns * CELL.1);
        paper.place(&Image::new(CELL.0 - 2, CELL.1 - 2, [mix(0), mix(1), mix(2)]), at, 1);
        print(&mut paper, &cell(run), (at.0 + CELL.0 / 2, at.1 + 17), DARK, Alignment::Center);
    }
    paper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_rates_is_measured_and_invalid_ones_are_refused_before_training() {
        let mut saved = Vec::new();
        let mut save = |name: &str, bytes: &[u8]| {
            saved.push((name.to_owned(), bytes.len()));
            Ok(())
        };
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut save, threads: 1 };
        let mut options = RateGridOptions {
            recipe: "bimodal-1d".into(),
            discriminator: vec![1e-7, 3e-3],
            generator: vec![1e-3, 1e-7, 3e-3],
            steps: 300,
            settings: vec!["train.ema=0".into()],
        };
        let found = rates(&options, &mut context).unwrap();
        assert_eq!((found.table.headings.len(), found.table.rows.len()), (4, 2));
        let runs = found.values["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 6);
        let quality = |i: usize| runs[i]["hq"].as_f64().unwrap();
        // With a learning rate near zero, neither network learns.
        assert!(quality(5) > quality(2) + 0.1 && quality(5) > quality(4) + 0.1, "{runs:?}");
        for (bad, why) in [(-1.0, "--generator -1.0"), (f32::NAN, "--generator NaN"), (1e-3, "listed twice")] {
            options.generator.push(bad);
            assert!(rates(&options, &mut context).unwrap_err().to_string().contains(why), "{bad}");
            options.generator.pop();
        }
        // A pair at which training diverges is a result, and the other pairs are still measured.
        let huge =
            RateGridOptions { discriminator: vec![3e-3], generator: vec![1e30, 3e-3], steps: 20, ..options.clone() };
        let found = rates(&huge, &mut context).unwrap();
        assert_eq!(found.table.rows[0][1], "diverged");
        assert!(found.values["runs"][0]["diverged"].is_u64() && found.values["runs"][1]["diverged"].is_null());
        options.recipe = "faces-small".into();
        assert!(rates(&options, &mut context).unwrap_err().to_string().contains("try ring or grid"));
        assert_eq!(saved.len(), 2);
        assert!(saved[0].0 == "rates.png" && saved[0].1 > 500, "{saved:?}");
    }
}
