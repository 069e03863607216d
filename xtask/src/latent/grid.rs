//! `grid`: a sheet of a generator's pictures: of seeds, of classes, with shorter latents.

use super::{Artist, enlargement, sheet, values};
use crate::console;
use crate::failure::Failure;
use clap::Args as ClapArgs;
use ganlet_trainer::draw::image_grid;
use ganlet_trainer::files;
use std::path::PathBuf;

/// Draw a sheet of pictures: one a seed, and of a generator of classes a row a class.
///
/// Latents shortened by --truncation lie nearer to the middle of what the generator has learned: likelier pictures, fewer kinds of them
/// (Brock et al. 2019, section 3.1).
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask grid runs/00001-faces --png faces.png
  cargo xtask grid faces.model --truncation 0.6 --count 100 --columns 10 --png typical.png
  cargo xtask grid digits.model --png classes.png                a row for each class")]
pub(crate) struct Args {
    /// A run folder or a .model file
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// Pictures on the sheet; of each class, where there are classes [default: 64, or 8 of each class]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: Option<u32>,
    /// Pictures in a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    columns: Option<u32>,
    /// What latents are multiplied by, 0 to 1
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    truncation: f32,
    /// This class alone
    #[arg(long, value_name = "N")]
    class: Option<usize>,
    /// The picture to write
    #[arg(long, value_name = "F")]
    png: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.truncation) {
        return Err(Failure::unusable(format!("--truncation {}: expected 0 to 1", args.truncation)));
    }
    let mut artist = Artist::open(&args.what)?;
    let classes = match (artist.classes()?, args.class) {
        (0, None) => 0..1,
        (_, Some(_)) => {
            let class = artist.class(args.class)?;
            class..class + 1
        }
        (all, None) => 0..all,
    };
    let many = classes.len() > 1;
    let count = args.count.unwrap_or(if many { 8 } else { 64 });
    let seeds: Vec<u32> = (0..count).map(|i| args.seed.wrapping_add(i)).collect();
    let mut latents = values(&artist.latents(None, &seeds)?);
    latents.iter_mut().flatten().for_each(|v| *v *= args.truncation);
    let mut pictures = Vec::new();
    for class in classes {
        pictures.extend(artist.draw(&latents, class)?);
    }
    let shape = artist.shape()?;
    let columns = args.columns.unwrap_or(if many { count } else { 8 }) as usize;
    let all: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
    files::write(&args.png, image_grid(&all, sheet(shape), columns, enlargement(shape, 64)).png())?;
    console::note(&format!("wrote {} ({} pictures)", args.png.display(), pictures.len()));
    Ok(())
}
