//! A sweep over step sizes: discriminator's against generator's, what a method makes of a mixture at each pair.
use super::point_run::{FinishedRun, run};
use super::{LabContext, LabError, LabResults, ResultTable, each_once};
use crate::data::{AnyDataset, BuiltinDataset};
use crate::draw::Image;
use crate::draw::canvas::{DARK, PAPER, SOFT, text};
use crate::recipe::Recipe;
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X18_BOLD};
use embedded_graphics::text::Alignment;
use serde_json::json;

/// Pixels of a cell of the figure.
const CELL: (usize, usize) = (96, 48);
/// The least width of the figure.
const WIDTH: usize = 504;
const LEFT: usize = 96;
const TOP: usize = 74;
/// The color of a cell where everything is right.
const FULL: [u8; 3] = [96, 165, 250];

/// What to sweep.
#[derive(Clone, Debug)]
pub struct RateGridOptions {
    /// "ring", "grid" or "bimodal-1d", with methods behind a `+` if wanted.
    pub recipe: String,
    /// The discriminator's step sizes.
    pub discriminator: Vec<f32>,
    /// The generator's.
    pub generator: Vec<f32>,
    /// Steps of each run.
    pub steps: u64,
    /// Settings over the recipe.
    pub settings: Vec<String>,
}

/// Trains with every pair of step sizes and measures.
pub fn rates(asked: &RateGridOptions, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    for (option, rates) in [("--discriminator", &asked.discriminator), ("--generator", &asked.generator)] {
        each_once(option, rates)?;
        if let Some(rate) = rates.iter().find(|r| !(**r > 0.0 && r.is_finite())) {
            return Err(LabError::Request(format!("{option} {rate:?}: expected positive numbers, as 1e-4,1e-3")));
        }
    }
    // All recipes are opened before anything is trained.
    let open = |discriminator: f32, generator: f32| {
        let own = [
            format!("optimizer.learning_rate={discriminator:?}"),
            format!("optimizer.generator_learning_rate={generator:?}"),
            format!("train.steps={}", asked.steps),
        ];
        let settings: Vec<_> = asked.settings.iter().cloned().chain(own).collect();
        Ok::<_, LabError>((discriminator, generator, Recipe::open(&asked.recipe, &settings)?))
    };
    let pairs = asked.discriminator.iter().flat_map(|c| asked.generator.iter().map(move |g| (*c, *g)));
    let recipes = pairs.map(|(c, g)| open(c, g)).collect::<Result<Vec<_>, _>>()?;
    let source = recipes.first().map(|r| r.2.data.source.clone()).unwrap_or_default();
    let Some(AnyDataset::Mixture(mixture)) =
        BuiltinDataset::from_name(&source).map(BuiltinDataset::open).transpose()?
    else {
        return Err(LabError::Request(format!("{}: its data are no points; try ring or grid", asked.recipe)));
    };
    let (mut found, mut stopped) = (Vec::new(), false);
    for (discriminator, generator, recipe) in &recipes {
        let Some((done, _)) = run(recipe, 1, &mixture, None, context)? else {
            stopped = true;
            break;
        };
        let (modes, of) = (done.quality.modes, done.quality.of);
        let share = 100.0 * done.quality.high_quality;
        let found_there = match done.diverged {
            Some(step) => format!("diverged at step {step}"),
            None => format!("{modes}/{of} modes, {share:.1} %"),
        };
        (context.progress)(&format!("discriminator {discriminator:?}, generator {generator:?}: {found_there}"));
        found.push(done);
    }
    let width = asked.generator.len();
    let headings =
        ["discriminator's rate".to_owned()].into_iter().chain(asked.generator.iter().map(|g| format!(">G {g:?}")));
    let mut table = ResultTable { headings: headings.collect(), rows: Vec::new() };
    for (row, discriminator) in found.chunks(width.max(1)).zip(&asked.discriminator) {
        let mut cells = vec![format!("{discriminator:?}")];
        cells.extend(row.iter().map(told));
        cells.resize(width + 1, String::new());
        table.rows.push(cells);
    }
    if !found.is_empty() {
        (context.save)("rates.png", &figure(asked, &found).png())?;
    }
    let runs = recipes.iter().zip(&found).map(|((discriminator, generator, _), done)| {
        json!({
            "discriminator": discriminator,
            "generator": generator,
            "modes": done.quality.modes,
            "hq": done.quality.high_quality,
            "rkl": done.quality.reverse_kl,
            "seconds": done.seconds,
            "diverged": done.diverged,
        })
    });
    let values = json!({
        "lab": "rates",
        "recipe": asked.recipe,
        "steps": asked.steps,
        "runs": runs.collect::<Vec<_>>(),
        "stopped": stopped,
    });
    let note = format!(
        "{}, {} steps, seed 1: modes found, and the share of points within 3 sigma of one, %",
        asked.recipe, asked.steps
    );
    Ok(LabResults { table, notes: vec![note], values, stopped })
}

fn told(done: &FinishedRun) -> String {
    if done.diverged.is_some() {
        return "diverged".into();
    }
    format!("{}/{} {:.0}", done.quality.modes, done.quality.of, 100.0 * done.quality.high_quality)
}

/// A field for each pair, the bluer the more points are right.
fn figure(asked: &RateGridOptions, found: &[FinishedRun]) -> Image {
    let (columns, rows) = (asked.generator.len(), asked.discriminator.len());
    // Wide enough for the words above, however few the columns.
    let width = (LEFT + columns * CELL.0 + 24).max(WIDTH);
    let mut paper = Image::new(width, TOP + rows * CELL.1 + 24, PAPER);
    let print = |paper: &mut Image, words: &str, (x, y): (usize, usize), color, alignment| {
        text(paper, words, (x as f64, y as f64), &FONT_7X13, color, alignment);
    };
    text(&mut paper, &asked.recipe, (16.0, 10.0), &FONT_9X18_BOLD, DARK, Alignment::Left);
    print(
        &mut paper,
        "modes, % of high quality; rows: discriminator's rate, columns: generator's",
        (16, 34),
        SOFT,
        Alignment::Left,
    );
    for (i, rate) in asked.generator.iter().enumerate() {
        print(&mut paper, &format!("{rate:?}"), (LEFT + i * CELL.0 + CELL.0 / 2, TOP - 18), DARK, Alignment::Center);
    }
    for (i, rate) in asked.discriminator.iter().enumerate() {
        print(&mut paper, &format!("{rate:?}"), (LEFT - 8, TOP + i * CELL.1 + 18), DARK, Alignment::Right);
    }
    for (i, done) in found.iter().enumerate() {
        let share = done.quality.high_quality;
        let mix = |k: usize| (f64::from(PAPER[k]) + share * (f64::from(FULL[k]) - f64::from(PAPER[k]))) as u8;
        let at = (LEFT + i % columns * CELL.0, TOP + i / columns * CELL.1);
        paper.place(&Image::new(CELL.0 - 2, CELL.1 - 2, [mix(0), mix(1), mix(2)]), at, 1);
        print(&mut paper, &told(done), (at.0 + CELL.0 / 2, at.1 + 17), DARK, Alignment::Center);
    }
    paper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_rates_is_measured_and_bad_ones_are_refused_before_training() {
        let mut kept = Vec::new();
        let mut save = |name: &str, bytes: &[u8]| {
            kept.push((name.to_owned(), bytes.len()));
            Ok(())
        };
        let mut context = LabContext { stop: &|| false, progress: &mut |_| {}, save: &mut save, threads: 1 };
        let mut asked = RateGridOptions {
            recipe: "bimodal-1d".into(),
            discriminator: vec![1e-7, 3e-3],
            generator: vec![1e-3, 1e-7, 3e-3],
            steps: 300,
            settings: vec!["train.ema=0".into()],
        };
        let found = rates(&asked, &mut context).unwrap();
        assert_eq!((found.table.headings.len(), found.table.rows.len()), (4, 2));
        let runs = found.values["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 6);
        let quality = |i: usize| runs[i]["hq"].as_f64().unwrap();
        // A discriminator that stands still teaches nothing, and a generator that does learns nothing.
        assert!(quality(5) > quality(2) + 0.1 && quality(5) > quality(4) + 0.1, "{runs:?}");
        for (bad, why) in [(-1.0, "--generator -1.0"), (f32::NAN, "--generator NaN"), (1e-3, "named twice")] {
            asked.generator.push(bad);
            assert!(rates(&asked, &mut context).unwrap_err().to_string().contains(why), "{bad}");
            asked.generator.pop();
        }
        // A rate at which everything bursts is a result, and the rest is measured too.
        let huge =
            RateGridOptions { discriminator: vec![3e-3], generator: vec![1e30, 3e-3], steps: 20, ..asked.clone() };
        let found = rates(&huge, &mut context).unwrap();
        assert_eq!(found.table.rows[0][1], "diverged");
        assert!(found.values["runs"][0]["diverged"].is_u64() && found.values["runs"][1]["diverged"].is_null());
        asked.recipe = "faces".into();
        assert!(rates(&asked, &mut context).unwrap_err().to_string().contains("try ring or grid"));
        assert_eq!(kept.len(), 2);
        assert!(kept[0].0 == "rates.png" && kept[0].1 > 500, "{kept:?}");
    }
}
