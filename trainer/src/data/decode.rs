//! Decodes an image file, applies its EXIF orientation and color profile, and blends transparent parts onto white.

use std::error::Error;
use std::io::{BufRead, Read, Seek, SeekFrom};

use image::error::ImageError;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::budget::MemoryBudget;
use super::color::ToSrgb;
use super::fit::Frame;
use crate::text::grouped;

/// Extensions of the image formats that are read, in lower case.
pub(crate) const EXTENSIONS: [&str; 11] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "qoi"];
/// The formats in words, for messages.
pub(crate) const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF, TIFF or QOI";
/// Default limit on the pixels of an image that is decoded. Larger ones would take too much memory.
pub(crate) const MAX_PIXELS: u64 = 100_000_000;
/// Limit on what the parts of a file before its pixels, such as a color profile, may unpack to.
const MAX_METADATA: u64 = 64 << 20;

/// The bytes of an image file: a file on disk, or a member of an archive in memory.
pub(crate) trait ImageBytes: BufRead + Seek {}

impl<T: BufRead + Seek> ImageBytes for T {}

/// Limits on the images that are decoded.
pub(crate) struct DecodeLimits {
    /// Images with more pixels are refused before they are decoded.
    pub(crate) max_pixels: u64,
    /// Memory for all images that are being decoded.
    pub(crate) memory: MemoryBudget,
}

impl DecodeLimits {
    /// At most `max_pixels` for each image, and half of the free memory for all together.
    pub(crate) fn new(max_pixels: u64) -> Self {
        Self { max_pixels, memory: MemoryBudget::of_free_memory() }
    }
}

/// Limit on the size of a file of an image of `max_pixels`. No format needs more than 8 bytes for a pixel.
pub(crate) fn max_file_bytes(max_pixels: u64) -> u64 {
    max_pixels.saturating_mul(8).saturating_add(MAX_METADATA)
}

/// A decoded image at the requested size.
pub(crate) struct DecodedImage {
    /// RGB bytes.
    pub(crate) bytes: Vec<u8>,
    /// Width and height in the file.
    pub(crate) original: (usize, usize),
    /// Whether transparent parts were blended onto white.
    pub(crate) transparent: bool,
}

/// Reads an image as RGB bytes of the size of `frame`.
pub(crate) fn decode(file: Box<dyn ImageBytes>, frame: Frame, limits: &DecodeLimits) -> Result<DecodedImage, String> {
    decode_upright(file, limits, |image| {
        let original = (image.width() as usize, image.height() as usize);
        let (rgb, transparent) = blend_onto_white(image);
        let bytes = frame.fit(rgb.as_raw(), (original.0, original.1, 3));
        DecodedImage { bytes, original, transparent }
    })
}

/// Reads an image at its own size, turns it upright, converts it to sRGB, and calls `work` on it. Limits are checked before anything is decoded.
///
/// The memory of the image stays reserved until `work` returns.
pub(crate) fn decode_upright<T>(
    mut file: Box<dyn ImageBytes>,
    limits: &DecodeLimits,
    work: impl FnOnce(DynamicImage) -> T,
) -> Result<T, String> {
    let size = file.seek(SeekFrom::End(0)).and_then(|size| file.rewind().map(|()| size)).map_err(|e| e.to_string())?;
    if size > max_file_bytes(limits.max_pixels) {
        let megabytes = grouped((size >> 20) as usize);
        return Err(format!("a file of {megabytes} MB, more than an image of the largest size would take"));
    }
    if size == 0 {
        return Err("the file is empty".into());
    }
    check_header(&mut *file, limits.max_pixels)?;
    let mut reader = reader(file)?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        let mut bytes = Vec::new();
        let mut file = reader.into_inner();
        file.read_to_end(&mut bytes).and_then(|_| file.rewind()).map_err(|e| e.to_string())?;
        if is_truncated(&bytes) {
            return Err("it is truncated: its data has no end marker".into());
        }
        reader = ImageReader::with_format(file, ImageFormat::Jpeg);
    }
    let mut decoder = decoder(reader)?;
    let (w, h) = decoder.dimensions();
    check_pixels(w, h, limits.max_pixels)?;
    let pixels = u64::from(w) * u64::from(h);
    let needed = memory_of(&decoder, pixels).saturating_add(size);
    let Some(_reserved) = limits.memory.reserve(needed) else {
        let gb = |bytes: u64| bytes as f64 / 1e9;
        let (needed, free) = (gb(needed), gb(limits.memory.total()));
        return Err(format!("decoding its {w}x{h} pixels takes {needed:.1} GB of memory; {free:.1} GB can be used"));
    };
    decoder.set_limits(allocation(needed.saturating_add(MAX_METADATA))).map_err(explained)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let mut image = DynamicImage::from_decoder(decoder).map_err(explained)?;
    image.apply_orientation(orientation);
    if image.color().has_color()
        && let Some(conversion) = profile.and_then(|profile| ToSrgb::from_profile(&profile))
    {
        image = converted(image, &conversion);
    }
    Ok(work(image))
}

fn converted(image: DynamicImage, conversion: &ToSrgb) -> DynamicImage {
    if image.color().has_alpha() {
        let mut pixels = image.into_rgba8();
        conversion.apply(&mut pixels, 4);
        pixels.into()
    } else {
        let mut pixels = image.into_rgb8();
        conversion.apply(&mut pixels, 3);
        pixels.into()
    }
}

/// Width and height of the upright image, read without decoding it.
pub(crate) fn upright_size(file: Box<dyn ImageBytes>) -> Result<(usize, usize), String> {
    let mut decoder = decoder(reader(file)?)?;
    let (w, h) = decoder.dimensions();
    let sideways = matches!(
        decoder.orientation(),
        Ok(Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH)
    );
    Ok(if sideways { (h as usize, w as usize) } else { (w as usize, h as usize) })
}

fn reader(file: Box<dyn ImageBytes>) -> Result<ImageReader<Box<dyn ImageBytes>>, String> {
    let reader = ImageReader::new(file).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err(format!("its content is not that of a {FORMATS} image"));
    }
    Ok(reader)
}

fn decoder(mut reader: ImageReader<Box<dyn ImageBytes>>) -> Result<impl ImageDecoder, String> {
    reader.limits(allocation(MAX_METADATA));
    reader.into_decoder().map_err(explained)
}

/// Limits of the `image` crate: at most `bytes` of memory.
fn allocation(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Memory in bytes that decoding and the conversion to RGB take at most.
fn memory_of(decoder: &impl ImageDecoder, pixels: u64) -> u64 {
    let color = decoder.color_type();
    let converted = match color {
        ColorType::Rgb8 => 0,
        _ if color.has_alpha() => 4 + 3,
        _ => 3,
    };
    // The crop that is resized is another copy.
    decoder.total_bytes().saturating_add(pixels.saturating_mul(converted + 3))
}

fn explained(error: ImageError) -> String {
    match error {
        ImageError::Limits(_) => {
            format!("it unpacks to more than its pixels and {} MB of other data", MAX_METADATA >> 20)
        }
        ImageError::Unsupported(e) => match plain(&e.to_string()) {
            Some(text) => format!("{text}; convert it to PNG"),
            None => "this kind of it is not supported; convert it to PNG".into(),
        },
        ImageError::Decoding(e) => {
            let detail = e.source().and_then(|cause| plain(&cause.to_string()));
            detail.map_or_else(|| "its data are damaged".into(), |detail| format!("its data are damaged: {detail}"))
        }
        error => plain(&error.to_string()).unwrap_or_else(|| "it cannot be read".into()),
    }
}

/// The message of a decoder in one line; `None` if it shows values of the decoder's own types.
fn plain(message: &str) -> Option<String> {
    // Some decoders end their messages with line breaks.
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_plain =
        !line.is_empty() && !line.contains(['{', '}', '`']) && !line.contains("::") && !line.contains("Some(");
    is_plain.then_some(line)
}

/// Checks the size in the header of a PNG or QOI file, whose decoders report other problems for huge sizes.
fn check_header(file: &mut dyn ImageBytes, max_pixels: u64) -> Result<(), String> {
    let mut start = [0; 24];
    let read = file.read_exact(&mut start).is_ok();
    file.rewind().map_err(|e| e.to_string())?;
    let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| start[at + i]));
    match &start[..4] {
        b"\x89PNG" if read && start[12..16] == *b"IHDR" => check_pixels(word(16), word(20), max_pixels),
        b"qoif" if read => check_pixels(word(4), word(8), max_pixels),
        _ => Ok(()),
    }
}

/// Refuses images without pixels and with too many of them.
fn check_pixels(width: u32, height: u32, max_pixels: u64) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err("it has no pixels".into());
    }
    if pixels > max_pixels {
        let megapixels = |pixels: u64| grouped(pixels.div_ceil(1_000_000) as usize);
        let (found, most) = (megapixels(pixels), grouped((max_pixels / 1_000_000) as usize));
        return Err(format!("{width}x{height} are {found} megapixels; the limit is {most}"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageEncoder;
    use image::codecs::png::PngEncoder;
    use std::io::{Cursor, Write};

    fn png(color: ColorType, side: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new(side, side, color).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn open(bytes: &[u8]) -> Box<dyn ImageBytes> {
        Box::new(Cursor::new(bytes.to_vec()))
    }

    const FRAME: Frame = Frame { width: 8, height: 8, fit: crate::recipe::Fit::Crop };

    #[test]
    fn a_color_profile_is_not_unpacked_beyond_the_limit() {
        let plain = png(ColorType::Rgb8, 8);
        // The chunk iCCP after the signature and IHDR, which take 33 bytes.
        let with_profile = |size: usize| {
            let mut packed = flate2::write::ZlibEncoder::new(b"iCCPicc\0\0".to_vec(), flate2::Compression::fast());
            packed.write_all(&vec![0; size]).unwrap();
            let chunk = packed.finish().unwrap();
            let mut crc = flate2::Crc::new();
            crc.update(&chunk);
            let length = (chunk.len() as u32 - 4).to_be_bytes();
            [&plain[..33], &length, &chunk, &crc.sum().to_be_bytes(), &plain[33..]].concat()
        };
        let profile = |bytes: &[u8]| decoder(reader(open(bytes)).unwrap()).unwrap().icc_profile().unwrap();
        assert_eq!(profile(&with_profile(1000)).map(|p| p.len()), Some(1000));
        let bomb = with_profile(MAX_METADATA as usize + 1);
        assert_eq!(profile(&bomb), None);
        assert!(decode(open(&bomb), FRAME, &DecodeLimits::new(MAX_PIXELS)).is_ok());
    }

    #[test]
    fn colors_are_those_of_the_color_profile() {
        let pixels = |bytes: Vec<u8>| {
            let decoded = decode(open(&bytes), FRAME, &DecodeLimits::new(MAX_PIXELS)).unwrap();
            [decoded.bytes[0], decoded.bytes[1], decoded.bytes[2]]
        };
        let with_profile = |image: DynamicImage| {
            let mut bytes = Vec::new();
            let mut encoder = PngEncoder::new(&mut bytes);
            encoder.set_icc_profile(crate::data::color::tests::display_p3()).unwrap();
            image.write_with_encoder(encoder).unwrap();
            bytes
        };
        let [color, opaque] = [[200, 60, 30], [217, 42, 0]];
        let rgb = DynamicImage::from(RgbImage::from_pixel(8, 8, Rgb(color)));
        let mut plain = Cursor::new(Vec::new());
        rgb.write_to(&mut plain, ImageFormat::Png).unwrap();
        assert_eq!(pixels(plain.into_inner()), color);
        for image in [rgb.clone(), rgb.to_rgba8().into(), rgb.to_rgb16().into()] {
            assert_eq!(pixels(with_profile(image)), opaque);
        }
        // A gray image has no colors to convert.
        assert_eq!(pixels(with_profile(DynamicImage::from(rgb.to_luma8()))), [rgb.to_luma8().get_pixel(0, 0).0[0]; 3]);
    }

    #[test]
    fn messages_are_one_line_and_empty_files_are_called_empty() {
        let message = |bytes: &[u8]| decode(open(bytes), FRAME, &DecodeLimits::new(MAX_PIXELS)).err().unwrap();
        assert_eq!(message(b""), "the file is empty");
        let mut jpeg = Cursor::new(Vec::new());
        DynamicImage::new(64, 64, ColorType::Rgb8).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        for length in 1..jpeg.len() {
            let message = message(&jpeg[..length]);
            assert!(
                !message.is_empty() && !message.contains('\n') && message.trim() == message,
                "{length}: {message:?}"
            );
        }
    }

    #[test]
    fn messages_of_decoders_show_no_values_of_their_types() {
        let message = |bytes: &[u8]| decode(open(bytes), FRAME, &DecodeLimits::new(MAX_PIXELS)).err().unwrap();
        let plain = png(ColorType::Rgb8, 8);
        // A chunk before the header: the decoder prints the fields of its type.
        let early = [&plain[..8], &[0; 12], &plain[8..]].concat();
        let messages = (8..plain.len() - 12).map(|at| {
            let mut damaged = plain.clone();
            damaged[at] ^= 0x55;
            decode(open(&damaged), FRAME, &DecodeLimits::new(MAX_PIXELS)).err().unwrap_or_default()
        });
        let shown =
            |text: &str| ["{", "::", "Some(", "Format error", "ChunkType"].iter().any(|part| text.contains(part));
        for text in messages.chain([message(&early)]) {
            assert!(!shown(&text), "{text}");
        }
        assert!(message(&early).starts_with("its data are damaged"), "{}", message(&early));
    }

    #[test]
    fn huge_sizes_in_a_header_are_called_too_many_pixels() {
        let message = |bytes: &[u8]| decode(open(bytes), FRAME, &DecodeLimits::new(MAX_PIXELS)).err().unwrap();
        let mut huge = png(ColorType::Rgb8, 8);
        huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let found = message(&huge);
        assert!(found.starts_with("2147483647x2147483647 are ") && found.contains("megapixels"), "{found}");
        let qoi = [b"qoif", &30_000_u32.to_be_bytes()[..], &30_000_u32.to_be_bytes(), &[3, 0], &[0; 40]].concat();
        assert_eq!(message(&qoi), "30000x30000 are 900 megapixels; the limit is 100");
    }

    #[test]
    fn an_image_that_takes_more_than_the_free_memory_is_refused_before_it_is_decoded() {
        let deep = png(ColorType::Rgba16, 100);
        let limits = |bytes| DecodeLimits { max_pixels: MAX_PIXELS, memory: MemoryBudget::new(bytes) };
        assert!(decode(open(&deep), FRAME, &limits(1 << 20)).is_ok());
        let message = decode(open(&deep), FRAME, &limits(100_000)).err().unwrap();
        assert!(message.contains("decoding its 100x100 pixels takes 0.0 GB"), "{message}");
        let small = DecodeLimits { max_pixels: 9_999, memory: MemoryBudget::new(1 << 20) };
        assert!(decode(open(&deep), FRAME, &small).err().unwrap().contains("megapixels"));
    }
}
