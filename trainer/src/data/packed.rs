//! Pictures in one file that streams from the disk: for sets larger than memory.
//!
//! The file: `GANLETPK`, then width, height, channels and count of classes as little-endian u32, the count of pictures
//! as u64, a label byte for each picture if there are classes, and the pixels, picture after picture.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::error::{DataError, grouped};
use super::open::{Options, stem};
use super::{Dataset, Pictures, folder, open};
use crate::philox::Key;

const MAGIC: &[u8; 8] = b"GANLETPK";
const HEADER: u64 = 32;
/// Pictures that are decoded at once while packing.
const PART: usize = 4096;
/// Most pictures that are held out for measuring, and that are read into memory to compare with.
const HELD_OUT: usize = 2000;
const COMPARED: usize = 8000;

/// A packed file: a data set that reads each picture when it is drawn.
#[derive(Debug)]
pub struct Packed {
    path: PathBuf,
    name: String,
    file: Mutex<File>,
    shape: [usize; 3],
    count: usize,
    labels: Option<Vec<u8>>,
    label_names: Vec<String>,
    /// One picture in so many is held out for measuring.
    every: usize,
    range: (f32, f32),
    flip: bool,
}

/// Writes the pictures of `source` to `out`, a part at a time; gives notes for the user.
pub fn pack(source: &Path, options: &Options, out: &Path) -> Result<Vec<String>, DataError> {
    let mut notes = Vec::new();
    let written = |e: &std::io::Error| DataError::io(out, e);
    let mut file = BufWriter::new(File::create(out).map_err(|e| written(&e))?);
    // The header is written last: until then the file is none.
    file.write_all(&[0; HEADER as usize]).map_err(|e| written(&e))?;
    let (shape, classes, labels) = if source.is_dir() {
        let found = folder::find(source, &mut notes)?;
        let (width, height) = folder::size(&found, options);
        let mut labels = Vec::new();
        let mut spare = vec![0; found.files.len() * usize::from(!found.classes.is_empty())];
        file.write_all(&spare).map_err(|e| written(&e))?;
        for files in found.files.chunks(PART) {
            folder::decode_part(files, (width, height), &mut notes, &mut |pixels, label| {
                labels.push(label);
                file.write_all(pixels)
            })
            .map_err(|e| written(&e))?;
        }
        // Where files were skipped, labels end early: those of the skipped files stay 0 and are not counted.
        if labels.len() < found.files.len() && !found.classes.is_empty() {
            return Err(DataError::new(
                source.display().to_string(),
                "readable pictures in every class",
                format!(
                    "{} that cannot be read; {}",
                    found.files.len() - labels.len(),
                    notes.last().map_or("", String::as_str)
                ),
                "take these files out and pack again",
            ));
        }
        spare.iter_mut().zip(&labels).for_each(|(to, l)| *to = *l);
        ([height, width, 3], found.classes.len(), (labels.len(), spare))
    } else {
        let opened = open(source, options)?;
        notes.extend(opened.notes);
        let pictures = opened.pictures;
        let labels: Vec<u8> = pictures.labels().map_or_else(Vec::new, <[u8]>::to_vec);
        file.write_all(&labels).map_err(|e| written(&e))?;
        for i in 0..pictures.count() {
            file.write_all(pictures.bytes(i)).map_err(|e| written(&e))?;
        }
        (
            [pictures.height(), pictures.width(), pictures.channels()],
            pictures.label_names().len(),
            (pictures.count(), labels),
        )
    };
    let (count, labels) = labels;
    if count == 0 {
        let place = source.display().to_string();
        return Err(DataError::new(place, "readable pictures", "none", "name another folder or file"));
    }
    let mut header = MAGIC.to_vec();
    for n in [shape[1], shape[0], shape[2], classes] {
        header.extend((n as u32).to_le_bytes());
    }
    header.extend((count as u64).to_le_bytes());
    header.extend(&labels);
    let mut finish = || {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)?;
        file.flush()?;
        file.get_ref().sync_all()
    };
    finish().map_err(|e| written(&e))?;
    notes.push(format!("{} pictures of {}x{}x{} packed", grouped(count), shape[1], shape[0], shape[2]));
    Ok(notes)
}

impl Packed {
    /// Whether `path` begins as a packed file does.
    pub fn recognise(path: &Path) -> bool {
        let mut start = [0; 8];
        File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && &start == MAGIC
    }

    /// Opens a packed file; its labels are read, its pixels stay where they are.
    pub fn open(path: &Path, range: (f32, f32), flip: bool) -> Result<Self, DataError> {
        let unreadable = |e: std::io::Error| DataError::io(path, &e);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let (shape, classes) = ([word(12), word(8), word(16)], word(20));
        let count = word(24) as u64 | (word(28) as u64) << 32;
        let wrong = |found: String| {
            let (expected, remedy) =
                ("a packed file of complete pictures", "pack the pictures again: cargo xtask data pack");
            DataError::new(path.display().to_string(), expected, found, remedy)
        };
        let size = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).filter(|n| *n > 0);
        let Some(size) = size.filter(|_| &header[..8] == MAGIC && matches!(shape[2], 1 | 3) && classes <= 256) else {
            return Err(wrong(format!("a header of {}x{}x{}, {classes} classes", shape[1], shape[0], shape[2])));
        };
        let labels_len = if classes > 0 { count } else { 0 };
        let expected = count.checked_mul(size).and_then(|n| n.checked_add(HEADER + labels_len));
        let found = file.metadata().map_err(unreadable)?.len();
        if expected.is_none_or(|n| n > found) || !(2..=u64::from(u32::MAX)).contains(&count) {
            return Err(wrong(format!("{} pictures in {} bytes", count, grouped(found as usize))));
        }
        let mut labels = vec![0; labels_len as usize];
        file.read_exact(&mut labels).map_err(unreadable)?;
        if labels.iter().any(|l| usize::from(*l) >= classes) {
            return Err(wrong(format!("a label beyond its {classes} classes")));
        }
        let count = count as usize;
        Ok(Self {
            path: path.to_owned(),
            name: stem(path),
            file: Mutex::new(file),
            shape,
            count,
            labels: (classes > 0).then_some(labels),
            label_names: (0..classes).map(|c| c.to_string()).collect(),
            every: count.div_ceil(HELD_OUT).max(5).min(count),
            range,
            flip,
        })
    }

    /// Bytes of all pixels.
    pub fn bytes(&self) -> u64 {
        self.count as u64 * self.shape.iter().product::<usize>() as u64
    }

    /// Pictures to measure by, in memory: some of those that are trained on, and those that are held out.
    pub fn to_measure(&self) -> Result<(Pictures, Pictures), DataError> {
        let trained = self.trained();
        let some: Vec<_> =
            (0..trained.min(COMPARED)).map(|i| self.place(i * trained / trained.min(COMPARED))).collect();
        let held: Vec<_> = (0..self.count).step_by(self.every).collect();
        Ok((self.read(&some)?, self.read(&held)?))
    }

    fn read(&self, indices: &[usize]) -> Result<Pictures, DataError> {
        let size: usize = self.shape.iter().product();
        let mut pixels = vec![0; indices.len() * size];
        indices.iter().zip(pixels.chunks_exact_mut(size)).for_each(|(&i, to)| self.pixels(i, to));
        let labels = self.labels.as_ref().map(|l| indices.iter().map(|&i| l[i]).collect());
        let [h, w, c] = self.shape;
        Ok(Pictures::new(&self.name, (w, h, c), pixels, labels)?.with_range(self.range.0, self.range.1))
    }

    /// Pictures that are trained on.
    fn trained(&self) -> usize {
        self.count - self.count.div_ceil(self.every)
    }

    /// The place in the file of picture `i` of those that are trained on: the first of every run is held out.
    fn place(&self, i: usize) -> usize {
        i / (self.every - 1) * self.every + i % (self.every - 1) + 1
    }

    /// Reads one picture. A disk that fails is told of and waited for: training goes on when it is back.
    fn pixels(&self, index: usize, to: &mut [u8]) {
        let labels = self.labels.as_ref().map_or(0, |l| l.len() as u64);
        let at = HEADER + labels + index as u64 * to.len() as u64;
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
        let index = (u64::from(words[0]) * self.trained() as u64) >> 32;
        (self.place(index as usize), self.flip && words[1] & 1 == 1)
    }

    fn scaled(&self, index: usize, flip: bool, out: &mut [f32]) {
        let (low, high) = self.range;
        let step = (high - low) / 255.0;
        let mut bytes = vec![0; out.len()];
        self.pixels(index, &mut bytes);
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

impl Dataset for Packed {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn len(&self) -> Option<usize> {
        Some(self.trained())
    }

    fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    fn label_names(&self) -> &[String] {
        &self.label_names
    }

    fn batch(&self, key: Key, out: &mut [f32]) {
        for (position, out) in out.chunks_exact_mut(self.shape.iter().product()).enumerate() {
            let (index, flip) = self.drawn(key, position);
            self.scaled(index, flip, out);
        }
    }

    fn batch_labels(&self, key: Key, out: &mut [u8]) {
        for (position, out) in out.iter_mut().enumerate() {
            *out = self.labels.as_ref().map_or(0, |l| l[self.drawn(key, position).0]);
        }
    }

    fn item(&self, index: usize, out: &mut [f32]) {
        self.scaled(self.place(index), false, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    #[test]
    fn a_packed_file_holds_the_pictures_and_never_trains_on_those_held_out() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("source"), folder.path().join("blobs.pack"));
        std::fs::create_dir(&source).unwrap();
        let blobs = blobs(6, 5, 3, 23, 1);
        for i in 0..23 {
            image::save_buffer(source.join(format!("{i:02}.png")), blobs.bytes(i), 6, 5, image::ColorType::Rgb8)
                .unwrap();
        }
        let options = Options { size: Some((6, 5)), ..Options::default() };
        let notes = pack(&source, &options, &out).unwrap();
        assert!(notes.iter().any(|n| n.contains("23 pictures of 6x5x3")), "{notes:?}");
        assert!(Packed::recognise(&out) && !Packed::recognise(&source.join("00.png")));
        let packed = Packed::open(&out, (-1.0, 1.0), false).unwrap();
        let (mut got, mut want) = (vec![0.0; 90], vec![0.0; 90]);
        assert_eq!(packed.len(), Some(18));
        for i in 0..18 {
            packed.item(i, &mut got);
            blobs.item(i / 4 * 5 + i % 4 + 1, &mut want);
            assert_eq!(got, want, "picture {i}");
        }
        let (some, held) = packed.to_measure().unwrap();
        assert_eq!((some.count(), held.count()), (18, 5));
        assert!((0..5).all(|i| held.bytes(i) == blobs.bytes(5 * i)));
    }

    #[test]
    fn damaged_files_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("short.pack");
        let mut bytes = MAGIC.to_vec();
        for n in [4u32, 4, 3, 0, 100, 0] {
            bytes.extend(n.to_le_bytes());
        }
        bytes.extend([0; 500]);
        std::fs::write(&path, &bytes).unwrap();
        let error = Packed::open(&path, (-1.0, 1.0), false).unwrap_err().to_string();
        assert!(error.contains("100 pictures in 532 bytes") && error.contains("data pack"), "{error}");
        bytes[16] = 7;
        std::fs::write(&path, &bytes).unwrap();
        assert!(Packed::open(&path, (-1.0, 1.0), false).unwrap_err().to_string().contains("4x4x7"));
    }
}
