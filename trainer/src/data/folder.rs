//! Reads a folder or a zip file of image files of any size. Subfolders become classes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::content::content_hash;
use super::decode::{
    DecodeLimits, DecodedImage, FORMATS, ImageBytes, MAX_PIXELS, decode, max_file_bytes, upright_size,
};
use super::error::DataError;
use super::fit::Frame;
use super::images::volume;
use super::layout::{Layout, arrange};
use super::reading::{ReadOptions, stem};
use super::source::{Ignored, ImageFile, ImageSource, Listing};
use super::{ImageDataset, fit};
use crate::recipe::Fit;
use crate::text::{counted, grouped};

/// Files whose size is looked at to choose the default size.
const SIZED: usize = 1000;
/// Up to this many skipped files are listed one by one.
const LISTED: usize = 5;
/// Files that are read in parallel before their results are passed on.
const CHUNK: usize = 64;

/// The image files of a folder or a zip file, and their classes.
pub(crate) struct ImageFolder {
    source: ImageSource,
    pub(crate) files: Vec<ImageFile>,
    /// The class of each file; zeros if there are no classes.
    pub(crate) labels: Vec<u8>,
    /// Names of the classes; empty if there are none.
    pub(crate) classes: Vec<String>,
    /// Entries that are not read, and why.
    pub(crate) others: Vec<Ignored>,
}

impl ImageFolder {
    /// Takes the files of a listing that are read, and reports the others.
    pub(crate) fn new(source: ImageSource, listing: Listing, notes: &mut Vec<String>) -> Self {
        let Layout { files, labels, classes, unused, notes: of_layout } = arrange(listing.images);
        notes.extend(of_layout);
        let reason = "an array beside images: the images are read; name the array to use it";
        let arrays = listing.arrays.into_iter().map(|path| Ignored { path, reason: reason.into() });
        let mut others = unused;
        others.extend(arrays);
        others.extend(listing.others);
        Self { source, files, labels, classes, others }
    }

    /// Path of file `i` inside the folder, for messages.
    pub(crate) fn name(&self, i: usize) -> String {
        self.files[i].inside.display().to_string()
    }

    /// Paths of the files inside the folder.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.inside.clone()).collect()
    }

    /// The requested frame, or one of the default size for the most common size of the files.
    pub(crate) fn frame(&self, size: Option<(usize, usize)>, fit: Fit) -> Frame {
        let common = || self.most_common_size().map_or((64, 64), |(w, h)| fit::default_size(w, h));
        let (width, height) = size.unwrap_or_else(common);
        Frame { width, height, fit }
    }

    /// Width and height of each image, upright. Of many files, only some are looked at; unreadable ones are left out.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        let files = self.files.iter().step_by(self.files.len().div_ceil(SIZED).max(1));
        files.filter_map(|file| self.source.open(file, max_file_bytes(MAX_PIXELS)).and_then(upright_size).ok())
    }

    /// The size that most files have; the larger of two equally common ones.
    fn most_common_size(&self) -> Option<(usize, usize)> {
        let mut sizes = BTreeMap::<(usize, usize), usize>::new();
        for size in self.sizes() {
            *sizes.entry(size).or_default() += 1;
        }
        sizes.into_iter().max_by_key(|&(size, count)| (count, size)).map(|(size, _)| size)
    }

    /// Calls `work` on all files in parallel and `each` with the results in order, a chunk at a time to bound the memory.
    ///
    /// A panic in `work`, such as that of a decoder on a damaged file, becomes an error for that file.
    pub(crate) fn in_order<T: Send, E>(
        &self,
        max_bytes: u64,
        work: impl Fn(Box<dyn ImageBytes>) -> Result<T, String> + Sync,
        mut each: impl FnMut(usize, Result<T, String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let guarded = |file: &ImageFile| {
            let work = std::panic::AssertUnwindSafe(|| work(self.source.open(file, max_bytes)?));
            std::panic::catch_unwind(work).unwrap_or_else(|_| Err("its decoder failed".to_string()))
        };
        for (number, chunk) in self.files.chunks(CHUNK).enumerate() {
            let done: Vec<_> = chunk.par_iter().map(guarded).collect();
            for (i, result) in done.into_iter().enumerate() {
                each(number * CHUNK + i, result)?;
            }
        }
        Ok(())
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
    /// One message per image that is in two classes.
    contradictions: Vec<String>,
    /// The first file of each content hash.
    seen: HashMap<u64, usize>,
}

impl FolderImages {
    fn add(&mut self, folder: &ImageFolder, i: usize, decoded: Result<DecodedImage, String>) {
        let file = folder.name(i);
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(reason) => return self.skipped.push(format!("skipped {file}: {reason}")),
        };
        let first = *self.seen.entry(content_hash(&decoded.bytes, 3)).or_insert(i);
        if first != i {
            self.copies.push(format!("{file} is the same image as {}", folder.name(first)));
            if folder.labels[first] != folder.labels[i] {
                let class = |i: usize| &folder.classes[usize::from(folder.labels[i])];
                self.contradictions.push(format!(
                    "{file} ({}) and {} ({})",
                    class(i),
                    folder.name(first),
                    class(first)
                ));
            }
        }
        self.pixels.extend(decoded.bytes);
        self.labels.push(folder.labels[i]);
        *self.sizes.entry(decoded.original).or_insert(0) += 1;
        self.transparent += usize::from(decoded.transparent);
    }

    /// Notes for the user about resized, blended, skipped and repeated images.
    fn notes(&mut self, frame: Frame, notes: &mut Vec<String>) {
        let same = (frame.width, frame.height);
        let count = |keep: &dyn Fn(usize, usize) -> bool| -> usize {
            self.sizes.iter().filter(|&(&(w, h), _)| keep(w, h)).map(|(_, &n)| n).sum()
        };
        let resized = count(&|w, h| (w, h) != same);
        if resized > 0 {
            let mut sizes: Vec<_> = self.sizes.iter().collect();
            sizes.sort_by_key(|&(_, &n)| std::cmp::Reverse(n));
            let shown: Vec<String> =
                sizes.iter().take(3).map(|((w, h), n)| format!("{} of {w}x{h}", grouped(**n))).collect();
            let more = sizes.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {} other sizes", grouped(more)) } else { String::new() };
            notes.push(format!(
                "{} of {} {} (found {}{more})",
                grouped(resized),
                counted(self.labels.len(), "image", "images"),
                frame.describe(),
                shown.join(", ")
            ));
        }
        let small = count(&|w, h| w < frame.width && h < frame.height);
        if small > 0 {
            notes.push(format!(
                "{} smaller than {}x{} and therefore blurred: use a smaller data.size",
                counted(small, "image is", "images are"),
                frame.width,
                frame.height
            ));
        }
        if self.transparent > 0 {
            notes.push(format!("{} had transparent parts, now white", counted(self.transparent, "image", "images")));
        }
        if self.skipped.len() > LISTED {
            notes.push(format!("{} files skipped; the first {LISTED}:", grouped(self.skipped.len())));
        }
        notes.extend(self.skipped.drain(..).take(LISTED));
        if let Some(first) = self.copies.first() {
            notes.push(format!(
                "{} of other images, such as {first}; `data prepare` removes them",
                counted(self.copies.len(), "copy", "copies")
            ));
        }
        if let Some(first) = self.contradictions.first() {
            notes.push(format!(
                "{} in two classes, such as {first}: remove one of each",
                counted(self.contradictions.len(), "image is", "images are")
            ));
        }
    }
}

/// Reads every image file of a folder or a zip file.
pub(crate) fn read(
    path: &Path,
    folder: &ImageFolder,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    if let Some(first) = folder.others.first() {
        notes.push(format!(
            "{} ignored, the first is {}: {}",
            counted(folder.others.len(), "other entry", "other entries"),
            first.path.display(),
            first.reason
        ));
    }
    let frame = folder.frame(options.size, options.fit);
    let (width, height) = (frame.width, frame.height);
    options.check_size(&place, volume(&place, &[folder.files.len(), width, height, 3])?)?;

    let mut images = FolderImages::default();
    let limits = DecodeLimits::new(MAX_PIXELS);
    let decode = |file| decode(file, frame, &limits);
    folder.in_order(max_file_bytes(MAX_PIXELS), decode, |i, decoded| {
        images.add(folder, i, decoded);
        Ok::<(), DataError>(())
    })?;
    if images.labels.is_empty() {
        let count = counted(images.skipped.len(), "file", "files");
        let found = format!("{count}, none of them readable; {}", images.skipped[0]);
        return Err(DataError::new(place, format!("readable {FORMATS} images"), found, "get the images again"));
    }
    images.notes(frame, notes);
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

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
