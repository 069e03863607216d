//! Decodes a PNG or JPEG file, applies its EXIF orientation, and blends transparent parts onto white.

use std::fs;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb, RgbImage};

use super::fit;
use crate::text::grouped;

/// Default limit on the pixels of an image that is decoded. Larger ones would take too much memory.
pub(crate) const MAX_PIXELS: u64 = 100_000_000;

/// A decoded image at the requested size.
pub(crate) struct DecodedImage {
    /// RGB bytes.
    pub(crate) bytes: Vec<u8>,
    /// Width and height in the file.
    pub(crate) original: (usize, usize),
    /// Whether transparent parts were blended onto white.
    pub(crate) transparent: bool,
}

/// Reads an image as RGB bytes of the given size: crops the center to the aspect ratio and resizes it.
pub(crate) fn decode(path: &Path, width: usize, height: usize, max_pixels: u64) -> Result<DecodedImage, String> {
    let image = decode_upright(path, max_pixels)?;
    let original = (image.width() as usize, image.height() as usize);
    let (rgb, transparent) = blend_onto_white(image);
    let bytes = fit::fit(rgb.as_raw(), (original.0, original.1, 3), width, height);
    Ok(DecodedImage { bytes, original, transparent })
}

/// Reads an image at its own size and turns it upright. Limits are checked before anything is decoded.
pub(crate) fn decode_upright(path: &Path, max_pixels: u64) -> Result<DynamicImage, String> {
    let bytes = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if bytes > max_pixels.saturating_mul(8) {
        return Err(format!(
            "a file of {} MB, more than an image of the largest size would take",
            grouped((bytes >> 20) as usize)
        ));
    }
    let mut reader = reader(path)?;
    if reader.format() == Some(image::ImageFormat::Jpeg) && is_truncated(&fs::read(path).map_err(|e| e.to_string())?) {
        return Err("it is truncated: its data has no end marker".into());
    }
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (w, h) = decoder.dimensions();
    let pixels = u64::from(w) * u64::from(h);
    if pixels == 0 {
        return Err("it has no pixels".into());
    }
    if pixels > max_pixels {
        let (found, most) = (pixels.div_ceil(1_000_000), max_pixels / 1_000_000);
        return Err(format!(
            "{w}x{h} are {} megapixels; the limit is {}",
            grouped(found as usize),
            grouped(most as usize)
        ));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Width and height of the upright image, read without decoding it.
pub(crate) fn upright_size(path: &Path) -> Result<(usize, usize), String> {
    let mut decoder = reader(path)?.into_decoder().map_err(|e| e.to_string())?;
    let (w, h) = decoder.dimensions();
    let sideways = matches!(
        decoder.orientation(),
        Ok(Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH)
    );
    Ok(if sideways { (h as usize, w as usize) } else { (w as usize, h as usize) })
}

fn reader(path: &Path) -> Result<ImageReader<std::io::BufReader<fs::File>>, String> {
    ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|e| e.to_string())
}

/// Whether a JPEG file has no end marker. The decoder accepts such a file and fills the missing part with gray.
fn is_truncated(jpeg: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        if marker == 0xda {
            // Within compressed data, 0xff is always followed by zero or a marker code.
            return !jpeg[at..].windows(2).any(|w| w == [0xff, 0xd9]);
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    // Another defect; the decoder reports it.
    false
}

/// Blends transparent parts onto white; also returns whether there were any.
pub(crate) fn blend_onto_white(image: DynamicImage) -> (RgbImage, bool) {
    if !image.color().has_alpha() {
        return (image.into_rgb8(), false);
    }
    let rgba = image.into_rgba8();
    let mut transparent = false;
    let rgb = RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        transparent |= alpha < 255;
        let blend = |v: u8| ((u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
        Rgb([blend(r), blend(g), blend(b)])
    });
    (rgb, transparent)
}
