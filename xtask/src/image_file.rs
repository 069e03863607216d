//! Files for images and animations on the command line: their names decide the format, and they replace only files of their own kind.

use crate::console;
use crate::failure::Failure;
use clap::builder::{PathBufValueParser, TypedValueParser, ValueParser, ValueParserFactory};
use ganlet_sim::host::Frame;
use ganlet_trainer::draw::{Image, ImageFormat};
use ganlet_trainer::files;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Text chunk of a PNG that this program wrote: length, type, `Software: ganlet`, checksum.
const PNG_MARK: &[u8] = b"\0\0\0\x0ftEXtSoftware\0ganlet\xb5\x69\xa6\x37";
/// Bytes of a PNG before the mark: the signature and the header.
const PNG_HEAD: usize = 33;
/// Comment in a GIF that this program wrote. The simulator writes the same one.
const GIF_MARK: &[u8] = b"\x21\xfe\x06ganlet\0";
/// Bytes of a file that contain the mark if there is one.
const MARKED_HEAD: u64 = 1024;

/// A file for one image: a PNG, or a GIF if its name ends in .gif.
#[derive(Clone, Debug)]
pub(crate) struct ImageFile {
    path: PathBuf,
    format: ImageFormat,
}

/// A file for an animation, which is a GIF.
#[derive(Clone, Debug)]
pub(crate) struct AnimationFile(PathBuf);

impl ImageFile {
    /// Returns the file at `path`, which is new or an image that this program wrote.
    pub(crate) fn new(path: PathBuf) -> Result<Self, String> {
        let file = Self::replacing(path)?;
        files::check_output(&file.path, is_own, None).map_err(|e| e.to_string())?;
        Ok(file)
    }

    /// Returns the file at `path`. The command checks what it replaces.
    pub(crate) fn replacing(path: PathBuf) -> Result<Self, String> {
        let format = ImageFormat::of(&path, ImageFormat::Png).map_err(|e| e.to_string())?;
        Ok(Self { path, format })
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the image, and prints the file's name and `what` it shows.
    pub(crate) fn write(&self, image: &Image, what: &str) -> Result<(), Failure> {
        files::write(&self.path, marked(image.encoded(self.format)))?;
        console::note(&format!("wrote {} ({what})", self.path.display()));
        Ok(())
    }

    /// Writes an image of a device, like [`write`](Self::write).
    pub(crate) fn write_frame(&self, frame: &Frame, what: &str) -> Result<(), Failure> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        self.write(&Image::from_bytes(&frame.rgb, (width, height, 3)), what)
    }
}

impl AnimationFile {
    /// Returns the file at `path`, which is new or an animation that this program wrote.
    fn new(path: PathBuf) -> Result<Self, String> {
        match ImageFormat::of(&path, ImageFormat::Gif) {
            Ok(ImageFormat::Gif) => {}
            _ => return Err("animations are written as GIF: expected a name that ends in .gif".to_owned()),
        }
        files::check_output(&path, is_own, None).map_err(|e| e.to_string())?;
        Ok(Self(path))
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a GIF.
    pub(crate) fn write(&self, gif: Vec<u8>) -> Result<(), Failure> {
        Ok(files::write(&self.0, marked(gif))?)
    }
}

/// Returns a PNG or GIF file with the mark of this program.
pub(crate) fn marked(mut file: Vec<u8>) -> Vec<u8> {
    let (at, mark) = if file.starts_with(b"GIF89a") { (gif_head(&file), GIF_MARK) } else { (PNG_HEAD, PNG_MARK) };
    file.splice(at..at, mark.iter().copied());
    file
}

/// Returns the number of bytes of a GIF before its first frame or comment: header, palette, and how often it repeats.
fn gif_head(file: &[u8]) -> usize {
    const HEADER: usize = 13;
    const REPETITIONS: usize = 19;
    let flags = file[10];
    let head = if flags & 0x80 == 0 { HEADER } else { HEADER + (3 << ((flags & 7) + 1)) };
    if file[head..].starts_with(b"\x21\xff\x0bNETSCAPE2.0") { head + REPETITIONS } else { head }
}

/// Whether the file at `path` is an image that this program wrote.
pub(crate) fn is_own(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MARKED_HEAD).read_to_end(&mut head));
    let holds = |mark: &[u8]| head.windows(mark.len()).any(|part| part == mark);
    read.is_ok() && (holds(PNG_MARK) || head.starts_with(b"GIF89a") && holds(GIF_MARK))
}

impl ValueParserFactory for ImageFile {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        ValueParser::new(PathBufValueParser::new().try_map(Self::new))
    }
}

impl ValueParserFactory for AnimationFile {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        ValueParser::new(PathBufValueParser::new().try_map(Self::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganlet_trainer::draw::animation;

    #[test]
    fn marked_images_are_recognized_and_have_the_same_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let image = Image::new(5, 4, [9, 80, 200]);
        for plain in [image.png(), image.encoded(ImageFormat::Gif), animation(&[image.clone(), image.clone()], 40)] {
            std::fs::write(&path, &plain).unwrap();
            assert!(!is_own(&path));
            let marked = marked(plain.clone());
            std::fs::write(&path, &marked).unwrap();
            assert!(is_own(&path) && marked.len() < plain.len() + 40);
            if plain.starts_with(b"GIF89a") {
                continue;
            }
            let mut reader = png::Decoder::new(std::io::Cursor::new(&marked)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, image.bytes());
            let text = &reader.info().uncompressed_latin1_text[0];
            assert_eq!((&text.keyword[..], &text.text[..]), ("Software", "ganlet"));
        }
    }
}
