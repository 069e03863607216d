//! Files for images and animations on the command line: their names decide the format.

use crate::console;
use crate::failure::Failure;
use clap::builder::{PathBufValueParser, TypedValueParser, ValueParser, ValueParserFactory};
use ganlet_sim::host::Frame;
use ganlet_trainer::draw::{Image, ImageFormat, UnknownImageFormat};
use ganlet_trainer::files;
use std::path::{Path, PathBuf};

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
    fn new(path: PathBuf) -> Result<Self, UnknownImageFormat> {
        let format = ImageFormat::of(&path, ImageFormat::Png)?;
        Ok(Self { path, format })
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the image, and prints the file's name and `what` it shows.
    pub(crate) fn write(&self, image: &Image, what: &str) -> Result<(), Failure> {
        files::write(&self.path, image.encoded(self.format))?;
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
    fn new(path: PathBuf) -> Result<Self, String> {
        match ImageFormat::of(&path, ImageFormat::Gif) {
            Ok(ImageFormat::Gif) => Ok(Self(path)),
            _ => Err("animations are written as GIF: expected a name that ends in .gif".to_owned()),
        }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
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
