//! One picture from a file, brought to a wanted shape: something to search a latent for, or strokes drawn by hand.

use std::path::Path;

use super::error::DataError;
use super::folder::{MOST_PIXELS, decode};
use image::imageops::{self, FilterType};

/// The luma weights of Rec. 601, in 256ths.
const LUMA: [u32; 3] = [77, 150, 29];

/// Reads a PNG or JPEG as [height, width, channels]: the center in the wanted proportions, resized, gray if there is one channel.
///
/// What had to be changed is told in the second value.
///
/// # Errors
/// When the file is no readable picture.
pub fn picture(path: &Path, [height, width, channels]: [usize; 3]) -> Result<(Vec<u8>, Vec<String>), DataError> {
    let decoded = decode(path, width, height, MOST_PIXELS).map_err(|why| unreadable(path, why))?;
    let mut notes = Vec::new();
    let (w, h) = decoded.original;
    if (w, h) != (width, height) {
        let cropped = if w * height == width * h { "" } else { ", its center cropped to the proportions" };
        notes.push(format!("{}: {w}x{h} brought to {width}x{height}{cropped}", path.display()));
    }
    if decoded.transparent {
        notes.push(format!("{}: transparent parts laid on white", path.display()));
    }
    if channels == 3 {
        return Ok((decoded.bytes, notes));
    }
    let pixels = decoded.bytes.as_chunks::<3>().0;
    if pixels.iter().any(|[r, g, b]| r != g || g != b) {
        notes.push(format!("{}: colors made gray, as the generator's pictures are", path.display()));
    }
    let luma = |pixel: &[u8; 3]| {
        ((pixel.iter().zip(LUMA).map(|(&v, weight)| u32::from(v) * weight).sum::<u32>() + 128) >> 8) as u8
    };
    Ok((pixels.iter().map(luma).collect(), notes))
}

/// Reads strokes on nothing, RGBA bytes of the wanted size: a picture with transparent parts, of the right proportions.
///
/// # Errors
/// When the file is no readable picture, has other proportions, or has nothing transparent: strokes are what is opaque.
pub fn strokes(path: &Path, width: usize, height: usize) -> Result<Vec<u8>, DataError> {
    let opened = image::ImageReader::open(path).and_then(|r| r.with_guessed_format()).map_err(|e| e.to_string());
    let picture = opened.and_then(|r| r.decode().map_err(|e| e.to_string())).map_err(|why| unreadable(path, why))?;
    let rgba = picture.into_rgba8();
    let (w, h) = (rgba.width() as usize, rgba.height() as usize);
    let refused = |expected: String, found: String, remedy: &'static str| {
        Err(DataError::new(path.display().to_string(), expected, found, remedy))
    };
    if w * height != width * h {
        return refused(
            format!("the proportions of {width}x{height}"),
            format!("{w}x{h}"),
            "draw on a transparent picture of the generator's size, or a multiple of it",
        );
    }
    if rgba.pixels().all(|p| p.0[3] == 255) {
        return refused(
            "strokes on a transparent ground".to_owned(),
            "a picture that is opaque all over".to_owned(),
            "save the strokes alone; `project` takes whole pictures",
        );
    }
    if (w, h) == (width, height) {
        return Ok(rgba.into_raw());
    }
    // Colors weighed by their opacity, or transparent black would darken every edge of a stroke.
    let mut weighed = image::Rgba32FImage::new(w as u32, h as u32);
    for (to, from) in weighed.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(|v| f32::from(v) / 255.0);
        to.0 = [r * alpha, g * alpha, b * alpha, alpha];
    }
    let small = imageops::resize(&weighed, width as u32, height as u32, FilterType::Triangle);
    let bytes = small.pixels().flat_map(|p| {
        let [r, g, b, alpha] = p.0;
        let color = |v: f32| if alpha > 0.0 { v / alpha } else { 0.0 };
        [color(r), color(g), color(b), alpha].map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8)
    });
    Ok(bytes.collect())
}

fn unreadable(path: &Path, why: String) -> DataError {
    DataError::new(path.display().to_string(), "a PNG or JPEG picture".to_owned(), why, "convert it to PNG")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    fn saved(name: &str, picture: &RgbaImage) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("ganlet-single-{}-{name}.png", std::process::id()));
        picture.save(&path).unwrap();
        path
    }

    #[test]
    fn pictures_of_other_sizes_and_depths_are_brought_to_shape_and_told_of() {
        let path = saved("color", &RgbaImage::from_pixel(30, 20, Rgba([255, 0, 0, 255])));
        let (bytes, notes) = picture(&path, [8, 8, 1]).unwrap();
        assert_eq!(bytes, [77; 64]);
        assert!(
            notes[0].contains("30x20 brought to 8x8, its center cropped") && notes[1].contains("gray"),
            "{notes:?}"
        );
        assert_eq!(picture(&path, [20, 30, 3]).unwrap(), ([255, 0, 0].repeat(600), vec![]));
        std::fs::remove_file(&path).unwrap();
        assert!(picture(&path, [8, 8, 1]).unwrap_err().to_string().contains("expected: a PNG"));
    }

    #[test]
    fn any_depth_and_any_proportions_become_the_wanted_ones() {
        let wanted = [8, 8, 3];
        let deep = image::ImageBuffer::<image::Rgb<u16>, _>::from_pixel(9, 4, image::Rgb([65_535, 32_896, 0]));
        let thin = image::ImageBuffer::<image::LumaA<u8>, _>::from_pixel(1, 3000, image::LumaA([0, 0]));
        let dot = image::GrayImage::from_pixel(1, 1, image::Luma([7]));
        let path = std::env::temp_dir().join(format!("ganlet-single-{}-depths.png", std::process::id()));
        for (picture, first) in [
            (image::DynamicImage::from(deep), [255, 128, 0]),
            (image::DynamicImage::from(thin), [255; 3]),
            (image::DynamicImage::from(dot), [7; 3]),
        ] {
            picture.save(&path).unwrap();
            let (bytes, notes) = super::picture(&path, wanted).unwrap();
            assert_eq!((bytes.len(), &bytes[..3]), (192, &first[..]));
            assert!(notes[0].contains("brought to 8x8"), "{notes:?}");
        }
        // The head of a picture of 40,000 x 40,000: nothing of it is decoded.
        let mut vast = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x40\0\0\x9c\x40\x08\x02\0\0\0".to_vec();
        let mut crc = flate2::Crc::new();
        crc.update(&vast[12..]);
        vast.extend(crc.sum().to_be_bytes());
        vast.extend(b"\0\0\0\0IDAT");
        vast.extend(0x35af_061e_u32.to_be_bytes());
        std::fs::write(&path, vast).unwrap();
        let message = super::picture(&path, wanted).unwrap_err().to_string();
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
        assert!(strokes(&path, 8, 8).unwrap_err().to_string().contains("proportions of 8x8"));
        std::fs::remove_file(&path).unwrap();
        let path = saved("opaque", &RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 255])));
        assert!(strokes(&path, 8, 8).unwrap_err().to_string().contains("opaque all over"));
        std::fs::remove_file(&path).unwrap();
    }
}
