//! Opens a set of images: an archive, an IDX file, or a folder of these or of image files.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::{BuiltinDataset, ImageDataset, folder, idx, npz};
use crate::text::grouped;

/// Options for reading images.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Width and height to resize to. `None` keeps the size; image files in a folder get a size near the most common one, at most 64 x 64.
    pub size: Option<(usize, usize)>,
    /// Mirror each drawn image with a probability of 0.5.
    pub flip: bool,
    /// Values that the bytes 0 and 255 are scaled to.
    pub range: (f32, f32),
    /// Limit on the memory of the images, in bytes.
    pub max_bytes: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { size: None, flip: false, range: (-1.0, 1.0), max_bytes: 4 << 30 }
    }
}

impl ReadOptions {
    pub(crate) fn check_size(&self, place: &str, bytes: usize) -> Result<(), DataError> {
        if bytes as u64 <= self.max_bytes {
            return Ok(());
        }
        Err(DataError::new(
            place,
            format!("at most {} MB of images", grouped((self.max_bytes >> 20) as usize)),
            format!("{} MB", grouped(bytes >> 20)),
            "use fewer or smaller images (--set data.size), or stream them from the disk: cargo xtask data prepare",
        ))
    }
}

/// The images that [`open`] read.
#[derive(Clone, Debug)]
pub struct OpenedImages {
    /// The images.
    pub images: ImageDataset,
    /// Messages for the user about what was resized, skipped or assumed.
    pub notes: Vec<String>,
}

/// Opens a .npz or .npy file, an IDX file (plain or .gz), or a folder that contains one of these files or PNG and JPEG files.
///
/// The content of a file, not its name, decides how it is read. In a folder without image files, every subfolder is a class.
///
/// # Errors
/// When `path` has no valid set of images. The message says what was found and how to fix it.
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<OpenedImages, DataError> {
    let path = path.as_ref();
    if let Some((width, height)) = options.size
        && (!(1..=4096).contains(&width) || !(1..=4096).contains(&height))
    {
        let found = format!("{width}x{height}");
        return Err(DataError::new("the requested size", "sides of 1 to 4096 pixels", found, "choose another size"));
    }
    let mut notes = Vec::new();
    let metadata = fs::metadata(path).map_err(|e| {
        let mut error = DataError::io(path, &e);
        if path.to_str().and_then(BuiltinDataset::from_name).is_some() {
            error.remedy = format!("`{}` is the name of a built-in data set, not of a file", path.display());
        }
        error
    })?;
    let images =
        if metadata.is_dir() { open_folder(path, options, &mut notes)? } else { open_file(path, options, &mut notes)? };
    let images = match options.size {
        Some((width, height)) if (width, height) != (images.width(), images.height()) => {
            notes.push(format!(
                "{} images of {}x{} cropped to the center where needed and resized to {width}x{height}",
                grouped(images.count()),
                images.width(),
                images.height()
            ));
            images.resized(width, height)?
        }
        _ => images,
    };
    let images = images.with_flip(options.flip).with_range(options.range.0, options.range.1);
    Ok(OpenedImages { images, notes })
}

fn open_folder(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let candidates = array_files(path)?;
    let candidates: Vec<&PathBuf> = candidates.iter().collect();
    let names = |of: &[&PathBuf]| -> String {
        let names = of.iter().take(6).map(|p| p.file_name().unwrap_or_default().to_string_lossy());
        names.collect::<Vec<_>>().join(", ")
    };
    let chosen = match candidates[..] {
        [] => return folder::read(path, options, notes),
        [only] => only,
        _ => candidates.iter().find(|p| names(&[p]).contains("train")).ok_or_else(|| {
            let found = format!("several: {}", names(&candidates));
            DataError::new(path.display().to_string(), "one data set in the folder", found, "name one of these files")
        })?,
    };
    let others: Vec<&PathBuf> = candidates.iter().filter(|other| **other != chosen).copied().collect();
    if !others.is_empty() {
        notes.push(format!("{} read, {} left out; name a file to choose it", names(&[chosen]), names(&others)));
    }
    open_file(chosen, options, notes)
}

/// The files of a folder that contain a whole data set, recognized by name: IDX files or, if there are none, NumPy files.
fn array_files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let files: Vec<PathBuf> = folder::entries(path)?.into_iter().filter(|p| p.is_file()).collect();
    let named = |parts: &[&str]| -> Vec<PathBuf> {
        let has = |p: &&PathBuf| {
            let name = p.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            parts.iter().any(|part| name.contains(part))
        };
        files.iter().filter(has).cloned().collect()
    };
    let (idx_files, archives) = (named(&["idx3", "idx4"]), named(&[".npz", ".npy"]));
    Ok(if idx_files.is_empty() { archives } else { idx_files })
}

/// Whether a folder contains an IDX or NumPy file.
pub(crate) fn has_array_files(path: &Path) -> Result<bool, DataError> {
    Ok(!array_files(path)?.is_empty())
}

fn open_file(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let bytes = read(path, options)?;
    match bytes[..] {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => npz::parse(path, std::io::Cursor::new(bytes), options),
        [0x93, b'N', b'U', b'M', ..] => npz::parse_npy(path, &bytes[..], options),
        [0x1f, 0x8b, ..] | [0, 0, ..] => idx::files(path, options, notes),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, ..] => {
            let expected = "a set of images";
            Err(DataError::new(path.display().to_string(), expected, "a single image", "name its folder"))
        }
        _ => Err(DataError::new(
            path.display().to_string(),
            "a .npz, .npy or IDX file (plain or .gz)",
            match &bytes[..bytes.len().min(4)] {
                [] => "an empty file".to_string(),
                start => format!("a file that starts with the bytes {start:02x?}"),
            },
            "name one of these, or a folder of PNG or JPEG images",
        )),
    }
}

/// Reads a file, unless it exceeds the size limit.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Vec<u8>, DataError> {
    let size = fs::metadata(path).map_err(|e| DataError::io(path, &e))?.len();
    options.check_size(&path.display().to_string(), usize::try_from(size).unwrap_or(usize::MAX))?;
    fs::read(path).map_err(|e| DataError::io(path, &e))
}

/// The file name up to its first dot: the name of the data set.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy());
    name.split('.').find(|part| !part.is_empty()).unwrap_or("data").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;

    fn message(path: &Path) -> String {
        open(path, &ReadOptions::default()).unwrap_err().to_string()
    }

    fn idx(dims: &[u32]) -> Vec<u8> {
        let n: u32 = dims.iter().product();
        [vec![0, 0, 8, dims.len() as u8], dims.iter().flat_map(|d| d.to_be_bytes()).collect(), vec![7; n as usize]]
            .concat()
    }

    #[test]
    fn a_folder_of_idx_files_opens_its_training_part_with_labels() {
        let dir = tempfile::tempdir().unwrap();
        for (name, dims) in [
            ("t10k-images-idx3-ubyte", &[2, 4, 4][..]),
            ("train-images-idx3-ubyte", &[3, 4, 4]),
            ("train-labels-idx1-ubyte", &[3]),
        ] {
            fs::write(dir.path().join(name), idx(dims)).unwrap();
        }
        let opened = open(dir.path(), &ReadOptions::default()).unwrap();
        assert_eq!((opened.images.count(), opened.images.label(2)), (3, Some(7)));
        assert!(opened.notes[0].contains("t10k") && opened.notes[0].contains("left out"), "{:?}", opened.notes);
        let opened = open(dir.path().join("t10k-images-idx3-ubyte"), &ReadOptions::default()).unwrap();
        assert!(opened.images.labels().is_none() && opened.notes[0].contains("no labels"), "{:?}", opened.notes);
    }

    #[test]
    fn a_requested_size_is_applied_and_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.idx");
        fs::write(&path, idx(&[3, 28, 20])).unwrap();
        let options = ReadOptions { size: Some((16, 12)), range: (0.0, 1.0), ..ReadOptions::default() };
        let opened = open(&path, &options).unwrap();
        assert_eq!(opened.images.shape(), [12, 16, 1]);
        assert!(opened.notes.iter().any(|n| n.contains("resized to 16x12")), "{:?}", opened.notes);
        let mut item = [0.0; 12 * 16];
        opened.images.item(0, &mut item);
        assert!((item[5] - 7.0 / 255.0).abs() < 1e-6);
        assert!(open(&path, &ReadOptions { size: Some((0, 4)), ..ReadOptions::default() }).is_err());
    }

    #[test]
    fn invalid_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npz");
        for (bytes, expected) in [
            (&b""[..], "empty file"),
            (b"hello", "starts with the bytes"),
            (b"\x89PNG\r\n", "a single image"),
            (b"PK\x03\x04", "valid .npz"),
            (b"\x93NUMPY", "NumPy header"),
        ] {
            fs::write(&path, bytes).unwrap();
            let text = message(&path);
            assert!(text.contains(expected) && text.contains("x.npz") && text.lines().count() == 4, "{text}");
        }
        assert!(message(&dir.path().join("nothing")).contains("check the spelling"));
        assert!(message(Path::new("ring")).contains("built-in"));
        let small = ReadOptions { max_bytes: 3, ..ReadOptions::default() };
        assert!(open(&path, &small).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn several_data_sets_in_a_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cats.npz", "dogs.npz"] {
            fs::write(dir.path().join(name), "PK").unwrap();
        }
        assert!(message(dir.path()).contains("several: cats.npz, dogs.npz"));
    }

    #[test]
    fn a_damaged_labels_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a-images-idx3"), idx(&[3, 4, 4])).unwrap();
        fs::write(dir.path().join("a-labels-idx1"), [0, 0, 8]).unwrap();
        assert!(message(dir.path()).contains("a-labels-idx1"));
    }
}
