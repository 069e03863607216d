//! A packed file: images in one file that training streams from disk, for sets that are larger than memory.
//!
//! Layout: the magic `GANLETP2`; width, height, channels and number of classes as little-endian u32; number of images and offset of the
//! index as u64; a CRC-32 of these 40 bytes and of the index; four zero bytes. The pixels follow, image after image, and then the index: a
//! u64 content hash per image, a label byte per image if there are classes, and the names of the classes, each preceded by its length as u16.
//!
//! The CRC-32 is compared when the file is opened, and the hash of an image whenever the image is read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::content::content_hash;
use super::error::DataError;
use super::fit::luma;
use super::reading::{open_regular, starts_with, stem};
use super::split::split_by_hash;
use super::{Dataset, ImageDataset};
use crate::philox::Key;
use crate::text::grouped;

pub(super) const MAGIC: &[u8; 8] = b"GANLETP2";
/// The magic of an earlier version.
const EARLIER: &[u8; 8] = b"GANLETPK";
/// Bytes of the header.
pub(super) const HEADER: usize = 48;
/// Maximum number of held-out images, and of training images, that are read into memory for evaluation.
const MAX_HELD_OUT: usize = 2000;
const MAX_COMPARED: usize = 8000;
const AGAIN: &str = "prepare the images again: cargo xtask data prepare";

/// CRC-32 of the first 40 bytes of the header and of the index.
pub(super) fn checksum(header: &[u8], index: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(header);
    crc.update(index);
    crc.sum()
}

/// A data set in a packed file, from which it reads each image when it is drawn.
#[derive(Debug)]
pub struct PackedDataset {
    path: PathBuf,
    name: String,
    file: Mutex<File>,
    shape: [usize; 3],
    /// The content hash of every image in the file.
    hashes: Vec<u64>,
    /// Indices in the file of the training images.
    trained: Vec<usize>,
    /// Indices in the file of the held-out images.
    held_out: Vec<usize>,
    /// The class of every image in the file.
    labels: Option<Vec<u8>>,
    /// The class of every training image.
    trained_labels: Option<Vec<u8>>,
    label_names: Vec<String>,
    /// CRC-32 of the header and the index.
    checksum: u32,
    range: (f32, f32),
    flip: bool,
    /// Channels of the images in the file; `shape` has 1 instead of 3 if they are converted to gray.
    stored_channels: usize,
    /// The first failure to read an image.
    failure: OnceLock<DataError>,
}

impl PackedDataset {
    /// Whether `path` starts with the magic of a packed file, of this or an earlier version.
    pub fn recognize(path: &Path) -> bool {
        [MAGIC, EARLIER].into_iter().any(|magic| starts_with(path, magic).unwrap_or(false))
    }

    /// Whether the bytes of a file start with the magic of a packed file.
    pub(super) fn has_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC) || bytes.starts_with(EARLIER)
    }

    /// Opens a packed file and reads its index; the pixels stay on disk. The fraction `held_out` of the images, approximately, is held out.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has the layout of an earlier version.
    pub fn open(path: &Path, range: (f32, f32), flip: bool, held_out: f32) -> Result<Self, DataError> {
        let unreadable = |e: io::Error| DataError::io(path, &e);
        let invalid = |found: String| {
            DataError::new(path.display().to_string(), "a packed file of complete images", found, AGAIN)
        };
        let mut file = open_regular(path)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut bytes = [0; HEADER];
        file.read_exact(&mut bytes).map_err(|e| invalid(format!("an incomplete header: {e}")))?;
        let header = Header::parse(&bytes, size).map_err(invalid)?;
        let mut index = Vec::new();
        file.seek(SeekFrom::Start(header.index_at)).and_then(|_| file.read_to_end(&mut index)).map_err(unreadable)?;
        if header.checksum != checksum(&bytes[..40], &index) {
            return Err(invalid("a damaged index".into()));
        }
        let Some(index) = Index::parse(&index, header.count, header.classes) else {
            let count = grouped(header.count);
            return Err(invalid(format!("an incomplete index of {count} images and {} classes", header.classes)));
        };
        let (trained, mut held_out) = split_by_hash(&index.hashes, held_out);
        // The images with the smallest hashes, so the choice does not depend on the number of other images.
        held_out.sort_by_key(|&i| (index.hashes[i], i));
        held_out.truncate(MAX_HELD_OUT);
        held_out.sort_unstable();
        Ok(Self {
            path: path.to_owned(),
            name: stem(path),
            file: Mutex::new(file),
            shape: header.shape,
            trained_labels: index.labels.as_ref().map(|labels| trained.iter().map(|&i| labels[i]).collect()),
            trained,
            held_out,
            hashes: index.hashes,
            labels: index.labels,
            label_names: index.class_names,
            checksum: header.checksum,
            range,
            flip,
            stored_channels: header.shape[2],
            failure: OnceLock::new(),
        })
    }

    /// Replaces the labels by the numbers of groups, one for each training image.
    pub(crate) fn with_groups(mut self, groups: Vec<u8>) -> Self {
        let mut labels = vec![0; self.hashes.len()];
        self.trained.iter().zip(&groups).for_each(|(index, group)| labels[*index] = *group);
        (self.labels, self.label_names) = (Some(labels), super::clusters::numbers(&groups));
        self.trained_labels = Some(groups);
        self
    }

    /// Converts the images to gray when they are read.
    pub(crate) fn gray(mut self) -> Self {
        self.shape[2] = 1;
        self
    }

    /// Number of held-out images.
    pub(crate) fn held_out_count(&self) -> usize {
        self.held_out.len()
    }

    /// Bytes of an image in the file.
    fn stored_size(&self) -> usize {
        self.shape[0] * self.shape[1] * self.stored_channels
    }

    /// Bytes of the training images.
    pub fn bytes(&self) -> u64 {
        self.trained.len() as u64 * self.stored_size() as u64
    }

    /// Reads images for evaluation: up to 8,000 training images and up to 2,000 held-out images.
    ///
    /// # Errors
    /// When the images do not form a valid set.
    pub fn to_measure(&self) -> Result<(ImageDataset, ImageDataset), DataError> {
        let (all, some) = (self.trained.len(), self.trained.len().min(MAX_COMPARED));
        let compared: Vec<_> = (0..some).map(|i| self.trained[i * all / some]).collect();
        Ok((self.read(&compared)?, self.read(&self.held_out)?))
    }

    fn read(&self, indices: &[usize]) -> Result<ImageDataset, DataError> {
        let size: usize = self.shape.iter().product();
        let (mut pixels, mut stored) = (vec![0; indices.len() * size], Vec::new());
        for (&i, to) in indices.iter().zip(pixels.chunks_exact_mut(size)) {
            to.copy_from_slice(self.read_pixels(i, &mut stored)?);
        }
        let labels = self.labels.as_ref().map(|l| indices.iter().map(|&i| l[i]).collect());
        let [h, w, c] = self.shape;
        let images = ImageDataset::new(&self.name, (w, h, c), pixels, labels)?;
        Ok(images.with_label_names(&self.label_names).with_range(self.range.0, self.range.1))
    }

    /// Reads image `index` of the file into `stored`, compares its hash, and returns its pixels.
    fn read_pixels<'s>(&self, index: usize, stored: &'s mut Vec<u8>) -> Result<&'s mut [u8], DataError> {
        stored.resize(self.stored_size(), 0);
        let at = HEADER as u64 + index as u64 * stored.len() as u64;
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(stored));
        drop(file);
        let problem = match read {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Some(("a file that has become shorter".into(), AGAIN))
            }
            Err(e) => Some((e.to_string(), "check that the disk is readable")),
            Ok(()) if content_hash(stored, self.stored_channels) != self.hashes[index] => {
                Some(("other pixels than those that were written: the file is damaged".into(), AGAIN))
            }
            Ok(()) => None,
        };
        if let Some((found, remedy)) = problem {
            let place = self.path.display().to_string();
            return Err(DataError::new(place, format!("the pixels of image {}", grouped(index)), found, remedy));
        }
        if self.shape[2] == self.stored_channels {
            return Ok(stored);
        }
        let pixels = self.shape[0] * self.shape[1];
        for i in 0..pixels {
            stored[i] = luma([stored[3 * i], stored[3 * i + 1], stored[3 * i + 2]]);
        }
        Ok(&mut stored[..pixels])
    }

    /// The index of the image that `key` draws for `position` in the batch, and whether the image is mirrored.
    fn draw(&self, key: Key, position: usize) -> (usize, bool) {
        let words = key.words(position as u32);
        let index = (u64::from(words[0]) * self.trained.len() as u64) >> 32;
        (self.trained[index as usize], self.flip && words[1] & 1 == 1)
    }

    /// Reads image `index` into `stored` and copies it to `out`, scaled to the range. A failure is kept, and makes the image black.
    fn copy_scaled(&self, index: usize, flip: bool, stored: &mut Vec<u8>, out: &mut [f32]) {
        let (low, high) = self.range;
        let step = (high - low) / 255.0;
        let bytes = match self.read_pixels(index, stored) {
            Ok(bytes) => bytes,
            Err(e) => {
                let _ = self.failure.set(e);
                return out.fill(low);
            }
        };
        let (channels, row) = (self.shape[2], self.shape[1] * self.shape[2]);
        for (out, bytes) in out.chunks_exact_mut(row).zip(bytes.chunks_exact_mut(row)) {
            if flip {
                bytes.reverse();
                bytes.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
            }
            out.iter_mut().zip(&*bytes).for_each(|(v, &b)| *v = low + f32::from(b) * step);
        }
    }
}

/// The header of a packed file.
struct Header {
    /// Height, width and channels.
    shape: [usize; 3],
    classes: usize,
    count: usize,
    /// Offset of the index.
    index_at: u64,
    checksum: u32,
}

impl Header {
    /// Checks the header of a file of `file_size` bytes. The error says what was found.
    fn parse(bytes: &[u8; HEADER], file_size: u64) -> Result<Self, String> {
        if bytes[..8] == *EARLIER {
            return Err("one that an earlier version wrote".into());
        }
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let (shape, classes) = ([word(12), word(8), word(16)], word(20));
        let (count, index_at) = (long(24), long(32));
        let size = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d))).filter(|n| *n > 0);
        let valid = bytes[..8] == *MAGIC && matches!(shape[2], 1 | 3) && classes <= 256;
        let Some(size) = size.filter(|_| valid) else {
            return Err(format!("a header of {}x{}x{}, {classes} classes", shape[1], shape[0], shape[2]));
        };
        let pixels_end = count.checked_mul(size).and_then(|n| n.checked_add(HEADER as u64));
        if pixels_end.is_none_or(|n| n != index_at || n > file_size) || !(2..=u64::from(u32::MAX)).contains(&count) {
            return Err(format!("{count} images in {} bytes", grouped(file_size as usize)));
        }
        let shape = shape.map(|d| d as usize);
        Ok(Self { shape, classes: classes as usize, count: count as usize, index_at, checksum: word(40) })
    }
}

/// The index of a packed file.
struct Index {
    /// Content hash of each image.
    hashes: Vec<u64>,
    /// Class of each image, if there are classes.
    labels: Option<Vec<u8>>,
    class_names: Vec<String>,
}

impl Index {
    /// Splits an index into its parts; `None` if their lengths do not match the header.
    fn parse(bytes: &[u8], count: usize, classes: usize) -> Option<Self> {
        let (hashes, rest) = bytes.split_at_checked(8 * count)?;
        let hashes = hashes.as_chunks::<8>().0.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
        let (labels, mut rest) = rest.split_at_checked(if classes > 0 { count } else { 0 })?;
        if labels.iter().any(|l| usize::from(*l) >= classes) {
            return None;
        }
        let mut class_names = Vec::new();
        for _ in 0..classes {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (name, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            class_names.push(String::from_utf8_lossy(name).into_owned());
            rest = after;
        }
        rest.is_empty().then(|| Self { hashes, labels: (classes > 0).then(|| labels.to_vec()), class_names })
    }
}

impl Dataset for PackedDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn len(&self) -> Option<usize> {
        Some(self.trained.len())
    }

    fn labels(&self) -> Option<&[u8]> {
        self.trained_labels.as_deref()
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        let size = self.shape.iter().product();
        let mut stored = Vec::new();
        for (position, out) in out.chunks_exact_mut(size).enumerate() {
            let (index, flip) = self.draw(key, position);
            self.copy_scaled(index, flip, &mut stored, out);
        }
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        for (position, out) in out.iter_mut().enumerate() {
            *out = self.labels.as_ref().map_or(0, |l| l[self.draw(key, position).0]);
        }
    }

    /// Checksum of the file's index, which has a hash of every image, and of the choice of the training images.
    fn fingerprint(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(&self.checksum.to_le_bytes());
        self.trained.iter().for_each(|i| sum.update(&i.to_le_bytes()));
        sum.sum()
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.copy_scaled(self.trained[index], false, &mut Vec::new(), out);
    }

    fn failure(&self) -> Option<DataError> {
        self.failure.get().cloned()
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
