//! `project`: the latent of a picture that somebody has.

use super::search::{self, Outputs, Results};
use crate::console;
use crate::failure::Failure;
use clap::{ArgGroup, Args as ClapArgs};
use ganlet_trainer::data::{self, to_bytes};
use ganlet_trainer::latent::{Options, ProjectionTarget, of_seed};
use std::path::PathBuf;

/// Search the latent whose picture is nearest to a given one.
///
/// Each search starts at the best of some seeds and follows the gradient through the float generator, of pixels and of a classifier's
/// features (Creswell & Bharath 2016); toward the end latents are rounded as devices round them. The best one is kept in a file that
/// `sim`, `emulate` and `flash` show with --latents.
#[derive(ClapArgs)]
#[command(group(ArgGroup::new("target").args(["picture", "held_out", "of_seed"]).required(true)), after_help = "Examples:
  cargo xtask project runs/00001-faces --picture me.png --out me.latents --png found.png
  cargo xtask project latest --held-out 3 --out real.latents --model faces.model
  cargo xtask project latest --of-seed 42 --json                 how well a known latent is found again
  cargo xtask sim faces.model --latents me.latents")]
pub(crate) struct Args {
    /// A run folder
    #[arg(value_name = "RUN")]
    what: PathBuf,
    /// The picture, PNG or JPEG; it is cropped and resized where it has to be
    #[arg(long, value_name = "F")]
    picture: Option<PathBuf>,
    /// A picture of the held-out data instead, by number
    #[arg(long, value_name = "N")]
    held_out: Option<usize>,
    /// The generator's own picture of a seed instead
    #[arg(long, value_name = "S")]
    of_seed: Option<u32>,
    /// The class to search in, where there are classes [default: 0]
    #[arg(long, value_name = "N")]
    class: Option<usize>,
    /// Searches
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    restarts: u32,
    /// Steps of each search
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// The first seed that is looked at for a start
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// How much features count beside pixels; 0 for pixels alone
    #[arg(long, value_name = "W", default_value_t = 0.1)]
    features: f32,
    /// Keep the best latent in a file
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// Write the wish and what was found as a picture
    #[arg(long, value_name = "F")]
    png: Option<PathBuf>,
    /// Draw the loss of every search, step by step
    #[arg(long, value_name = "F")]
    curve: Option<PathBuf>,
    /// Check what the integers of this model, exported from the run, draw of the latent
    #[arg(long, value_name = "FILE.model")]
    model: Option<PathBuf>,
    /// Print JSON on standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if !(0.0..=1000.0).contains(&args.features) {
        return Err(Failure::unusable(format!("--features {}: expected 0 to 1000", args.features)));
    }
    let mut chosen = search::open(&args.what)?;
    let shape = search::shape(&chosen);
    let classes = chosen.checkpoint.recipe.data.classes;
    let class = search::class(classes, args.class)?;
    let target = match (&args.picture, args.held_out, args.of_seed) {
        (Some(path), ..) => {
            let (bytes, notes) = data::picture(path, shape).map_err(|e| Failure::unusable(e.to_string()))?;
            notes.iter().for_each(|note| console::note(note));
            bytes
        }
        (None, Some(number), _) => {
            let held_out = chosen.loaded.pictures.as_ref().map(|split| &split.held_out);
            let held_out = held_out.ok_or_else(|| Failure::unusable("--held-out: the run has no pictures"))?;
            if number >= held_out.count() {
                return Err(Failure::unusable(format!(
                    "--held-out {number}: expected 0 to {}, so many are held out",
                    held_out.count() - 1
                )));
            }
            held_out.bytes(number).to_vec()
        }
        (None, None, seed) => {
            let latent = chosen.checkpoint.recipe.generator.latent();
            let z = ganlet_trainer::latent::numbers(&of_seed(seed.unwrap_or(1), latent));
            let one = (0..classes).map(|c| f32::from(u8::from(c == class)));
            let [black, white] = chosen.checkpoint.recipe.data.range;
            to_bytes(&chosen.trainer.samples_of(&z.into_iter().chain(one).collect::<Vec<_>>()), (black, white))
        }
    };
    let wish = ProjectionTarget::picture(&target, shape);
    // A search that starts at the very latent would show nothing.
    let starts = args.restarts.saturating_mul(Options::default().seeds as u32);
    let seed = match args.of_seed {
        Some(known) if known.wrapping_sub(args.seed) < starts => known.wrapping_add(1),
        _ => args.seed,
    };
    let options = Options {
        restarts: args.restarts as usize,
        steps: args.steps as usize,
        features: args.features,
        seed,
        ..Options::default()
    };
    let mut projector = search::projector(&chosen, options.restarts);
    let found = search::watched(|progress| projector.search(&wish, class, None, &options, progress));
    if found.first().is_some_and(|best| best.psnr_db < search::NEAR_DB) {
        console::note(&format!(
            "the nearest picture is not near ({:.1} dB): this generator may not make such pictures; try more --restarts or --steps, a \
             picture that is framed like the data, or train longer",
            found[0].psnr_db
        ));
    }
    let outputs = Outputs {
        latents: args.out.as_ref(),
        png: args.png.as_ref(),
        curve: args.curve.as_ref(),
        model: args.model.as_ref(),
    };
    let class = (classes > 0).then_some(class as u16);
    let results = search::leave(&found, &wish, class, &target, &outputs)?;
    say(&results, args.json)
}

fn say(results: &Results, json: bool) -> Result<(), Failure> {
    if json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(results)?));
    }
    let all: Vec<String> = results.searches.iter().map(|s| format!("{:.1}", s.psnr_db)).collect();
    let mut text = format!("PSNR of each search to the picture: {} dB\n", all.join(", "));
    if let Some(db) = results.int8_psnr_db {
        text += &format!("the best one as the model's integers draw it: {db:.1} dB\n");
    }
    console::print(&text)
}
