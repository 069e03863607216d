//! Reads a folder of PNG and JPEG files of any size. Subfolders become classes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::content::content_hash;
use super::decode::{DecodedImage, MAX_PIXELS, decode, upright_size};
use super::error::DataError;
use super::images::volume;
use super::open::{ReadOptions, stem};
use super::{ImageDataset, fit};
use crate::text::grouped;

/// Up to this many skipped files are listed one by one.
const LISTED: usize = 5;
/// Files that are read in parallel before their results are passed on.
const CHUNK: usize = 64;

/// The image files of a folder and their classes.
pub(crate) struct ImageFolder {
    pub(crate) files: Vec<PathBuf>,
    /// The class of each file; zeros if there are no classes.
    pub(crate) labels: Vec<u8>,
    /// Names of the classes; empty if all files are in the folder itself.
    pub(crate) classes: Vec<String>,
    /// Ignored entries: files with other extensions, and folders that are nested too deep.
    pub(crate) others: Vec<PathBuf>,
}

impl ImageFolder {
    /// Finds the image files in the folder itself or, if it has none, in its subfolders.
    pub(crate) fn find(path: &Path, notes: &mut Vec<String>) -> Result<Self, DataError> {
        let is_image = |p: &PathBuf| {
            let extension = p.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            p.is_file() && matches!(&extension[..], "png" | "jpg" | "jpeg")
        };
        let (folders, own): (Vec<PathBuf>, Vec<PathBuf>) = entries(path)?.into_iter().partition(|p| p.is_dir());
        let (mut files, mut others): (Vec<PathBuf>, Vec<PathBuf>) = own.into_iter().partition(is_image);
        let (mut labels, mut classes) = (vec![0; files.len()], Vec::new());
        if files.is_empty() {
            for folder in &folders {
                let (inside, rest): (Vec<PathBuf>, Vec<PathBuf>) = entries(folder)?.into_iter().partition(is_image);
                others.extend(rest);
                if inside.is_empty() {
                    continue;
                }
                let class = u8::try_from(classes.len()).unwrap_or(u8::MAX);
                labels.extend(std::iter::repeat_n(class, inside.len()));
                files.extend(inside);
                classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
            }
        } else {
            others.extend(folders);
        }
        if classes.len() > 256 {
            notes
                .push(format!("{} subfolders exceed the limit of 256 classes: labels ignored", grouped(classes.len())));
            classes.clear();
        } else if !classes.is_empty() {
            notes.push(format!("{} subfolders became {} classes", classes.len(), classes.len()));
        }
        Ok(Self { files, labels, classes, others })
    }

    /// Refuses a folder without image files.
    pub(crate) fn require_files(&self, path: &Path) -> Result<(), DataError> {
        if !self.files.is_empty() {
            return Ok(());
        }
        let found = match self.others.first() {
            None => "an empty folder".into(),
            Some(first) => format!("{} other entries, the first is {}", grouped(self.others.len()), first.display()),
        };
        Err(DataError::new(
            path.display().to_string(),
            "PNG or JPEG images, IDX files or a .npz file",
            found,
            "name another folder, or convert the images to PNG",
        ))
    }

    /// The requested size, or the default size for the most common size of the files.
    pub(crate) fn size(&self, wanted: Option<(usize, usize)>) -> (usize, usize) {
        wanted.unwrap_or_else(|| most_common_size(&self.files).map_or((64, 64), |(w, h)| fit::default_size(w, h)))
    }
}

/// Images that were read from a folder, and the outcome for each file.
#[derive(Default)]
struct FolderImages {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// Number of images of each size.
    sizes: BTreeMap<(usize, usize), usize>,
    transparent: usize,
    /// One message per file that could not be read.
    skipped: Vec<String>,
    /// One message per duplicate of an earlier image.
    copies: Vec<String>,
    /// The first file of each content hash.
    seen: HashMap<u64, usize>,
}

impl FolderImages {
    fn add(&mut self, folder: &ImageFolder, i: usize, decoded: Result<DecodedImage, String>) {
        let file = folder.files[i].display();
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(reason) => return self.skipped.push(format!("skipped {file}: {reason}")),
        };
        let first = *self.seen.entry(content_hash(&decoded.bytes, 3)).or_insert(i);
        if first != i {
            self.copies.push(format!("{file} is the same image as {}", folder.files[first].display()));
        }
        self.pixels.extend(decoded.bytes);
        self.labels.push(folder.labels[i]);
        *self.sizes.entry(decoded.original).or_insert(0) += 1;
        self.transparent += usize::from(decoded.transparent);
    }

    /// Notes for the user about resized, blended, skipped and repeated images.
    fn notes(&mut self, (width, height): (usize, usize), notes: &mut Vec<String>) {
        let resized: usize = self.sizes.iter().filter(|&(&size, _)| size != (width, height)).map(|(_, &n)| n).sum();
        if resized > 0 {
            let mut sizes: Vec<_> = self.sizes.iter().collect();
            sizes.sort_by_key(|&(_, &n)| std::cmp::Reverse(n));
            let shown: Vec<String> =
                sizes.iter().take(3).map(|((w, h), n)| format!("{} of {w}x{h}", grouped(**n))).collect();
            let more = sizes.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {} other sizes", grouped(more)) } else { String::new() };
            notes.push(format!(
                "{} of {} images cropped to the center where needed and resized to {width}x{height} (found {}{more})",
                grouped(resized),
                grouped(self.labels.len()),
                shown.join(", ")
            ));
        }
        if self.transparent > 0 {
            notes.push(format!("{} images had transparent parts, now white", grouped(self.transparent)));
        }
        if self.skipped.len() > LISTED {
            notes.push(format!("{} files skipped; the first {LISTED}:", grouped(self.skipped.len())));
        }
        notes.extend(self.skipped.drain(..).take(LISTED));
        if let Some(first) = self.copies.first() {
            notes.push(format!(
                "{} copies of other images, such as {first}; `data prepare` removes them",
                grouped(self.copies.len())
            ));
        }
    }
}

/// Reads every image of a folder, or of its subfolders, which become classes.
pub(crate) fn read(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let folder = ImageFolder::find(path, notes)?;
    if let Some(first) = folder.others.first() {
        notes.push(format!("{} other entries ignored, the first is {}", grouped(folder.others.len()), first.display()));
    }
    folder.require_files(path)?;
    let (width, height) = folder.size(options.size);
    options.check_size(&place, volume(&place, &[folder.files.len(), width, height, 3])?)?;

    let mut images = FolderImages::default();
    let decode = |path: &Path| decode(path, width, height, MAX_PIXELS);
    in_order(&folder.files, decode, |i, decoded| {
        images.add(&folder, i, decoded);
        Ok::<(), DataError>(())
    })?;
    if images.labels.is_empty() {
        let found = format!("{} files, none of them readable; {}", grouped(images.skipped.len()), images.skipped[0]);
        return Err(DataError::new(place, "readable PNG or JPEG images", found, "get the images again"));
    }
    images.notes((width, height), notes);
    let mut pixels = images.pixels;
    let channels = if pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]) {
        pixels = pixels.chunks_exact(3).map(|p| p[0]).collect();
        notes.push("all images are gray: one channel".into());
        1
    } else {
        3
    };
    let labels = (!folder.classes.is_empty()).then_some(images.labels);
    let name = path.canonicalize().map_or_else(|_| stem(path), |p| stem(&p));
    Ok(ImageDataset::new(name, (width, height, channels), pixels, labels)?.with_label_names(&folder.classes))
}

/// The visible entries of a folder, sorted.
pub(crate) fn entries(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| DataError::io(path, &e))? {
        let entry = entry.map_err(|e| DataError::io(path, &e))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The size that most files have; the larger of two equally common ones.
fn most_common_size(files: &[PathBuf]) -> Option<(usize, usize)> {
    let mut sizes = BTreeMap::<(usize, usize), usize>::new();
    for size in files.iter().filter_map(|path| upright_size(path).ok()) {
        *sizes.entry(size).or_default() += 1;
    }
    sizes.into_iter().max_by_key(|&(size, count)| (count, size)).map(|(size, _)| size)
}

/// Calls `work` on all paths in parallel and `each` with the results in order, a chunk at a time to bound the memory.
///
/// A panic in `work`, such as that of a decoder on a damaged file, becomes an error for that path.
pub(crate) fn in_order<T: Send, E>(
    paths: &[PathBuf],
    work: impl Fn(&Path) -> Result<T, String> + Sync,
    mut each: impl FnMut(usize, Result<T, String>) -> Result<(), E>,
) -> Result<(), E> {
    let guarded = |path: &PathBuf| {
        let work = std::panic::AssertUnwindSafe(|| work(path));
        std::panic::catch_unwind(work).unwrap_or_else(|_| Err("its decoder failed".to_string()))
    };
    for (number, chunk) in paths.chunks(CHUNK).enumerate() {
        let done: Vec<_> = chunk.par_iter().map(guarded).collect();
        for (i, result) in done.into_iter().enumerate() {
            each(number * CHUNK + i, result)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
