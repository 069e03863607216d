//! `bench data`: measures how long training waits for images from memory, from a packed file and from single files.

use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use clap::Args as ClapArgs;
use ganlet_trainer::data::{self, Dataset, Fit, ImageDataset, PackedDataset, PrepareOptions};
use ganlet_trainer::draw::Image;
use ganlet_trainer::philox::Key;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::train::Trainer;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Batches to draw for the time of one.
const BATCHES: u64 = 20;
/// Rounds of steps; the median round is reported.
const ROUNDS: usize = 7;

/// Measure how long training waits for images from memory, from a packed file and from single files.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench data
  cargo xtask bench data --recipe celeba-dcgan --steps 4 --json")]
pub(crate) struct Args {
    /// A recipe for images; synthetic images of its size are used
    #[arg(long, default_value = "portraits-64")]
    recipe: String,
    /// Number of images
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    images: u32,
    /// Steps in each of seven rounds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct SourceTiming {
    from: &'static str,
    draw_ms: f64,
    step_ms: f64,
    waiting_ms: f64,
    waiting_share: f64,
}

/// A data set that decodes an image file each time it is drawn.
struct Files {
    files: Vec<PathBuf>,
    like: ImageDataset,
}

impl Dataset for Files {
    fn name(&self) -> &str {
        "files"
    }

    fn shape(&self) -> &[usize] {
        self.like.shape()
    }

    fn len(&self) -> Option<usize> {
        Some(self.files.len())
    }

    fn labels(&self) -> Option<&[u8]> {
        None
    }

    fn label_names(&self) -> &[String] {
        &[]
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        let size = self.shape().iter().product();
        for (position, out) in out.chunks_exact_mut(size).enumerate() {
            self.item(key.below(position as u32, self.files.len()), out);
        }
    }

    fn batch_labels(&self, _: Key, out: &mut [u8]) {
        out.fill(0);
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        let &[height, width, channels] = self.shape() else { return };
        if let Ok((bytes, _)) = data::image(&self.files[index], [height, width, channels], Fit::Crop) {
            out.iter_mut().zip(bytes).for_each(|(v, byte)| *v = f32::from(byte) / 127.5 - 1.0);
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let recipe = Recipe::open(&args.recipe, &[]).map_err(|e| Failure::unusable(e.to_string()))?;
    let Some([width, height]) = recipe.data.size else {
        return Err(Failure::unusable(format!(
            "--recipe {}: expected one with data.size, such as portraits-64",
            args.recipe
        )));
    };
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("files");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, e))?;
    console::note(&format!("making {} images of {width}x{height} ...", args.images));
    let blobs = data::blobs(width, height, 3, args.images as usize, 1);
    let files: Result<Vec<PathBuf>, Failure> = (0..blobs.count()).map(|i| save(&folder, &blobs, i)).collect();
    let pack = scratch.path().join("blobs.pack");
    data::prepare(
        &folder,
        &PrepareOptions { size: Some((width, height)), ..PrepareOptions::default() },
        &pack,
        &mut |_, _| {},
    )?;
    let packed = PackedDataset::open(&pack, (-1.0, 1.0), false, 0.2)?;
    let sources: [(&str, Arc<dyn Dataset>); 3] = [
        ("memory", Arc::new(blobs.split_by_content(0.2)?.0)),
        ("packed file", Arc::new(packed)),
        ("single files", Arc::new(Files { files: files?, like: blobs })),
    ];
    let mut timed = Vec::new();
    for (from, data) in sources {
        timed.push(TimedSource::new(from, data, &recipe, args.steps)?);
    }
    // In turns, so that other load on the machine slows all sources.
    for round in 1..=ROUNDS {
        console::note(&format!("round {round} of {ROUNDS} ..."));
        timed.iter_mut().try_for_each(|source| source.round(args.steps))?;
    }
    let rows: Vec<SourceTiming> = timed.into_iter().map(TimedSource::row).collect();
    if args.json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&serde_json::json!({ "rows": rows }))?));
    }
    let mut table =
        Table::new(&["images from", ">draw a batch, ms", ">a step, ms", ">of which waiting, ms", ">waiting"]);
    for row in rows {
        let numbers = [row.draw_ms, row.step_ms, row.waiting_ms].map(|ms| format!("{ms:.2}"));
        let [draw, step, waiting] = numbers;
        table.row([row.from.to_owned(), draw, step, waiting, format!("{:.1} %", 100.0 * row.waiting_share)]);
    }
    console::print(&table.lines())
}

fn save(folder: &Path, images: &ImageDataset, i: usize) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{i:06}.png"));
    let shape = (images.width(), images.height(), images.channels());
    std::fs::write(&path, Image::from_bytes(images.bytes(i), shape).png()).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}

/// A training run on images from one source.
struct TimedSource {
    from: &'static str,
    draw_ms: f64,
    trainer: Trainer,
    /// Milliseconds of a step, and of its waiting, for every round.
    rounds: Vec<(f64, f64)>,
}

impl TimedSource {
    fn new(from: &'static str, data: Arc<dyn Dataset>, recipe: &Recipe, steps: u32) -> Result<Self, Failure> {
        let mut batch = vec![0.0; recipe.train.batch_size * data.shape().iter().product::<usize>()];
        let start = Instant::now();
        for step in 0..BATCHES {
            data.batch(Key { seed: 9, stream: 9, step }, &mut batch);
        }
        let draw_ms = 1e3 * start.elapsed().as_secs_f64() / BATCHES as f64;
        let mut trainer = Trainer::new(recipe.clone(), data, 1, u64::from(steps) * ROUNDS as u64 + 2, 0)?;
        // The first steps start the threads and fill the caches.
        trainer.advance()?;
        trainer.advance()?;
        Ok(Self { from, draw_ms, trainer, rounds: Vec::new() })
    }

    fn round(&mut self, steps: u32) -> Result<(), Failure> {
        let (waited, start) = (self.trainer.waited(), Instant::now());
        for _ in 0..steps {
            self.trainer.advance()?;
        }
        let each = 1e3 / f64::from(steps);
        self.rounds.push((start.elapsed().as_secs_f64() * each, (self.trainer.waited() - waited) * each));
        Ok(())
    }

    /// The round with the median time.
    fn row(mut self) -> SourceTiming {
        self.rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (step_ms, waiting_ms) = self.rounds[self.rounds.len() / 2];
        SourceTiming {
            from: self.from,
            draw_ms: self.draw_ms,
            step_ms,
            waiting_ms,
            waiting_share: waiting_ms / step_ms,
        }
    }
}
