//! `edit`: changes an image by strokes of color and by edges.

use super::output::{self, SearchOutputs};
use crate::console;
use crate::failure::Failure;
use crate::image_file::ImageFile;
use crate::model_file;
use crate::opening;
use crate::seeds::latent_seed;
use clap::Args as ClapArgs;
use ganlet_trainer::data;
use ganlet_trainer::files;
use ganlet_trainer::latent::{
    EditDistances, ImageGenerator, ProjectionOptions, ProjectionTarget, SavedLatent, projector, values,
};
use std::path::PathBuf;

/// Change an image by strokes: find a nearby latent with the drawn colors and edges
///
/// Strokes are the opaque parts of a PNG with a transparent background, of the size of the images or a multiple of it. --strokes gives
/// colors, --edges gives positions of edges. --template writes the enlarged image, so that you can draw over it on a separate layer. The
/// method is that of Zhu et al. 2016, "Generative visual manipulation on the natural image manifold", eq. 4.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask edit runs/00001-faces --seed 7 --template face.png
  cargo xtask edit runs/00001-faces --seed 7 --strokes red-hat.png --out hat.latents --png before-after.png
  cargo xtask edit latest --latents me.latents --strokes beard.png --edges line.png --stay 0.01 --out me2.latents
  cargo xtask interpolate latest --latents both.latents --gif change.gif")]
pub(crate) struct Args {
    /// A run folder
    #[arg(value_name = "RUN")]
    what: PathBuf,
    /// The seed of the image to change
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = latent_seed, allow_negative_numbers = true)]
    seed: u32,
    /// Change the first latent in this file instead
    #[arg(long, value_name = "F", conflicts_with = "seed")]
    latents: Option<PathBuf>,
    /// Write the original image, enlarged, to draw over, and exit
    #[arg(long, value_name = "F", conflicts_with_all = ["strokes", "edges"])]
    template: Option<ImageFile>,
    /// Colors on a transparent background
    #[arg(long, value_name = "F.png")]
    strokes: Option<PathBuf>,
    /// Edges on a transparent background
    #[arg(long, value_name = "F.png")]
    edges: Option<PathBuf>,
    /// Weight of the pixels without a stroke, which should stay unchanged; pixels under a stroke weigh 1
    #[arg(long, value_name = "W", default_value_t = 0.05)]
    keep: f32,
    /// Weight of staying near the original latent
    #[arg(long, value_name = "W", default_value_t = 0.02)]
    stay: f32,
    /// Steps of the search
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// The class, for generators with classes [default: the class of the latent]
    #[arg(long, value_name = "N")]
    class: Option<String>,
    /// Save the original and the changed latent in a file
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// Write the image before and after
    #[arg(long, value_name = "F")]
    png: Option<ImageFile>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    for (name, value) in [("stay", args.stay), ("keep", args.keep)] {
        if !(0.0..=1000.0).contains(&value) {
            return Err(Failure::unusable(format!("--{name} {value}: expected 0 to 1000")));
        }
    }
    if let Some(out) = &args.out {
        files::check_output(out, |path| model_file::saved_latents(path).is_ok(), None).map_err(Failure::unusable)?;
    }
    let images = [&args.png, &args.template].into_iter().flatten().map(ImageFile::path);
    images.chain(args.out.as_deref()).try_for_each(console::writable)?;
    let mut generator = ImageGenerator::Float(Box::new(opening::searchable(&args.what)?));
    let original = opening::latents(&generator, args.latents.as_deref(), &[args.seed])?.swap_remove(0);
    let own_class = original.class.filter(|_| generator.classes() > 0).map(|class| class.to_string());
    let class = generator.class(args.class.as_deref().or(own_class.as_deref())).map_err(Failure::unusable)?;
    let before = generator.draw(&values(std::slice::from_ref(&original)), class)?.swap_remove(0);
    let shape = generator.shape();
    if let Some(file) = &args.template {
        let what = "draw over it on a separate layer, and save that layer as a PNG";
        return file.write(&output::enlarged(&before, shape, 128), what);
    }
    let strokes = strokes(&args, shape)?;
    let target = strokes.clone().or_keep(&before, args.keep);
    let options = ProjectionOptions {
        restarts: 1,
        steps: args.steps as usize,
        stay: args.stay,
        rate: 0.05,
        ..ProjectionOptions::default()
    };
    let ImageGenerator::Float(run) = &generator else { return Err(Failure::failed("a run has a float generator")) };
    let mut projector = projector(run, 1);
    let found =
        output::with_progress(|progress| projector.search(&target, class, Some(&original.values), &options, progress));
    let class = (generator.classes() > 0).then_some(class as u16);
    let outputs = SearchOutputs { latents: None, png: args.png.as_ref(), curve: None, model: None };
    let results = output::write(&found, &target, class, &before, outputs)?;
    if let (Some(path), Some(best)) = (&args.out, found.first()) {
        let after = SavedLatent { values: best.latent.clone(), class };
        files::write(path, format!("{original}  # before\n{after}  # after\n"))?;
        console::note(&format!("wrote {} (before and after, for `interpolate --latents`)", path.display()));
    }
    if args.json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&results)?));
    }
    console::print(&describe(&EditDistances::new(&strokes, &before, &found[0].image)))
}

/// Reads the strokes and edges of the command line.
fn strokes(args: &Args, shape: [usize; 3]) -> Result<ProjectionTarget, Failure> {
    let read = |path: &PathBuf| data::strokes(path, shape[1], shape[0]).map_err(Failure::unusable);
    let none = || vec![0; shape[0] * shape[1] * 4];
    let strokes = args.strokes.as_ref().map_or_else(|| Ok(none()), read)?;
    let edges = args.edges.as_ref().map_or_else(|| Ok(none()), read)?;
    let target = ProjectionTarget::strokes(&strokes, shape).with_edges(&edges);
    if target.is_empty() {
        return Err(Failure::unusable(
            "there is nothing to change: give --strokes F.png or --edges F.png with opaque pixels; --template F.png writes the image to \
             draw over",
        ));
    }
    Ok(target)
}

fn describe(distances: &EditDistances) -> String {
    let mut text = String::new();
    if let Some((before, after)) = distances.under_strokes {
        text += &format!(
            "under the strokes: mean difference to the drawn colors {after:.0} levels of 255, {before:.0} before the edit\n"
        );
    }
    text + &format!("elsewhere: mean change {:.0} levels of 255\n", distances.elsewhere)
}
