//! Reads the IDX format of MNIST, plain or compressed with gzip.
//!
//! An IDX file has two zero bytes, the type (8 for unsigned bytes), the number of dimensions, the dimensions as big-endian u32, and the values.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::ImageDataset;
use super::error::DataError;
use super::images::volume;
use super::reading::{ReadOptions, read, stem};
use crate::text::grouped;

const AGAIN: &str = "get the file again: it is damaged or not an IDX file";

/// Reads an images file, and the labels file next to it if there is one.
pub(crate) fn files(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<ImageDataset, DataError> {
    let images = read(path, options)?;
    let labels = match labels_beside(path) {
        Some(beside) => Some((beside.clone(), read(&beside, options)?)),
        None => {
            notes.push("no labels file beside the images file: the images have no classes".into());
            None
        }
    };
    let Some((labels_path, labels)) = labels else { return from_bytes(path, &images, None, options) };
    // A damaged labels file is reported under its own name.
    array(&labels_path.display().to_string(), &labels, options)?;
    from_bytes(path, &images, Some(&labels), options)
}

/// Parses the bytes of an images file and of a labels file.
pub(crate) fn from_bytes(
    path: &Path,
    images: &[u8],
    labels: Option<&[u8]>,
    options: &ReadOptions,
) -> Result<ImageDataset, DataError> {
    let place = path.display().to_string();
    let (dims, pixels) = array(&place, images, options)?;
    let (height, width, channels) = match dims[..] {
        [_, height, width] => (height, width, 1),
        [_, height, width, channels] => (height, width, channels),
        _ => {
            return Err(DataError::new(
                place,
                "3 dimensions (count, rows, columns) or 4 (with channels last)",
                format!("{} dimension(s): {dims:?}", dims.len()),
                if dims.len() == 1 { "this is a labels file: name the images file" } else { "name an images file" },
            ));
        }
    };
    let labels = labels.map(|l| array(&format!("the labels of {place}"), l, options)).transpose()?;
    if let Some((dims, _)) = &labels
        && dims.len() != 1
    {
        return Err(DataError::new(
            format!("the labels of {place}"),
            "1 dimension (count)",
            format!("{} dimensions: {dims:?}", dims.len()),
            "put the labels file of these images beside them",
        ));
    }
    let name = stem(path);
    ImageDataset::new(name, (width, height, channels), pixels, labels.map(|l| l.1))
        .map_err(|e| DataError { place: path.display().to_string(), ..e })
}

/// Path of the labels file of an images file, if it exists.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let other = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    let plain = other.strip_suffix(".gz").unwrap_or(&other);
    [other.clone(), plain.to_string(), format!("{plain}.gz")]
        .iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| images.with_file_name(candidate))
        .find(|candidate| candidate.is_file())
}

/// Reads dimensions and values. Decompresses no more bytes than the header announces.
fn array(place: &str, file: &[u8], options: &ReadOptions) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let compressed = file.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read + '_> = if compressed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut read = |wanted: usize, part: &str| -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        match reader.by_ref().take(wanted as u64).read_to_end(&mut bytes) {
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => {
                Err(DataError::new(place, "a valid gzip stream", e.to_string(), AGAIN))
            }
            _ if bytes.len() < wanted => Err(DataError::new(
                place,
                format!("{part} of {} bytes", grouped(wanted)),
                format!("the end of the file after {} of them", grouped(bytes.len())),
                "get the file again: it is truncated",
            )),
            _ => Ok(bytes),
        }
    };
    let magic = read(4, "an IDX header")?;
    let [0, 0, element_type, rank @ 1..=4] = magic[..] else {
        let found = format!("the bytes {:02x} {:02x} {:02x} {:02x}", magic[0], magic[1], magic[2], magic[3]);
        return Err(DataError::new(place, "an IDX file: the bytes 00 00 08 and 01 to 04", found, AGAIN));
    };
    if element_type != 8 {
        let name = match element_type {
            0x09 => "signed bytes",
            0x0b => "16-bit integers",
            0x0c => "32-bit integers",
            0x0d => "32-bit floats",
            0x0e => "64-bit floats",
            _ => "an unknown type",
        };
        let found = format!("type {element_type:#04x} ({name})");
        return Err(DataError::new(place, "type 0x08 (unsigned bytes)", found, "convert the values to bytes 0..=255"));
    }
    let dims: Vec<usize> = read(4 * usize::from(rank), "the dimensions")?
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let size = volume(place, &dims)?;
    options.check_size(place, size)?;
    let values = read(size, &format!("values for dimensions {dims:?}"))?;
    // gzip compares its checksum at the end of the stream.
    let found = match reader.read(&mut [0]) {
        Ok(0) => return Ok((dims, values)),
        Ok(_) => "more bytes".to_string(),
        Err(e) => e.to_string(),
    };
    Err(DataError::new(place, format!("{} values for dimensions {dims:?}, then the end", grouped(size)), found, AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    pub(crate) fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|d| file.extend(d.to_be_bytes()));
        file.extend(values);
        file
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn message(images: &[u8], labels: Option<&[u8]>) -> String {
        from_bytes(Path::new("a.idx3"), images, labels, &ReadOptions::default()).unwrap_err().to_string()
    }

    #[test]
    fn plain_and_compressed_files_are_equal() {
        let file = idx(&[2, 3, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        for bytes in [gz(&file), file] {
            let set =
                from_bytes(Path::new("a.idx3"), &bytes, Some(&idx(&[2], &[1, 0])), &ReadOptions::default()).unwrap();
            assert_eq!((set.shape(), set.bytes(1)), ([3, 2, 1].as_slice(), [7, 8, 9, 10, 11, 12].as_slice()));
            assert_eq!(set.labels(), Some([1, 0].as_slice()));
        }
        let color = idx(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(from_bytes(Path::new("a"), &color, None, &ReadOptions::default()).unwrap().shape(), [1, 2, 3]);
    }

    #[test]
    fn errors_for_damaged_files_say_what_was_found() {
        let file = idx(&[2, 3, 2], &[0; 12]);
        for cut in 0..file.len() {
            assert!(message(&file[..cut], None).contains("end of the file after"), "cut at {cut}");
        }
        let packed = gz(&file);
        for cut in 2..packed.len() {
            assert!(message(&packed[..cut], None).contains("cannot use the data"), "cut at {cut}");
        }
        assert!(message(b"\x89PNG\r\n", None).contains("the bytes 89 50 4e 47"));
        assert!(message(&[0, 0, 0x0d, 3], None).contains("32-bit floats"));
        assert!(message(&[&file[..], &[0]].concat(), None).contains("more bytes"));
        assert!(message(&idx(&[7], &[0; 7]), None).contains("labels file"));
        assert!(message(&idx(&[0, 28, 28], &[]), None).contains("0 bytes"));
        assert!(message(&file, Some(&idx(&[3], &[0; 3]))).contains("3 labels"));
        assert!(message(&file, Some(&file)).contains("1 dimension"));
    }

    #[test]
    fn overflowing_sizes_and_gzip_bombs_are_refused_at_once() {
        assert!(message(&idx(&[u32::MAX; 4], &[]), None).contains("overflows"));
        assert!(message(&idx(&[1 << 20, 1 << 10, 1 << 10], &[]), None).contains("at most"));
        // A header for one pixel, then 64 MB of zeros: only the header's byte and one more are unpacked.
        let bomb = gz(&[idx(&[1, 1, 1], &[9]), vec![0; 64 << 20]].concat());
        assert!(message(&bomb, None).contains("more bytes"));
    }
}
