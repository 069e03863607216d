//! Reads an array in NumPy's format (.npy): its type, its shape and its values.

use std::io::Read;

use super::error::DataError;
use super::images::volume;
use super::reading::ReadOptions;
use crate::text::grouped;

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Remedy for files with unexpected contents.
pub(crate) const SAVE: &str = "write it with numpy.savez_compressed(file, images=images, labels=labels)";

/// A NumPy array in C order.
pub(crate) struct NpyArray {
    /// Byte order, kind and width of a value, such as `|u1` or `<f4`.
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// What an array is read for; decides the remedy for other types.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Content {
    Images,
    Labels,
}

impl NpyArray {
    /// Letter of the kind of values: `u` and `i` for integers, `b` for booleans, `f` for floats, `U` and `S` for strings.
    pub(crate) fn kind(&self) -> u8 {
        self.dtype.as_bytes().get(1).copied().unwrap_or(0)
    }

    /// Bytes of a value.
    fn width(&self) -> usize {
        value_width(&self.dtype).unwrap_or(1)
    }

    /// The bytes of each value, in little-endian order.
    fn values(&self) -> impl Iterator<Item = [u8; 8]> {
        let (width, big_endian) = (self.width().min(8), self.dtype.starts_with('>'));
        self.bytes.chunks_exact(self.width()).map(move |value| {
            let mut bytes = [0; 8];
            bytes[..width].copy_from_slice(&value[..width]);
            if big_endian {
                bytes[..width].reverse();
            }
            bytes
        })
    }

    /// The values of an array of integers or booleans; `None` for other kinds. Values above those of i64 become its largest one.
    pub(crate) fn integers(&self) -> Option<Vec<i64>> {
        match self.kind() {
            _ if self.width() > 8 => None,
            b'u' | b'b' => {
                Some(self.values().map(|v| i64::try_from(u64::from_le_bytes(v)).unwrap_or(i64::MAX)).collect())
            }
            // The shifts extend the sign.
            b'i' => {
                let unused = 64 - 8 * self.width() as u32;
                Some(self.values().map(|v| (i64::from_le_bytes(v) << unused) >> unused).collect())
            }
            _ => None,
        }
    }

    /// The values of an array of floats of 16, 32 or 64 bits; `None` for other types.
    pub(crate) fn floats(&self) -> Option<Vec<f64>> {
        let low = |v: [u8; 8]| [v[0], v[1], v[2], v[3]];
        match (self.kind(), self.width()) {
            (b'f', 2) => Some(self.values().map(|v| half(u16::from_le_bytes([v[0], v[1]]))).collect()),
            (b'f', 4) => Some(self.values().map(|v| f64::from(f32::from_le_bytes(low(v)))).collect()),
            (b'f', 8) => Some(self.values().map(f64::from_le_bytes).collect()),
            _ => None,
        }
    }

    /// The values of an array of strings; `None` for other kinds.
    pub(crate) fn strings(&self) -> Option<Vec<String>> {
        let big_endian = self.dtype.starts_with('>');
        let code = |bytes: &[u8; 4]| if big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
        let text = |value: &[u8]| -> String {
            match self.kind() {
                b'U' => value.as_chunks().0.iter().map(|c| char::from_u32(code(c)).unwrap_or('?')).collect(),
                _ => String::from_utf8_lossy(value).into_owned(),
            }
        };
        matches!(self.kind(), b'U' | b'S')
            .then(|| self.bytes.chunks_exact(self.width()).map(|v| text(v).trim_end_matches('\0').to_owned()).collect())
    }
}

/// Value of a float of 16 bits.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Bytes of a value of a type; `None` for Python objects and unknown types.
fn value_width(dtype: &str) -> Option<usize> {
    let width: usize = dtype.get(2..)?.parse().ok()?;
    match dtype.as_bytes()[1] {
        // Strings have four bytes for a character.
        b'U' => Some(width.checked_mul(4)?.max(1)),
        b'S' => Some(width.max(1)),
        b'u' | b'i' | b'b' | b'f' | b'c' => Some(width).filter(|w| (1..=32).contains(w)),
        _ => None,
    }
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
pub(crate) fn array(
    place: &str,
    file: impl Read,
    content: Content,
    options: &ReadOptions,
) -> Result<NpyArray, DataError> {
    let mut reader = ArrayReader { place, file };
    let NpyHeader { dtype, fortran_order, shape } = header(&mut reader, content)?;
    if fortran_order && shape.len() > 1 {
        let remedy = match content {
            Content::Images => "save numpy.ascontiguousarray(images)",
            Content::Labels => "save numpy.ascontiguousarray(labels)",
        };
        return Err(DataError::new(place, "an array in C order", "one in Fortran order", remedy));
    }
    let Some(width) = value_width(&dtype) else {
        let objects = dtype.contains('O');
        let found = if objects { "Python objects (dtype=object)".to_owned() } else { format!("type {dtype}") };
        let remedy = match content {
            Content::Images if objects => "resize the images to one size, and save numpy.stack(list(images))",
            Content::Images => {
                "save the values of the pixels, 0 to 255, as numbers: numpy.array(pixels, dtype='uint8')"
            }
            Content::Labels => "save them as names: labels.astype(str)",
        };
        return Err(DataError::new(place, "an array of numbers", found, remedy));
    };
    let dims: Vec<usize> = shape.iter().copied().chain([width]).collect();
    let size = volume(place, &dims)?;
    options.check_size(place, size)?;
    let bytes = reader.exactly(size, &format!("values for shape {shape:?}"))?;
    // The archive reader compares the checksum when it reaches the end.
    let more = reader.up_to(MAGIC.len())?;
    if !more.is_empty() {
        let (found, remedy) = if more == MAGIC {
            let remedy = "read each array with numpy.load(file), where file is the open file, and save numpy.concatenate(arrays)";
            ("another array after the first", remedy)
        } else {
            ("more bytes", "load it with numpy.load, which ignores them, and save it again")
        };
        return Err(DataError::new(place, format!("{} bytes, then the end", grouped(size)), found, remedy));
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

fn header(reader: &mut ArrayReader<'_, impl Read>, content: Content) -> Result<NpyHeader, DataError> {
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
    if let Some(field) = first_field(&text) {
        let remedy = match content {
            Content::Images => "make a plain array: import numpy.lib.recfunctions, then \
                numpy.lib.recfunctions.structured_to_unstructured(images)"
                .to_owned(),
            Content::Labels => format!("save one field: labels['{field}']"),
        };
        return Err(DataError::new(reader.place, "an array of numbers", "a structured array, with fields", remedy));
    }
    NpyHeader::parse(&text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        DataError::new(reader.place, "a header with 'descr', 'fortran_order' and 'shape'", shown, SAVE)
    })
}

/// The name of the first field of a structured array.
fn first_field(header: &str) -> Option<&str> {
    let fields = header.split_once("'descr'")?.1.split_once(':')?.1.trim_start().strip_prefix("[('")?;
    fields.split_once('\'').map(|(name, _)| name)
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
