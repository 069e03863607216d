//! Reads NumPy files: an archive (.npz) with images and optional labels, or a single array (.npy) of images.

use std::io::{Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::ImageDataset;
use super::array_labels::{ArrayLabels, classes};
use super::error::DataError;
use super::npy::{Content, MAGIC, NpyArray, SAVE, array};
use super::reading::{ReadOptions, stem};

/// Names of the arrays of images and labels, in the order in which they are looked for.
const NAMES: [[&str; 2]; 5] =
    [["images", "labels"], ["train_images", "train_labels"], ["x_train", "y_train"], ["X", "y"], ["arr_0", "arr_1"]];

/// Reads the images and labels of an archive.
pub(crate) fn parse(
    path: &Path,
    file: impl Read + Seek,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let mut archive = ZipArchive::new(file)
        .map_err(|e| DataError::new(&place, "a valid .npz archive", e.to_string(), "get the file again"))?;
    let has = |archive: &ZipArchive<_>, name: &str| archive.index_for_name(&format!("{name}.npy")).is_some();
    let Some([images, labels]) = NAMES.into_iter().find(|names| has(&archive, names[0])) else {
        let mut names: Vec<String> =
            archive.file_names().map(|n| format!("`{}`", n.trim_end_matches(".npy"))).collect();
        names.sort();
        names.truncate(8);
        let found =
            if names.is_empty() { "an empty archive".into() } else { format!("the arrays {}", names.join(", ")) };
        return Err(DataError::new(place, "an array `images`", found, SAVE));
    };
    let has_labels = has(&archive, labels);
    let mut member = |name: &str, content: Content| -> Result<NpyArray, DataError> {
        let place = format!("{place}, array `{name}`");
        let reader = archive
            .by_name(&format!("{name}.npy"))
            .map_err(|e| DataError::new(&place, "a readable member of the archive", e.to_string(), SAVE))?;
        array(&place, reader, content, options)
    };
    let of_images = member(images, Content::Images)?;
    let of_labels = if has_labels { Some(member(labels, Content::Labels)?) } else { None };
    if images != "images" {
        notes.push(match of_labels {
            Some(_) => format!("the arrays `{images}` and `{labels}` are read"),
            None => format!("the array `{images}` is read"),
        });
    }
    let labels = of_labels.map(|of| classes(&format!("{place}, array `{labels}`"), &of)).transpose()?;
    to_dataset(path, &format!("{place}, array `{images}`"), of_images, labels, notes)
}

/// Reads class labels from the array `labels` of an archive, or from a single array.
pub(crate) fn labels(path: &Path, bytes: &[u8]) -> Result<ArrayLabels, DataError> {
    let place = path.display().to_string();
    let options = ReadOptions::default();
    if bytes.starts_with(MAGIC) {
        return classes(&place, &array(&place, bytes, Content::Labels, &options)?);
    }
    let inside = format!("{place}, array `labels`");
    let missing =
        |e: zip::result::ZipError| DataError::new(&inside, "an archive with the array `labels`", e.to_string(), SAVE);
    let mut archive = ZipArchive::new(std::io::Cursor::new(bytes)).map_err(missing)?;
    let member = archive.by_name("labels.npy").map_err(missing)?;
    classes(&inside, &array(&inside, member, Content::Labels, &options)?)
}

/// Reads a single array of images.
pub(crate) fn parse_npy(
    path: &Path,
    file: impl Read,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let images = array(&place, file, Content::Images, options)?;
    to_dataset(path, &place, images, None, notes)
}

fn to_dataset(
    path: &Path,
    place: &str,
    images: NpyArray,
    labels: Option<ArrayLabels>,
    notes: &mut Vec<String>,
) -> Result<ImageDataset, DataError> {
    let (height, width, channels) = match images.shape[..] {
        [height, width, channels @ (1 | 3 | 4)] if height > 3 && width > 3 => {
            return Err(DataError::new(
                place,
                "several images, shape [count, height, width, channels]",
                format!("shape {:?}, which looks like one image of {width}x{height}", images.shape),
                format!(
                    "save all images in one array, numpy.stack(list_of_images); if these are {height} gray images of \
                     {channels}x{width}: images[..., None]"
                ),
            ));
        }
        [_, height, width] => (height, width, 1),
        [_, 1 | 3, height, width] if !matches!(width, 1 | 3) => {
            return Err(DataError::new(
                place,
                "shape [count, height, width, channels]",
                format!("{:?}, which looks like channels before {height}x{width}", images.shape),
                "put the channels last: images.transpose(0, 2, 3, 1)",
            ));
        }
        [_, height, width, channels] => (height, width, channels),
        _ => {
            return Err(DataError::new(
                place,
                "shape [count, height, width] or [count, height, width, channels]",
                format!("shape {:?}", images.shape),
                reshaped(&images.shape),
            ));
        }
    };
    let pixels = pixels(place, images, notes)?;
    let (labels, names) = match labels {
        Some(ArrayLabels { labels, names, notes: of_labels }) => {
            notes.extend(of_labels);
            (Some(labels), names)
        }
        None => (None, Vec::new()),
    };
    let images = ImageDataset::new(stem(path), (width, height, channels), pixels, labels)
        .map_err(|e| DataError { place: place.to_owned(), ..e })?;
    Ok(images.with_label_names(&names))
}

/// How to give an array of another number of dimensions the shape of images.
fn reshaped(shape: &[usize]) -> String {
    let &[count, values] = shape else {
        return "reshape the array: images.reshape(count, height, width, channels)".into();
    };
    let side = |pixels: usize| Some(pixels.isqrt()).filter(|side| side * side == pixels && *side > 1);
    if let Some(side) = side(values) {
        return format!("reshape the array: images.reshape({count}, {side}, {side})");
    }
    match side(values / 3).filter(|_| values % 3 == 0) {
        Some(side) => format!(
            "reshape the array: images.reshape({count}, {side}, {side}, 3), or, if all red values come first, \
             images.reshape({count}, 3, {side}, {side}).transpose(0, 2, 3, 1)"
        ),
        None => format!("reshape the array: images.reshape({count}, height, width)"),
    }
}

/// The pixels of an array as bytes. Integers are taken if all are in 0..=255. The remedy for other values never wraps them around.
fn pixels(place: &str, images: NpyArray, notes: &mut Vec<String>) -> Result<Vec<u8>, DataError> {
    if images.dtype == "|u1" {
        return Ok(images.bytes);
    }
    if let Some(values) = images.integers() {
        if images.kind() == b'b' {
            notes.push("false is black and true is white".into());
            return Ok(values.into_iter().map(|v| if v == 0 { 0 } else { 255 }).collect());
        }
        let (low, high) = values.iter().fold((i64::MAX, i64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        if let (0.., ..=255) = (low, high) {
            return Ok(values.into_iter().map(|v| v as u8).collect());
        }
        return Err(other_values(place, &images.dtype, integer_remedy(low, high), &low, &high));
    }
    let Some(values) = images.floats() else {
        let remedy = "save the values of the pixels, 0 to 255, as numbers: numpy.array(pixels, dtype='uint8')";
        return Err(DataError::new(place, "unsigned bytes (uint8)", format!("type {}", images.dtype), remedy));
    };
    if values.iter().any(|v| !v.is_finite()) {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = (finite().fold(f64::MAX, f64::min), finite().fold(f64::MIN, f64::max));
        let remedy = if low > high {
            "get the images again: no value is finite".to_owned()
        } else {
            format!("replace them: numpy.nan_to_num(images, nan={low}, neginf={low}, posinf={high})")
        };
        return Err(DataError::new(place, "finite values", format!("NaN or infinity, type {}", images.dtype), remedy));
    }
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    let remedy = match (low, high) {
        (0.0.., ..=1.0) => "convert them: (255 * images).round().astype('uint8')".to_owned(),
        (-1.0.., ..=1.0) => "convert them: (127.5 * (images + 1)).round().astype('uint8')".to_owned(),
        (0.0.., ..=255.0) => "convert them: images.round().astype('uint8')".to_owned(),
        _ => scaled(&low, &high),
    };
    Err(other_values(place, &images.dtype, remedy, &low, &high))
}

fn other_values(
    place: &str,
    dtype: &str,
    remedy: String,
    low: &dyn std::fmt::Display,
    high: &dyn std::fmt::Display,
) -> DataError {
    DataError::new(place, "values from 0 to 255 (uint8)", format!("values from {low} to {high}, type {dtype}"), remedy)
}

/// How to convert integers from `low` to `high` to bytes without wrapping around.
fn integer_remedy(low: i64, high: i64) -> String {
    match (low, high) {
        (-128..0, ..=127) => "shift them: (images.astype('int16') + 128).astype('uint8')".to_owned(),
        (0.., 32768..=65535) => "scale them: (images // 257).astype('uint8')".to_owned(),
        (0.., 2048..=4095) => "scale them: (images // 16).astype('uint8')".to_owned(),
        _ => format!("{}, or cut them off: images.clip(0, 255).astype('uint8')", scaled(&low, &high)),
    }
}

fn scaled(low: &dyn std::fmt::Display, high: &dyn std::fmt::Display) -> String {
    format!("scale them: numpy.interp(images, [{low}, {high}], [0, 255]).round().astype('uint8')")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use std::io::{Cursor, Write};
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn npy(kind: &str, order: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text.as_bytes());
        file.extend(bytes);
        file
    }

    fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn open(file: Vec<u8>) -> Result<ImageDataset, String> {
        parse(Path::new("a.npz"), Cursor::new(file), &ReadOptions::default(), &mut Vec::new())
            .map_err(|e| e.to_string())
    }

    fn images() -> Vec<u8> {
        npy("|u1", "False", "(2, 2, 3)", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    }

    #[test]
    fn images_and_labels_are_read() {
        let wide: Vec<u8> = [3_i64, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = [3_i16, 1].iter().flat_map(|v| v.to_be_bytes()).collect();
        for (kind, bytes) in [("|u1", vec![3, 1]), ("<i8", wide), (">i2", big)] {
            let set = open(npz(&[("images", images()), ("labels", npy(kind, "False", "(2,)", &bytes))])).unwrap();
            assert_eq!((set.name(), set.shape(), set.labels()), ("a", [2, 3, 1].as_slice(), Some([3, 1].as_slice())));
            assert_eq!(set.bytes(1), [7, 8, 9, 10, 11, 12]);
        }
        let color = npy("|u1", "False", "(1, 1, 2, 3)", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(open(npz(&[("images", color.clone())])).unwrap().shape(), [1, 2, 3]);
        let single = parse_npy(Path::new("a.npy"), &color[..], &ReadOptions::default(), &mut Vec::new());
        assert_eq!(single.unwrap().shape(), [1, 2, 3]);
        assert_eq!(open(npz(&[("X", color)])).unwrap().shape(), [1, 2, 3]);
    }

    #[test]
    fn invalid_arrays_are_refused_with_a_remedy() {
        let refuse =
            |kind, order, shape, n: usize| open(npz(&[("images", npy(kind, order, shape, &vec![0; n]))])).unwrap_err();
        assert!(open(npz(&[("pics", images())])).unwrap_err().contains("`pics`"));
        assert!(open(npz(&[])).unwrap_err().contains("empty archive"));
        assert!(refuse("<f4", "False", "(2, 2, 3)", 48).contains("255 * images"));
        assert!(refuse("<U7", "False", "(2, 2, 3)", 336).contains("numpy.array(pixels, dtype='uint8')"));
        assert!(refuse("|O", "False", "(2, 2, 3)", 84).contains("numpy.stack(list(images))"));
        assert!(refuse("|u1", "False", "(12,)", 12).contains("shape [12]"));
        assert!(refuse("|u1", "False", "(2, 3, 8, 8)", 384).contains("transpose"));
        assert!(refuse("|u1", "False", "(2, 8, 8, 4)", 512).contains("alpha"));
        assert!(refuse("|u1", "True", "(2, 2, 3)", 12).contains("Fortran"));
        assert!(refuse("|u1", "False", "(2, 2, 3)", 11).contains("the end after 11"));
        assert!(refuse("|u1", "False", "(2, 2, 3)", 13).contains("more bytes"));
        assert!(refuse("|u1", "False", "(0, 2, 3)", 0).contains("0 bytes"));
        assert!(refuse("|u1", "False", "(18446744073709551615, 2, 3)", 12).contains("overflows"));
        assert!(refuse("|u1", "False", "(99999999, 2000, 3)", 12).contains("at most"));
        assert!(refuse("|u1", "False", "(2, x)", 12).contains("'shape'"));
    }

    /// An archive of one image of `values`.
    fn of_values(kind: &str, values: &[u8], count: usize) -> Result<ImageDataset, String> {
        open(npz(&[("images", npy(kind, "False", &format!("(1, 1, {count})"), values))]))
    }

    #[test]
    fn values_of_other_types_are_kept_or_refused_with_a_conversion_that_does_not_wrap() {
        let bytes = |values: &[i64]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        assert_eq!(of_values("<i8", &bytes(&[0, 255]), 2).unwrap().bytes(0), [0, 255]);
        assert_eq!(of_values(">u2", &[0, 7, 0, 255], 2).unwrap().bytes(0), [7, 255]);
        assert_eq!(of_values("|b1", &[0, 1], 2).unwrap().bytes(0), [0, 255]);
        for (kind, values, found, remedy) in [
            ("<u2", vec![0, 0, 0x40, 0x9c], "values from 0 to 40000", "(images // 257)"),
            ("<u2", vec![0, 0, 0x88, 0x13], "values from 0 to 5000", "numpy.interp(images, [0, 5000], [0, 255])"),
            ("<u2", vec![0, 0, 0xff, 0x0f], "values from 0 to 4095", "(images // 16)"),
            ("|i1", vec![0xff, 127], "values from -1 to 127", "(images.astype('int16') + 128)"),
            ("<i8", bytes(&[-1, 300]), "values from -1 to 300", "images.clip(0, 255)"),
            ("<i8", bytes(&[0, 500]), "values from 0 to 500", "numpy.interp(images, [0, 500], [0, 255])"),
            ("<f4", [0.0_f32, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect(), "0 to 0.5", "(255 * images)"),
            (
                "<f8",
                [-1.0_f64, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
                "-1 to 1",
                "(127.5 * (images + 1))",
            ),
            (">f4", [0.0_f32, 255.0].iter().flat_map(|v| v.to_be_bytes()).collect(), "0 to 255", "images.round()"),
            ("<f2", vec![0, 0xbc, 0, 0x44], "-1 to 4", "numpy.interp(images, [-1, 4], [0, 255])"),
            (
                "<f4",
                [f32::NAN, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
                "NaN",
                "nan_to_num(images, nan=1, neginf=1, posinf=1)",
            ),
            (
                "<f4",
                [f32::INFINITY, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect(),
                "NaN",
                "no value is finite",
            ),
        ] {
            let text = of_values(kind, &values, 2).unwrap_err();
            assert!(text.contains(found) && text.contains(remedy) && text.contains(&format!("type {kind}")), "{text}");
        }
    }

    fn labeled(kind: &str, shape: &str, bytes: &[u8]) -> Result<ImageDataset, String> {
        open(npz(&[("images", images()), ("labels", npy(kind, "False", shape, bytes))]))
    }

    #[test]
    fn labels_in_columns_one_hot_rows_and_names_are_read() {
        let floats: Vec<u8> = [1.0_f32, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let names: Vec<u8> = "dogcat".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        for (kind, shape, bytes) in [
            ("|u1", "(2, 1)", vec![1, 0]),
            ("|u1", "(2, 2)", vec![0, 1, 1, 0]),
            ("<f4", "(2,)", floats),
            ("|b1", "(2,)", vec![1, 0]),
            ("<U3", "(2,)", names),
            ("|S3", "(2, 1)", b"xy\0a\0\0".to_vec()),
        ] {
            let set = labeled(kind, shape, &bytes).unwrap();
            assert_eq!(set.labels(), Some([1, 0].as_slice()), "{kind} {shape}");
            match kind {
                "<U3" => assert_eq!(set.label_names(), ["cat", "dog"]),
                "|S3" => assert_eq!(set.label_names(), ["a", "xy"]),
                _ => assert_eq!(set.label_names(), ["0", "1"]),
            }
        }
    }

    #[test]
    fn invalid_labels_are_refused() {
        let refuse = |kind, shape, bytes: &[u8]| labeled(kind, shape, bytes).unwrap_err();
        assert!(refuse("|u1", "(3,)", &[0; 3]).contains("3 labels"));
        assert!(refuse("<i2", "(2,)", &[0, 1, 0, 0]).contains("the class 256"));
        assert!(refuse("|i1", "(2,)", &[255, 0]).contains("numpy.unique"));
        assert!(refuse("|u1", "(2, 1, 1)", &[0; 2]).contains("shape [2, 1, 1]"));
        assert!(refuse("|O", "(2,)", &[0; 2]).contains("labels.astype(str)"));
    }

    #[test]
    fn conversions_of_labels_keep_every_class() {
        let refuse = |kind, shape, bytes: &[u8]| labeled(kind, shape, bytes).unwrap_err();
        let floats = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        for (kind, shape, bytes, remedy) in [
            ("<f4", "(2,)", floats(&[0.33, 0.66]), "numpy.unique(labels, return_inverse=True)[1]"),
            ("<f4", "(2, 1)", floats(&[0.33, 0.66]), "numpy.unique(labels, return_inverse=True)[1]"),
            ("<f4", "(300,)", floats(&(0..300).map(|i| i as f32 + 0.5).collect::<Vec<_>>()), "fewer values"),
            ("<f4", "(2, 2)", floats(&[0.25, 0.75, 0.5, 0.5]), "labels.argmax(1)"),
            ("<f4", "(2,)", floats(&[1.0, f32::NAN]), "known = numpy.isfinite(labels); images"),
            ("<f4", "(2, 2)", floats(&[1.0, f32::NAN, 0.0, 1.0]), "known = numpy.isfinite(labels).all(1); images"),
            ("<c8", "(2,)", vec![0; 16], "labels.astype(str)"),
            ("<M8[ns]", "(2,)", vec![0; 16], "labels.astype(str)"),
            ("|u1", "(1, 2)", vec![0, 1], "labels.ravel()"),
            ("<U1", "(1, 2)", vec![0; 8], "labels.ravel()"),
            ("|u1", "(2, 2)", vec![0, 255, 255, 0], "the class of each row: labels.argmax(1)"),
            ("|u1", "(2, 2)", vec![1, 1, 0, 1], "numpy.unique(labels, axis=0, return_inverse=True)[1]"),
            ("|u1", "(2, 0)", vec![], "one class for each image"),
        ] {
            let text = refuse(kind, shape, &bytes);
            assert!(text.contains(remedy) && !text.contains("astype(int)"), "{kind} {shape}: {text}");
        }
        let many: Vec<u8> = (0..300_i16).flat_map(i16::to_le_bytes).collect();
        assert!(refuse("<i2", "(300,)", &many).contains("fewer values"));
    }

    #[test]
    fn a_remedy_fits_the_form_of_the_array() {
        let refuse =
            |kind, order, shape, n: usize| open(npz(&[("images", npy(kind, order, shape, &vec![0; n]))])).unwrap_err();
        for (shape, count, remedy) in [
            ("(16, 16, 3)", 768, "one image of 16x16"),
            ("(16, 16, 3)", 768, "images[..., None]"),
            ("(20, 10, 4)", 800, "one image of 10x20"),
            ("(8, 8, 1)", 64, "numpy.stack(list_of_images)"),
            ("(3, 784)", 2352, "images.reshape(3, 28, 28)\n"),
            ("(2, 3072)", 6144, "images.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1)"),
            ("(2, 6)", 12, "images.reshape(2, height, width)"),
            ("(2, 1, 2, 2, 3)", 24, "images.reshape(count, height, width, channels)"),
        ] {
            let text = refuse("|u1", "False", shape, count) + "\n";
            assert!(text.contains(remedy), "{shape}: {text}");
        }
        assert!(refuse("<M8[s]", "False", "(2, 2, 3)", 96).contains("0 to 255"));
        let labels = open(npz(&[("images", images()), ("labels", npy("|u1", "True", "(2, 2)", &[0, 1, 1, 0]))]));
        assert!(labels.unwrap_err().contains("numpy.ascontiguousarray(labels)"));
        let descr = "{'descr': [('kind', '<i4'), ('n', '<i4')], 'fortran_order': False, 'shape': (2,), }\n";
        let structured = [b"\x93NUMPY\x01\x00", &(descr.len() as u16).to_le_bytes()[..], descr.as_bytes()].concat();
        let text = open(npz(&[("images", images()), ("labels", structured.clone())])).unwrap_err();
        assert!(text.contains("fields") && text.contains("labels['kind']"), "{text}");
        let text = open(npz(&[("images", structured)])).unwrap_err();
        assert!(text.contains("structured_to_unstructured(images)"), "{text}");
        // A second array in the file, as a second numpy.save writes it.
        let two = [images(), images()].concat();
        assert!(open(npz(&[("images", two)])).unwrap_err().contains("numpy.concatenate"));
    }

    #[test]
    fn damaged_archives_are_refused() {
        let file = npz(&[("images", images())]);
        for cut in 0..file.len() {
            assert!(open(file[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        for position in 0..file.len() {
            let mut damaged = file.clone();
            damaged[position] ^= 0x55;
            // Some header bytes (times, attributes) have no effect. No damaged byte may cause a panic.
            let _ = open(damaged);
        }
    }
}
