//! The page of a run, as far as it follows from the run's folder, generator and data.
use super::neighbors::{bytes_of, nearest, spread};
use super::{Page, PageFigure};
use crate::data::to_bytes;
use crate::draw::{Image, PlotSeries};
use crate::evaluate::{Comparison, Trend};
use crate::files;
use crate::run::{ImageSplit, RunFolder, TrainingData, figures};
use crate::text::grouped;
use crate::train::Trainer;

/// Images in the grids of real and of generated images.
const IMAGES: usize = 64;
/// Samples whose nearest training images are shown, and the number of these images.
const COMPARED: usize = 8;
const NEIGHBORS: usize = 3;
/// Side of images above which half as many are shown.
const LARGE: usize = 32;
/// Rows of a grid of samples.
const ROWS: usize = 8;
/// Moments of the training that the timeline shows.
const MOMENTS: usize = 8;
/// Largest animation of samples that is read, in bytes.
const MAX_TIMELINE: u64 = 64 << 20;

impl Page {
    /// Returns the page of a run: samples of `trainer`'s generator beside real images, their nearest training images, curves and alarms.
    ///
    /// Without `data`, which may have moved, the parts that need real images are absent.
    pub fn of_run(
        folder: &RunFolder,
        trainer: &mut Trainer,
        data: Option<&TrainingData>,
        comparison: Option<&Comparison>,
    ) -> Self {
        let entries = folder.log_entries();
        let recipe = trainer.recipe().clone();
        let mut verdict = vec![format!("{}.", capitalized(&Trend::of(&entries).to_string()))];
        verdict.extend(comparison.iter().flat_map(|c| c.sentences()).map(|s| format!("{}.", capitalized(&s))));
        let mut distances = figures::measurement_plot(&recipe.name, &entries);
        if let (Some(plot), Some(comparison)) = (&mut distances, comparison) {
            let ends = plot.series[0].points.first().zip(plot.series[0].points.last());
            let floor = comparison.floor;
            let line = ends.map(|(first, last)| vec![(first.0, floor), (last.0, floor)]);
            plot.series.push(PlotSeries::new("floor: real images", line.unwrap_or_default()));
        }
        let timeline = if trainer.data().shape().len() == 3 {
            filmstrip(&folder.frames(trainer.step()))
        } else {
            let file = files::read(&folder.path().join("timeline.gif"), MAX_TIMELINE).ok();
            file.map(|file| PageFigure { caption: "The same latents during training".into(), file })
        };
        let seed = trainer.seed();
        let trained = match recipe.description().trim_end_matches('.') {
            "" => format!("Trained on {}", trainer.data().name()),
            about => format!("{about}. Trained"),
        };
        let started_from = folder.newest().ok().and_then(|newest| newest.checkpoint.state.started_from);
        let started = started_from.map_or_else(String::new, |from| {
            format!(", starting with the weights of {} at step {}", from.run, grouped(from.step as usize))
        });
        let [step, steps] = [trainer.step(), trainer.steps()].map(|n| grouped(n as usize));
        let mut page = Self {
            title: recipe.name.clone(),
            lead: format!("{trained} for {step} of {steps} steps with seed {seed}{started}."),
            verdict,
            timeline,
            alarms: Some(folder.alarms()),
            networks: Some(figures::networks_svg(trainer, &entries)),
            distances,
            losses: Some(figures::loss_plot(&recipe.name, &entries)),
            ..Self::default()
        };
        page.add_samples(trainer, data.and_then(|data| data.images.as_ref()));
        page
    }

    /// Adds samples, real images and the nearest training images.
    fn add_samples(&mut self, trainer: &mut Trainer, split: Option<&ImageSplit>) {
        let step = trainer.step();
        let png = |caption: String, image: Image| Some(PageFigure { caption, file: image.png() });
        let shape = trainer.data().shape().to_vec();
        // Many large images make the page too heavy for a phone.
        let is_large = shape.len() == 3 && shape[0].max(shape[1]) > LARGE;
        let samples = figures::samples(trainer);
        let samples = if is_large { top(&samples, 1, 2) } else { samples };
        self.samples = png(format!("Generated at step {}, not selected", grouped(step as usize)), samples);
        let Some(ImageSplit { train, .. }) = split.filter(|_| shape.len() == 3) else { return };
        let count = if is_large { IMAGES / 2 } else { IMAGES };
        let real = bytes_of(train, &spread(train, count));
        self.real =
            png(format!("Real: {} of the training images", count.min(train.count())), figures::sheet(&real, &shape, 8));
        let [black, white] = trainer.recipe().data.range;
        let samples = to_bytes(&trainer.samples(1, COMPARED), (black, white));
        let images: Vec<&[u8]> = samples.chunks_exact(shape.iter().product()).collect();
        let found = nearest(train, &images, NEIGHBORS);
        let rows = (0..NEIGHBORS).flat_map(|rank| found.iter().filter_map(move |list| list.get(rank).copied()));
        let below = bytes_of(train, &rows.collect::<Vec<_>>());
        let caption = "Top row: generated images. Below each: the training images that are nearest in pixels. Equal images would be copies.";
        self.neighbors = png(caption.into(), figures::sheet(&[samples, below].concat(), &shape, COMPARED));
    }
}

/// Returns the first row of up to [`MOMENTS`] grids of samples, one below the other: the same latents during training.
fn filmstrip(frames: &[(u64, Image)]) -> Option<PageFigure> {
    let last = frames.len().checked_sub(1)?;
    let count = MOMENTS.min(frames.len());
    let chosen: Vec<_> = (0..count).map(|i| &frames[i * last / (count - 1).max(1)]).collect();
    let rows: Vec<Image> = chosen.iter().map(|(_, grid)| top(grid, 1, ROWS)).collect();
    let (width, height) = (rows[0].width(), rows[0].height());
    let mut strip = Image::new(width, count * height, [0; 3]);
    rows.iter().enumerate().for_each(|(i, row)| strip.place(row, (0, i * height), 1));
    let steps: Vec<_> = chosen.iter().map(|(step, _)| grouped(*step as usize)).collect();
    let caption = format!("Each row: the same latents, at step {}", steps.join("; "));
    Some(PageFigure { caption, file: strip.png() })
}

/// Returns the topmost part of an image, `part` of `parts`.
fn top(image: &Image, part: usize, parts: usize) -> Image {
    let rows = (image.height() * part / parts).max(1);
    Image::from_bytes(&image.bytes()[..rows * image.width() * 3], (image.width(), rows, 3))
}

/// Returns a sentence with a capital letter at its start.
fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_shows_a_few_moments_from_the_first_to_the_last() {
        assert!(filmstrip(&[]).is_none());
        let frames = |n: u64| (0..n).map(|i| (1000 * i, Image::new(40, 42, [i as u8; 3]))).collect::<Vec<_>>();
        let one = filmstrip(&frames(1)).unwrap();
        assert!(one.caption.ends_with("at step 0"), "{}", one.caption);
        let strip = filmstrip(&frames(60)).unwrap();
        assert!(
            strip.caption.ends_with("at step 0; 8,000; 16,000; 25,000; 33,000; 42,000; 50,000; 59,000"),
            "{}",
            strip.caption
        );
        let image = image::load_from_memory(&strip.file).unwrap().into_rgb8();
        assert_eq!((image.width(), image.height(), image.get_pixel(0, 39).0), (40, 8 * 5, [59; 3]));
    }
}
