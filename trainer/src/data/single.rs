//! Reads a single image at a given shape: a target for projection, or strokes drawn by hand.

use std::io::BufReader;
use std::path::Path;

use super::Fit;
use super::decode::{DecodeLimits, FORMATS, ImageBytes, MAX_PIXELS, decode, decode_upright};
use super::error::DataError;
use super::fit::{Frame, luma};
use super::reading::open_regular;
use image::DynamicImage;
use image::imageops::{self, FilterType};

/// Reads an image file as [height, width, channels]: converted to this size, and to gray for one channel.
///
/// The second returned value lists these changes for the user.
///
/// # Errors
/// When the file is not a readable image.
pub fn image(
    path: &Path,
    [height, width, channels]: [usize; 3],
    fit: Fit,
) -> Result<(Vec<u8>, Vec<String>), DataError> {
    let frame = Frame { width, height, fit };
    let decoded = decode(open_image(path)?, frame, &DecodeLimits::new(MAX_PIXELS)).map_err(|e| unreadable(path, e))?;
    let mut notes = Vec::new();
    let (w, h) = decoded.original;
    if (w, h) != (width, height) {
        notes.push(format!("{}: {w}x{h} {}", path.display(), frame.describe()));
    }
    if decoded.transparent {
        notes.push(format!("{}: transparent parts became white", path.display()));
    }
    if channels == 3 {
        return Ok((decoded.bytes, notes));
    }
    let pixels = decoded.bytes.as_chunks::<3>().0;
    if pixels.iter().any(|[r, g, b]| r != g || g != b) {
        notes.push(format!("{}: converted to gray, because the generator draws gray images", path.display()));
    }
    Ok((pixels.iter().map(|rgb| luma(*rgb)).collect(), notes))
}

/// Reads strokes on a transparent background as RGBA bytes of the given size.
///
/// # Errors
/// When the file is not a readable image, has another aspect ratio, or is opaque everywhere. (Only the opaque parts count as strokes.)
pub fn strokes(path: &Path, width: usize, height: usize) -> Result<Vec<u8>, DataError> {
    let limits = DecodeLimits::new(MAX_PIXELS);
    let rgba = decode_upright(open_image(path)?, &limits, DynamicImage::into_rgba8).map_err(|e| unreadable(path, e))?;
    let (w, h) = (rgba.width() as usize, rgba.height() as usize);
    let refused = |expected: String, found: String, remedy: &'static str| {
        Err(DataError::new(path.display().to_string(), expected, found, remedy))
    };
    if w * height != width * h {
        return refused(
            format!("the aspect ratio of {width}x{height}"),
            format!("{w}x{h}"),
            "draw on a transparent image of the generator's size, or a multiple of it",
        );
    }
    if rgba.pixels().all(|p| p.0[3] == 255) {
        return refused(
            "strokes on a transparent background".to_owned(),
            "an image that is opaque everywhere".to_owned(),
            "save the strokes alone; `project` takes whole images",
        );
    }
    if (w, h) == (width, height) {
        return Ok(rgba.into_raw());
    }
    // Colors are weighted by opacity; otherwise transparent black would darken the edges of strokes.
    let mut weighted = image::Rgba32FImage::new(w as u32, h as u32);
    for (to, from) in weighted.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(|v| f32::from(v) / 255.0);
        to.0 = [r * alpha, g * alpha, b * alpha, alpha];
    }
    let small = imageops::resize(&weighted, width as u32, height as u32, FilterType::Triangle);
    let bytes = small.pixels().flat_map(|p| {
        let [r, g, b, alpha] = p.0;
        let color = |v: f32| if alpha > 0.0 { v / alpha } else { 0.0 };
        [color(r), color(g), color(b), alpha].map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8)
    });
    Ok(bytes.collect())
}

fn open_image(path: &Path) -> Result<Box<dyn ImageBytes>, DataError> {
    Ok(Box::new(BufReader::new(open_regular(path)?)))
}

fn unreadable(path: &Path, why: String) -> DataError {
    // Converting a damaged file would not repair it.
    let is_other_format = why.contains("its content is not") || why.contains("convert it");
    let remedy = if is_other_format { "convert it to PNG" } else { "get the file again, or save it as PNG" };
    DataError::new(path.display().to_string(), format!("a {FORMATS} image"), why, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    fn saved(name: &str, image: &RgbaImage) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("ganlet-single-{}-{name}.png", std::process::id()));
        image.save(&path).unwrap();
        path
    }

    #[test]
    fn images_of_other_sizes_and_depths_are_converted_and_reported() {
        let path = saved("color", &RgbaImage::from_pixel(30, 20, Rgba([255, 0, 0, 255])));
        let (bytes, notes) = image(&path, [8, 8, 1], Fit::Crop).unwrap();
        assert_eq!(bytes, [77; 64]);
        assert!(
            notes[0].contains("30x20 cropped to the center where needed and resized to 8x8")
                && notes[1].contains("gray"),
            "{notes:?}"
        );
        assert_eq!(image(&path, [20, 30, 3], Fit::Crop).unwrap(), ([255, 0, 0].repeat(600), vec![]));
        std::fs::remove_file(&path).unwrap();
        assert!(image(&path, [8, 8, 1], Fit::Crop).unwrap_err().to_string().contains("check the spelling"));
        std::fs::write(&path, "no image").unwrap();
        let message = image(&path, [8, 8, 1], Fit::Crop).unwrap_err().to_string();
        assert!(message.contains("expected: a PNG, JPEG, WebP") && message.contains("convert it"), "{message}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn any_depth_and_aspect_ratio_is_converted() {
        let wanted = [8, 8, 3];
        let deep = image::ImageBuffer::<image::Rgb<u16>, _>::from_pixel(9, 4, image::Rgb([65_535, 32_896, 0]));
        let thin = image::ImageBuffer::<image::LumaA<u8>, _>::from_pixel(1, 3000, image::LumaA([0, 0]));
        let dot = image::GrayImage::from_pixel(1, 1, image::Luma([7]));
        let path = std::env::temp_dir().join(format!("ganlet-single-{}-depths.png", std::process::id()));
        for (image, first) in [
            (image::DynamicImage::from(deep), [255, 128, 0]),
            (image::DynamicImage::from(thin), [255; 3]),
            (image::DynamicImage::from(dot), [7; 3]),
        ] {
            image.save(&path).unwrap();
            let (bytes, notes) = super::image(&path, wanted, Fit::Crop).unwrap();
            assert_eq!((bytes.len(), &bytes[..3]), (192, &first[..]));
            assert!(notes[0].contains("resized to 8x8"), "{notes:?}");
        }
        // The header of an image of 40,000 x 40,000 is refused before decoding.
        let mut vast = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x40\0\0\x9c\x40\x08\x02\0\0\0".to_vec();
        let mut crc = flate2::Crc::new();
        crc.update(&vast[12..]);
        vast.extend(crc.sum().to_be_bytes());
        vast.extend(b"\0\0\0\0IDAT");
        vast.extend(0x35af_061e_u32.to_be_bytes());
        std::fs::write(&path, vast).unwrap();
        let message = super::image(&path, wanted, Fit::Crop).unwrap_err().to_string();
        assert!(message.contains("40000x40000 are 1,600 megapixels"), "{message}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn strokes_keep_their_color_when_they_shrink() {
        let drawn = RgbaImage::from_fn(32, 16, |x, _| if x < 16 { Rgba([0, 200, 0, 255]) } else { Rgba([0, 0, 0, 0]) });
        let path = saved("strokes", &drawn);
        let small = strokes(&path, 8, 4).unwrap();
        assert_eq!(small[..4], [0, 200, 0, 255]);
        assert_eq!(small[7 * 4..8 * 4], [0, 0, 0, 0]);
        assert!(strokes(&path, 8, 8).unwrap_err().to_string().contains("aspect ratio of 8x8"));
        std::fs::remove_file(&path).unwrap();
        let path = saved("opaque", &RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 255])));
        assert!(strokes(&path, 8, 8).unwrap_err().to_string().contains("opaque everywhere"));
        std::fs::remove_file(&path).unwrap();
    }
}
