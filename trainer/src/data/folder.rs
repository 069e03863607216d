//! Folders of PNG and JPEG pictures of any size; subfolders are classes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb, RgbImage};

use super::error::{DataError, grouped};
use super::open::{Options, stem};
use super::pictures::volume;
use super::{Pictures, prepare};

/// Skipped files are listed one by one up to this many.
const LISTED: usize = 5;

/// A decoded picture: RGB bytes of the common size, and what happened on the way.
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) original: (usize, usize),
    pub(crate) transparent: bool,
}

/// The picture files with their classes, and the names of the classes.
pub(crate) struct Found {
    pub(crate) files: Vec<(PathBuf, u8)>,
    pub(crate) classes: Vec<String>,
}

/// Reads every picture of a folder, or of its subfolders as classes.
pub(crate) fn pictures(path: &Path, options: &Options, notes: &mut Vec<String>) -> Result<Pictures, DataError> {
    let place = path.display().to_string();
    let found = find(path, notes)?;
    let (width, height) = size(&found, options);
    let Found { files, classes } = found;
    if files.is_empty() {
        return Err(DataError::new(
            place,
            "PNG or JPEG pictures, IDX files or a .npz file",
            notes.pop().unwrap_or_else(|| "an empty folder".into()),
            "name another folder, or convert the pictures to PNG",
        ));
    }
    options.check_size(&place, volume(&place, &[files.len(), width, height, 3])?)?;

    let (mut pixels, mut labels, mut skipped, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    let mut transparent = 0;
    for (file, decoded) in files.iter().zip(decode_all(&files, width, height)) {
        match decoded {
            Ok(decoded) => {
                pixels.extend(decoded.bytes);
                labels.push(file.1);
                *sizes.entry(decoded.original).or_insert(0) += 1;
                transparent += usize::from(decoded.transparent);
            }
            Err(reason) => skipped.push(format!("skipped {}: {reason}", file.0.display())),
        }
    }
    if labels.is_empty() {
        let found = format!("{} files, none of them readable; {}", grouped(files.len()), skipped[0]);
        return Err(DataError::new(place, "readable PNG or JPEG pictures", found, "get the pictures again"));
    }
    tell(&sizes, (width, height), transparent, skipped, notes);
    let channels = if pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]) {
        pixels = pixels.chunks_exact(3).map(|p| p[0]).collect();
        notes.push("all pictures are grey: one channel".into());
        1
    } else {
        3
    };
    let labels = (!classes.is_empty()).then_some(labels);
    let name = path.canonicalize().map_or_else(|_| stem(path), |p| stem(&p));
    Ok(Pictures::new(name, (width, height, channels), pixels, labels)?.with_label_names(&classes))
}

/// The wanted size, or the usual one near that of most pictures.
pub(crate) fn size(found: &Found, options: &Options) -> (usize, usize) {
    let common = || common_size(&found.files).map_or((64, 64), |(w, h)| prepare::usual_size(w, h));
    options.size.unwrap_or_else(common)
}

/// Decodes `files` and hands on the RGB bytes and class of each; those that cannot be read become notes.
pub(crate) fn decode_part(
    files: &[(PathBuf, u8)],
    (width, height): (usize, usize),
    notes: &mut Vec<String>,
    each: &mut dyn FnMut(&[u8], u8) -> std::io::Result<()>,
) -> std::io::Result<()> {
    for ((path, label), decoded) in files.iter().zip(decode_all(files, width, height)) {
        match decoded {
            Ok(decoded) => each(&decoded.bytes, *label)?,
            Err(reason) => notes.push(format!("skipped {}: {reason}", path.display())),
        }
    }
    Ok(())
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
pub(crate) fn find(path: &Path, notes: &mut Vec<String>) -> Result<Found, DataError> {
    let is_picture = |p: &PathBuf| {
        let kind = p.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        p.is_file() && matches!(&kind[..], "png" | "jpg" | "jpeg")
    };
    let all = entries(path)?;
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(|p| p.is_dir());
    let (own, mut others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(is_picture);
    let (mut found, mut classes) = (Vec::new(), Vec::new());
    if own.is_empty() {
        for folder in &folders {
            let (inside, rest): (Vec<PathBuf>, Vec<PathBuf>) = entries(folder)?.into_iter().partition(is_picture);
            others.extend(rest);
            if inside.is_empty() {
                continue;
            }
            let class = u8::try_from(classes.len()).unwrap_or(u8::MAX);
            found.extend(inside.into_iter().map(|p| (p, class)));
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    } else {
        found.extend(own.into_iter().map(|p| (p, 0)));
        others.extend(folders);
    }
    if classes.len() > 256 {
        notes.push(format!("{} subfolders are more than 256 classes: labels left out", grouped(classes.len())));
        classes.clear();
    } else if !classes.is_empty() {
        notes.push(format!("{} subfolders became {} classes", classes.len(), classes.len()));
    }
    if let Some(first) = others.first() {
        let text = format!("{} other entries left out, the first is {}", grouped(others.len()), first.display());
        notes.push(text);
    }
    Ok(Found { files: found, classes })
}

/// The size that most pictures have; the larger one of two equally common ones.
fn common_size(files: &[(PathBuf, u8)]) -> Option<(usize, usize)> {
    let mut sizes = BTreeMap::<(usize, usize), usize>::new();
    for (path, _) in files {
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

/// Decodes on all cores; the results come in the order of the files.
fn decode_all(files: &[(PathBuf, u8)], width: usize, height: usize) -> Vec<Result<Decoded, String>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let decode_part =
        |part: &[(PathBuf, u8)]| -> Vec<_> { part.iter().map(|(path, _)| decode(path, width, height)).collect() };
    std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let running: Vec<_> = parts.map(|part| (part, scope.spawn(move || decode_part(part)))).collect();
        let lost = |part: &[_]| part.iter().map(|_| Err("the decoder broke down".to_string())).collect();
        running.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| lost(part))).collect()
    })
}

/// Reads one picture as RGB bytes of the wanted size.
pub(crate) fn decode(path: &Path, width: usize, height: usize) -> Result<Decoded, String> {
    let mut decoder = reader(path)?.into_decoder().map_err(|e| e.to_string())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    let original = (picture.width() as usize, picture.height() as usize);
    if original.0 == 0 || original.1 == 0 {
        return Err("it has no pixels".into());
    }
    let (rgb, transparent) = on_white(picture);
    let bytes = prepare::fit(rgb.as_raw(), (original.0, original.1, 3), width, height);
    Ok(Decoded { bytes, original, transparent })
}

/// Lays transparent parts on white; tells whether there were any.
fn on_white(picture: DynamicImage) -> (RgbImage, bool) {
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
            "{} of {} pictures cropped to the centre where needed and resized to {width}x{height} (found {}{more})",
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
