//! Folders of PNG and JPEG pictures of any size; subfolders are classes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb, RgbImage};
use rayon::prelude::*;

use super::error::DataError;
use super::images::volume;
use super::open::{ReadOptions, stem};
use super::{ImageDataset, content, fit};
use crate::text::grouped;

/// Skipped files are listed one by one up to this many.
const LISTED: usize = 5;
/// Files that are worked on at once.
const PART: usize = 64;
/// Pictures with more pixels are not decoded, unless asked for: they would take all memory.
pub(crate) const MOST_PIXELS: u64 = 100_000_000;

/// A decoded picture: RGB bytes of the common size, and what happened on the way.
pub(crate) struct DecodedImage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) original: (usize, usize),
    pub(crate) transparent: bool,
}

/// The picture files with their classes, and the names of the classes.
pub(crate) struct ImageFolder {
    pub(crate) files: Vec<PathBuf>,
    /// The class of each file.
    pub(crate) labels: Vec<u8>,
    pub(crate) classes: Vec<String>,
    /// What is no picture by its name, or lies too deep.
    pub(crate) others: Vec<PathBuf>,
}

/// Reads every picture of a folder, or of its subfolders as classes.
pub(crate) fn pictures(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let found = find(path, notes)?;
    found.tell_others(notes);
    found.some(path)?;
    let (width, height) = size(&found.files, options.size);
    options.check_size(&place, volume(&place, &[found.files.len(), width, height, 3])?)?;

    let (mut pixels, mut labels, mut skipped, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    let (mut transparent, mut seen, mut copies) = (0, HashMap::new(), Vec::new());
    let read = |path: &Path| decode(path, width, height, MOST_PIXELS);
    in_order(&found.files, read, |i, decoded| {
        let file = found.files[i].display();
        match decoded {
            Ok(decoded) => {
                let first = *seen.entry(content::content(&decoded.bytes, 3)).or_insert(i);
                if first != i {
                    copies.push(format!("{file} is the same picture as {}", found.files[first].display()));
                }
                pixels.extend(decoded.bytes);
                labels.push(found.labels[i]);
                *sizes.entry(decoded.original).or_insert(0) += 1;
                transparent += usize::from(decoded.transparent);
            }
            Err(reason) => skipped.push(format!("skipped {file}: {reason}")),
        }
        Ok::<(), DataError>(())
    })?;
    if labels.is_empty() {
        let found = format!("{} files, none of them readable; {}", grouped(skipped.len()), skipped[0]);
        return Err(DataError::new(place, "readable PNG or JPEG pictures", found, "get the pictures again"));
    }
    tell(&sizes, (width, height), transparent, skipped, notes);
    if let Some(first) = copies.first() {
        notes.push(format!(
            "{} copies of other pictures, such as {first}: `data prepare` leaves them out",
            grouped(copies.len())
        ));
    }
    let channels = if pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]) {
        pixels = pixels.chunks_exact(3).map(|p| p[0]).collect();
        notes.push("all pictures are gray: one channel".into());
        1
    } else {
        3
    };
    let labels = (!found.classes.is_empty()).then_some(labels);
    let name = path.canonicalize().map_or_else(|_| stem(path), |p| stem(&p));
    Ok(ImageDataset::new(name, (width, height, channels), pixels, labels)?.with_label_names(&found.classes))
}

impl ImageFolder {
    /// Tells of what is left out.
    fn tell_others(&self, notes: &mut Vec<String>) {
        if let Some(first) = self.others.first() {
            let count = grouped(self.others.len());
            notes.push(format!("{count} other entries left out, the first is {}", first.display()));
        }
    }

    /// Refuses a folder without pictures.
    pub(crate) fn some(&self, path: &Path) -> Result<(), DataError> {
        if !self.files.is_empty() {
            return Ok(());
        }
        let found = match self.others.first() {
            None => "an empty folder".into(),
            Some(first) => format!("{} other entries, the first is {}", grouped(self.others.len()), first.display()),
        };
        Err(DataError::new(
            path.display().to_string(),
            "PNG or JPEG pictures, IDX files or a .npz file",
            found,
            "name another folder, or convert the pictures to PNG",
        ))
    }
}

/// The wanted size, or the usual one near that of most pictures.
pub(crate) fn size(files: &[PathBuf], wanted: Option<(usize, usize)>) -> (usize, usize) {
    wanted.unwrap_or_else(|| common_size(files).map_or((64, 64), |(w, h)| fit::usual_size(w, h)))
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

/// Finds the picture files, in the folder itself or in its subfolders.
pub(crate) fn find(path: &Path, notes: &mut Vec<String>) -> Result<ImageFolder, DataError> {
    let is_picture = |p: &PathBuf| {
        let kind = p.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        p.is_file() && matches!(&kind[..], "png" | "jpg" | "jpeg")
    };
    let all = entries(path)?;
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(|p| p.is_dir());
    let (own, mut others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(is_picture);
    let (mut found, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    if own.is_empty() {
        for folder in &folders {
            let (inside, rest): (Vec<PathBuf>, Vec<PathBuf>) = entries(folder)?.into_iter().partition(is_picture);
            others.extend(rest);
            if inside.is_empty() {
                continue;
            }
            let class = u8::try_from(classes.len()).unwrap_or(u8::MAX);
            labels.extend(std::iter::repeat_n(class, inside.len()));
            found.extend(inside);
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    } else {
        labels.resize(own.len(), 0);
        found.extend(own);
        others.extend(folders);
    }
    if classes.len() > 256 {
        notes.push(format!("{} subfolders are more than 256 classes: labels left out", grouped(classes.len())));
        classes.clear();
    } else if !classes.is_empty() {
        notes.push(format!("{} subfolders became {} classes", classes.len(), classes.len()));
    }
    Ok(ImageFolder { files: found, labels, classes, others })
}

/// The size that most pictures have; the larger one of two equally common ones.
fn common_size(files: &[PathBuf]) -> Option<(usize, usize)> {
    let mut sizes = BTreeMap::<(usize, usize), usize>::new();
    for path in files {
        if let Ok(mut decoder) = reader(path).and_then(|r| r.into_decoder().map_err(|e| e.to_string())) {
            let (w, h) = decoder.dimensions();
            let sideways = matches!(
                decoder.orientation(),
                Ok(Orientation::Rotate90
                    | Orientation::Rotate270
                    | Orientation::Rotate90FlipH
                    | Orientation::Rotate270FlipH)
            );
            let size = if sideways { (h as usize, w as usize) } else { (w as usize, h as usize) };
            *sizes.entry(size).or_default() += 1;
        }
    }
    sizes.into_iter().max_by_key(|&(size, count)| (count, size)).map(|(size, _)| size)
}

fn reader(path: &Path) -> Result<ImageReader<std::io::BufReader<fs::File>>, String> {
    ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|e| e.to_string())
}

/// Does `work` on every path, on all cores, and hands on what comes of it in order, a part at a time so that little is held.
///
/// What breaks down on a path is that path's error.
pub(crate) fn in_order<T: Send, E>(
    paths: &[PathBuf],
    work: impl Fn(&Path) -> Result<T, String> + Sync,
    mut each: impl FnMut(usize, Result<T, String>) -> Result<(), E>,
) -> Result<(), E> {
    let guarded = |path: &PathBuf| {
        let work = std::panic::AssertUnwindSafe(|| work(path));
        std::panic::catch_unwind(work).unwrap_or_else(|_| Err("reading it broke down".to_string()))
    };
    for (number, part) in paths.chunks(PART).enumerate() {
        let done: Vec<_> = part.par_iter().map(guarded).collect();
        for (i, result) in done.into_iter().enumerate() {
            each(number * PART + i, result)?;
        }
    }
    Ok(())
}

/// A picture as it was taken: limits are checked before anything is decoded, then it is turned upright.
pub(crate) fn upright(path: &Path, most_pixels: u64) -> Result<DynamicImage, String> {
    let bytes = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if bytes > most_pixels.saturating_mul(8) {
        return Err(format!(
            "a file of {} MB, more than a picture of the largest size would take",
            grouped((bytes >> 20) as usize)
        ));
    }
    let mut reader = reader(path)?;
    if reader.format() == Some(image::ImageFormat::Jpeg) && is_cut_off(&fs::read(path).map_err(|e| e.to_string())?) {
        return Err("it is cut off: its data has no end".into());
    }
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (w, h) = decoder.dimensions();
    let pixels = u64::from(w) * u64::from(h);
    if pixels == 0 {
        return Err("it has no pixels".into());
    }
    if pixels > most_pixels {
        let (found, most) = (pixels.div_ceil(1_000_000), most_pixels / 1_000_000);
        return Err(format!(
            "{w}x{h} are {} megapixels, more than {} that are decoded",
            grouped(found as usize),
            grouped(most as usize)
        ));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether the data of a JPEG file goes on to its end: the decoder takes what there is, and leaves the rest gray.
fn is_cut_off(jpeg: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        if marker == 0xda {
            // Within the data, 0xff stands only before zero or a marker.
            return !jpeg[at..].windows(2).any(|w| w == [0xff, 0xd9]);
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    // Something else is wrong, which the decoder tells.
    false
}

/// Reads one picture as RGB bytes of the wanted size.
pub(crate) fn decode(path: &Path, width: usize, height: usize, most_pixels: u64) -> Result<DecodedImage, String> {
    let picture = upright(path, most_pixels)?;
    let original = (picture.width() as usize, picture.height() as usize);
    let (rgb, transparent) = on_white(picture);
    let bytes = fit::fit(rgb.as_raw(), (original.0, original.1, 3), width, height);
    Ok(DecodedImage { bytes, original, transparent })
}

/// Lays transparent parts on white; tells whether there were any.
pub(crate) fn on_white(picture: DynamicImage) -> (RgbImage, bool) {
    if !picture.color().has_alpha() {
        return (picture.into_rgb8(), false);
    }
    let rgba = picture.into_rgba8();
    let mut transparent = false;
    let rgb = RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        transparent |= alpha < 255;
        let blend = |v: u8| ((u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
        Rgb([blend(r), blend(g), blend(b)])
    });
    (rgb, transparent)
}

/// Puts what happened into words.
fn tell(
    sizes: &BTreeMap<(usize, usize), usize>,
    (width, height): (usize, usize),
    transparent: usize,
    skipped: Vec<String>,
    notes: &mut Vec<String>,
) {
    let changed: usize = sizes.iter().filter(|&(&size, _)| size != (width, height)).map(|(_, &n)| n).sum();
    let total: usize = sizes.values().sum();
    if changed > 0 {
        let mut kinds: Vec<_> = sizes.iter().collect();
        kinds.sort_by_key(|&(_, &n)| std::cmp::Reverse(n));
        let shown: Vec<String> =
            kinds.iter().take(3).map(|((w, h), n)| format!("{} of {w}x{h}", grouped(**n))).collect();
        let more =
            if kinds.len() > 3 { format!(" and {} other sizes", grouped(kinds.len() - 3)) } else { String::new() };
        notes.push(format!(
            "{} of {} pictures cropped to the center where needed and resized to {width}x{height} (found {}{more})",
            grouped(changed),
            grouped(total),
            shown.join(", ")
        ));
    }
    if transparent > 0 {
        notes.push(format!("{} pictures with transparent parts laid on white", grouped(transparent)));
    }
    if skipped.len() > LISTED {
        notes.push(format!("{} files skipped; the first {LISTED}:", grouped(skipped.len())));
    }
    notes.extend(skipped.into_iter().take(LISTED));
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
