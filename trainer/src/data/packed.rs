//! Pictures in one file that streams from the disk: decoded once, and for sets larger than memory.
//!
//! The file: `GANLETP2`; width, height, channels and count of classes as little-endian u32; the count of pictures and the place of the index
//! as u64; a CRC-32 of all this and of the index; four zero bytes. Then the pixels, picture after picture, and the index: a u64 for each
//! picture that tells its content, a label byte for each if there are classes, and the classes' names, a u16 length before each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::content;
use super::error::DataError;
use super::open::stem;
use super::{Dataset, ImageDataset};
use crate::philox::Key;
use crate::text::grouped;

const MAGIC: &[u8; 8] = b"GANLETP2";
/// Files of an earlier version begin so.
const EARLIER: &[u8; 8] = b"GANLETPK";
const HEADER: usize = 48;
/// Most pictures that are read into memory to measure by: of those held out, and of those trained on.
const HELD_OUT: usize = 2000;
const COMPARED: usize = 8000;
const AGAIN: &str = "prepare the pictures again: cargo xtask data prepare";

/// Writes a packed file; until it is finished there is only a file with `.part` at the end of its name.
pub(crate) struct PackedWriter {
    out: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
    size: (usize, usize),
    contents: Vec<u64>,
    first: HashMap<u64, usize>,
    labels: Vec<u8>,
    gray: bool,
}

impl PackedWriter {
    /// Begins a file of pictures of `size`, width and height.
    pub(crate) fn create(out: &Path, size: (usize, usize)) -> Result<Self, DataError> {
        let mut name = out.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&part);
        let mut file = BufWriter::new(file.map_err(|e| unwritable(out, &e))?);
        file.write_all(&[0; HEADER]).map_err(|e| unwritable(out, &e))?;
        Ok(Self {
            out: out.to_owned(),
            part,
            file: Some(file),
            size,
            contents: Vec::new(),
            first: HashMap::new(),
            labels: Vec::new(),
            gray: true,
        })
    }

    /// Takes in a picture, RGB bytes; where its like is there already, gives that one's number and leaves it out.
    pub(crate) fn add(&mut self, rgb: &[u8], label: u8) -> Result<Result<(), usize>, DataError> {
        debug_assert_eq!(rgb.len(), 3 * self.size.0 * self.size.1);
        let content = content::content(rgb, 3);
        match self.first.entry(content) {
            Entry::Occupied(first) => return Ok(Err(*first.get())),
            Entry::Vacant(place) => place.insert(self.contents.len()),
        };
        self.gray &= rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        self.contents.push(content);
        self.labels.push(label);
        if let Some(file) = &mut self.file {
            file.write_all(rgb).map_err(|e| unwritable(&self.out, &e))?;
        }
        Ok(Ok(()))
    }

    /// Pictures so far.
    pub(crate) fn count(&self) -> usize {
        self.contents.len()
    }

    /// Writes index and header, and gives the file its name; tells the channels: one if all pictures are gray.
    pub(crate) fn finish(mut self, classes: &[String]) -> Result<usize, DataError> {
        let out = self.out.clone();
        self.write_rest(classes).map_err(|e| unwritable(&out, &e))
    }

    fn write_rest(&mut self, classes: &[String]) -> io::Result<usize> {
        let Some(file) = self.file.take() else { return Ok(0) };
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (pixels, count) = (self.size.0 * self.size.1, self.contents.len());
        let channels = if self.gray && count > 0 {
            thin(&mut file, pixels, count)?;
            1
        } else {
            3
        };
        let at = (HEADER + count * pixels * channels) as u64;
        let mut index: Vec<u8> = self.contents.iter().flat_map(|c| c.to_le_bytes()).collect();
        if !classes.is_empty() {
            index.extend(&self.labels);
        }
        for name in classes {
            let name = &name.as_bytes()[..name.len().min(usize::from(u16::MAX))];
            index.extend((name.len() as u16).to_le_bytes());
            index.extend(name);
        }
        let mut header = MAGIC.to_vec();
        for n in [self.size.0, self.size.1, channels, classes.len()] {
            header.extend((n as u32).to_le_bytes());
        }
        header.extend((count as u64).to_le_bytes());
        header.extend(at.to_le_bytes());
        header.extend(check(&header, &index).to_le_bytes());
        header.extend([0; 4]);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&index)?;
        file.set_len(at + index.len() as u64)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&self.part, &self.out)?;
        Ok(channels)
    }
}

impl Drop for PackedWriter {
    /// A file that was not finished goes.
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn unwritable(out: &Path, error: &io::Error) -> DataError {
    let remedy = "name a file in a folder that can be written, on a disk with room";
    DataError::new(out.display().to_string(), "a file that can be written", error.to_string(), remedy)
}

/// Leaves one of three equal channels, in place: what is written lies before what is still to be read.
fn thin(file: &mut File, pixels: usize, count: usize) -> io::Result<()> {
    let (mut rgb, mut gray) = (vec![0; 3 * pixels], Vec::with_capacity(pixels));
    for i in 0..count {
        file.seek(SeekFrom::Start((HEADER + i * 3 * pixels) as u64))?;
        file.read_exact(&mut rgb)?;
        gray.clear();
        gray.extend(rgb.chunks_exact(3).map(|p| p[0]));
        file.seek(SeekFrom::Start((HEADER + i * pixels) as u64))?;
        file.write_all(&gray)?;
    }
    Ok(())
}

fn check(header: &[u8], index: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(header);
    crc.update(index);
    crc.sum()
}

/// A packed file: a data set that reads each picture when it is drawn.
#[derive(Debug)]
pub struct PackedDataset {
    path: PathBuf,
    name: String,
    file: Mutex<File>,
    shape: [usize; 3],
    /// Places in the file of those to train on, and of those held out.
    trained: Vec<usize>,
    held_out: Vec<usize>,
    /// Classes by place in the file, and of those that are trained on.
    labels: Option<Vec<u8>>,
    trained_labels: Option<Vec<u8>>,
    label_names: Vec<String>,
    range: (f32, f32),
    flip: bool,
}

impl PackedDataset {
    /// Whether `path` begins as a packed file does.
    pub fn recognize(path: &Path) -> bool {
        let mut start = [0; 8];
        let read = File::open(path).and_then(|mut f| f.read_exact(&mut start));
        read.is_ok() && [MAGIC, EARLIER].contains(&&start)
    }

    /// Opens a packed file, of which about `held_out` is kept for measuring; its index is read, its pixels stay where they are.
    pub fn open(path: &Path, range: (f32, f32), flip: bool, held_out: f32) -> Result<Self, DataError> {
        let unreadable = |e: io::Error| DataError::io(path, &e);
        let wrong = |found: String| {
            DataError::new(path.display().to_string(), "a packed file of complete pictures", found, AGAIN)
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(|e| wrong(format!("no whole header: {e}")))?;
        if &header[..8] == EARLIER {
            return Err(wrong("one that an earlier version wrote".into()));
        }
        let word = |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i])));
        let (shape, classes) = ([word(12), word(8), word(16)], word(20));
        let (count, at) = (word(24) | word(28) << 32, word(32) | word(36) << 32);
        let size = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|n| *n > 0);
        let Some(size) = size.filter(|_| &header[..8] == MAGIC && matches!(shape[2], 1 | 3) && classes <= 256) else {
            return Err(wrong(format!("a header of {}x{}x{}, {classes} classes", shape[1], shape[0], shape[2])));
        };
        let found = file.metadata().map_err(unreadable)?.len();
        let pixels = count.checked_mul(size).and_then(|n| n.checked_add(HEADER as u64));
        if pixels.is_none_or(|n| n != at || n > found) || !(2..=u64::from(u32::MAX)).contains(&count) {
            return Err(wrong(format!("{count} pictures in {} bytes", grouped(found as usize))));
        }
        let mut index = Vec::new();
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_to_end(&mut index)).map_err(unreadable)?;
        if word(40) != u64::from(check(&header[..40], &index)) {
            return Err(wrong("an index that was damaged".into()));
        }
        let count = count as usize;
        let Some((contents, labels, label_names)) = parse(&index, count, classes as usize) else {
            return Err(wrong(format!("no whole index of {} pictures and {classes} classes", grouped(count))));
        };
        let (trained, held_out) = content::split(&contents, held_out);
        // Those that are measured by are the same ones however many others there are.
        let mut measured = held_out;
        measured.sort_by_key(|&i| (contents[i], i));
        measured.truncate(HELD_OUT);
        measured.sort_unstable();
        Ok(Self {
            path: path.to_owned(),
            name: stem(path),
            file: Mutex::new(file),
            shape: shape.map(|d| d as usize),
            trained_labels: labels.as_ref().map(|l: &Vec<u8>| trained.iter().map(|&i| l[i]).collect()),
            trained,
            held_out: measured,
            labels,
            label_names,
            range,
            flip,
        })
    }

    /// Bytes of all pixels that are trained on.
    pub fn bytes(&self) -> u64 {
        self.trained.len() as u64 * self.shape.iter().product::<usize>() as u64
    }

    /// Pictures to measure by, in memory: up to 8,000 of those that are trained on, and up to 2,000 of those that are held out.
    pub fn to_measure(&self) -> Result<(ImageDataset, ImageDataset), DataError> {
        let (all, some) = (self.trained.len(), self.trained.len().min(COMPARED));
        let compared: Vec<_> = (0..some).map(|i| self.trained[i * all / some]).collect();
        Ok((self.read(&compared)?, self.read(&self.held_out)?))
    }

    fn read(&self, places: &[usize]) -> Result<ImageDataset, DataError> {
        let size: usize = self.shape.iter().product();
        let mut pixels = vec![0; places.len() * size];
        places.iter().zip(pixels.chunks_exact_mut(size)).for_each(|(&i, to)| self.pixels(i, to));
        let labels = self.labels.as_ref().map(|l| places.iter().map(|&i| l[i]).collect());
        let [h, w, c] = self.shape;
        let pictures = ImageDataset::new(&self.name, (w, h, c), pixels, labels)?;
        Ok(pictures.with_label_names(&self.label_names).with_range(self.range.0, self.range.1))
    }

    /// Reads one picture. A disk that fails is told of and waited for: training goes on when it is back.
    fn pixels(&self, place: usize, to: &mut [u8]) {
        let at = HEADER as u64 + place as u64 * to.len() as u64;
        for attempt in 0.. {
            let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(to)) {
                Ok(()) => return,
                Err(e) if attempt == 0 => eprintln!("cannot read {}: {e}; waiting for it", self.path.display()),
                Err(_) => {}
            }
            drop(file);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn drawn(&self, key: Key, position: usize) -> (usize, bool) {
        let words = key.words(position as u32);
        let index = (u64::from(words[0]) * self.trained.len() as u64) >> 32;
        (self.trained[index as usize], self.flip && words[1] & 1 == 1)
    }

    fn scaled(&self, place: usize, flip: bool, bytes: &mut [u8], out: &mut [f32]) {
        let (low, high) = self.range;
        let step = (high - low) / 255.0;
        self.pixels(place, bytes);
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

/// Contents, labels and names of classes out of an index.
#[expect(clippy::type_complexity, reason = "three parts of one thing, taken apart at once")]
fn parse(index: &[u8], count: usize, classes: usize) -> Option<(Vec<u64>, Option<Vec<u8>>, Vec<String>)> {
    let (contents, rest) = index.split_at_checked(8 * count)?;
    let contents = contents.as_chunks::<8>().0.iter().map(|c| u64::from_le_bytes(*c)).collect();
    let (labels, mut rest) = rest.split_at_checked(if classes > 0 { count } else { 0 })?;
    if labels.iter().any(|l| usize::from(*l) >= classes) {
        return None;
    }
    let mut names = Vec::new();
    for _ in 0..classes {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (name, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        names.push(String::from_utf8_lossy(name).into_owned());
        rest = behind;
    }
    rest.is_empty().then(|| (contents, (classes > 0).then(|| labels.to_vec()), names))
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
        let mut bytes = vec![0; size];
        for (position, out) in out.chunks_exact_mut(size).enumerate() {
            let (place, flip) = self.drawn(key, position);
            self.scaled(place, flip, &mut bytes, out);
        }
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        for (position, out) in out.iter_mut().enumerate() {
            *out = self.labels.as_ref().map_or(0, |l| l[self.drawn(key, position).0]);
        }
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.scaled(self.trained[index], false, &mut vec![0; out.len()], out);
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
