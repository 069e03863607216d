//! Opens a set of images: a folder or zip file of image files, or a file that holds all of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::decode::FORMATS;
use super::error::DataError;
use super::fit::Frame;
use super::folder::ImageFolder;
use super::reading::{ReadOptions, read, starts_with};
use super::source::{ImageSource, Listing};
use super::{BuiltinDataset, ImageDataset, PackedDataset, folder, idx, npz};
use crate::files;
use crate::text::counted;

/// The images that [`open`] read.
#[derive(Clone, Debug)]
pub struct OpenedImages {
    /// The images.
    pub images: ImageDataset,
    /// Messages for the user about what was resized, skipped or assumed.
    pub notes: Vec<String>,
}

/// What a path to training data holds.
pub(crate) enum Source {
    /// The image files of a folder or a zip file.
    Images(ImageFolder),
    /// A file that holds all images: NumPy or IDX.
    Array(PathBuf),
}

impl Source {
    /// Decides what `path` holds. Training, evaluation and `data prepare` all follow this decision.
    ///
    /// A folder with image files is read as such, whatever else is in it; one without may hold a NumPy or IDX file. The content of a file,
    /// not its name, decides how it is read.
    pub(crate) fn find(path: &Path, notes: &mut Vec<String>) -> Result<Self, DataError> {
        let metadata = fs::metadata(path).map_err(|e| {
            let mut error = DataError::io(path, &e);
            if path.to_str().and_then(BuiltinDataset::from_name).is_some() {
                error.remedy = format!("`{}` is the name of a built-in data set, not of a file", path.display());
            }
            error
        })?;
        if metadata.is_dir() {
            let (source, listing) = ImageSource::folder(path)?;
            if listing.images.is_empty() && !listing.arrays.is_empty() {
                return choose_array(path, &listing.arrays, notes).map(Self::Array);
            }
            require_images(path, &listing)?;
            return Ok(Self::Images(ImageFolder::new(source, listing, notes)));
        }
        if starts_with(path, b"PK")? && path.extension().is_none_or(|extension| extension != "npz") {
            let (source, listing) = ImageSource::archive(path)?;
            let is_numpy = listing.arrays.iter().any(|name| name.extension().is_some_and(|e| e == "npy"));
            if !(listing.images.is_empty() && is_numpy) {
                require_images(path, &listing)?;
                return Ok(Self::Images(ImageFolder::new(source, listing, notes)));
            }
        }
        Ok(Self::Array(path.to_owned()))
    }
}

/// The image files of a folder or a zip file.
pub(crate) fn image_folder(path: &Path, notes: &mut Vec<String>) -> Result<ImageFolder, DataError> {
    match Source::find(path, notes)? {
        Source::Images(folder) => Ok(folder),
        Source::Array(array) => {
            let (found, remedy) = (format!("the array {}", array.display()), "name a folder of photographs");
            Err(DataError::new(path.display().to_string(), format!("{FORMATS} images"), found, remedy))
        }
    }
}

fn require_images(path: &Path, listing: &Listing) -> Result<(), DataError> {
    if !listing.images.is_empty() {
        return Ok(());
    }
    let count = counted(listing.others.len(), "other entry", "other entries");
    let found = match listing.others.first() {
        None if path.is_dir() => "an empty folder".into(),
        None => "an empty archive".into(),
        Some(first) => format!("{count}, the first is {}: {}", first.path.display(), first.reason),
    };
    Err(DataError::new(
        path.display().to_string(),
        format!("{FORMATS} images, IDX files or a .npz file"),
        found,
        "name another folder, or convert the images to PNG",
    ))
}

/// Opens a NumPy file (.npz or .npy), an IDX file (plain or .gz), or a folder or zip file that holds image files or one of these files.
///
/// The content of a file, not its name, decides how it is read. Subfolders are classes; of the parts `train`, `val` and `test`, the training
/// part is read.
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
    let images = match Source::find(path, &mut notes)? {
        Source::Images(folder) => folder::read(path, &folder, options, &mut notes)?,
        Source::Array(array) => open_file(&array, options, &mut notes)?,
    };
    let images = match options.size {
        Some((width, height)) if (width, height) != (images.width(), images.height()) => {
            let frame = Frame { width, height, fit: options.fit };
            let (count, found) =
                (counted(images.count(), "image", "images"), format!("{}x{}", images.width(), images.height()));
            notes.push(format!("{count} of {found} {}", frame.describe()));
            images.fitted(frame)?
        }
        _ => images,
    };
    let images = images.with_flip(options.flip).with_range(options.range.0, options.range.1);
    Ok(OpenedImages { images, notes })
}

/// Chooses the NumPy or IDX file of a folder without image files: the only one, or the one with the training part.
fn choose_array(folder: &Path, arrays: &[PathBuf], notes: &mut Vec<String>) -> Result<PathBuf, DataError> {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_idx = |path: &&PathBuf| ["idx3", "idx4"].iter().any(|part| name(path).contains(part));
    let mut candidates: Vec<&PathBuf> = arrays.iter().filter(is_idx).collect();
    if candidates.is_empty() {
        candidates = arrays.iter().collect();
    }
    let named = |of: &[&PathBuf]| of.iter().take(6).map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    let chosen = match candidates[..] {
        [only] => only,
        _ => candidates.iter().find(|path| name(path).contains("train")).ok_or_else(|| {
            let found = format!("several: {}", named(&candidates));
            DataError::new(folder.display().to_string(), "one data set in the folder", found, "name one of these files")
        })?,
    };
    let others: Vec<&PathBuf> = candidates.iter().filter(|other| **other != chosen).copied().collect();
    if !others.is_empty() {
        notes.push(format!("{} read, {} left out; name a file to choose it", chosen.display(), named(&others)));
    }
    Ok(folder.join(chosen))
}

fn open_file(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let bytes = read(path, options)?;
    match bytes[..] {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => npz::parse(path, std::io::Cursor::new(bytes), options, notes),
        [0x93, b'N', b'U', b'M', ..] => npz::parse_npy(path, &bytes[..], options, notes),
        [0x1f, 0x8b, ..] | [0, 0, ..] => idx::files(path, options, notes),
        _ => {
            let (found, remedy) = describe_start(path, &bytes);
            let expected = "a .npz, .npy or IDX file (plain or .gz), a zip file of images, or a packed file";
            Err(DataError::new(path.display().to_string(), expected, found, remedy))
        }
    }
}

/// What a file that cannot be read is, and what to do with it.
fn describe_start(path: &Path, bytes: &[u8]) -> (String, String) {
    if PackedDataset::has_magic(bytes) {
        let remedy = format!("train on it: cargo xtask train portraits-64 --data {}", files::quoted(path));
        return ("a packed file, which is prepared already".into(), remedy);
    }
    const TO_ARRAY: &str = "convert it in Python: numpy.savez_compressed('images.npz', images=images, labels=labels)";
    const UNPACK: &str = "unpack it and name the folder, or make a zip file of the images";
    let is_tar = bytes.get(257..262) == Some(b"ustar");
    let (found, remedy) = match bytes {
        [] => ("an empty file".into(), "name another file, or a folder of images"),
        _ if is_tar => ("a tar archive".into(), UNPACK),
        [0x37, 0x7a, 0xbc, 0xaf, ..] => ("a 7z archive".into(), UNPACK),
        [b'R', b'a', b'r', b'!', ..] => ("a RAR archive".into(), UNPACK),
        [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file".into(), TO_ARRAY),
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet file".into(), TO_ARRAY),
        [0x80, 2..=5, ..] => ("a Python pickle".into(), TO_ARRAY),
        _ if image::guess_format(bytes).is_ok() => ("a single image".into(), "name its folder"),
        _ => (
            format!("a file that starts with the bytes {:02x?}", &bytes[..bytes.len().min(4)]),
            "name a folder or zip file of images, or a .npz or IDX file",
        ),
    };
    (found, remedy.to_owned())
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
            (b"\x89PNG\r\n\x1a\n", "a single image"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
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
