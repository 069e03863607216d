//! `grid`: draws a sample grid of a generator.

use super::output::sheet;
use crate::console;
use crate::failure::Failure;
use crate::image_file::ImageFile;
use crate::model_file::WorkLimit;
use crate::opening;
use crate::seeds::latent_seed;
use clap::Args as ClapArgs;
use ganlet_trainer::files;
use ganlet_trainer::latent::values;
use std::path::PathBuf;

/// Draw a sample grid: one image per seed, with one row per class for generators with classes
///
/// --truncation shortens the latents: the images become more typical and less diverse (the truncation trick, Brock et al. 2019,
/// section 3.1).
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask grid runs/00001-faces --png faces.png
  cargo xtask grid faces.model --truncation 0.6 --count 100 --columns 10 --png typical.png
  cargo xtask grid digits.model --png classes.png                one row per class")]
pub(crate) struct Args {
    /// A run folder or a .model file
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = latent_seed, allow_negative_numbers = true)]
    seed: u32,
    /// Number of images, for each class if there are classes [default: 64, or 8 for each class]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: Option<u32>,
    /// Images per row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    columns: Option<u32>,
    /// Factor on the latents, 0 to 1
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    truncation: f32,
    /// Draw this class only: a name or a number from 0
    #[arg(long, value_name = "C")]
    class: Option<String>,
    /// The image file to write, a .png or a .gif
    #[arg(long, value_name = "F")]
    png: ImageFile,
    #[command(flatten)]
    work: WorkLimit,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.truncation) {
        return Err(Failure::unusable(format!("--truncation {}: expected 0 to 1", args.truncation)));
    }
    let mut generator = opening::generator(&args.what, args.work)?;
    let classes = match (generator.classes(), &args.class) {
        (0, None) => 0..1,
        (_, Some(_)) => {
            let class = generator.class(args.class.as_deref()).map_err(Failure::unusable)?;
            class..class + 1
        }
        (all, None) => 0..all,
    };
    let several = classes.len() > 1;
    if let Some(names) = generator.class_names().describe_all().filter(|_| several) {
        console::note(&format!("classes from top to bottom: {}", files::one_line(&names)));
    }
    let count = args.count.unwrap_or(if several { 8 } else { 64 });
    let seeds: Vec<u32> = (0..count).map(|i| args.seed.wrapping_add(i)).collect();
    let mut latents = values(&generator.latents_of_seeds(&seeds));
    latents.iter_mut().flatten().for_each(|v| *v *= args.truncation);
    let mut images = Vec::new();
    for class in classes {
        images.extend(generator.draw(&latents, class)?);
    }
    let columns = args.columns.unwrap_or(if several { count } else { 8 }) as usize;
    let all: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    args.png.write(&sheet(&all, generator.shape(), columns, 64), &format!("{} images", images.len()))
}
