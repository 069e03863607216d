//! Reads NumPy files: an archive (.npz) with images and optional labels, or a single array (.npy) of images.

use std::io::{Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::ImageDataset;
use super::error::DataError;
use super::layout::{MAX_CLASSES, compare_classes};
use super::npy::{Content, MAGIC, NpyArray, SAVE, array};
use super::reading::{ReadOptions, stem};
use crate::text::grouped;

/// Names of the arrays of images and labels, in the order in which they are looked for.
const NAMES: [[&str; 2]; 5] =
    [["images", "labels"], ["train_images", "train_labels"], ["x_train", "y_train"], ["X", "y"], ["arr_0", "arr_1"]];

/// Labels of an array, and the names of their classes.
#[derive(Debug, PartialEq)]
pub(crate) struct ArrayLabels {
    pub(crate) labels: Vec<u8>,
    pub(crate) names: Vec<String>,
    /// Messages for the user.
    pub(crate) notes: Vec<String>,
}

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
                "reshape the array",
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
        let remedy = "replace them: images = numpy.nan_to_num(images)";
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
        (0.., 4096..=65535) => "scale them: (images // 257).astype('uint8')".to_owned(),
        (0.., 1024..=4095) => "scale them: (images // 16).astype('uint8')".to_owned(),
        _ => format!("cut them off: images.clip(0, 255).astype('uint8'), or {}", scaled(&low, &high)),
    }
}

fn scaled(low: &dyn std::fmt::Display, high: &dyn std::fmt::Display) -> String {
    format!("scale them: numpy.interp(images, [{low}, {high}], [0, 255]).round().astype('uint8')")
}

/// Converts labels: numbers from 0 to 255 or names, one for each image, or one-hot rows.
fn classes(place: &str, labels: &NpyArray) -> Result<ArrayLabels, DataError> {
    let wrong_shape = |remedy: &str| {
        Err(DataError::new(
            place,
            "shape [count], one class for each image",
            format!("shape {:?}", labels.shape),
            remedy,
        ))
    };
    let columns = match labels.shape[..] {
        [_] => 1,
        [_, columns] if columns > 0 => columns,
        _ => return wrong_shape("save one class for each image: labels.reshape(len(images))"),
    };
    let whole = |v: f64| (v.fract() == 0.0 && v.abs() < 1e15).then_some(v as i64);
    let numbers = labels.integers().or_else(|| labels.floats()?.into_iter().map(whole).collect());
    let Some(numbers) = numbers else {
        return match labels.strings() {
            Some(names) if columns == 1 => named_classes(place, &names),
            Some(_) => wrong_shape("save one column: labels[:, 0]"),
            None => {
                let remedy = "save whole numbers from 0, labels.astype(int), or names, labels.astype(str)";
                Err(DataError::new(place, "whole numbers or names", format!("type {}", labels.dtype), remedy))
            }
        };
    };
    let mut notes = Vec::new();
    let numbers = if columns == 1 {
        numbers
    } else {
        let mut of_rows = Vec::with_capacity(numbers.len() / columns);
        for row in numbers.chunks_exact(columns) {
            let one_hot = row.iter().all(|v| matches!(v, 0 | 1)) && row.iter().sum::<i64>() == 1;
            if !one_hot {
                return wrong_shape("choose one class for each image: labels.argmax(1), or one column: labels[:, 0]");
            }
            of_rows.push(row.iter().position(|v| *v == 1).unwrap_or(0) as i64);
        }
        notes.push(format!("one-hot labels of {columns} classes"));
        of_rows
    };
    let labels: Result<Vec<u8>, _> = numbers.iter().map(|v| u8::try_from(*v)).collect();
    let Ok(labels) = labels else {
        let other = numbers.iter().find(|v| u8::try_from(**v).is_err()).copied().unwrap_or(0);
        let remedy = "number the classes from 0: numpy.unique(labels, return_inverse=True)[1]";
        return Err(DataError::new(place, "classes from 0 to 255", format!("the class {other}"), remedy));
    };
    let count = labels.iter().max().map_or(0, |m| usize::from(*m) + 1);
    Ok(ArrayLabels { labels, names: (0..count).map(|c| c.to_string()).collect(), notes })
}

fn named_classes(place: &str, of_images: &[String]) -> Result<ArrayLabels, DataError> {
    let mut names = of_images.to_vec();
    names.sort_by(|a, b| compare_classes(a, b));
    names.dedup();
    if names.len() > MAX_CLASSES {
        let found = format!("{} classes", grouped(names.len()));
        let remedy = "use labels with fewer values, or leave them out";
        return Err(DataError::new(place, format!("at most {MAX_CLASSES} classes"), found, remedy));
    }
    let number = |name: &String| names.binary_search_by(|other| compare_classes(other, name)).unwrap_or(0) as u8;
    Ok(ArrayLabels { labels: of_images.iter().map(number).collect(), names, notes: Vec::new() })
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
            ("<f4", [f32::NAN, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect(), "NaN", "nan_to_num"),
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
        assert!(refuse("<f4", "(2,)", &0.5_f32.to_le_bytes().repeat(2)).contains("labels.astype(int)"));
        assert!(refuse("<i2", "(2,)", &[0, 1, 0, 0]).contains("the class 256"));
        assert!(refuse("|i1", "(2,)", &[255, 0]).contains("numpy.unique"));
        assert!(refuse("|u1", "(2, 2)", &[1, 1, 0, 1]).contains("labels.argmax(1)"));
        assert!(refuse("|u1", "(2, 1, 1)", &[0; 2]).contains("shape [2, 1, 1]"));
        assert!(refuse("|O", "(2,)", &[0; 2]).contains("labels.astype(str)"));
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
