//! `data`: what to train on.

use crate::console;
use crate::failure::Failure;
use crate::table::Table;
use clap::{Args as ClapArgs, Subcommand};
use ganlet_trainer::data::{
    BuiltinDataset, DataError, FaceCropOptions, PackedDataset, PrepareOptions, PreparedDataset, crop_faces, prepare,
};
use ganlet_trainer::draw::image_grid;
use ganlet_trainer::files;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Files that were left out are listed one by one up to this many; the report has all.
const LISTED: usize = 5;
/// Most pictures on a sheet.
const SHOWN: usize = 64;

/// Prepare data sets.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data list
  cargo xtask data prepare photos/ --out photos.pack
  cargo xtask data faces photos/ --out faces.pack")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The data sets that are built in
    List,
    Prepare(Prepare),
    Faces(Faces),
}

/// Decode pictures once into one file that training streams from the disk.
///
/// A report beside the file tells what became of every picture: broken, enormous and other files are left out, and copies of a picture that is
/// there already. Which pictures are held out for measuring is decided by the content of each, so that adding, renaming and removing files moves none.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data prepare photos/ --size 64x64 --out photos.pack
  cargo xtask data prepare photos/ --labels attributes.csv --label-column Smiling --out smiles.pack
  cargo xtask train portraits-64 --data photos.pack")]
struct Prepare {
    /// A folder of PNG and JPEG pictures, of folders of such, an IDX or NPZ file, or a built-in set
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Width and height that pictures are brought to [default: near the most common size, 64 at most]
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
    /// Classes: a CSV table of file and class, or `labels` of an NPZ or NPY file [default: the folders' names]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The column of the table that names the class, by its heading [default: the second column]
    #[arg(long, value_name = "NAME", requires = "labels")]
    label_column: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Find the faces in photographs and cut them out, upright, into one file that training streams from the disk.
///
/// Photographs are turned upright as their camera noted it; where that shows no face, the other three ways up are tried. A report beside the
/// file tells how many faces were found in each photograph, how many were kept, and why the others were not.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data faces photos/ --out faces.pack
  cargo xtask data faces photos/ --size 32 --margin 1.8 --sheet faces.png --out faces.pack
  cargo xtask train portraits-64 --data faces.pack")]
struct Faces {
    /// A folder of photographs, or of folders of such, which become classes
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Side of the squares, in pixels
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(4..=1024))]
    size: u32,
    /// How many times as wide as a face, from brow to chin, its square is
    #[arg(long, value_name = "F", default_value_t = 1.4)]
    margin: f32,
    /// Leave out faces narrower than this [default: half of what fills a square]
    #[arg(long, value_name = "PIXELS")]
    least: Option<u32>,
    /// How sure the detector must be: 1 finds more, and more that are none; 8 the plainest faces
    #[arg(long, value_name = "F", default_value_t = 3.0)]
    sure: f64,
    #[command(flatten)]
    common: Common,
}

#[derive(ClapArgs)]
struct Common {
    /// Leave out pictures with more pixels, before they are decoded
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4000))]
    max_megapixels: u32,
    /// The table of what became of every file [default: OUT with .report.csv in place of its ending]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Draw the first pictures that were kept on a sheet
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
}

impl Common {
    fn max_pixels(&self) -> u64 {
        u64::from(self.max_megapixels) * 1_000_000
    }

    fn report(&self, out: &Path) -> PathBuf {
        self.report.clone().unwrap_or_else(|| out.with_extension("report.csv"))
    }

    /// Checks that all files can be written, before the work.
    fn check(&self, out: &Path) -> Result<(), Failure> {
        console::writable(out)?;
        console::writable(&self.report(out))?;
        self.sheet.as_deref().map_or(Ok(()), console::writable)
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::List => list(),
        What::Prepare(args) => {
            args.common.check(&args.out)?;
            let preparation = PrepareOptions {
                size: args.size.as_deref().map(sides).transpose()?,
                labels: args.labels.as_deref(),
                label_column: args.label_column.as_deref(),
                max_pixels: args.common.max_pixels(),
            };
            let prepared = watched(|progress| prepare(&args.source, &preparation, &args.out, progress))?;
            tell(&prepared, &args.out, &args.common, "pictures")
        }
        What::Faces(args) => {
            args.common.check(&args.out)?;
            if !(1.0..=4.0).contains(&args.margin) {
                return Err(Failure::unusable(format!("--margin {}: expected 1 to 4 widths of a face", args.margin)));
            }
            if !(1.0..=100.0).contains(&args.sure) {
                return Err(Failure::unusable(format!("--sure {}: expected 1 to 100", args.sure)));
            }
            let cutting = FaceCropOptions {
                side: args.size as usize,
                margin: args.margin,
                min_width: args.least.map(|n| n as usize),
                min_score: args.sure,
                max_pixels: args.common.max_pixels(),
            };
            let prepared = watched(|progress| crop_faces(&args.source, &cutting, &args.out, progress))?;
            tell(&prepared, &args.out, &args.common, "faces")
        }
    }
}

fn list() -> Result<(), Failure> {
    let mut table = Table::new(&["built-in set", "what it holds", "license"]);
    for set in BuiltinDataset::ALL {
        table.row([set.name().to_owned(), set.summary().to_owned(), set.license().to_owned()]);
    }
    console::print(&table.lines().to_string())?;
    console::note("or your own pictures: cargo xtask train portraits-64 --data FOLDER|FILE.npz|FILE.pack");
    Ok(())
}

/// Runs `work` with a bar of progress.
fn watched(
    work: impl FnOnce(&mut dyn FnMut(usize, usize)) -> Result<PreparedDataset, DataError>,
) -> Result<PreparedDataset, Failure> {
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("reading [{bar:40}] {pos}/{len} files, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let prepared = work(&mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    prepared.map_err(|e| Failure::unusable(e.to_string()))
}

/// Tells what was prepared, and leaves the report.
fn tell(prepared: &PreparedDataset, out: &Path, common: &Common, what: &str) -> Result<(), Failure> {
    prepared.notes.iter().for_each(|note| console::note(note));
    let skipped: Vec<_> = prepared.skipped().collect();
    if !skipped.is_empty() {
        let some = if skipped.len() > LISTED { format!("; the first {LISTED}") } else { String::new() };
        console::note(&format!("of {} files something was left out{some}:", skipped.len()));
    }
    skipped.iter().take(LISTED).for_each(|row| console::note(&format!("  {}: {}", row.file, row.reason)));
    let report = common.report(out);
    std::fs::write(&report, prepared.csv()).map_err(|e| Failure::file(&report, e))?;
    if let Some(sheet) = &common.sheet {
        draw(out, sheet)?;
        console::note(&format!("wrote {}", sheet.display()));
    }
    let [height, width, channels] = prepared.shape;
    let mut text = format!("{} {what} of {width}x{height}x{channels} in {}\n", prepared.count, out.display());
    for (class, count) in &prepared.classes {
        text += &format!("  {class}: {count}\n");
    }
    console::print(&text)?;
    console::note(&format!("what became of every file: {}", report.display()));
    let (recipe, size) = match (width, height, channels) {
        (64, 64, _) => ("portraits-64", String::new()),
        (28, 28, 1) => ("digits", String::new()),
        _ => ("RECIPE", format!(" with a recipe of {width}x{height} pictures")),
    };
    console::note(&format!("train on it: cargo xtask train {recipe} --data {}{size}", out.display()));
    Ok(())
}

/// Draws the first pictures of a packed file.
fn draw(pack: &Path, sheet: &Path) -> Result<(), Failure> {
    let packed = PackedDataset::open(pack, (-1.0, 1.0), false, 0.2).map_err(|e| Failure::unusable(e.to_string()))?;
    let (trained, held_out) = packed.to_measure().map_err(|e| Failure::unusable(e.to_string()))?;
    let (width, height, channels) = (trained.width(), trained.height(), trained.channels());
    let both = [&trained, &held_out];
    let pictures: Vec<&[u8]> = both.iter().flat_map(|set| (0..set.count()).map(|i| set.bytes(i))).take(SHOWN).collect();
    let larger = (64 / width.max(height)).clamp(1, 8);
    files::write(sheet, image_grid(&pictures, (width, height, channels), pictures.len().min(8), larger).png())?;
    Ok(())
}

/// Width and height from "64x64".
fn sides(text: &str) -> Result<(usize, usize), Failure> {
    let side = |s: &str| s.parse().ok().filter(|n| (1..=4096).contains(n));
    let parsed = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
    parsed
        .ok_or_else(|| Failure::unusable(format!("--size {text}: expected width and height of 1 to 4096, as in 64x64")))
}
