//! Prepares pictures for training: decodes them once into a packed file, and tells what became of every file.

use std::path::{Path, PathBuf};

use super::error::DataError;
use super::open::ReadOptions;
use super::packed::PackedWriter;
use super::{AnyDataset, BuiltinDataset, Dataset, ImageDataset, folder, labels, open};
use crate::text::grouped;

/// How to prepare pictures.
#[derive(Clone, Copy, Debug)]
pub struct PrepareOptions<'a> {
    /// The wanted (width, height). `None`: the most common size, rounded, at most 64 a side.
    pub size: Option<(usize, usize)>,
    /// A CSV table or an NPZ or NPY array of classes.
    pub labels: Option<&'a Path>,
    /// The column of the table that names the class; `None`: the second one.
    pub label_column: Option<&'a str>,
    /// Pictures with more pixels are left out before they are decoded.
    pub most_pixels: u64,
}

impl Default for PrepareOptions<'_> {
    fn default() -> Self {
        Self { size: None, labels: None, label_column: None, most_pixels: folder::MOST_PIXELS }
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    /// Its path.
    pub file: String,
    /// Pictures, or faces, that were found in it.
    pub found: usize,
    /// How many of them were kept.
    pub kept: usize,
    /// Why the others were not; empty where all were.
    pub why: String,
}

impl FileOutcome {
    pub(crate) fn skipped(file: impl Into<String>, found: usize, why: impl Into<String>) -> Self {
        Self { file: file.into(), found, kept: 0, why: why.into() }
    }
}

/// What was prepared.
#[derive(Clone, Debug)]
pub struct PreparedDataset {
    /// Pictures in the packed file.
    pub count: usize,
    /// Height, width and channels of each.
    pub shape: [usize; 3],
    /// The classes, and how many pictures each has.
    pub classes: Vec<(String, usize)>,
    /// A row for each file.
    pub rows: Vec<FileOutcome>,
    /// What else the user should know.
    pub notes: Vec<String>,
}

impl PreparedDataset {
    /// The rows as a CSV table with headings.
    pub fn table(&self) -> String {
        let quoted = |text: &str| {
            if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
        };
        let row =
            |row: &FileOutcome| format!("{},{},{},{}\n", quoted(&row.file), row.found, row.kept, quoted(&row.why));
        "file,found,kept,why\n".to_owned() + &self.rows.iter().map(row).collect::<String>()
    }

    /// The rows of files of which something was left out.
    pub fn skipped(&self) -> impl Iterator<Item = &FileOutcome> {
        self.rows.iter().filter(|row| !row.why.is_empty())
    }
}

/// Prepares the pictures of `source`, a built-in set, a folder, or an IDX or NPZ file, and writes them to the packed file `out`.
///
/// `progress` is told how many files are done and how many there are.
///
/// # Errors
/// When the source cannot be read, fewer than two pictures are left, or the file cannot be written; no file is left then.
pub fn prepare(
    source: &Path,
    preparation: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PreparedDataset, DataError> {
    if let Some(built_in) = source.to_str().and_then(BuiltinDataset::from_name) {
        return match built_in.open()? {
            AnyDataset::Images(pictures) => of_array(&pictures, Vec::new(), preparation, out, progress),
            AnyDataset::Mixture(_) => Err(DataError::new(
                built_in.name(),
                "pictures",
                "points, of which there is no end",
                "train on them as they are: cargo xtask train --data NAME",
            )),
        };
    }
    if source.is_dir() {
        let mut notes = Vec::new();
        let found = folder::find(source, &mut notes)?;
        // A folder may also hold one file of all pictures.
        if !found.files.is_empty() || !open::holds_arrays(source)? {
            return of_folder(source, found, notes, preparation, out, progress);
        }
    }
    let opened = open(source, &ReadOptions { size: preparation.size, ..ReadOptions::default() })?;
    of_array(&opened.pictures, opened.notes, preparation, out, progress)
}

fn of_folder(
    source: &Path,
    found: folder::ImageFolder,
    mut notes: Vec<String>,
    preparation: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PreparedDataset, DataError> {
    found.some(source)?;
    let folder::ImageFolder { files, labels, mut classes, others } = found;
    let mut labels: Vec<Option<u8>> = labels.into_iter().map(Some).collect();
    if let Some(path) = preparation.labels {
        let told = labels::read(path, preparation.label_column, source, &files)?;
        if told.spare > 0 {
            notes.push(format!("{} rows of {} are of no file here", grouped(told.spare), path.display()));
        }
        (labels, classes) = (told.of_files, told.classes);
    }
    let mut progress = |done: usize| progress(done, files.len());
    let (width, height) = folder::size(&files, preparation.size);
    let mut writer = PackedWriter::create(out, (width, height))?;
    let mut tally = ClassCounts::new(&classes);
    let table = preparation.labels;
    let mut rows: Vec<FileOutcome> = others
        .iter()
        .filter(|other| table != Some(other))
        .map(|other| FileOutcome::skipped(name(other), 0, other_kind(other)))
        .collect();
    let (mut kept, mut transparent, mut enlarged, mut resized) = (Vec::<usize>::new(), 0, 0, 0);
    let read = |path: &Path| folder::decode(path, width, height, preparation.most_pixels);
    folder::in_order(&files, read, |i, decoded| {
        progress(i + 1);
        let file = name(&files[i]);
        rows.push(match (decoded, labels[i]) {
            (Err(why), _) => FileOutcome::skipped(file, 0, why),
            (Ok(_), None) => FileOutcome::skipped(file, 1, "no row in the table of labels"),
            (Ok(decoded), Some(label)) => match writer.add(&decoded.bytes, label)? {
                Err(first) => {
                    FileOutcome::skipped(file, 1, format!("the same picture as {}", files[kept[first]].display()))
                }
                Ok(()) => {
                    kept.push(i);
                    tally.add(label);
                    transparent += usize::from(decoded.transparent);
                    resized += usize::from(decoded.original != (width, height));
                    enlarged += usize::from(decoded.original.0 < width || decoded.original.1 < height);
                    FileOutcome { file, found: 1, kept: 1, why: String::new() }
                }
            },
        });
        Ok(())
    })?;
    for (n, what) in [
        (resized, format!("cropped to the center where needed and resized to {width}x{height}")),
        (enlarged, format!("smaller than {width}x{height}, and blurred by that: a smaller --size would suit them")),
        (transparent, "with transparent parts laid on white".to_owned()),
    ] {
        if n > 0 {
            notes.push(format!("{} pictures {what}", grouped(n)));
        }
    }
    finish(source, writer, (width, height), tally, rows, notes)
}

fn of_array(
    pictures: &ImageDataset,
    mut notes: Vec<String>,
    preparation: &PrepareOptions<'_>,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PreparedDataset, DataError> {
    let pictures = match preparation.size {
        Some((width, height)) => pictures.resized(width, height)?,
        None => pictures.clone(),
    };
    let count = pictures.count();
    let (mut labels, mut classes) = (pictures.labels().map(<[u8]>::to_vec), pictures.label_names().to_vec());
    if let Some(path) = preparation.labels {
        let numbers: Vec<PathBuf> = (0..count).map(|i| PathBuf::from(i.to_string())).collect();
        let told = labels::read(path, preparation.label_column, Path::new(""), &numbers)?;
        if let Some(i) = told.of_files.iter().position(Option::is_none) {
            let (expected, remedy) = ("a row for every picture, by its number from 0", "complete the table");
            return Err(DataError::new(path.display().to_string(), expected, format!("none for picture {i}"), remedy));
        }
        (labels, classes) = (Some(told.of_files.into_iter().flatten().collect()), told.classes);
    }
    let size = (pictures.width(), pictures.height());
    let mut writer = PackedWriter::create(out, size)?;
    let mut tally = ClassCounts::new(&classes);
    let (mut kept, mut rows) = (Vec::new(), Vec::new());
    for i in 0..count {
        let (bytes, label) = (pictures.bytes(i), labels.as_ref().map_or(0, |l| l[i]));
        let rgb = if pictures.channels() == 1 { bytes.iter().flat_map(|&v| [v; 3]).collect() } else { bytes.to_vec() };
        rows.push(match writer.add(&rgb, label)? {
            Err(first) => FileOutcome::skipped(i.to_string(), 1, format!("the same picture as number {}", kept[first])),
            Ok(()) => {
                kept.push(i);
                tally.add(label);
                FileOutcome { file: i.to_string(), found: 1, kept: 1, why: String::new() }
            }
        });
        progress(i + 1, count);
    }
    notes.dedup();
    finish(Path::new(pictures.name()), writer, size, tally, rows, notes)
}

/// Pictures of each class.
pub(crate) struct ClassCounts(Vec<(String, usize)>);

impl ClassCounts {
    pub(crate) fn new(classes: &[String]) -> Self {
        Self(classes.iter().map(|name| (name.clone(), 0)).collect())
    }

    pub(crate) fn add(&mut self, label: u8) {
        if let Some(class) = self.0.get_mut(usize::from(label)) {
            class.1 += 1;
        }
    }
}

/// Closes the file, unless there is too little in it to train on.
pub(crate) fn finish(
    source: &Path,
    writer: PackedWriter,
    (width, height): (usize, usize),
    ClassCounts(classes): ClassCounts,
    rows: Vec<FileOutcome>,
    mut notes: Vec<String>,
) -> Result<PreparedDataset, DataError> {
    let count = writer.count();
    if count < 2 {
        let skipped = rows.iter().find(|row| !row.why.is_empty());
        let why = skipped.map_or(String::new(), |row| format!("; {}: {}", row.file, row.why));
        let found = format!("{count} of {} files{why}", grouped(rows.len()));
        let expected = "at least 2 different pictures, one to train on and one to hold out";
        return Err(DataError::new(source.display().to_string(), expected, found, "add pictures, or get these again"));
    }
    if let Some((empty, _)) = classes.iter().find(|(_, n)| *n == 0) {
        notes.push(format!("class {empty} has no picture left"));
    }
    let names: Vec<String> = classes.iter().map(|(name, _)| name.clone()).collect();
    let channels = writer.finish(&names)?;
    if channels == 1 {
        notes.push("all pictures are gray: one channel".into());
    }
    Ok(PreparedDataset { count, shape: [height, width, channels], classes, rows, notes })
}

pub(crate) fn name(path: &Path) -> String {
    path.display().to_string()
}

/// Why something in a folder is no picture.
pub(crate) fn other_kind(path: &Path) -> &'static str {
    if path.is_dir() {
        "a folder beside pictures or too deep: pictures lie in the folder, or in folders that are its classes"
    } else {
        "not called .png, .jpg or .jpeg: convert it, if it is a picture"
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
