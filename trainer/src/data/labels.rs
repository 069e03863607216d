//! Reads the classes of image files from a table or an array.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::array_labels::ArrayLabels;
use super::error::DataError;
use super::file_index::FileIndex;
use super::layout::{MAX_CLASSES, compare_classes};
use super::npz;
use super::reading::{self, ReadOptions};
use super::table::{Row, Separator, decode_text, rows, unclosed_quote, without_comments};
use crate::text::{counted, grouped};

/// Rows that are looked at to find the separator and the column with the files.
const SAMPLED: usize = 200;
/// Headings of the column with the classes, the preferred ones first, in lower case.
const CLASS_HEADINGS: [&str; 10] =
    ["class", "label", "category", "class_name", "label_name", "target", "class_id", "label_id", "classes", "labels"];

/// Where the classes of images are.
#[derive(Clone, Copy, Debug)]
pub struct LabelSource<'a> {
    /// A CSV table of files and classes, or an NPZ or NPY file with a label for each image.
    pub path: &'a Path,
    /// Heading of the table column with the classes. `None` uses a column with a heading such as `class` or `label`, or else one after the
    /// files that neither names files nor has other values in most rows.
    pub label_column: Option<&'a str>,
    /// Heading of the table column with the files. `None` uses the column with the most names of files.
    pub file_column: Option<&'a str>,
}

/// The class of a file, or why it has none.
pub(crate) type FileLabel = Result<u8, String>;

/// The classes of a list of files.
#[derive(Debug, PartialEq)]
pub(crate) struct FileLabels {
    pub(crate) of_files: Vec<FileLabel>,
    pub(crate) classes: Vec<String>,
    /// Messages for the user.
    pub(crate) notes: Vec<String>,
}

/// Reads the classes of `files`, paths inside their folder.
///
/// An array has a label for each file, in the order of their names.
pub(crate) fn read(source: LabelSource<'_>, files: &[PathBuf]) -> Result<FileLabels, DataError> {
    let path = source.path;
    let bytes = reading::read(path, &ReadOptions::default())?;
    if !bytes.starts_with(b"PK") && !bytes.starts_with(b"\x93NUMPY") {
        let (text, note) = decode_text(&bytes);
        let mut labels = table(source, &text, files)?;
        labels.notes.extend(note.map(|note| format!("{}: {note}", path.display())));
        return Ok(labels);
    }
    let ArrayLabels { labels, names, notes } = npz::labels(path, &bytes)?;
    if labels.len() != files.len() {
        return Err(DataError::new(
            path.display().to_string(),
            format!("{} labels, one for each image file in the order of their names", grouped(files.len())),
            grouped(labels.len()),
            "write a CSV table of file and class instead, which does not depend on the order",
        ));
    }
    Ok(FileLabels { of_files: labels.into_iter().map(Ok).collect(), classes: names, notes })
}

/// A table whose columns are known.
struct Columns {
    separator: Separator,
    rows: Vec<Row>,
    /// Columns of the file and of its class.
    file: usize,
    class: usize,
    has_headings: bool,
    /// Numbers of columns without a heading at the start of the first row.
    shift: usize,
}

impl Columns {
    /// Name of a column for messages: its heading, or its number from 1.
    fn name(&self, column: usize) -> String {
        let heading = || self.rows.first()?.1.get(column.checked_sub(self.shift)?).filter(|name| !name.is_empty());
        let heading = if self.has_headings { heading().cloned() } else { None };
        heading.unwrap_or_else(|| (column + 1).to_string())
    }
}

/// The class that a row gives a file, and the line of that row.
type Named = Option<(String, u64)>;

fn table(source: LabelSource<'_>, text: &str, files: &[PathBuf]) -> Result<FileLabels, DataError> {
    let path = source.path.display().to_string();
    let index = FileIndex::new(files);
    let text = if index.has_hash { text.to_owned() } else { without_comments(text) };
    let table = columns(source, &text, &index)?;
    let data = &table.rows[usize::from(table.has_headings)..];
    let mut named: Vec<Named> = vec![None; files.len()];
    let mut contradicted: Vec<Option<String>> = vec![None; files.len()];
    let mut unmatched = Vec::new();
    for (line, fields) in data {
        let name = fields.get(table.file).map_or("", String::as_str);
        let class = fields.get(table.class).filter(|class| !class.is_empty());
        if name.contains('\n') || class.is_some_and(|class| class.contains('\n')) {
            return Err(open_quote(source, *line));
        }
        let Some(class) = class else {
            let separator = table.separator.as_char();
            return Err(DataError::new(
                path,
                format!("a file and its class in every row, separated by {}", table.separator.name()),
                format!("line {line}: {}", fields.join(&separator.to_string())),
                "complete the row or remove it",
            ));
        };
        match index.find(name) {
            None => unmatched.push((line, name)),
            Some(i) => match &named[i] {
                Some((other, first)) if other != class => {
                    contradicted[i] =
                        Some(format!("two rows disagree: {other} in line {first}, {class} in line {line}"));
                }
                _ => named[i] = Some((class.clone(), *line)),
            },
        }
    }
    if named.iter().all(Option::is_none) {
        return Err(nothing_matches(&table, &path, data, files));
    }
    let mut notes = vec![format!(
        "{path}: files are in column {}, classes in column {}",
        table.name(table.file),
        table.name(table.class)
    )];
    if let Some((line, name)) = unmatched.first() {
        let rows = counted(unmatched.len(), "row", "rows");
        let verb = if unmatched.len() == 1 { "matches" } else { "match" };
        notes.push(format!("{rows} of {path} {verb} no file; the first is line {line}: {name}"));
    }
    let mut both = contradicted.iter().enumerate().filter_map(|(i, why)| Some((i, why.as_ref()?)));
    if let Some((i, why)) = both.next() {
        let count = counted(1 + both.count(), "file", "files");
        notes.push(format!("{count} of {path} skipped, such as {}: {why}", files[i].display()));
    }
    let classes = class_names(&named, &contradicted);
    if classes.len() > MAX_CLASSES {
        let remedy = "choose another column with --label-column, or leave the labels out";
        let found = format!("{} classes", grouped(classes.len()));
        return Err(DataError::new(path, format!("at most {MAX_CLASSES} classes"), found, remedy));
    }
    let label = |(named, contradicted): (Named, Option<String>)| {
        if let Some(why) = contradicted {
            return Err(why);
        }
        let number = named.and_then(|(class, _)| classes.iter().position(|c| *c == class));
        number.and_then(|n| u8::try_from(n).ok()).ok_or_else(|| "no row in the table of labels".into())
    };
    Ok(FileLabels { of_files: named.into_iter().zip(contradicted).map(label).collect(), classes, notes })
}

/// Finds the separator and the columns. The separator and the file column are those with the most names of files.
fn columns(source: LabelSource<'_>, text: &str, index: &FileIndex) -> Result<Columns, DataError> {
    let invalid = |expected: String, found: String, remedy: &str| {
        DataError::new(source.path.display().to_string(), expected, found, remedy)
    };
    let remedy = "write a row `file,class` for each image";
    let start: String = text.split_inclusive('\n').take(SAMPLED).collect();
    let matches = |separator: Separator| {
        let rows = rows(&start, separator).unwrap_or_default();
        let width = rows.iter().map(|(_, fields)| fields.len()).max().unwrap_or(0);
        let names_file = |row: &Row, column: usize| row.1.get(column).is_some_and(|name| index.find(name).is_some());
        let count = |column| rows.iter().filter(|row| names_file(row, column)).count();
        let counts: Vec<usize> = (0..width).map(count).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        (most, counts.iter().position(|n| *n == most).unwrap_or(0), width)
    };
    let scores = Separator::ALL.map(|separator| (separator, matches(separator)));
    let best = scores.iter().copied().rev().max_by_key(|(_, (most, _, width))| (*most, *width > 1));
    let (separator, (_, matched, _)) = best.unwrap_or((Separator::Comma, (0, 0, 0)));
    if let Some(line) = unclosed_quote(text, separator) {
        return Err(open_quote(source, line));
    }
    let rows = rows(text, separator).map_err(|e| invalid("a CSV table".into(), e.to_string(), remedy))?;
    let Some((_, first)) = rows.first() else {
        return Err(invalid("rows of file and class".into(), "an empty file".into(), remedy));
    };
    // Some tables have no heading above the files.
    let shift = usize::from(rows.get(1).is_some_and(|(_, second)| second.len() == first.len() + 1));
    let position = |name: &str, option: &str| {
        let at = first.iter().position(|heading| heading == name);
        let at = at.or_else(|| first.iter().position(|heading| heading.eq_ignore_ascii_case(name)));
        at.map(|at| at + shift).ok_or_else(|| {
            let found = format!("the columns {}", first.join(", "));
            invalid(format!("a column called {name}"), found, &format!("name one of these with {option}"))
        })
    };
    let file = source.file_column.map_or(Ok(matched), |name| position(name, "--file-column"))?;
    let named = source.file_column.or(source.label_column).is_some();
    let has_headings = named || (first.len() > 1 && first.get(file).is_none_or(|name| index.find(name).is_none()));
    let data = &rows[usize::from(has_headings)..];
    let chosen = || {
        let headings: Vec<String> = if has_headings { vec![String::new(); shift] } else { Vec::new() };
        let headings = headings.into_iter().chain(first.iter().filter(|_| has_headings).cloned()).collect::<Vec<_>>();
        class_column(&headings, &data[..data.len().min(SAMPLED)], first.len() + shift, file, index)
    };
    let class = source.label_column.map_or_else(|| Ok(chosen()), |name| position(name, "--label-column"))?;
    if class == file {
        let (expected, found) = ("the class in another column than the file", format!("column {} for both", file + 1));
        return Err(invalid(expected.into(), found, "name another column with --label-column or --file-column"));
    }
    Ok(Columns { separator, file, class, has_headings, shift, rows })
}

/// The column with the classes: one with such a heading, or else the first after the files, and then before them, that neither names files
/// nor has a different value in most rows.
fn class_column(headings: &[String], rows: &[Row], width: usize, file: usize, index: &FileIndex) -> usize {
    let is_heading = |name: &&str| headings.iter().position(|heading| heading.to_lowercase() == **name);
    if let Some(column) = CLASS_HEADINGS.iter().filter_map(is_heading).find(|column| *column != file) {
        return column;
    }
    let values = |column: usize| rows.iter().filter_map(move |(_, fields)| fields.get(column));
    let plausible = |column: &usize| {
        let names_files = values(*column).filter(|value| index.find(value).is_some()).count();
        let distinct = values(*column).collect::<BTreeSet<_>>().len();
        2 * names_files <= rows.len() && (rows.len() < 4 || 2 * distinct <= rows.len())
    };
    let others = || (file + 1..width).chain((0..file).rev());
    others().find(plausible).or_else(|| others().next()).unwrap_or(file + 1)
}

/// The error for a quote that is not closed.
fn open_quote(source: LabelSource<'_>, line: u64) -> DataError {
    let found = format!("line {line}: a quote that is not closed in this line");
    let remedy = "close the quote or remove it; inside quotes, write a quote twice";
    DataError::new(source.path.display().to_string(), "every field in one line", found, remedy)
}

/// The error for a table that names none of the files: shows a name of a row beside one of a file.
fn nothing_matches(table: &Columns, path: &str, data: &[Row], files: &[PathBuf]) -> DataError {
    let found = match data.first() {
        None => "no rows below the headings".to_owned(),
        Some((line, fields)) => {
            let name = fields.get(table.file).map_or("", String::as_str);
            let file = files[0].display();
            format!("{} rows, none of which names a file: line {line} names {name}, a file is {file}", data.len())
        }
    };
    let remedy = match table.rows.first() {
        Some((_, headings)) if table.has_headings && headings.len() > 2 => {
            format!("name the column with the files: --file-column, one of {}", headings.join(", "))
        }
        _ => "write the file names as they are in the folder".to_owned(),
    };
    DataError::new(path, "names of the image files in one column", found, remedy)
}

/// The distinct classes of the files that no rows contradict, in order.
fn class_names(named: &[Named], contradicted: &[Option<String>]) -> Vec<String> {
    let clear = named.iter().zip(contradicted).filter(|(_, why)| why.is_none());
    let mut classes: Vec<String> = clear.filter_map(|(named, _)| Some(named.as_ref()?.0.clone())).collect();
    classes.sort_by(|a, b| compare_classes(a, b));
    classes.dedup();
    classes
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
