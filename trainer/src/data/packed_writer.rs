//! Writes a packed file; see [`packed`](super::packed) for its layout.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::content::content_hash;
use super::error::DataError;
use super::packed::{HEADER, MAGIC, checksum};
use crate::files;

/// Writes a packed file under its name with `.part` appended, and renames it when it is complete.
pub(crate) struct PackedWriter {
    out: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
    size: (usize, usize),
    /// Content hashes of the images, in order.
    hashes: Vec<u64>,
    /// Index of the image with each hash.
    index_of_hash: HashMap<u64, usize>,
    labels: Vec<u8>,
    /// Whether all images so far are gray.
    gray: bool,
}

/// Result of [`PackedWriter::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// The image was added.
    New,
    /// The image was not added, because it equals the one at this index.
    CopyOf(usize),
}

impl PackedWriter {
    /// Starts a file of images of `size`, width and height.
    pub(crate) fn create(out: &Path, size: (usize, usize)) -> Result<Self, DataError> {
        // A link stays a link: the file that it names is replaced.
        let out = &fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
        if fs::metadata(out).is_ok_and(|found| !found.is_file()) {
            return Err(unwritable(out, &io::Error::other("a folder, a device or a pipe has this name")));
        }
        let mut name = out.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let mut file = BufWriter::new(create_part(out, &part)?);
        file.write_all(&[0; HEADER]).map_err(|e| unwritable(out, &e))?;
        Ok(Self {
            out: out.to_owned(),
            part,
            file: Some(file),
            size,
            hashes: Vec::new(),
            index_of_hash: HashMap::new(),
            labels: Vec::new(),
            gray: true,
        })
    }

    /// Adds an image, RGB bytes, unless it is a duplicate.
    pub(crate) fn add(&mut self, rgb: &[u8], label: u8) -> Result<Added, DataError> {
        assert_eq!(rgb.len(), 3 * self.size.0 * self.size.1);
        let hash = content_hash(rgb, 3);
        match self.index_of_hash.entry(hash) {
            Entry::Occupied(first) => return Ok(Added::CopyOf(*first.get())),
            Entry::Vacant(entry) => entry.insert(self.hashes.len()),
        };
        self.gray &= rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        self.hashes.push(hash);
        self.labels.push(label);
        if let Some(file) = &mut self.file {
            file.write_all(rgb).map_err(|e| unwritable(&self.out, &e))?;
        }
        Ok(Added::New)
    }

    /// Number of images so far.
    pub(crate) fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Writes index and header and renames the file. Returns the number of channels, which is 1 if all images are gray.
    pub(crate) fn finish(mut self, classes: &[String]) -> Result<usize, DataError> {
        let out = self.out.clone();
        self.write_index_and_header(classes).map_err(|e| unwritable(&out, &e))
    }

    fn write_index_and_header(&mut self, classes: &[String]) -> io::Result<usize> {
        let Some(file) = self.file.take() else { return Ok(0) };
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (pixels, count) = (self.size.0 * self.size.1, self.hashes.len());
        let channels = if self.gray && count > 0 {
            reduce_to_gray(&mut file, pixels, count)?;
            1
        } else {
            3
        };
        let at = (HEADER + count * pixels * channels) as u64;
        let mut index: Vec<u8> = self.hashes.iter().flat_map(|c| c.to_le_bytes()).collect();
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
        header.extend(checksum(&header, &index).to_le_bytes());
        header.extend([0; 4]);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&index)?;
        file.set_len(at + index.len() as u64)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)?;
        file.sync_all()?;
        // The file is locked until it has its name.
        fs::rename(&self.part, &self.out)?;
        Ok(channels)
    }
}

impl Drop for PackedWriter {
    /// Removes an unfinished file.
    fn drop(&mut self) {
        // The file is locked until it is removed.
        if let Some(_file) = self.file.take() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Creates and locks the temporary file `part`, or takes one that an interrupted process left: its header is still empty.
fn create_part(out: &Path, part: &Path) -> Result<File, DataError> {
    let refused = |found: String, remedy: String| {
        Err(DataError::new(out.display().to_string(), "a file that can be written", found, remedy))
    };
    let foreign = || {
        refused(
            format!("its temporary file {} exists and is not one that an earlier command left", part.display()),
            format!("move {} to another place, or choose another name with --out", files::quoted(part)),
        )
    };
    if fs::symlink_metadata(part).is_ok_and(|found| !found.is_file()) {
        return foreign();
    }
    let file = File::options().read(true).write(true).create(true).truncate(false).open(part);
    let mut file = file.map_err(|e| unwritable(out, &e))?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return refused(
            "another command is writing it".into(),
            "wait until that command ends, or choose another name with --out".into(),
        );
    }
    let mut head = [0; HEADER];
    let read = file.read(&mut head).map_err(|e| unwritable(out, &e))?;
    if head[..read].iter().any(|b| *b != 0) {
        return foreign();
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(|e| unwritable(out, &e))?;
    Ok(file)
}

fn unwritable(out: &Path, error: &io::Error) -> DataError {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "create its folder first",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose another disk with --out"
        }
        _ => "name a file in a writable folder with --out",
    };
    DataError::new(out.display().to_string(), "a file that can be written", error.to_string(), remedy)
}

/// Keeps one of three equal channels, in place. Each write ends before the position of the next read.
fn reduce_to_gray(file: &mut File, pixels: usize, count: usize) -> io::Result<()> {
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
