//! `interpolate`: the pictures on the way from one latent to the next.

use super::{Artist, enlargement, image, sheet, values};
use crate::console;
use crate::failure::Failure;
use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use ganlet_runtime::{Latent, Model};
use ganlet_trainer::draw::{animation, image_grid};
use ganlet_trainer::files;
use ganlet_trainer::latent::{Interpolation, StoredLatent, between};
use std::path::PathBuf;

/// Draw the way from one picture to the next: the latents between those of seeds, or of a file.
///
/// A run is drawn by its float generator, a model file in integers. On a model file the spherical way is the very walk that devices do:
/// integer arithmetic, 64 steps from a seed to the next at speed 1. More steps make smaller ones: the mean difference between neighboring frames is told.
#[derive(ClapArgs)]
#[command(group(ArgGroup::new("output").args(["gif", "png", "frames"]).required(true).multiple(true)), after_help = "Examples:
  cargo xtask interpolate runs/00001-faces --seeds 1,2,3,4 --gif walk.gif
  cargo xtask interpolate faces.model --seeds 1,2 --steps 8 --png strip.png
  cargo xtask interpolate latest --path spline --seeds 5,9,12 --loop --gif loop.gif")]
pub(crate) struct Args {
    /// A run folder or a .model file
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// The seeds to go through, with commas between
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', default_values_t = [1, 2, 3, 4])]
    seeds: Vec<u32>,
    /// Latents to go through instead, as `project` and `edit` write them
    #[arg(long, value_name = "F", conflicts_with = "seeds")]
    latents: Option<PathBuf>,
    /// Frames from one to the next
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// The way between
    #[arg(long, value_name = "P", default_value = "spherical")]
    path: Kind,
    /// Go back to the first one in the end
    #[arg(long = "loop")]
    closed: bool,
    /// The class, where there are classes [default: that of the first seed]
    #[arg(long, value_name = "N")]
    class: Option<usize>,
    /// Write an animation
    #[arg(long, value_name = "F")]
    gif: Option<PathBuf>,
    /// Write all frames on one sheet
    #[arg(long, value_name = "F")]
    png: Option<PathBuf>,
    /// Write every frame as a picture of its own into this folder
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Straight on
    Linear,
    /// On the arc between
    Spherical,
    /// A curve without corners
    Spline,
}

impl From<Kind> for Interpolation {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Linear => Self::Linear,
            Kind::Spherical => Self::Spherical,
            Kind::Spline => Self::Spline,
        }
    }
}

/// Most frames of a way: they are kept in memory.
const MOST: usize = 100_000;

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut artist = Artist::open(&args.what)?;
    let mut points = artist.latents(args.latents.as_deref(), &args.seeds)?;
    if args.closed {
        points.extend(points.first().cloned());
    }
    if points.len() < 2 {
        return Err(Failure::unusable("a way needs two latents: name two seeds at least"));
    }
    let frames = (points.len() - 1) * args.steps as usize + 1;
    if frames > MOST {
        return Err(Failure::unusable(format!("{frames} frames: expected {MOST} at most; ask for fewer --steps")));
    }
    let first = points[0].class.map(usize::from);
    let class = artist.class(args.class.or(first))?;
    let pictures = match (&artist, args.path) {
        (Artist::Int8(file), Kind::Spherical) => {
            let model = Model::from_bytes(file.bytes())?;
            Artist::draw_integers(&model, &walk(&model, &points, class, args.steps)?)?
        }
        _ => artist.draw(&between(&values(&points), args.steps as usize, args.path.into()), class)?,
    };
    let shape = artist.shape()?;
    let larger = enlargement(shape, 256);
    if let Some(path) = &args.gif {
        let images: Vec<_> = pictures.iter().map(|p| image(p, shape).enlarged(larger)).collect();
        files::write(path, animation(&images, 40))?;
        console::note(&format!("wrote {} ({frames} frames)", path.display()));
    }
    if let Some(path) = &args.png {
        let all: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
        let columns = if args.steps < 32 { args.steps as usize + usize::from(points.len() == 2) } else { 16 };
        files::write(path, image_grid(&all, sheet(shape), columns, enlargement(shape, 64)).png())?;
        console::note(&format!("wrote {} ({frames} pictures)", path.display()));
    }
    if let Some(folder) = &args.frames {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
        for (i, picture) in pictures.iter().enumerate() {
            files::write(folder.join(format!("frame-{i:05}.png")), image(picture, shape).png())?;
        }
        console::note(&format!("wrote {frames} frames into {}", folder.display()));
    }
    console::print(&format!(
        "{frames} frames; neighboring ones differ by {:.2} levels of 255 on average\n",
        mean_difference(&pictures)
    ))
}

/// The latents of the walk that devices do, from each point to the next.
fn walk(model: &Model<'_>, points: &[StoredLatent], class: usize, steps: u32) -> Result<Vec<Latent>, Failure> {
    let class = (model.classes() > 0).then_some(class as u16);
    let latent = |kept: &StoredLatent| {
        Latent::new(model, &kept.values, class).map_err(|e| Failure::unusable(format!("a latent of this model: {e}")))
    };
    let points = points.iter().map(latent).collect::<Result<Vec<_>, _>>()?;
    let legs = points.windows(2).flat_map(|p| (0..steps).map(|step| Latent::slerp(&p[0], &p[1], step, steps)));
    Ok(legs.chain(points.last().cloned()).collect())
}

/// The mean absolute difference between neighboring frames; 0 of a single one.
fn mean_difference(pictures: &[Vec<u8>]) -> f64 {
    let apart = |p: &[Vec<u8>]| p[0].iter().zip(&p[1]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    let values = pictures.first().map_or(1, Vec::len).max(1) * (pictures.len() - 1).max(1);
    pictures.windows(2).map(apart).sum::<f64>() / values as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_file;
    use crate::process::root;
    use ganlet_sim::host::{Device, Simulator};
    use ganlet_sim::{App, Button};

    const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

    #[test]
    fn the_walk_of_a_device_is_the_spherical_way_of_a_model() {
        let file = model_file::read(&root().join(MODEL)).unwrap();
        let model = Model::from_bytes(file.bytes()).unwrap();
        let artist = Artist::open(&root().join(MODEL)).unwrap();
        let points = artist.latents(None, &[1, 2, 3]).unwrap();
        let way = walk(&model, &points, 0, App::LEG).unwrap();
        let mut device = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
        device.press(Button::Select);
        // The slowest walk takes every step.
        device.press(Button::Left);
        for (step, latent) in way.iter().enumerate().take(2 * App::LEG as usize) {
            assert_eq!(device.app().latent(&model).values(), latent.values(), "step {step}");
            device.tick();
        }
    }

    #[test]
    fn neighboring_frames_differ_less_the_more_there_are() {
        let mut artist = Artist::open(&root().join(MODEL)).unwrap();
        let points = values(&artist.latents(None, &[1, 2, 3, 4]).unwrap());
        let mut apart = |steps| {
            let way = between(&points, steps, Interpolation::Spline);
            mean_difference(&artist.draw(&way, 0).unwrap())
        };
        let (few, more) = (apart(2), apart(8));
        let ratio = few / more;
        assert!((3.0..5.0).contains(&ratio), "{few} {more}");
    }
}
