//! `project`: finds the latent of a given image (GAN inversion).

use super::output::{self, SearchOutputs};
use crate::console;
use crate::failure::Failure;
use crate::image_file::ImageFile;
use crate::model_file::{self, WorkLimit};
use crate::opening;
use crate::seeds::latent_seed;
use clap::{ArgGroup, Args as ClapArgs};
use ganlet_trainer::data;
use ganlet_trainer::export::PreparedRun;
use ganlet_trainer::files;
use ganlet_trainer::latent::{
    ClassNames, ImageGenerator, NEAR_DB, ProjectionOptions, ProjectionTarget, SearchResults, float_image,
    held_out_image, latent_of_seed, projector, shape_of,
};
use std::path::{Path, PathBuf};

/// Find the latent whose image is nearest to a given one (GAN inversion)
///
/// Each search starts at the best of 64 seeds and follows the gradient of the pixel and feature distance through the float generator
/// (Creswell & Bharath 2016). Toward the end, latents are rounded as devices round them. The best latent can be saved in a file, which
/// `sim`, `emulate` and `flash` show with --latents.
#[derive(ClapArgs)]
#[command(group(ArgGroup::new("target").args(["image", "held_out", "of_seed"]).required(true)), after_help = "Examples:
  cargo xtask project runs/00001-faces --image me.png --out me.latents --png found.png
  cargo xtask project latest --held-out 3 --out real.latents --model faces.model
  cargo xtask project latest --of-seed 42 --json                 how well a known latent is recovered
  cargo xtask sim faces.model --latents me.latents")]
pub(crate) struct Args {
    /// A run folder
    #[arg(value_name = "RUN")]
    what: PathBuf,
    /// The target: an image file, cropped (or padded or stretched, as data.fit says) and resized as needed
    #[arg(long, alias = "picture", value_name = "F")]
    image: Option<PathBuf>,
    /// The target: an image of the held-out set, by number
    #[arg(long, value_name = "N")]
    held_out: Option<usize>,
    /// The data of the held-out set, if those of the run are no longer where they were
    #[arg(long, value_name = "D", requires = "held_out")]
    data: Option<String>,
    /// The target: the image that the generator draws for a seed
    #[arg(long, value_name = "S", value_parser = latent_seed, allow_negative_numbers = true)]
    of_seed: Option<u32>,
    /// The class to search in, a name or a number from 0, for generators with classes [default: 0]
    #[arg(long, value_name = "C")]
    class: Option<String>,
    /// Number of searches
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    restarts: u32,
    /// Steps of each search
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// The first of the seeds among which the starting points are chosen
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = latent_seed, allow_negative_numbers = true)]
    seed: u32,
    /// Weight of the feature distance relative to the pixel distance; 0 for pixels only
    #[arg(long, value_name = "W", default_value_t = 0.1)]
    features: f32,
    /// Save the best latent in a file
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// Write the target and the result of each search as an image
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Plot the loss of every search
    #[arg(long, value_name = "F")]
    curve: Option<ImageFile>,
    /// Compare the target with the image that this model, exported from the run, draws of the latent
    #[arg(long, value_name = "FILE.model")]
    model: Option<PathBuf>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !(0.0..=1000.0).contains(&args.features) {
        return Err(Failure::unusable(format!("--features {}: expected 0 to 1000", args.features)));
    }
    if let Some(out) = &args.out {
        files::check_output(out, |path| model_file::saved_latents(path).is_ok(), None).map_err(Failure::unusable)?;
    }
    let images = [&args.png, &args.curve].into_iter().flatten().map(ImageFile::path);
    images.chain(args.out.as_deref()).try_for_each(console::writable)?;
    let mut run = opening::searchable(&args.what)?;
    let mut model = args.model.as_deref().map(|path| exported_model(path, &run)).transpose()?;
    let classes = run.checkpoint.recipe.class_inputs();
    let class = ClassNames::of_run(&run).of(classes).find(classes, args.class.as_deref()).map_err(Failure::unusable)?;
    let image = target_image(&args, &mut run, class)?;
    let target = ProjectionTarget::image(&image, shape_of(&run));
    let options = options(&args);
    let mut projector = projector(&run, options.restarts);
    let found = output::with_progress(|progress| projector.search(&target, class, None, &options, progress));
    if let Some(best) = found.first().filter(|best| best.psnr_db < NEAR_DB) {
        console::note(&format!(
            "the nearest image is not near ({:.1} dB): the generator may not produce such images; try more --restarts or --steps, \
             crop the image like the training data, or train longer",
            best.psnr_db
        ));
    }
    let outputs = SearchOutputs {
        latents: args.out.as_ref(),
        png: args.png.as_ref(),
        curve: args.curve.as_ref(),
        model: model.as_mut(),
    };
    let class = (classes > 0).then_some(class as u16);
    print(&output::write(&found, &target, class, &image, outputs)?, args.json)
}

/// Opens the model at `path`, which has to be exported from this run.
fn exported_model(path: &Path, run: &PreparedRun) -> Result<ImageGenerator, Failure> {
    let model = opening::generator(path, WorkLimit::DEFAULT)?;
    let same = model.latent_len() == run.checkpoint.recipe.generator.latent() && model.shape() == shape_of(run);
    if same {
        return Ok(model);
    }
    let why =
        "this model was exported from another run; `cargo xtask export RUN --out FILE.model` writes one of this run";
    Err(Failure::file(path, why))
}

/// Returns the image to project.
fn target_image(args: &Args, run: &mut PreparedRun, class: usize) -> Result<Vec<u8>, Failure> {
    match (&args.image, args.held_out, args.of_seed) {
        (Some(path), ..) => {
            let (bytes, notes) =
                data::image(path, shape_of(run), run.checkpoint.recipe.data.fit).map_err(Failure::unusable)?;
            notes.iter().for_each(|note| console::note(note));
            Ok(bytes)
        }
        (None, Some(number), _) => {
            let data = opening::data(run, args.data.as_deref()).map_err(Failure::unusable)?;
            let split = data.images.ok_or_else(|| Failure::unusable("--held-out: the data are not images"))?;
            held_out_image(&split.held_out, number).map_err(Failure::unusable)
        }
        (None, None, seed) => {
            let len = run.checkpoint.recipe.generator.latent();
            Ok(float_image(run, &latent_of_seed(seed.unwrap_or(1), len), class))
        }
    }
}

fn options(args: &Args) -> ProjectionOptions {
    // The search must not start at the latent that it is to recover.
    let starts = args.restarts.saturating_mul(ProjectionOptions::default().seeds as u32);
    let seed = match args.of_seed {
        Some(known) if known.wrapping_sub(args.seed) < starts => known.wrapping_add(1),
        _ => args.seed,
    };
    ProjectionOptions {
        restarts: args.restarts as usize,
        steps: args.steps as usize,
        features: args.features,
        seed,
        ..ProjectionOptions::default()
    }
}

fn print(results: &SearchResults, json: bool) -> Result<(), Failure> {
    if json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(results)?));
    }
    let all: Vec<String> = results.searches.iter().map(|s| format!("{:.1}", s.psnr_db)).collect();
    let mut text = format!("PSNR of each search against the target: {} dB\n", all.join(", "));
    if let Some(db) = results.int8_psnr_db {
        text += &format!("PSNR of the best latent as the int8 model draws it: {db:.1} dB\n");
    }
    console::print(&text)
}
