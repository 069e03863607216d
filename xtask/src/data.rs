//! `data`: lists and prepares data sets.

use crate::console;
use crate::failure::Failure;
use crate::image_file::{self, ImageFile};
use crate::table::{Table, grouped};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use ganlet_trainer::data::{
    BuiltinDataset, DataError, FaceCropOptions, Fit, LabelSource, PackedDataset, PrepareOptions, PreparedDataset,
    crop_faces, is_source_file, prepare,
};
use ganlet_trainer::draw::image_grid;
use ganlet_trainer::files;
use ganlet_trainer::recipe::parse_size;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Largest number of skipped files that are printed; the report lists all.
const LISTED: usize = 5;
/// Largest number of images that --sheet draws.
const SHOWN: usize = 64;

/// List and prepare data sets
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data list
  cargo xtask data prepare photos/ --out photos.pack
  cargo xtask data faces photos/ --out faces.pack")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// List the built-in data sets
    #[command(after_help = "Example:\n  cargo xtask data list")]
    List,
    Prepare(Prepare),
    Faces(Faces),
}

/// Decode and resize images into one packed file, which training streams from the disk
///
/// A report next to the packed file lists every image. Files that are damaged, too large, duplicates or not images are skipped. The content
/// of an image decides whether it belongs to the held-out set, so that adding, renaming and removing files does not change the split.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data prepare photos/ --size 64 --out photos.pack
  cargo xtask data prepare photos.zip --size 64x48 --fit pad --out photos.pack
  cargo xtask data prepare photos/ --labels attributes.csv --label-column Smiling --out smiles.pack
  cargo xtask train portraits-64 --data photos.pack")]
struct Prepare {
    /// A folder or zip file of images (PNG, JPEG, WebP, BMP, GIF, TIFF, QOI; subfolders are classes), an IDX or NumPy file, or a built-in set
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Width and height of the resized images, as in 64x48, or 64 for a square [default: near the most common size, at most 64]
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
    /// How images of another aspect ratio get the size: crop their center, pad them with white, or stretch them
    #[arg(long, value_name = "F", value_enum, default_value_t = FitArg::Crop)]
    fit: FitArg,
    /// Convert color images to gray
    #[arg(long)]
    gray: bool,
    /// Classes: a CSV table of file and class, or the array `labels` of an NPZ or NPY file [default: the names of subfolders]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Heading of the table's class column [default: `class`, `label` or the like, or else the next column with repeated values]
    #[arg(long, value_name = "NAME", requires = "labels")]
    label_column: Option<String>,
    /// Heading of the table's column with the files [default: the column with the most names of files]
    #[arg(long, value_name = "NAME", requires = "labels")]
    file_column: Option<String>,
    #[command(flatten)]
    common: PrepareOutput,
}

/// Find the faces in photographs, crop them, and pack them into one file, which training streams from the disk
///
/// Photographs are rotated according to their EXIF data; if no face is found, the other three orientations are tried. A report next to the
/// packed file lists how many faces were found and kept in each photograph, and why the others were skipped.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask data faces photos/ --out faces.pack
  cargo xtask data faces photos/ --size 32 --margin 1.8 --sheet faces.png --out faces.pack
  cargo xtask train portraits-64 --data faces.pack")]
struct Faces {
    /// A folder of photographs; its subfolders become classes
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Side of the square images, in pixels
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(4..=1024))]
    size: u32,
    /// Side of the crop as a multiple of the face's size from brow to chin
    #[arg(long, value_name = "F", default_value_t = 1.4)]
    margin: f32,
    /// Skip faces narrower than this [default: half of the width that an image needs]
    #[arg(long, value_name = "PIXELS")]
    min_width: Option<u32>,
    /// Detection threshold: 1 finds more faces and more false ones, 8 only the clearest
    #[arg(long, value_name = "F", default_value_t = 3.0)]
    min_confidence: f64,
    #[command(flatten)]
    common: PrepareOutput,
}

/// Values of --fit.
#[derive(Clone, Copy, ValueEnum)]
enum FitArg {
    Crop,
    Pad,
    Stretch,
}

impl From<FitArg> for Fit {
    fn from(fit: FitArg) -> Self {
        match fit {
            FitArg::Crop => Self::Crop,
            FitArg::Pad => Self::Pad,
            FitArg::Stretch => Self::Stretch,
        }
    }
}

#[derive(ClapArgs)]
struct PrepareOutput {
    /// Skip images with more megapixels, before decoding them
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4000))]
    max_megapixels: u32,
    /// The report on every file [default: OUT with the extension .report.csv]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Draw the first images as a grid, a .png or a .gif
    #[arg(long, value_name = "FILE.png", value_parser = PathBufValueParser::new().try_map(ImageFile::replacing))]
    sheet: Option<ImageFile>,
    /// Replace existing files that ganlet did not make. Earlier packed files, reports and grids are always replaced
    #[arg(long)]
    overwrite: bool,
}

impl PrepareOutput {
    fn max_pixels(&self) -> u64 {
        u64::from(self.max_megapixels) * 1_000_000
    }

    fn report(&self, out: &Path) -> PathBuf {
        self.report.clone().unwrap_or_else(|| out.with_extension("report.csv"))
    }

    /// Checks that all files can be written, and replace neither each other, `source`, a file in it nor `labels`, before any work.
    fn check(&self, out: &Path, source: &Path, labels: Option<&Path>) -> Result<(), Failure> {
        let report = self.report(out);
        let is_own: [fn(&Path) -> bool; 3] = [PackedDataset::recognize, PreparedDataset::is_report, image_file::is_own];
        let outputs = [Some(out), Some(&report), self.sheet.as_ref().map(ImageFile::path)].into_iter().zip(is_own);
        let mut used: Vec<PathBuf> =
            [Some(source), labels].into_iter().flatten().filter_map(|path| path.canonicalize().ok()).collect();
        for (path, is_own) in outputs.filter_map(|(path, is_own)| Some((path?, is_own))) {
            console::writable(path)?;
            files::check_output(path, is_own, Some(self.overwrite)).map_err(Failure::unusable)?;
            // A file that does not exist yet has no canonical path.
            let place = path.canonicalize().or_else(|_| std::path::absolute(path))?;
            if used.contains(&place) {
                return Err(Failure::file(
                    path,
                    "this file is already an input or another output: choose another name",
                ));
            }
            if path.exists() && is_source_file(source, path) {
                let problem = format!(
                    "this file is one of the images in {}, which are never replaced: choose another name",
                    source.display()
                );
                return Err(Failure::file(path, problem));
            }
            used.push(place);
        }
        Ok(())
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        DataCommand::List => list(),
        DataCommand::Prepare(args) => {
            args.common.check(&args.out, &args.source, args.labels.as_deref())?;
            let preparation = PrepareOptions {
                size: args.size.as_deref().map(sides).transpose()?,
                fit: args.fit.into(),
                gray: args.gray,
                labels: args.labels.as_deref().map(|path| LabelSource {
                    path,
                    label_column: args.label_column.as_deref(),
                    file_column: args.file_column.as_deref(),
                }),
                max_pixels: args.common.max_pixels(),
            };
            let prepared = with_progress(|progress| prepare(&args.source, &preparation, &args.out, progress))?;
            conclude(&prepared, &args.out, &args.common, "images")
        }
        DataCommand::Faces(args) => {
            args.common.check(&args.out, &args.source, None)?;
            if !(1.0..=4.0).contains(&args.margin) {
                return Err(Failure::unusable(format!(
                    "--margin {}: expected 1 to 4 times the size of a face",
                    args.margin
                )));
            }
            if !(1.0..=100.0).contains(&args.min_confidence) {
                return Err(Failure::unusable(format!("--min-confidence {}: expected 1 to 100", args.min_confidence)));
            }
            let cutting = FaceCropOptions {
                side: args.size as usize,
                margin: args.margin,
                min_width: args.min_width.map(|n| n as usize),
                min_score: args.min_confidence,
                max_pixels: args.common.max_pixels(),
            };
            let prepared = with_progress(|progress| crop_faces(&args.source, &cutting, &args.out, progress))?;
            conclude(&prepared, &args.out, &args.common, "faces")
        }
    }
}

fn list() -> Result<(), Failure> {
    let mut table = Table::new(&["built-in set", "contents", "license"]);
    for set in BuiltinDataset::ALL {
        table.row([set.name().to_owned(), set.summary().to_owned(), set.license().to_owned()]);
    }
    console::print(&table.lines().to_string())?;
    console::note("your own images: cargo xtask train portraits-64 --data FOLDER|FILE.zip|FILE.npz|FILE.pack");
    Ok(())
}

/// Runs `work` with a progress bar.
fn with_progress(
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

/// Prints what was prepared, and writes the report and the grid of first images.
fn conclude(prepared: &PreparedDataset, out: &Path, common: &PrepareOutput, what: &str) -> Result<(), Failure> {
    prepared.notes.iter().for_each(|note| console::note(note));
    let skipped: Vec<_> = prepared.skipped().collect();
    if !skipped.is_empty() {
        let some = if skipped.len() > LISTED { format!("; the first {LISTED} are") } else { String::new() };
        let files = if skipped.len() == 1 {
            "1 file was".into()
        } else {
            format!("{} files were", grouped(skipped.len() as u64))
        };
        console::note(&format!("{files} skipped, entirely or in part{some}:"));
    }
    skipped.iter().take(LISTED).for_each(|row| console::note(&format!("  {}: {}", row.file, row.reason)));
    let report = common.report(out);
    files::write(&report, prepared.csv())?;
    if let Some(sheet) = &common.sheet {
        draw(out, sheet)?;
    }
    let [height, width, channels] = prepared.shape;
    let mut text = format!("{} {what} of {width}x{height}x{channels} in {}\n", prepared.count, out.display());
    for (class, count) in &prepared.classes {
        text += &format!("  {class}: {count}\n");
    }
    console::print(&text)?;
    console::note(&format!("report on every file: {}", report.display()));
    console::note(&next_step(prepared.shape, &files::quoted(out)));
    Ok(())
}

/// The command that trains on a packed file of images of this shape.
fn next_step([height, width, channels]: [usize; 3], pack: &str) -> String {
    let (recipe, size) = match (width, height, channels) {
        (64, 64, _) => ("portraits-64", String::new()),
        (28, 28, 1) => ("digits", String::new()),
        (16, 16, _) => ("faces", String::new()),
        _ if width % 4 == 0 && height % 4 == 0 => ("faces", format!(" --set data.size={width}x{height}")),
        _ => {
            let [width, height] = [width, height].map(|side| side.next_multiple_of(4));
            return format!(
                "recipes need sides that are multiples of 4: prepare the images with --size {width}x{height}"
            );
        }
    };
    format!("next: cargo xtask train {recipe} --data {pack}{size}")
}

/// Draws the first images of a packed file as a grid.
fn draw(pack: &Path, sheet: &ImageFile) -> Result<(), Failure> {
    let packed = PackedDataset::open(pack, (-1.0, 1.0), false, 0.2).map_err(|e| Failure::unusable(e.to_string()))?;
    let (trained, held_out) = packed.to_measure().map_err(|e| Failure::unusable(e.to_string()))?;
    let (width, height, channels) = (trained.width(), trained.height(), trained.channels());
    let both = [&trained, &held_out];
    let images: Vec<&[u8]> = both.iter().flat_map(|set| (0..set.count()).map(|i| set.bytes(i))).take(SHOWN).collect();
    let larger = (64 / width.max(height)).clamp(1, 8);
    let grid = image_grid(&images, (width, height, channels), images.len().min(8), larger);
    sheet.write(&grid, &format!("{} images", images.len()))
}

/// Parses width and height, as in "64x48", or "64" for a square.
fn sides(text: &str) -> Result<(usize, usize), Failure> {
    let sides = parse_size(text).filter(|sides| sides.iter().all(|side| (1..=4096).contains(side)));
    sides.map(|[width, height]| (width, height)).ok_or_else(|| {
        Failure::unusable(format!(
            "--size {text}: expected width and height of 1 to 4096, as in 64x48, or 64 for a square"
        ))
    })
}
