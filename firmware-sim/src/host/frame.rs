//! RGB images on the host, and PNG files.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::SimError;

/// An RGB image, row by row from the top left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Three bytes per pixel.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// Creates a black image.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, rgb: vec![0; width as usize * height as usize * 3] }
    }

    /// Returns the color at a position.
    ///
    /// # Panics
    /// If the position is outside.
    #[must_use]
    #[track_caller]
    pub fn at(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "({x}, {y}) in an image of {}x{}", self.width, self.height);
        let i = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[i], self.rgb[i + 1], self.rgb[i + 2]]
    }

    /// Sets the color at a position. Positions outside are ignored.
    pub(crate) fn set(&mut self, x: i32, y: i32, color: [u8; 3]) {
        if (0..self.width as i32).contains(&x) && (0..self.height as i32).contains(&y) {
            let i = (y as usize * self.width as usize + x as usize) * 3;
            self.rgb[i..i + 3].copy_from_slice(&color);
        }
    }

    /// Returns the image with every pixel repeated `factor` times in both directions.
    #[must_use]
    pub fn enlarged(&self, factor: u32) -> Self {
        let mut out = Self::new(self.width * factor, self.height * factor);
        for y in 0..out.height {
            for x in 0..out.width {
                out.set(x as i32, y as i32, self.at(x / factor, y / factor));
            }
        }
        out
    }

    /// Returns the first row that differs from `other` and the number of rows up to the last difference; `None` if the images are equal.
    pub(crate) fn changed_rows(&self, other: &Self) -> Option<(u32, u32)> {
        let rows = self.rgb.chunks_exact(self.width as usize * 3).zip(other.rgb.chunks_exact(other.width as usize * 3));
        let mut changed = (0..).zip(rows).filter(|(_, (a, b))| a != b).map(|(row, _)| row);
        let first = changed.next()?;
        Some((first, changed.last().unwrap_or(first) + 1 - first))
    }

    /// Returns `rows` rows from `top`, which must be inside.
    pub(crate) fn band(&self, top: u32, rows: u32) -> Self {
        let line = self.width as usize * 3;
        let rgb = self.rgb[top as usize * line..(top + rows) as usize * line].to_vec();
        Self { width: self.width, height: rows, rgb }
    }

    /// Writes a PNG. The file is complete or absent, because it is written under a temporary name and renamed.
    ///
    /// # Errors
    /// [`SimError::File`] with the path and the cause.
    pub fn save_png(&self, path: &Path) -> Result<(), SimError> {
        write_whole(path, |out| self.encode(out))
    }

    /// Returns the bytes of a PNG.
    pub(crate) fn png(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes)?;
        Ok(bytes)
    }

    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        Ok(writer.finish()?)
    }
}

/// Writes a file that is complete or absent: under a temporary name in the same folder, then renamed.
///
/// A symbolic link stays a link. Pipes, sockets and devices are refused, because writing them may never end.
pub(crate) fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), SimError> {
    // A path that does not exist is not a link.
    let target = fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let cause = io::Error::other("this is a pipe, socket or device: name a file");
        return Err(SimError::File { verb: "write", path: path.to_owned(), cause });
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = fs::File::create(&temporary).and_then(|file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|cause| {
        // The partial file is useless. A failure to remove it does not matter.
        let _ = fs::remove_file(&temporary);
        SimError::File { verb: "write", path: path.to_owned(), cause }
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_a_link() {
        let folder = std::env::temp_dir().join(format!("ganlet-frame-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (target, link) = (folder.join("target.png"), folder.join("link.png"));
        fs::write(&target, b"old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        Frame::new(2, 2).save_png(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read(&target).unwrap().starts_with(b"\x89PNG"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
