//! `interpolate`: draws the images between latents.

use super::output::{enlarged, sheet};
use crate::console;
use crate::failure::Failure;
use crate::image_file::{self, AnimationFile, ImageFile};
use crate::model_file::WorkLimit;
use crate::opening;
use crate::seeds::latent_seed;
use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use ganlet_trainer::draw::{Image, animation};
use ganlet_trainer::files;
use ganlet_trainer::latent::{ImageGenerator, Interpolation, draw_device_walk, interpolate, mean_difference, values};
use std::path::PathBuf;

/// Draw an interpolation: the images between the latents of seeds, or of a file
///
/// A run is drawn by its float generator, a model file in int8. For a model file, the spherical path is the walk that devices take: integer
/// arithmetic, 64 frames from one seed to the next at speed 1. More frames mean smaller changes; the command prints the mean difference
/// between neighboring frames.
#[derive(ClapArgs)]
#[command(group(ArgGroup::new("output").args(["gif", "png", "frames"]).required(true).multiple(true)), after_help = "Examples:
  cargo xtask interpolate runs/00001-faces --seeds 1,2,3,4 --gif walk.gif
  cargo xtask interpolate faces.model --seeds 1,2 --steps 8 --png strip.png
  cargo xtask interpolate latest --path spline --seeds 5,9,12 --loop --gif loop.gif")]
pub(crate) struct Args {
    /// A run folder or a .model file
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// The seeds to pass through, separated by commas
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', default_value = "1,2,3,4", value_parser = latent_seed, allow_negative_numbers = true)]
    seeds: Vec<u32>,
    /// Pass through the latents in this file instead, as `project`, `edit` and `curate` save them
    #[arg(long, value_name = "F", conflicts_with = "seeds")]
    latents: Option<PathBuf>,
    /// Frames from one latent to the next
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Shape of the path
    #[arg(long, value_name = "P", default_value = "spherical")]
    path: PathShape,
    /// Return to the first latent at the end
    #[arg(long = "loop")]
    closed: bool,
    /// The class, for generators with classes [default: the class of the first latent]
    #[arg(long, value_name = "N")]
    class: Option<String>,
    /// Write an animation
    #[arg(long, value_name = "F")]
    gif: Option<AnimationFile>,
    /// Write all frames in one image
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Write each frame as a PNG into this folder
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    #[command(flatten)]
    work: WorkLimit,
}

/// Values of `--path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PathShape {
    /// Straight lines
    Linear,
    /// Arcs around the origin
    Spherical,
    /// A smooth curve through all latents
    Spline,
}

impl From<PathShape> for Interpolation {
    fn from(shape: PathShape) -> Self {
        match shape {
            PathShape::Linear => Self::Linear,
            PathShape::Spherical => Self::Spherical,
            PathShape::Spline => Self::Spline,
        }
    }
}

/// Largest number of frames, which are all in memory.
const MOST_FRAMES: usize = 100_000;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut generator = opening::generator(&args.what, args.work)?;
    let mut points = opening::latents(&generator, args.latents.as_deref(), &args.seeds)?;
    if args.closed {
        points.extend(points.first().cloned());
    }
    if points.len() < 2 {
        return Err(Failure::unusable("an interpolation needs at least two latents: give --seeds S,S"));
    }
    let frames = (points.len() - 1) * args.steps as usize + 1;
    if frames > MOST_FRAMES {
        return Err(Failure::unusable(format!("{frames} frames: expected at most {MOST_FRAMES}; reduce --steps")));
    }
    let first = points[0].class.map(|class| class.to_string());
    let class = generator.class(args.class.as_deref().or(first.as_deref())).map_err(Failure::unusable)?;
    let images = match (&generator, args.path) {
        (ImageGenerator::Int8(file), PathShape::Spherical) => {
            draw_device_walk(&file.model(), &points, class, args.steps)
        }
        _ => generator.draw(&interpolate(&values(&points), args.steps as usize, args.path.into()), class),
    }
    .map_err(Failure::unusable)?;
    write(&args, &images, points.len(), generator.shape())?;
    console::print(&format!(
        "{frames} frames; neighboring frames differ by {:.2} levels of 255 on average\n",
        mean_difference(&images)
    ))
}

/// Writes the frames into the files of the command line.
fn write(args: &Args, images: &[Vec<u8>], points: usize, shape: [usize; 3]) -> Result<(), Failure> {
    let frames = images.len();
    if let Some(file) = &args.gif {
        let images: Vec<_> = images.iter().map(|p| enlarged(p, shape, 256)).collect();
        file.write(animation(&images, 40))?;
        console::note(&format!("wrote {} ({frames} frames)", file.path().display()));
    }
    if let Some(file) = &args.png {
        let all: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
        let columns = if args.steps < 32 { args.steps as usize + usize::from(points == 2) } else { 16 };
        file.write(&sheet(&all, shape, columns, 64), &format!("{frames} images"))?;
    }
    if let Some(folder) = &args.frames {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
        let [height, width, channels] = shape;
        let path = |i: usize| folder.join(format!("frame-{i:05}.png"));
        let check = |i| files::check_output(&path(i), image_file::is_own, None);
        (0..frames).try_for_each(check).map_err(Failure::unusable)?;
        for (i, image) in images.iter().enumerate() {
            let image = Image::from_bytes(image, (width, height, channels));
            files::write(path(i), image_file::marked(image.png()))?;
        }
        console::note(&format!("wrote {frames} frames into {}", folder.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_file;
    use crate::process::root;
    use ganlet_runtime::Model;
    use ganlet_sim::host::{Device, Simulator};
    use ganlet_sim::{App, Button};
    use ganlet_trainer::latent::device_walk;

    const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

    #[test]
    fn the_spherical_path_of_a_model_is_the_walk_of_a_device() {
        let file = model_file::read(&root().join(MODEL), WorkLimit::DEFAULT).unwrap();
        let model = Model::from_bytes(file.bytes()).unwrap();
        let generator = opening::generator(&root().join(MODEL), WorkLimit::DEFAULT).unwrap();
        let walk = device_walk(&model, &generator.latents_of_seeds(&[1, 2, 3]), 0, App::STEPS_PER_SEED).unwrap();
        let mut device = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
        device.press(Button::Select);
        // The slowest walk visits every step.
        device.press(Button::Left);
        for (step, latent) in walk.iter().enumerate().take(2 * App::STEPS_PER_SEED as usize) {
            assert_eq!(device.app().latent(&model).values(), latent.values(), "step {step}");
            device.tick();
        }
    }
}
