//! The figures of a run: sample grids of fixed latents, loss and measurement plots, and the network diagram.
use super::LogEntry;
use crate::data::to_bytes;
use crate::draw::{Image, NetworkDiagram, Plot, PlotSeries, Scatter, TrainingStatus, image_grid};
use crate::philox::Key;
use crate::train::Trainer;

/// Images in a sample grid.
const IMAGES: usize = 64;
/// Points in a scatter plot of samples.
const POINTS: usize = 1000;
/// Bins of the histogram of one-dimensional samples.
const BINS: usize = 60;

/// Arranges images of `shape` [height, width, channels] in a grid and enlarges small ones.
///
/// `bytes` holds the images one after the other.
pub fn sheet(bytes: &[u8], shape: &[usize], columns: usize) -> Image {
    let &[h, w, c] = shape else { return Image::new(1, 1, [255; 3]) };
    let images: Vec<_> = bytes.chunks_exact(h * w * c).collect();
    image_grid(&images, (w, h, c), columns, (64 / w.max(h)).clamp(1, 8))
}

/// Draws samples of the EMA generator for fixed latents: a grid of images, or a plot of generated and real points.
pub fn samples(trainer: &mut Trainer) -> Image {
    let shape = trainer.data().shape().to_vec();
    let title = format!("{}, step {}", trainer.recipe().name, trainer.step());
    if shape.len() == 3 {
        let values = trainer.samples(1, IMAGES);
        let [black, white] = trainer.recipe().data.range;
        return sheet(&to_bytes(&values, (black, white)), &shape, 8);
    }
    let generated = trainer.samples(1, POINTS);
    let mut real = vec![0.0; POINTS * shape[0]];
    trainer.data().batch(Key { seed: 0, stream: 0, step: 0 }, &mut real);
    if shape[0] == 2 {
        let pairs = |v: &[f32]| v.chunks_exact(2).map(|p| (f64::from(p[0]), f64::from(p[1]))).collect::<Vec<_>>();
        return Scatter { title, real: &pairs(&real), generated: &pairs(&generated) }.image();
    }
    let series = vec![histogram("data", &real), histogram("generated", &generated)];
    Plot { title, x_label: "x".into(), y_label: "density".into(), series, ..Plot::default() }.image(900, 420)
}

/// Draws both networks as an SVG figure, with the losses, D(x) and D(G(z)) of the last log entry.
pub fn networks_svg(trainer: &Trainer, entries: &[LogEntry]) -> String {
    let status = entries.last().map(|entry| TrainingStatus {
        step: entry.report.step,
        d_real: entry.report.d_real,
        d_fake: entry.report.d_fake,
        discriminator_loss: entry.report.discriminator_loss,
        generator_loss: entry.report.generator_loss,
    });
    let recipe = trainer.recipe();
    NetworkDiagram {
        title: &recipe.name,
        generator: trainer.generator(),
        discriminator: trainer.discriminator(),
        data: trainer.data().name(),
        loss: &recipe.objective.loss.to_string(),
        status,
    }
    .svg()
}

/// Returns the density of `values` between -3 and 3.
fn histogram(name: &str, values: &[f32]) -> PlotSeries {
    let mut bins = vec![0.0; BINS];
    for v in values {
        let at = ((f64::from(*v) + 3.0) / 6.0 * BINS as f64).floor();
        if at >= 0.0 && at < BINS as f64 {
            bins[at as usize] += BINS as f64 / (6.0 * values.len() as f64);
        }
    }
    let middle = |i: usize| (i as f64 + 0.5) / BINS as f64 * 6.0 - 3.0;
    PlotSeries::new(name, bins.iter().enumerate().map(|(i, b)| (middle(i), *b)).collect())
}

/// Plots the measurements of a log and the best one so far; `None` with fewer than two measurements. Measurements before a change of the
/// data are omitted.
pub fn measurement_plot(name: &str, entries: &[LogEntry]) -> Option<Plot> {
    let since_change = LogEntry::since_change(entries);
    let measured: Vec<_> =
        since_change.iter().filter_map(|e| Some((e.report.step as f64, e.measurement.as_ref()?))).collect();
    let (_, first) = measured.get(1)?;
    let points: Vec<_> = measured.iter().map(|(step, m)| (*step, m.value)).collect();
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

/// Plots the losses of a log.
pub fn loss_plot(name: &str, entries: &[LogEntry]) -> Plot {
    let series = |name: &str, value: fn(&LogEntry) -> f32| {
        PlotSeries::new(name, entries.iter().map(|e| (e.report.step as f64, f64::from(value(e)))).collect())
    };
    Plot {
        title: format!("{name}: losses"),
        x_label: "step".into(),
        y_label: "loss".into(),
        series: vec![
            series("discriminator", |e| e.report.discriminator_loss),
            series("generator", |e| e.report.generator_loss),
        ],
        ..Plot::default()
    }
}
