//! What a run shows of itself: sample grids of fixed latents, an animation of them, the plot of its losses.
use super::Line;
use crate::draw::{Image, NetworkDiagram, Plot, PlotSeries, Scatter, TrainingStatus, image_grid};
use crate::evaluate::to_bytes;
use crate::philox::Key;
use crate::train::Trainer;

/// Pictures of a sample grid.
const PICTURES: usize = 64;
/// Points of a sample plot.
const POINTS: usize = 1000;
/// Bars of a histogram of numbers.
const BARS: usize = 60;

/// A grid of `bytes`, pictures of `shape` [height, width, channels], enlarged so that small ones are seen.
pub fn sheet(bytes: &[u8], shape: &[usize], columns: usize) -> Image {
    let &[h, w, c] = shape else { return Image::new(1, 1, [255; 3]) };
    let pictures: Vec<_> = bytes.chunks_exact(h * w * c).collect();
    image_grid(&pictures, (w, h, c), columns, (64 / w.max(h)).clamp(1, 8))
}

/// The averaged generator's examples of fixed latents: a grid of pictures, or points among those of the data.
pub fn samples(trainer: &mut Trainer) -> Image {
    let shape = trainer.data().shape().to_vec();
    let title = format!("{}, step {}", trainer.recipe().name, trainer.step());
    match shape.len() {
        3 => {
            let values = trainer.samples(1, PICTURES);
            let [black, white] = trainer.recipe().data.range;
            sheet(&to_bytes(&values, (black, white)), &shape, 8)
        }
        _ => {
            let generated = trainer.samples(1, POINTS);
            let mut real = vec![0.0; POINTS * shape[0]];
            trainer.data().batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
            if shape[0] == 2 {
                let pairs =
                    |v: &[f32]| v.chunks_exact(2).map(|p| (f64::from(p[0]), f64::from(p[1]))).collect::<Vec<_>>();
                Scatter { title, real: &pairs(&real), generated: &pairs(&generated) }.image()
            } else {
                let series = vec![histogram("data", &real), histogram("generated", &generated)];
                Plot { title, x_label: "x".into(), y_label: "density".into(), series, ..Plot::default() }
                    .image(900, 420)
            }
        }
    }
}

/// Both networks as they are, and where the last line of the log found them.
pub fn networks(trainer: &Trainer, lines: &[Line]) -> String {
    let standing = lines.last().map(|line| TrainingStatus {
        step: line.report.step,
        d_real: line.report.d_real,
        d_fake: line.report.d_fake,
        losses: [line.report.discriminator_loss, line.report.generator_loss],
    });
    let recipe = trainer.recipe();
    NetworkDiagram {
        title: &recipe.name,
        generator: trainer.generator(),
        discriminator: trainer.discriminator(),
        data: trainer.data().name(),
        loss: &recipe.objective.loss.to_string(),
        standing,
    }
    .svg()
}

/// How dense numbers lie between -3 and 3.
fn histogram(name: &str, values: &[f32]) -> PlotSeries {
    let mut bars = vec![0.0; BARS];
    for v in values {
        let at = ((f64::from(*v) + 3.0) / 6.0 * BARS as f64).floor();
        if at >= 0.0 && at < BARS as f64 {
            bars[at as usize] += BARS as f64 / (6.0 * values.len() as f64);
        }
    }
    let middle = |i: usize| (i as f64 + 0.5) / BARS as f64 * 6.0 - 3.0;
    PlotSeries::new(name, bars.iter().enumerate().map(|(i, b)| (middle(i), *b)).collect())
}

/// What was measured over a log, and the best so far, whose checkpoint is kept; none where nothing was measured twice.
pub fn measured(name: &str, lines: &[Line]) -> Option<Plot> {
    let looks: Vec<_> = lines.iter().filter_map(|l| Some((l.report.step as f64, l.measure.as_ref()?))).collect();
    let (_, first) = looks.get(1)?;
    let points: Vec<_> = looks.iter().map(|(step, m)| (*step, m.value)).collect();
    let least = points.iter().scan(f64::INFINITY, |least, (step, value)| {
        *least = least.min(*value);
        Some((*step, *least))
    });
    Some(Plot {
        title: format!("{name}: {}", first.name),
        x_label: "step".into(),
        y_label: first.name.clone(),
        series: vec![
            PlotSeries::new("measured", points.clone()),
            PlotSeries::new("best so far, kept", least.collect()),
        ],
        ..Plot::default()
    })
}

/// The losses of a log as a plot.
pub fn losses(name: &str, lines: &[Line]) -> Plot {
    let series = |name: &str, value: fn(&Line) -> f32| {
        PlotSeries::new(name, lines.iter().map(|l| (l.report.step as f64, f64::from(value(l)))).collect())
    };
    Plot {
        title: format!("{name}: losses"),
        x_label: "step".into(),
        y_label: "loss".into(),
        series: vec![
            series("discriminator", |l| l.report.discriminator_loss),
            series("generator", |l| l.report.generator_loss),
        ],
        ..Plot::default()
    }
}
