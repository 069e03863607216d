//! `inspect`: prints the layers of a model file, their cost, and the devices it fits.

use crate::console::{self, TextStyle};
use crate::failure::Failure;
use crate::model_file::{MAX_MACS, WorkLimit};
use crate::opening;
use crate::table::{Table, grouped};
use clap::Args as ClapArgs;
use ganlet_runtime::{KernelFamily, LayerFacts, Model, Shape};
use ganlet_sim::host::{Device, ModelFit};
use ganlet_trainer::files;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Show the layers, multiply-accumulates, flash and RAM of a model, and the devices it fits
///
/// RAM is what a device needs to draw an image row by row: each layer keeps only the rows that the next layer still reads, in a ring
/// buffer. The RAM for whole tensors is shown for comparison.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask inspect                     the newest run
  cargo xtask inspect runs/00001-faces
  cargo xtask inspect out/generator.model
  cargo xtask inspect out/generator.model --json")]
pub(crate) struct Args {
    /// A .model file or a run folder [default: the newest run, or the pixel faces that come with the project]
    #[arg(value_name = "RUN|MODEL")]
    what: Option<PathBuf>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let opened = opening::model(args.what.as_deref(), WorkLimit::NONE)?;
    let model = Model::from_bytes(opened.file.bytes()).map_err(|e| Failure::file(&opened.origin, e))?;
    let classes = usize::from(model.classes());
    let names = opened.class_names.of(classes);
    if args.json {
        let mut json = as_json(&model);
        json["class_names"] = (0..classes).map(|class| names.name(class)).collect();
        return console::print(&format!("{json:#}\n"));
    }
    console::print(&as_text(&model, &opened.origin))?;
    names.describe_all().map_or(Ok(()), |names| console::print(&format!("classes: {}\n", files::one_line(&names))))
}

fn fits(model: &Model<'_>) -> impl Iterator<Item = ModelFit> {
    Device::all().iter().map(move |device| device.fit_of(model))
}

fn as_json(model: &Model<'_>) -> Value {
    let (width, height) = model.size();
    let layer = |l: LayerFacts| {
        let rings = KernelFamily::ALL.map(|family| (family.name().to_owned(), json!(l.ring_bytes(family))));
        json!({
            "kind": l.kind,
            "shape": [l.shape.h, l.shape.w, l.shape.c],
            "macs": l.macs,
            "weight_bytes": l.weight_bytes,
            "layout": l.layout.name(),
            "ring_rows": l.ring_rows,
            "ring_bytes": Value::Object(rings.into_iter().collect()),
        })
    };
    let board = |fit: ModelFit| {
        let chip = fit.device.chip;
        json!({
            "name": fit.device.name,
            "fits": fit.fits(),
            "chip": chip.name,
            "flash_for_model": chip.flash - chip.firmware_flash,
            "ram_for_model": chip.ram - chip.firmware_ram,
        })
    };
    json!({
        "name": model.name(),
        "width": width,
        "height": height,
        "channels": model.channels(),
        "latent": model.latent_len(),
        "classes": model.classes(),
        "directions": model.directions(),
        "flash_bytes": model.flash_bytes(),
        "arena_bytes": model.arena_len(),
        "whole_tensor_bytes": model.whole_tensor_bytes(),
        "macs": model.macs(),
        "kernels": KernelFamily::CURRENT.name(),
        "layers": model.layers().map(layer).collect::<Vec<_>>(),
        "boards": fits(model).map(board).collect::<Vec<_>>(),
    })
}

fn as_text(model: &Model<'_>, path: &Path) -> String {
    let bold = |words: &str| console::on_stdout(TextStyle::Bold, words);
    let (width, height) = model.size();
    let colors = if model.channels() == 1 { "gray" } else { "RGB" };
    let (flash, ram, whole) = (model.flash_bytes() as u64, model.arena_len() as u64, model.whole_tensor_bytes());
    let weights: u64 = model.layers().map(|l| u64::from(l.weight_bytes)).sum();
    let percent = (100 * ram).checked_div(whole).unwrap_or(0);
    let slow = if model.macs() > MAX_MACS {
        format!(
            "this is more than {} multiply-accumulates: commands draw it only with --max-macs {}\n\n",
            grouped(MAX_MACS),
            model.macs()
        )
    } else {
        String::new()
    };
    format!(
        "{}  {width}x{height} {colors}, latent of {}, {} multiply-accumulates per image, {}\n\n{slow}{}\n\
         {}  {} bytes of flash: {} of weights, {} of biases, scales, tables and structure\n\
         {}    {} bytes drawn row by row, {percent} % of the {} bytes for whole tensors\n\n{}\n{}",
        bold(&files::one_line(model.name())),
        model.latent_len(),
        grouped(model.macs()),
        path.display(),
        layers(model).lines(),
        bold("file"),
        grouped(flash),
        grouped(weights),
        grouped(flash.saturating_sub(weights)),
        bold("RAM"),
        grouped(ram),
        grouped(whole),
        devices(model).lines(),
        "free: flash and RAM of the chip minus firmware, stack and buffers; `cargo xtask sim --list-devices` lists the displays\n",
    )
}

fn layers(model: &Model<'_>) -> Table {
    let mut table = Table::new(&[">layer", "kind", "output", "layout", ">MACs", ">weights", ">rows", ">RAM"]);
    let bytes = model.latent_len().next_multiple_of(4) as u64;
    let none = String::new;
    table.row([
        none(),
        "latent".into(),
        model.latent_len().to_string(),
        none(),
        none(),
        none(),
        none(),
        grouped(bytes),
    ]);
    for (i, l) in model.layers().enumerate() {
        let Shape { h, w, c } = l.shape;
        table.row([
            i.to_string(),
            l.kind.into(),
            format!("{w}x{h}x{c}"),
            l.layout.name().into(),
            grouped(l.macs),
            grouped(l.weight_bytes.into()),
            format!("{} of {h}", l.ring_rows),
            grouped(l.ring_bytes(KernelFamily::CURRENT).into()),
        ]);
    }
    let weights = model.layers().map(|l| u64::from(l.weight_bytes)).sum();
    let (macs, ram) = (grouped(model.macs()), grouped(model.arena_len() as u64));
    table.row([none(), "total".into(), none(), none(), macs, grouped(weights), none(), ram]);
    table
}

fn devices(model: &Model<'_>) -> Table {
    let mut table = Table::new(&["device", "chip", ">flash needed", ">free", ">RAM needed", ">free", "verdict"]);
    for fit in fits(model) {
        let Device { name, chip, .. } = fit.device;
        let (flash, ram) = (chip.flash - chip.firmware_flash, chip.ram - chip.firmware_ram);
        let lacks = |kind: &str, needed: usize, free: usize| {
            (needed > free).then(|| format!("{} bytes of {kind} missing", grouped((needed - free) as u64)))
        };
        let lacking: Vec<_> =
            [lacks("flash", fit.flash, flash), lacks("RAM", fit.ram, ram)].into_iter().flatten().collect();
        let [a, b, c, d] = [fit.flash, flash, fit.ram, ram].map(|n| grouped(n as u64));
        let verdict = if lacking.is_empty() { "fits".to_owned() } else { lacking.join(", ") };
        table.row([name.into(), chip.name.into(), a, b, c, d, verdict]);
    }
    table
}
