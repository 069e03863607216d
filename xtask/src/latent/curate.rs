//! `curate`: finds seeds whose images the discriminator accepts.

use super::output::sheet;
use crate::console;
use crate::failure::Failure;
use crate::fit_steps::FitSteps;
use crate::image_file::ImageFile;
use crate::model_file;
use crate::opening;
use crate::seeds::latent_seed;
use clap::Args as ClapArgs;
use ganlet_trainer::draw::Image;
use ganlet_trainer::evaluate::{
    DiscriminatorFit, RejectionError, RejectionSampler, ScoredImage, Selection, int8_images,
};
use ganlet_trainer::export::PreparedRun;
use ganlet_trainer::files;
use ganlet_trainer::latent::{SavedLatent, latent_of_seed};
use ganlet_trainer::run::CheckpointChoice;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Find curated seeds: images that the discriminator of a run accepts
///
/// Discriminator rejection sampling (Azadi et al. 2019): an image is accepted with a probability that rises with the discriminator's score,
/// so that the share of good images rises. The discriminator scores the int8 images of devices. Before, it is fitted to the images of the
/// finished generator, because the trained one scored an earlier generator. The seeds are written as latents, which `sim`, `emulate` and
/// `flash` show with --latents, and as a sheet: accepted images on the left, rejected ones on the right. Equal arguments give equal seeds.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask curate runs/00001-digits                   64 seeds; writes curated.latents and curated.png into the run folder
  cargo xtask sim runs/00001-digits --latents runs/00001-digits/curated.latents
  cargo xtask curate runs/00001-digits --count 16 --share 0.1 --out best.latents --png best.png
  cargo xtask curate latest --json                       seeds and scores")]
pub(crate) struct Args {
    /// The run folder
    #[arg(value_name = "RUN")]
    what: PathBuf,
    /// Number of images to accept
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Share of images to accept: less is stricter
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    share: f64,
    /// The first seed to score
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = latent_seed, allow_negative_numbers = true)]
    seed: u32,
    #[command(flatten)]
    fit: FitSteps,
    /// The checkpoint: best, last, or a step
    #[arg(long, value_name = "best|last|STEP", default_value = "best")]
    checkpoint: CheckpointChoice,
    /// Factor on the latents, 0 to 1, as in `export` [default: `export.truncation` of the recipe]
    #[arg(long, value_name = "T")]
    truncation: Option<f32>,
    /// The data to fit the discriminator to, if those of the run are no longer where they were
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// The file of latents to write [default: curated.latents in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The sheet to write, a .png or a .gif [default: curated.png in the run folder]
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Images of each kind on the sheet.
const SHOWN: usize = 64;

/// The JSON of `curate --json`.
#[derive(Serialize)]
struct Curated<'a> {
    wished_share: f64,
    share: f64,
    accepted: usize,
    scored: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<DiscriminatorFit>,
    seeds: Vec<CuratedSeed>,
    latents: &'a Path,
}

#[derive(Serialize)]
struct CuratedSeed {
    seed: u32,
    logit: f32,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let folder = opening::folder(&args.what)?;
    let latents = args.out.clone().unwrap_or_else(|| folder.path().join("curated.latents"));
    files::check_output(&latents, |path| model_file::saved_latents(path).is_ok(), None).map_err(Failure::unusable)?;
    let png = match args.png.clone() {
        Some(png) => png,
        None => ImageFile::new(folder.path().join("curated.png")).map_err(Failure::unusable)?,
    };
    let run = opening::run_truncated(&args.what, args.checkpoint, args.truncation)?;
    let data = opening::data(&run, args.data.as_deref()).map_err(Failure::unusable)?;
    let Some(split) = &data.images else {
        return Err(Failure::unusable(RejectionError::Points));
    };
    let quantized = run.quantize_briefly().map_err(Failure::unusable)?;
    let options = args.fit.options(args.share);
    if options.fit_steps > 0 {
        console::note(&format!("fitting the discriminator to int8 images for {} steps", options.fit_steps));
    }
    let bar = ProgressBar::new(options.fit_steps);
    bar.set_style(
        ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message("fitting the discriminator");
    let sampler =
        RejectionSampler::new(&run.trainer, &quantized.file, &split.train, options, &mut |done| bar.set_position(done));
    let mut sampler = sampler.map_err(Failure::unusable)?;
    bar.set_length(args.count.into());
    bar.set_message("scoring images");
    let drawn = sampler.draw(args.seed, args.count as usize, &mut |accepted| bar.set_position(accepted as u64));
    let selection = drawn.map_err(Failure::unusable)?;
    bar.finish_and_clear();
    write_latents(&latents, &args.what, &run, &selection)?;
    let shape = run.trainer.data().shape();
    png.write(
        &comparison(&quantized.file, [shape[0], shape[1], shape[2]], &selection)?,
        "accepted images on the left, rejected ones on the right",
    )?;
    report(&args, &latents, sampler.fit(), &selection)
}

/// Writes the accepted latents, each after its seed and its score.
fn write_latents(path: &Path, run: &Path, prepared: &PreparedRun, selection: &Selection) -> Result<(), Failure> {
    let recipe = &prepared.checkpoint.recipe;
    let mut text =
        format!("# curated seeds; cargo xtask sim {} --latents {}\n", files::quoted(run), files::quoted(path));
    for ScoredImage { seed, logit, .. } in selection.scored.iter().filter(|scored| scored.accepted) {
        let values = latent_of_seed(*seed, recipe.generator.latent());
        let class = (recipe.class_inputs() > 0).then(|| recipe.class_of_seed(*seed) as u16);
        text += &format!("# seed {seed}, score {logit:.3}\n{}\n", SavedLatent { values, class });
    }
    files::write(path, text)?;
    console::note(&format!("wrote {} (the latents of {} seeds)", path.display(), selection.seeds().len()));
    Ok(())
}

/// Returns the first accepted images beside the first rejected ones.
fn comparison(file: &[u8], shape: [usize; 3], selection: &Selection) -> Result<Image, Failure> {
    let size: usize = shape.iter().product();
    let accepted: Vec<&[u8]> = selection.images.chunks_exact(size).take(SHOWN).collect();
    let rejected = selection.scored.iter().filter(|scored| !scored.accepted).take(SHOWN);
    let rejected: Vec<Vec<u8>> =
        rejected.map(|scored| int8_images(file, scored.seed, 1, |_, _| {})).collect::<Result<_, _>>()?;
    let rejected: Vec<&[u8]> = rejected.iter().map(Vec::as_slice).collect();
    let columns = if accepted.len() > 16 { 8 } else { 4 };
    let [left, right] = [&accepted, &rejected].map(|images| sheet(images, shape, columns, 64));
    let gap = left.width() / 16;
    let (width, height) = (left.width() + gap + right.width(), left.height().max(right.height()));
    let mut both = Image::new(width, height, [255; 3]);
    both.place(&left, (0, 0), 1);
    both.place(&right, (left.width() + gap, 0), 1);
    Ok(both)
}

/// Prints how many images were accepted, and what to type next.
fn report(args: &Args, latents: &Path, fit: Option<DiscriminatorFit>, selection: &Selection) -> Result<(), Failure> {
    let (accepted, scored) = (args.count as usize, selection.scored.len());
    let share = accepted as f64 / scored as f64;
    if args.json {
        let of = |scored: &ScoredImage| CuratedSeed { seed: scored.seed, logit: scored.logit };
        let seeds = selection.scored.iter().filter(|scored| scored.accepted).map(of).collect();
        let curated = Curated { wished_share: args.share, share, accepted, scored, fit, seeds, latents };
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&curated)?));
    }
    let by = fit.map_or_else(|| "by the discriminator as it was trained".to_owned(), |fit| fit.to_string());
    let seeds: Vec<String> = selection.seeds().iter().take(16).map(u32::to_string).collect();
    let more = if accepted > seeds.len() { ", …" } else { "" };
    console::print(&format!(
        "accepted {accepted} of {scored} images, {:.0} % (wished: {:.0} %), {by}\nseeds: {}{more}\n",
        100.0 * share,
        100.0 * args.share,
        seeds.join(", ")
    ))?;
    let (run, latents) = (files::quoted(&args.what), files::quoted(latents));
    console::note(&format!(
        "next: cargo xtask sim {run} --latents {latents}   or: cargo xtask eval {run} --rejection {}",
        args.share
    ));
    Ok(())
}
