//! `edit`: a picture changed by strokes of color and by edges.

use super::search::{self, Outputs};
use super::{Artist, values};
use crate::console;
use crate::exporting::Chosen;
use crate::failure::Failure;
use clap::Args as ClapArgs;
use ganlet_trainer::data::{self, to_bytes};
use ganlet_trainer::files;
use ganlet_trainer::latent::{Options, ProjectionTarget, StoredLatent};
use std::path::PathBuf;

/// Change a picture by strokes: a latent near the picture's own that has the colors and edges that were drawn.
///
/// Strokes are what is opaque in a PNG with a transparent ground, of the pictures' size or a multiple of it: --strokes are colors,
/// --edges are places where there should be an edge. --template writes the picture enlarged, to draw over in a layer of its own
/// (Zhu et al. 2016, "Generative visual manipulation on the natural image manifold", eq. 4).
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
    /// The seed whose picture is changed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// Change the first latent of this file instead
    #[arg(long, value_name = "F", conflicts_with = "seed")]
    latents: Option<PathBuf>,
    /// Write the picture as it is, enlarged, and stop
    #[arg(long, value_name = "F", conflicts_with_all = ["strokes", "edges"])]
    template: Option<PathBuf>,
    /// Colors, on a transparent ground
    #[arg(long, value_name = "F.png")]
    strokes: Option<PathBuf>,
    /// Edges, on a transparent ground
    #[arg(long, value_name = "F.png")]
    edges: Option<PathBuf>,
    /// How much a pixel without a stroke counts to stay as it was, beside one under a stroke
    #[arg(long, value_name = "W", default_value_t = 0.05)]
    keep: f32,
    /// How much it counts to stay near the latent as it was
    #[arg(long, value_name = "W", default_value_t = 0.02)]
    stay: f32,
    /// Steps of the search
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// The class, where there are classes [default: the latent's own]
    #[arg(long, value_name = "N")]
    class: Option<usize>,
    /// Keep the latent in a file, behind the one it came from
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// Write the picture before and after
    #[arg(long, value_name = "F")]
    png: Option<PathBuf>,
    /// Print JSON on standard output, and nothing else there
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
    let mut artist = Artist::Float(Box::new(search::open(&args.what)?));
    let kept = artist.latents(args.latents.as_deref(), &[args.seed])?.swap_remove(0);
    let class =
        artist.class(args.class.or(kept.class.map(usize::from)).filter(|_| artist.classes().is_ok_and(|n| n > 0)))?;
    let before = artist.draw(&values(std::slice::from_ref(&kept)), class)?.swap_remove(0);
    let Artist::Float(chosen) = artist else { return Err(Failure::failed("a run has a float generator")) };
    let shape = search::shape(&chosen);
    if let Some(path) = &args.template {
        files::write(path, search::enlarged(&before, shape).png())?;
        console::note(&format!("wrote {}: draw over it in a layer of its own, and save that layer", path.display()));
        return Ok(());
    }
    let wish = wish(&args, shape)?;
    let held = wish.clone().or_as(&before, args.keep);
    let options =
        Options { restarts: 1, steps: args.steps as usize, stay: args.stay, rate: 0.05, ..Options::default() };
    let mut projector = search::projector(&chosen, 1);
    let found = search::watched(|progress| projector.search(&held, class, Some(&kept.values), &options, progress));
    let class = (chosen.checkpoint.recipe.data.classes > 0).then_some(class as u16);
    let outputs = Outputs { latents: None, png: args.png.as_ref(), curve: None, model: None };
    let results = search::leave(&found, &held, class, &before, &outputs)?;
    if let (Some(path), Some(best)) = (&args.out, found.first()) {
        let after = StoredLatent { values: best.latent.clone(), class };
        files::write(path, format!("{kept}  # before\n{after}  # after\n"))?;
        console::note(&format!("wrote {} (before and after: a way for `interpolate --latents`)", path.display()));
    }
    if args.json {
        return console::print(&format!("{}\n", serde_json::to_string_pretty(&results)?));
    }
    tell(&chosen, &wish, &before, &found[0].picture)
}

/// The strokes of the command line.
fn wish(args: &Args, shape: [usize; 3]) -> Result<ProjectionTarget, Failure> {
    let read = |path: &PathBuf| data::strokes(path, shape[1], shape[0]).map_err(|e| Failure::unusable(e.to_string()));
    let none = || vec![0; shape[0] * shape[1] * 4];
    let strokes = args.strokes.as_ref().map_or_else(|| Ok(none()), read)?;
    let edges = args.edges.as_ref().map_or_else(|| Ok(none()), read)?;
    let wish = ProjectionTarget::strokes(&strokes, shape).with_edges(&edges);
    if wish.is_empty() {
        return Err(Failure::unusable(
            "nothing is wished for: --strokes F.png or --edges F.png with something opaque in it; --template F.png writes the picture to draw over",
        ));
    }
    Ok(wish)
}

/// Says how far the strokes were followed, and what else changed.
fn tell(chosen: &Chosen, wish: &ProjectionTarget, before: &[u8], after: &[u8]) -> Result<(), Failure> {
    let channels = search::shape(chosen)[2];
    let wished = to_bytes(&wish.target, (-1.0, 1.0));
    let apart = |a: &[u8], b: &[u8], inside: bool| {
        let pixels = a.chunks_exact(channels).zip(b.chunks_exact(channels)).zip(&wish.weight);
        let chosen: Vec<f64> = pixels
            .filter(|(_, weight)| (**weight > 0.0) == inside)
            .flat_map(|((a, b), _)| a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))))
            .collect();
        chosen.iter().sum::<f64>() / chosen.len().max(1) as f64
    };
    let mut text = String::new();
    if wish.weight.iter().any(|&w| w > 0.0) {
        text += &format!(
            "under the strokes the picture is {:.0} levels of 255 away from them, before it was {:.0}\n",
            apart(after, &wished, true),
            apart(before, &wished, true)
        );
    }
    console::print(&(text + &format!("elsewhere it changed by {:.0} levels on average\n", apart(before, after, false))))
}
