//! Reads NumPy files: an archive (.npz) with `images` and optional `labels`, or a single array (.npy) of images.

use std::io::{Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::error::DataError;
use super::images::volume;
use super::open::ReadOptions;
use super::{ImageDataset, open};
use crate::text::grouped;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Remedy for files with unexpected contents.
const SAVE: &str = "write it with numpy.savez_compressed(file, images=images, labels=labels)";

/// A NumPy array in C order.
struct NpyArray {
    /// Byte order, kind and width of a value, such as `|u1` or `<f4`.
    dtype: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads the images and labels of an archive.
pub(crate) fn parse(path: &Path, file: impl Read + Seek, options: &ReadOptions) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let mut archive = ZipArchive::new(file)
        .map_err(|e| DataError::new(&place, "a valid .npz archive", e.to_string(), "get the file again"))?;
    let mut member = |name: &str| -> Result<Option<NpyArray>, DataError> {
        let file = format!("{name}.npy");
        if !archive.file_names().any(|n| n == file) {
            return Ok(None);
        }
        let place = format!("{place}, array `{name}`");
        let reader = archive
            .by_name(&file)
            .map_err(|e| DataError::new(&place, "a readable member of the archive", e.to_string(), SAVE))?;
        array(&place, reader, options).map(Some)
    };
    let (images, labels) = (member("images")?, member("labels")?);
    let Some(images) = images else {
        let mut names: Vec<String> =
            archive.file_names().map(|n| format!("`{}`", n.trim_end_matches(".npy"))).collect();
        names.sort();
        names.truncate(8);
        let found =
            if names.is_empty() { "an empty archive".into() } else { format!("the arrays {}", names.join(", ")) };
        return Err(DataError::new(place, "an array `images`", found, SAVE));
    };
    let labels = labels.map(|l| classes(&format!("{place}, array `labels`"), &l)).transpose()?;
    to_dataset(path, images, labels)
}

/// Reads class labels from the array `labels` of an archive, or from a single array.
pub(crate) fn labels(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let place = path.display().to_string();
    let options = ReadOptions::default();
    if bytes.starts_with(MAGIC) {
        return classes(&place, &array(&place, bytes, &options)?);
    }
    let inside = format!("{place}, array `labels`");
    let missing =
        |e: zip::result::ZipError| DataError::new(&inside, "an archive with the array `labels`", e.to_string(), SAVE);
    let mut archive = ZipArchive::new(std::io::Cursor::new(bytes)).map_err(missing)?;
    let member = archive.by_name("labels.npy").map_err(missing)?;
    classes(&inside, &array(&inside, member, &options)?)
}

/// Reads a single array of images.
pub(crate) fn parse_npy(path: &Path, file: impl Read, options: &ReadOptions) -> Result<ImageDataset, DataError> {
    to_dataset(path, array(&path.display().to_string(), file, options)?, None)
}

fn to_dataset(path: &Path, images: NpyArray, labels: Option<Vec<u8>>) -> Result<ImageDataset, DataError> {
    let place = format!("{}, array `images`", path.display());
    if images.dtype != "|u1" {
        let remedy = match images.dtype.as_bytes() {
            [_, b'f', ..] => "convert them: (255 * images).round().astype('uint8') if they lie in 0..1",
            [_, b'b', ..] => "convert them: (255 * images.astype('uint8'))",
            _ => "convert them: images.astype('uint8')",
        };
        return Err(DataError::new(place, "unsigned bytes (uint8)", format!("type {}", images.dtype), remedy));
    }
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
    ImageDataset::new(open::stem(path), (width, height, channels), images.bytes, labels)
        .map_err(|e| DataError { place, ..e })
}

/// Converts labels of any integer type; their values must fit into a byte.
fn classes(place: &str, labels: &NpyArray) -> Result<Vec<u8>, DataError> {
    let remedy = "number the classes from 0 and save labels.astype('uint8')";
    let dtype = labels.dtype.as_bytes();
    let size = match dtype {
        [b'|' | b'<' | b'>', b'u' | b'i', size @ (b'1' | b'2' | b'4' | b'8')] => usize::from(size - b'0'),
        _ => return Err(DataError::new(place, "integers", format!("type {}", labels.dtype), remedy)),
    };
    if labels.shape.len() != 1 {
        return Err(DataError::new(place, "shape [count]", format!("shape {:?}", labels.shape), remedy));
    }
    let little_endian = dtype[0] != b'>';
    labels
        .bytes
        .chunks_exact(size)
        .map(|value| {
            let (low, high) =
                if little_endian { (value[0], &value[1..]) } else { (value[size - 1], &value[..size - 1]) };
            let negative = dtype[1] == b'i' && size == 1 && low > 127;
            if negative || high.iter().any(|&b| b != 0) {
                return Err(DataError::new(place, "classes from 0 to 255", "another value", remedy));
            }
            Ok(low)
        })
        .collect()
}

/// Reads from a file or archive member and reports errors with its name.
struct ArrayReader<'a, R> {
    place: &'a str,
    file: R,
}

impl<R: Read> ArrayReader<'_, R> {
    /// Reads `count` bytes of `part`.
    fn exactly(&mut self, count: usize, part: &str) -> Result<Vec<u8>, DataError> {
        let bytes = self.up_to(count)?;
        if bytes.len() == count {
            return Ok(bytes);
        }
        Err(DataError::new(
            self.place,
            format!("{part} of {} bytes", grouped(count)),
            format!("the end after {} of them", grouped(bytes.len())),
            "get the file again: it is truncated",
        ))
    }

    /// Reads `count` bytes, or fewer at the end of the file.
    fn up_to(&mut self, count: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        match self.file.by_ref().take(count as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(e) => {
                Err(DataError::new(self.place, "readable bytes", e.to_string(), "get the file again: it is damaged"))
            }
        }
    }
}

/// Reads the header of an array, and its values: the number of bytes that the header announces.
fn array(place: &str, file: impl Read, options: &ReadOptions) -> Result<NpyArray, DataError> {
    let mut reader = ArrayReader { place, file };
    let NpyHeader { dtype, fortran_order, shape } = header(&mut reader)?;
    if fortran_order && shape.len() > 1 {
        let remedy = "save numpy.ascontiguousarray(images)";
        return Err(DataError::new(place, "an array in C order", "one in Fortran order", remedy));
    }
    let Some(width) = dtype.get(2..).and_then(|w| w.parse::<usize>().ok()).filter(|w| (1..=16).contains(w)) else {
        return Err(DataError::new(place, "an array of numbers", format!("type {dtype}"), SAVE));
    };
    let dims: Vec<usize> = shape.iter().copied().chain([width]).collect();
    let size = volume(place, &dims)?;
    options.check_size(place, size)?;
    let bytes = reader.exactly(size, &format!("values for shape {shape:?}"))?;
    // The archive reader compares the checksum when it reaches the end.
    if !reader.up_to(1)?.is_empty() {
        return Err(DataError::new(place, format!("{} bytes, then the end", grouped(size)), "more bytes", SAVE));
    }
    Ok(NpyArray { dtype, shape, bytes })
}

/// The header of an array.
struct NpyHeader {
    /// Byte order, kind and width of a value, such as `|u1` or `<f4`.
    dtype: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

fn header(reader: &mut ArrayReader<'_, impl Read>) -> Result<NpyHeader, DataError> {
    let part = "a NumPy header";
    let start = reader.exactly(10, part)?;
    if !start.starts_with(MAGIC) || !(1..=3).contains(&start[6]) {
        return Err(DataError::new(reader.place, "a NumPy array of format 1 to 3", "other bytes", SAVE));
    }
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    if start[6] > 1 {
        let more = reader.exactly(2, part)?;
        length |= usize::from(u16::from_le_bytes([more[0], more[1]])) << 16;
    }
    let text = reader.exactly(length.min(1 << 16), part)?;
    let text = String::from_utf8_lossy(&text);
    NpyHeader::parse(&text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        DataError::new(reader.place, "a header with 'descr', 'fortran_order' and 'shape'", shown, SAVE)
    })
}

impl NpyHeader {
    /// Parses a header such as `{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }`.
    ///
    /// The header is parsed by hand: crates for NPY headers only report a parse error, while this code names the key, the type and the
    /// NumPy call that fixes it.
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| Some(text.split_once(key)?.1.split_once(':')?.1.trim_start());
        let descr = value("'descr'")?.strip_prefix('\'')?;
        let dtype = descr[..descr.find('\'')?].to_string();
        let fortran_order = value("'fortran_order'")?.starts_with("True");
        let shape = value("'shape'")?.strip_prefix('(')?;
        let shape = shape[..shape.find(')')?].split(',').map(str::trim).filter(|d| !d.is_empty());
        Some(Self { dtype, fortran_order, shape: shape.map(str::parse).collect::<Result<_, _>>().ok()? })
    }
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
        parse(Path::new("a.npz"), Cursor::new(file), &ReadOptions::default()).map_err(|e| e.to_string())
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
        assert_eq!(parse_npy(Path::new("a.npy"), &color[..], &ReadOptions::default()).unwrap().shape(), [1, 2, 3]);
    }

    #[test]
    fn invalid_arrays_are_refused_with_a_remedy() {
        let refuse =
            |kind, order, shape, n: usize| open(npz(&[("images", npy(kind, order, shape, &vec![0; n]))])).unwrap_err();
        assert!(open(npz(&[("pics", images())])).unwrap_err().contains("`pics`"));
        assert!(open(npz(&[])).unwrap_err().contains("empty archive"));
        assert!(refuse("<f4", "False", "(2, 2, 3)", 48).contains("255 * images"));
        assert!(refuse("<U7", "False", "(2, 2, 3)", 84).contains("cannot use"));
        assert!(refuse("|O", "False", "(2, 2, 3)", 84).contains("type |O"));
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

    #[test]
    fn invalid_labels_are_refused() {
        let refuse = |kind, shape, bytes: &[u8]| {
            open(npz(&[("images", images()), ("labels", npy(kind, "False", shape, bytes))])).unwrap_err()
        };
        assert!(refuse("|u1", "(3,)", &[0; 3]).contains("3 labels"));
        assert!(refuse("<f4", "(2,)", &[0; 8]).contains("integers"));
        assert!(refuse("<i2", "(2,)", &[0, 1, 0, 0]).contains("0 to 255"));
        assert!(refuse("|i1", "(2,)", &[255, 0]).contains("0 to 255"));
        assert!(refuse("|u1", "(2, 1)", &[0; 2]).contains("shape [2, 1]"));
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
