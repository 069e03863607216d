//! Reads the classes of the images in a folder from a table or an array.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::error::DataError;
use super::open::ReadOptions;
use super::{npz, open};
use crate::text::grouped;

/// The classes of a list of files.
#[derive(Debug, PartialEq)]
pub(crate) struct FileLabels {
    /// The class of each file; `None` if the table has no row for it.
    pub(crate) of_files: Vec<Option<u8>>,
    pub(crate) classes: Vec<String>,
    /// Number of rows that do not name one of the files.
    pub(crate) unmatched_rows: usize,
}

/// Reads the classes of `files`, which lie in `folder`, from a CSV table, from the array `labels` of an NPZ file, or from an NPY file.
///
/// A table names a file in its first column, with or without its folders, and its class in `column` or, by default, in the second one. An
/// array has a number for each file, in the order of their names.
pub(crate) fn read(
    path: &Path,
    column: Option<&str>,
    folder: &Path,
    files: &[PathBuf],
) -> Result<FileLabels, DataError> {
    let bytes = open::read(path, &ReadOptions::default())?;
    if !bytes.starts_with(b"PK") && !bytes.starts_with(b"\x93NUMPY") {
        return table(path, &String::from_utf8_lossy(&bytes), column, folder, files);
    }
    let labels = npz::labels(path, &bytes)?;
    if labels.len() != files.len() {
        return Err(DataError::new(
            path.display().to_string(),
            format!("{} labels, one for each image file in the order of their names", grouped(files.len())),
            grouped(labels.len()),
            "write a CSV table of file and class instead, which does not depend on the order",
        ));
    }
    let classes = (0..=labels.iter().copied().max().unwrap_or(0)).map(|c| c.to_string()).collect();
    Ok(FileLabels { of_files: labels.into_iter().map(Some).collect(), classes, unmatched_rows: 0 })
}

fn table(
    path: &Path,
    text: &str,
    column: Option<&str>,
    folder: &Path,
    files: &[PathBuf],
) -> Result<FileLabels, DataError> {
    let invalid = |expected: &str, found: String, remedy: &str| {
        DataError::new(path.display().to_string(), expected, found, remedy)
    };
    let separator = Separator::of(text);
    let records = records(text, separator)
        .map_err(|e| invalid("a CSV table", e.to_string(), "write a row `file,class` for each image"))?;
    let Some((_, first)) = records.first() else {
        let remedy = "write a row `file,class` for each image";
        return Err(invalid("rows of file and class", "an empty file".into(), remedy));
    };
    let index = FileIndex::new(folder, files);
    let class_column = match column {
        None => 1,
        Some(column) => first.iter().position(|name| name == column).filter(|at| *at > 0).ok_or_else(|| {
            let found = format!("the columns {}", first.join(", "));
            invalid(&format!("a column called {column}"), found, "name one of these with --label-column")
        })?,
    };
    let has_headings = column.is_some() || (first.len() > 1 && index.find(&first[0]).is_none());
    let (mut class_of, mut unmatched_rows) = (vec![None; files.len()], 0);
    for (line, fields) in &records[usize::from(has_headings)..] {
        let Some(class) = fields.get(class_column).filter(|class| !class.is_empty()) else {
            return Err(invalid(
                &format!("a file and its class in every row, separated by {:?}", separator.as_char()),
                format!("line {line}: {}", fields.join(&separator.as_char().to_string())),
                "complete the row or remove it",
            ));
        };
        match index.find(&fields[0]) {
            Some(i) => class_of[i] = Some(class.clone()),
            None => unmatched_rows += 1,
        }
    }
    if class_of.iter().all(Option::is_none) {
        return Err(invalid(
            "names of the image files in the first column",
            format!("{} rows, none of which names a file such as {}", grouped(unmatched_rows), files[0].display()),
            "write the file names relative to the folder",
        ));
    }
    let classes = class_names(&class_of);
    if classes.len() > 256 {
        let remedy = "choose another column with --label-column, or leave the labels out";
        return Err(invalid("at most 256 classes", format!("{} classes", grouped(classes.len())), remedy));
    }
    let number = |class: &String| classes.iter().position(|c| c == class).map(|c| c as u8);
    let of_files = class_of.iter().map(|class| class.as_ref().and_then(number)).collect();
    Ok(FileLabels { of_files, classes, unmatched_rows })
}

/// The distinct classes. Numbers are sorted by value, so that 10 comes after 9.
fn class_names(class_of: &[Option<String>]) -> Vec<String> {
    let mut classes: Vec<String> = class_of.iter().flatten().cloned().collect();
    classes.sort_by_key(|class| (class.parse::<i64>().unwrap_or(i64::MAX), class.clone()));
    classes.dedup();
    classes
}

/// Finds files by their names in a table.
struct FileIndex(HashMap<String, Option<usize>>);

impl FileIndex {
    fn new(folder: &Path, files: &[PathBuf]) -> Self {
        let mut index = HashMap::new();
        for (i, file) in files.iter().enumerate() {
            let inside = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // If several folders contain files of the same name, only the path identifies each.
            index.entry(name).and_modify(|at| *at = None).or_insert(Some(i));
            index.insert(inside, Some(i));
        }
        Self(index)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.get(name.trim_start_matches("./")).copied().flatten()
    }
}

/// The separator of the fields of a row.
#[derive(Clone, Copy, PartialEq)]
enum Separator {
    Comma,
    Semicolon,
    Tab,
    /// Any number of spaces.
    Spaces,
}

impl Separator {
    /// The separator of a table, guessed from its first line with text.
    fn of(text: &str) -> Self {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        [Self::Comma, Self::Semicolon, Self::Tab]
            .into_iter()
            .find(|s| first.contains(s.as_char()))
            .unwrap_or(Self::Spaces)
    }

    fn as_char(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
            Self::Spaces => ' ',
        }
    }
}

/// The rows of a table that are not empty, each with its line number.
fn records(text: &str, separator: Separator) -> Result<Vec<(u64, Vec<String>)>, csv::Error> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new()
        .delimiter(separator.as_char() as u8)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let fields = |record: &StringRecord| -> Vec<String> {
        let kept = |field: &&str| separator != Separator::Spaces || !field.is_empty();
        record.iter().filter(kept).map(str::to_owned).collect()
    };
    let rows = reader.records().map(|record| {
        let record = record?;
        Ok((record.position().map_or(0, csv::Position::line), fields(&record)))
    });
    rows.filter(|row| !matches!(row, Ok((_, fields)) if fields.iter().all(String::is_empty))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| Path::new("photos").join(name)).collect()
    }

    fn read(text: &str, column: Option<&str>, names: &[&str]) -> Result<FileLabels, String> {
        table(Path::new("l.csv"), text, column, Path::new("photos"), &files(names)).map_err(|e| e.to_string())
    }

    #[test]
    fn tables_with_and_without_headings_name_classes() {
        let names = ["a.png", "b, c.png", "d.png"];
        let with = read("file,kind\na.png,dog\n\"b, c.png\",\"cat \"\"x\"\"\"\ngone.png,dog\n", None, &names).unwrap();
        assert_eq!(with.classes, ["cat \"x\"", "dog"]);
        assert_eq!((with.of_files, with.unmatched_rows), (vec![Some(1), Some(0), None], 1));
        let plain = read("a.png;10\r\nd.png;9\r\n", None, &names).unwrap();
        assert_eq!((plain.classes, plain.of_files), (vec!["9".into(), "10".into()], vec![Some(1), None, Some(0)]));
        let wide = read("image_id  Bald Smiling\n a.png  1 -1\nd.png -1  1\n", Some("Smiling"), &names).unwrap();
        assert_eq!((wide.classes, wide.of_files), (vec!["-1".into(), "1".into()], vec![Some(0), None, Some(1)]));
    }

    #[test]
    fn files_of_one_name_in_several_folders_are_distinguished() {
        let names = ["x/1.png", "y/1.png"];
        let labels = read("x/1.png,up\ny/1.png,down\n", None, &names).unwrap();
        assert_eq!(labels.of_files, [Some(1), Some(0)]);
        assert!(read("file,class\n1.png,up\n", None, &names).unwrap_err().contains("none of which names a file"));
    }

    #[test]
    fn invalid_tables_are_refused() {
        let names = ["a.png"];
        for (text, column, expected) in [
            ("", None, "an empty file"),
            ("a.png\n", None, "line 1: a.png"),
            ("a.png,dog\na.png,\n", None, "line 2"),
            ("file,kind\na.png,dog\n", Some("color"), "the columns file, kind"),
            ("z.png,dog\ny.png,cat\n", None, "none of which names a file"),
        ] {
            let message = read(text, column, &names).unwrap_err();
            assert!(
                message.contains(expected) && message.contains("l.csv") && message.lines().count() == 4,
                "{message}"
            );
        }
        let many: Vec<String> = (0..300).map(|i| format!("{i}.png")).collect();
        let rows: String = many.iter().map(|name| format!("{name},class of {name}\n")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(read(&rows, None, &many).unwrap_err().contains("300 classes"));
    }
}
