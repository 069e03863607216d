//! Reads files within a limit on memory.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::Fit;
use super::error::DataError;
use crate::memory;
use crate::text::grouped;

/// Options for reading images.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Width and height to resize to. `None` keeps the size; image files in a folder get a size near the most common one, at most 64 x 64.
    pub size: Option<(usize, usize)>,
    /// How images of another aspect ratio get the size.
    pub fit: Fit,
    /// Mirror each drawn image with a probability of 0.5.
    pub flip: bool,
    /// Values that the bytes 0 and 255 are scaled to.
    pub range: (f32, f32),
    /// Limit on the memory of the images, in bytes; by default half of the free memory.
    pub max_bytes: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        let max_bytes = (memory::free() / 2.0) as u64;
        Self { size: None, fit: Fit::Crop, flip: false, range: (-1.0, 1.0), max_bytes }
    }
}

impl ReadOptions {
    pub(crate) fn check_size(&self, place: &str, bytes: usize) -> Result<(), DataError> {
        if bytes as u64 <= self.max_bytes {
            return Ok(());
        }
        Err(DataError::new(
            place,
            format!("at most {} MB of data in memory", grouped((self.max_bytes >> 20) as usize)),
            format!("{} MB", grouped(bytes >> 20)),
            "use fewer or smaller images (--set data.size), or stream them from the disk: cargo xtask data prepare",
        ))
    }
}

/// Whether a regular file starts with `magic`. Pipes and devices are refused before they are opened, because opening one may never return.
pub(crate) fn starts_with(path: &Path, magic: &[u8]) -> Result<bool, DataError> {
    let mut start = Vec::new();
    let file = open_regular(path)?;
    file.take(magic.len() as u64).read_to_end(&mut start).map_err(|e| DataError::io(path, &e))?;
    Ok(start == magic)
}

/// Opens a file, unless it is a pipe, a socket, a device or a folder.
pub(crate) fn open_regular(path: &Path) -> Result<fs::File, DataError> {
    let metadata = fs::metadata(path).map_err(|e| DataError::io(path, &e))?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device, which may never end" };
        let remedy = "write the data to a file first, and name that file";
        return Err(DataError::new(path.display().to_string(), "a regular file", found, remedy));
    }
    fs::File::open(path).map_err(|e| DataError::io(path, &e))
}

/// Reads a regular file, unless it exceeds the size limit.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Vec<u8>, DataError> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    // Special files of a system state a size of 0 and may be endless.
    let most = options.max_bytes.saturating_add(1);
    let size = file.metadata().map_or(0, |m| m.len());
    let place = path.display().to_string();
    options.check_size(&place, usize::try_from(size).unwrap_or(usize::MAX))?;
    file.take(most).read_to_end(&mut bytes).map_err(|e| DataError::io(path, &e))?;
    options.check_size(&place, bytes.len())?;
    Ok(bytes)
}

/// The file name up to its first dot: the name of the data set.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy());
    name.split('.').find(|part| !part.is_empty()).unwrap_or("data").to_string()
}
