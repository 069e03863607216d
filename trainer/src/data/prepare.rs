//! Prepares images for training: decodes each once into a packed file and records the outcome for every source file.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::decode::{DecodeLimits, DecodedImage, MAX_PIXELS, decode, max_file_bytes};
use super::error::DataError;
use super::fit::{Frame, luma};
use super::folder::ImageFolder;
use super::labels::{self, FileLabel, LabelSource};
use super::open::Source;
use super::packed_writer::{Added, PackedWriter};
use super::reading::ReadOptions;
use super::source::Ignored;
use super::{AnyDataset, BuiltinDataset, Dataset, Fit, ImageDataset, open};
use crate::text::counted;

/// Receives the number of finished files and the number of all files.
pub type Progress<'a> = dyn FnMut(usize, usize) + 'a;

/// Options of [`prepare`].
#[derive(Clone, Copy, Debug)]
pub struct PrepareOptions<'a> {
    /// Width and height to resize to. `None` chooses a size near the most common one, at most 64 x 64.
    pub size: Option<(usize, usize)>,
    /// How images of another aspect ratio get the size.
    pub fit: Fit,
    /// Converts the images to gray.
    pub gray: bool,
    /// Where the classes are. `None` uses the names of subfolders.
    pub labels: Option<LabelSource<'a>>,
    /// Images with more pixels are skipped before they are decoded.
    pub max_pixels: u64,
}

impl Default for PrepareOptions<'_> {
    fn default() -> Self {
        Self { size: None, fit: Fit::Crop, gray: false, labels: None, max_pixels: MAX_PIXELS }
    }
}

/// What happened to one source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    /// Path of the file; for an array, the index of the image.
    pub file: String,
    /// Number of images, or faces, that were found in it.
    pub found: usize,
    /// Number of these that were kept.
    pub kept: usize,
    /// Why the others were skipped; empty if all were kept.
    pub reason: String,
}

impl FileOutcome {
    pub(crate) fn kept(file: impl Into<String>) -> Self {
        Self { file: file.into(), found: 1, kept: 1, reason: String::new() }
    }

    pub(crate) fn skipped(file: impl Into<String>, found: usize, reason: impl Into<String>) -> Self {
        Self { file: file.into(), found, kept: 0, reason: reason.into() }
    }

    /// The outcome of an entry that is not read.
    pub(crate) fn ignored(entry: &Ignored) -> Self {
        Self::skipped(entry.path.display().to_string(), 0, &*entry.reason)
    }
}

/// Summary of a packed file that was written.
#[derive(Clone, Debug)]
pub struct PreparedDataset {
    /// Number of images in the packed file.
    pub count: usize,
    /// Height, width and channels of each image.
    pub shape: [usize; 3],
    /// The classes, each with its number of images.
    pub classes: Vec<(String, usize)>,
    /// The outcome for each source file.
    pub files: Vec<FileOutcome>,
    /// Other messages for the user.
    pub notes: Vec<String>,
}

/// Headings of the table of outcomes.
const HEADINGS: [&str; 4] = ["file", "found", "kept", "why"];

impl PreparedDataset {
    /// Whether the file at `path` is a table of outcomes.
    pub fn is_report(path: &Path) -> bool {
        let expected = HEADINGS.join(",");
        let mut head = vec![0; expected.len()];
        std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == expected.as_bytes()
    }

    /// The outcomes as a CSV table with headings.
    pub fn csv(&self) -> String {
        let mut table = csv::Writer::from_writer(Vec::new());
        let rows =
            self.files.iter().map(|f| [f.file.clone(), f.found.to_string(), f.kept.to_string(), f.reason.clone()]);
        for row in std::iter::once(HEADINGS.map(str::to_owned)).chain(rows) {
            table.write_record(row).expect("rows of one length, written to memory");
        }
        let bytes = table.into_inner().expect("written to memory");
        String::from_utf8(bytes).expect("made of strings")
    }

    /// The outcomes of files that were skipped, entirely or in part.
    pub fn skipped(&self) -> impl Iterator<Item = &FileOutcome> {
        self.files.iter().filter(|file| !file.reason.is_empty())
    }
}

/// Packs the images of `source` into the file `out`. The source is a built-in set, a folder, or a zip, IDX, NPZ or NPY file.
///
/// # Errors
/// When the source cannot be read, has fewer than two different images, or `out` cannot be written. No file remains then.
pub fn prepare(
    source: &Path,
    options: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<PreparedDataset, DataError> {
    if let Some(built_in) = source.to_str().and_then(BuiltinDataset::from_name) {
        return match built_in.open()? {
            AnyDataset::Images(images) => prepare_array(&images, Vec::new(), options, out, progress),
            AnyDataset::Mixture(_) => Err(DataError::new(
                built_in.name(),
                "images",
                "a distribution of points",
                format!("train on it without preparing it: cargo xtask train --data {}", built_in.name()),
            )),
        };
    }
    let mut notes = Vec::new();
    match Source::find(source, &mut notes)? {
        Source::Images(folder) => prepare_folder(source, &folder, notes, options, out, progress),
        Source::Array(_) => {
            let opened = open(source, &ReadOptions { size: options.size, fit: options.fit, ..ReadOptions::default() })?;
            prepare_array(&opened.images, opened.notes, options, out, progress)
        }
    }
}

/// Numbers of images that were changed while they were decoded.
#[derive(Default)]
struct Changes {
    resized: usize,
    enlarged: usize,
    transparent: usize,
}

impl Changes {
    fn add(&mut self, image: &DecodedImage, frame: Frame) {
        self.resized += usize::from(image.original != (frame.width, frame.height));
        self.enlarged += usize::from(image.original.0 < frame.width || image.original.1 < frame.height);
        self.transparent += usize::from(image.transparent);
    }

    fn notes(&self, frame: Frame) -> impl Iterator<Item = String> {
        let (width, height) = (frame.width, frame.height);
        let all = [
            (self.resized, frame.describe()),
            (self.enlarged, format!("smaller than {width}x{height} and therefore blurred: use a smaller --size")),
            (self.transparent, "with transparent parts, now white".to_owned()),
        ];
        all.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", counted(n, "image", "images")))
    }
}

fn prepare_folder(
    source: &Path,
    folder: &ImageFolder,
    mut notes: Vec<String>,
    options: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<PreparedDataset, DataError> {
    let frame = folder.frame(options.size, options.fit);
    let (mut labels, mut classes): (Vec<FileLabel>, _) =
        (folder.labels.iter().map(|label| Ok(*label)).collect(), folder.classes.clone());
    if let Some(columns) = options.labels {
        let table = labels::read(columns, &folder.paths())?;
        notes.extend(table.notes);
        (labels, classes) = (table.of_files, table.classes);
    }
    let mut packing = Packing::create(out, (frame.width, frame.height), &classes)?;
    let is_table = |path: &Path| options.labels.is_some_and(|labels| labels.path == source.join(path));
    packing.files.extend(folder.others.iter().filter(|other| !is_table(&other.path)).map(FileOutcome::ignored));
    let (mut kept, mut changes, mut contradictions) = (Vec::<usize>::new(), Changes::default(), 0);
    let limits = DecodeLimits::new(options.max_pixels);
    let read = |file| decode(file, frame, &limits);
    folder.in_order(max_file_bytes(options.max_pixels), read, |i, decoded| {
        progress(i + 1, folder.files.len());
        let file = folder.name(i);
        let outcome = match (decoded, &labels[i]) {
            (Err(reason), _) => FileOutcome::skipped(file, 0, reason),
            (Ok(_), Err(reason)) => FileOutcome::skipped(file, 1, reason),
            (Ok(mut image), Ok(label)) => {
                if options.gray {
                    image.bytes = image.bytes.as_chunks::<3>().0.iter().flat_map(|rgb| [luma(*rgb); 3]).collect();
                }
                match packing.add(&image.bytes, *label)? {
                    Added::CopyOf(first) => {
                        let first = kept[first];
                        let mut reason = format!("the same image as {}", folder.name(first));
                        if let Ok(other) = labels[first]
                            && other != *label
                        {
                            contradictions += 1;
                            let class = |label: u8| &classes[usize::from(label)];
                            reason += &format!(", which has the class {}, not {}", class(other), class(*label));
                        }
                        FileOutcome::skipped(file, 1, reason)
                    }
                    Added::New => {
                        kept.push(i);
                        changes.add(&image, frame);
                        FileOutcome::kept(file)
                    }
                }
            }
        };
        packing.files.push(outcome);
        Ok(())
    })?;
    notes.extend(changes.notes(frame));
    if contradictions > 0 {
        notes.push(format!(
            "{} in two classes; the first one counts: see the report, and remove one of each",
            counted(contradictions, "image is", "images are")
        ));
    }
    packing.finish(source, notes)
}

fn prepare_array(
    images: &ImageDataset,
    mut notes: Vec<String>,
    options: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<PreparedDataset, DataError> {
    let mut images = match options.size {
        Some((width, height)) => images.fitted(Frame { width, height, fit: options.fit })?,
        None => images.clone(),
    };
    if options.gray {
        images = images.gray();
    }
    let count = images.count();
    let (mut labels, mut classes) = (images.labels().map(<[u8]>::to_vec), images.label_names().to_vec());
    if let Some(columns) = options.labels {
        let indices: Vec<PathBuf> = (0..count).map(|i| PathBuf::from(i.to_string())).collect();
        let table = labels::read(columns, &indices)?;
        notes.extend(table.notes);
        let mut all = Vec::with_capacity(count);
        for (i, label) in table.of_files.into_iter().enumerate() {
            let (expected, remedy) = ("one class for every image, by its number from 0", "complete the table");
            let place = columns.path.display().to_string();
            all.push(label.map_err(|why| DataError::new(place, expected, format!("image {i}: {why}"), remedy))?);
        }
        (labels, classes) = (Some(all), table.classes);
    }
    let mut packing = Packing::create(out, (images.width(), images.height()), &classes)?;
    let mut kept = Vec::new();
    for i in 0..count {
        let (bytes, label) = (images.bytes(i), labels.as_ref().map_or(0, |l| l[i]));
        let rgb = if images.channels() == 1 { bytes.iter().flat_map(|&v| [v; 3]).collect() } else { bytes.to_vec() };
        let outcome = match packing.add(&rgb, label)? {
            Added::CopyOf(first) => {
                FileOutcome::skipped(i.to_string(), 1, format!("the same image as number {}", kept[first]))
            }
            Added::New => {
                kept.push(i);
                FileOutcome::kept(i.to_string())
            }
        };
        packing.files.push(outcome);
        progress(i + 1, count);
    }
    notes.dedup();
    packing.finish(Path::new(images.name()), notes)
}

/// A packed file that is being written, and the outcomes so far.
pub(crate) struct Packing {
    writer: PackedWriter,
    size: (usize, usize),
    /// Each class with its number of images.
    classes: Vec<(String, usize)>,
    pub(crate) files: Vec<FileOutcome>,
}

impl Packing {
    /// Starts the packed file `out` of images of `size`, width and height.
    pub(crate) fn create(out: &Path, size: (usize, usize), classes: &[String]) -> Result<Self, DataError> {
        let classes = classes.iter().map(|name| (name.clone(), 0)).collect();
        Ok(Self { writer: PackedWriter::create(out, size)?, size, classes, files: Vec::new() })
    }

    /// Adds an image, RGB bytes, unless it is a duplicate.
    pub(crate) fn add(&mut self, rgb: &[u8], label: u8) -> Result<Added, DataError> {
        let added = self.writer.add(rgb, label)?;
        if let (Added::New, Some(class)) = (added, self.classes.get_mut(usize::from(label))) {
            class.1 += 1;
        }
        Ok(added)
    }

    /// Completes the file. With fewer than two images, removes the file and returns an error.
    pub(crate) fn finish(self, source: &Path, mut notes: Vec<String>) -> Result<PreparedDataset, DataError> {
        let Self { writer, size: (width, height), classes, files } = self;
        let count = writer.count();
        if count < 2 {
            let skipped = files.iter().find(|file| !file.reason.is_empty());
            let reason = skipped.map_or(String::new(), |f| format!("; {}: {}", f.file, f.reason));
            let found = format!("{count} of {}{reason}", counted(files.len(), "file", "files"));
            let expected = "at least 2 different images, one to train on and one to hold out";
            let remedy = "add images, or get new copies of these";
            return Err(DataError::new(source.display().to_string(), expected, found, remedy));
        }
        if let Some((empty, _)) = classes.iter().find(|(_, n)| *n == 0) {
            notes.push(format!("class {empty} has no images left"));
        }
        let names: Vec<String> = classes.iter().map(|(name, _)| name.clone()).collect();
        let channels = writer.finish(&names)?;
        if channels == 1 {
            notes.push("all images are gray: one channel".into());
        }
        Ok(PreparedDataset { count, shape: [height, width, channels], classes, files, notes })
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
