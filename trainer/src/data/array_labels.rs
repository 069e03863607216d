//! Reads class labels from a NumPy array. For labels of other forms, the messages give conversions that keep every class.

use std::collections::BTreeSet;

use super::error::DataError;
use super::layout::{MAX_CLASSES, compare_classes};
use super::npy::NpyArray;
use crate::text::grouped;

/// Labels of an array, and the names of their classes.
#[derive(Debug, PartialEq)]
pub(crate) struct ArrayLabels {
    pub(crate) labels: Vec<u8>,
    pub(crate) names: Vec<String>,
    /// Messages for the user.
    pub(crate) notes: Vec<String>,
}

/// Converts labels: numbers from 0 to 255 or names, one for each image, or one-hot rows.
pub(crate) fn classes(place: &str, array: &NpyArray) -> Result<ArrayLabels, DataError> {
    let columns = columns(place, array)?;
    if let Some(numbers) = array.integers() {
        return numbered_classes(place, array, &numbers, columns);
    }
    if let Some(values) = array.floats() {
        if values.iter().any(|v| !v.is_finite()) {
            let rows = if columns == 1 && array.shape.len() == 1 { "" } else { ".all(1)" };
            let remedy = format!(
                "leave these images out: known = numpy.isfinite(labels){rows}; images, labels = images[known], labels[known]"
            );
            let found = format!("NaN or infinity, type {}", array.dtype);
            return Err(DataError::new(place, "a class for each image", found, remedy));
        }
        let whole = |v: &f64| (v.fract() == 0.0 && v.abs() < 1e15).then_some(*v as i64);
        if let Some(numbers) = values.iter().map(whole).collect::<Option<Vec<i64>>>() {
            return numbered_classes(place, array, &numbers, columns);
        }
        let distinct = values.iter().map(|v| v.to_bits()).collect::<BTreeSet<_>>().len();
        let remedy = match (columns, distinct) {
            (1, ..=MAX_CLASSES) => NUMBERED,
            (1, _) => FEWER,
            _ => "choose the class with the largest value for each image: labels.argmax(1)",
        };
        return Err(DataError::new(
            place,
            "whole numbers or names",
            format!("fractions, type {}", array.dtype),
            remedy,
        ));
    }
    match array.strings() {
        Some(names) if columns == 1 => named_classes(place, &names),
        Some(_) => Err(other_shape(place, array, "save one column: labels[:, 0]")),
        None => {
            let found = format!("type {}", array.dtype);
            Err(DataError::new(place, "whole numbers or names", found, "save names: labels.astype(str)"))
        }
    }
}

const NUMBERED: &str = "number the classes from 0: numpy.unique(labels, return_inverse=True)[1]";
const FEWER: &str = "use labels with fewer values, or leave them out";

/// Number of values for each image.
fn columns(place: &str, array: &NpyArray) -> Result<usize, DataError> {
    match array.shape[..] {
        [_] => Ok(1),
        // One image is no data set.
        [1, columns] if columns > 1 => Err(other_shape(place, array, "save one class for each image: labels.ravel()")),
        [_, columns] if columns > 0 => Ok(columns),
        [count, ref rest @ ..] if count > 0 && rest.iter().all(|n| *n == 1) => {
            Err(other_shape(place, array, "save one class for each image: labels.reshape(len(images))"))
        }
        _ => Err(other_shape(place, array, "save one class for each image")),
    }
}

fn other_shape(place: &str, array: &NpyArray, remedy: &str) -> DataError {
    DataError::new(place, "shape [count], one class for each image", format!("shape {:?}", array.shape), remedy)
}

fn numbered_classes(place: &str, array: &NpyArray, numbers: &[i64], columns: usize) -> Result<ArrayLabels, DataError> {
    let mut notes = Vec::new();
    let of_images = if columns == 1 {
        numbers.to_vec()
    } else {
        let rows = || numbers.chunks_exact(columns);
        let is_one_hot = |row: &[i64]| row.iter().all(|v| matches!(v, 0 | 1)) && row.iter().sum::<i64>() == 1;
        if !rows().all(is_one_hot) {
            return Err(other_shape(place, array, &row_remedy(rows())));
        }
        notes.push(format!("one-hot labels of {columns} classes"));
        rows().map(|row| row.iter().position(|v| *v == 1).unwrap_or(0) as i64).collect()
    };
    let labels: Result<Vec<u8>, _> = of_images.iter().map(|v| u8::try_from(*v)).collect();
    let Ok(labels) = labels else {
        let other = of_images.iter().find(|v| u8::try_from(**v).is_err()).copied().unwrap_or(0);
        let distinct = of_images.iter().collect::<BTreeSet<_>>().len();
        let remedy = if distinct > MAX_CLASSES { FEWER } else { NUMBERED };
        return Err(DataError::new(place, "classes from 0 to 255", format!("the class {other}"), remedy));
    };
    let count = labels.iter().max().map_or(0, |m| usize::from(*m) + 1);
    Ok(ArrayLabels { labels, names: (0..count).map(|c| c.to_string()).collect(), notes })
}

/// What to do with rows of several numbers for each image.
fn row_remedy<'r>(rows: impl Iterator<Item = &'r [i64]> + Clone) -> String {
    let has_one_value = |row: &[i64]| row.iter().all(|v| *v >= 0) && row.iter().filter(|v| **v > 0).count() == 1;
    if rows.clone().all(has_one_value) {
        return "save the class of each row: labels.argmax(1)".into();
    }
    let one = "save one column: labels[:, 0]";
    let combinations = rows.collect::<BTreeSet<_>>().len();
    if combinations > MAX_CLASSES {
        return one.into();
    }
    format!("{one}, or make each combination a class: numpy.unique(labels, axis=0, return_inverse=True)[1]")
}

fn named_classes(place: &str, of_images: &[String]) -> Result<ArrayLabels, DataError> {
    let mut names = of_images.to_vec();
    names.sort_by(|a, b| compare_classes(a, b));
    names.dedup();
    if names.len() > MAX_CLASSES {
        let found = format!("{} classes", grouped(names.len()));
        return Err(DataError::new(place, format!("at most {MAX_CLASSES} classes"), found, FEWER));
    }
    let number = |name: &String| names.binary_search_by(|other| compare_classes(other, name)).unwrap_or(0) as u8;
    Ok(ArrayLabels { labels: of_images.iter().map(number).collect(), names, notes: Vec::new() })
}
