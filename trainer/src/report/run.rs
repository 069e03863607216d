//! The page of a run, as far as it follows from the run's folder, generator and data.
use super::neighbors::{bytes_of, nearest, spread};
use super::{Page, PageFigure};
use crate::data::to_bytes;
use crate::draw::PlotSeries;
use crate::evaluate::{Comparison, Trend};
use crate::files;
use crate::run::{ImageSplit, RunFolder, TrainingData, figures};
use crate::train::Trainer;

/// Images in the grids of real and of generated images.
const IMAGES: usize = 64;
/// Samples whose nearest training images are shown, and the number of these images.
const COMPARED: usize = 8;
const NEIGHBORS: usize = 3;
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
            let floor = comparison.features.real;
            let line = ends.map(|(first, last)| vec![(first.0, floor), (last.0, floor)]);
            plot.series.push(PlotSeries::new("floor: real images", line.unwrap_or_default()));
        }
        let timeline = files::read(&folder.path().join("timeline.gif"), MAX_TIMELINE)
            .ok()
            .map(|file| PageFigure { caption: "The same latents during training".into(), file });
        let seed = trainer.seed();
        let about = match recipe.about.trim_end_matches('.') {
            "" => String::new(),
            about => format!("{about}. "),
        };
        let mut page = Self {
            title: recipe.name.clone(),
            lead: format!("{about}Trained for {} of {} steps with seed {seed}.", trainer.step(), trainer.steps()),
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
        let png = |caption: String, image: crate::draw::Image| Some(PageFigure { caption, file: image.png() });
        let shape = trainer.data().shape().to_vec();
        self.samples = png(format!("Generated at step {step}, not selected"), figures::samples(trainer));
        let Some(ImageSplit { train, .. }) = split.filter(|_| shape.len() == 3) else { return };
        let real = bytes_of(train, &spread(train, IMAGES));
        self.real = png(
            format!("Real: {} of the training images", IMAGES.min(train.count())),
            figures::sheet(&real, &shape, 8),
        );
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

/// Returns a sentence with a capital letter at its start.
fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
