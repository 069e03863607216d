//! The formats of image files, chosen by the name of the file.

use std::fmt;
use std::path::Path;

use super::{Image, animation};

/// A format of image files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// Lossless, all colors.
    Png,
    /// At most 256 colors.
    Gif,
}

impl ImageFormat {
    /// Returns the format that the extension of `path` names, or `fallback` if it has none.
    ///
    /// ```
    /// use ganlet_trainer::draw::ImageFormat;
    /// assert_eq!(ImageFormat::of("a.GIF".as_ref(), ImageFormat::Png), Ok(ImageFormat::Gif));
    /// assert!(ImageFormat::of("a.jpg".as_ref(), ImageFormat::Png).is_err());
    /// ```
    ///
    /// # Errors
    /// If the extension names another format.
    pub fn of(path: &Path, fallback: Self) -> Result<Self, UnknownImageFormat> {
        let Some(extension) = path.extension() else { return Ok(fallback) };
        match extension.to_string_lossy().to_ascii_lowercase().as_str() {
            "png" => Ok(Self::Png),
            "gif" => Ok(Self::Gif),
            _ => Err(UnknownImageFormat { extension: extension.to_string_lossy().into_owned() }),
        }
    }
}

/// A file name whose extension is not that of a format in which images are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImageFormat {
    extension: String,
}

impl fmt::Display for UnknownImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "images are written as PNG or GIF: found .{}, expected .png or .gif", self.extension)
    }
}

impl std::error::Error for UnknownImageFormat {}

impl Image {
    /// Returns the image as a file of this format. A GIF of more than 256 colors has the nearest of 256 chosen ones.
    #[doc(hidden)]
    pub fn encoded(&self, format: ImageFormat) -> Vec<u8> {
        match format {
            ImageFormat::Png => self.png(),
            ImageFormat::Gif => animation(std::slice::from_ref(self), 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_image_has_the_format_of_the_name_and_the_same_pixels() {
        let drawn = Image::from_bytes(&[0, 100, 200, 255, 7, 9], (3, 2, 1));
        for (name, format) in [("a.png", image::ImageFormat::Png), ("b.gif", image::ImageFormat::Gif)] {
            let file = drawn.encoded(ImageFormat::of(name.as_ref(), ImageFormat::Png).unwrap());
            assert_eq!(image::guess_format(&file).unwrap(), format);
            assert_eq!(image::load_from_memory(&file).unwrap().into_rgb8().as_raw(), drawn.bytes());
        }
        assert_eq!(ImageFormat::of("plain".as_ref(), ImageFormat::Gif), Ok(ImageFormat::Gif));
        for name in ["a.jpg", "a.webp", "a.png.txt"] {
            let error = ImageFormat::of(name.as_ref(), ImageFormat::Png).unwrap_err().to_string();
            assert!(error.contains(".png or .gif"), "{error}");
        }
    }
}
