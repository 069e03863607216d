//! Classes of a folder's pictures from a table or an array beside them, where its subfolders do not tell them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::open::ReadOptions;
use super::{npz, open};
use crate::text::grouped;

/// The class of each file; none where the table has no row for it.
#[derive(Debug, PartialEq)]
pub(crate) struct LabelTable {
    pub(crate) of_files: Vec<Option<u8>>,
    pub(crate) classes: Vec<String>,
    /// Rows whose file is not there.
    pub(crate) spare: usize,
}

/// Reads the classes of `files`, which lie below `folder`, from a CSV table or from `labels` of an NPZ or NPY file.
///
/// A table names a file in its first column, with or without the folders before it, and its class in `column`, by default the second one. An
/// array has a number for each file, in the order of their names.
pub(crate) fn read(
    path: &Path,
    column: Option<&str>,
    folder: &Path,
    files: &[PathBuf],
) -> Result<LabelTable, DataError> {
    let bytes = open::read(path, &ReadOptions::default())?;
    if bytes.starts_with(b"PK") || bytes.starts_with(b"\x93NUMPY") {
        let labels = npz::labels(path, &bytes)?;
        if labels.len() != files.len() {
            return Err(DataError::new(
                path.display().to_string(),
                format!("{} labels, one for each picture file in the order of their names", grouped(files.len())),
                grouped(labels.len()),
                "write a CSV table of file and class instead: it cannot get out of step",
            ));
        }
        let classes = (0..=labels.iter().copied().max().unwrap_or(0)).map(|c| c.to_string()).collect();
        return Ok(LabelTable { of_files: labels.into_iter().map(Some).collect(), classes, spare: 0 });
    }
    table(path, &String::from_utf8_lossy(&bytes), column, folder, files)
}

fn table(
    path: &Path,
    text: &str,
    column: Option<&str>,
    folder: &Path,
    files: &[PathBuf],
) -> Result<LabelTable, DataError> {
    let wrong = |expected: &str, found: String, remedy: &str| {
        Err(DataError::new(path.display().to_string(), expected, found, remedy))
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).peekable();
    let Some((_, first)) = lines.peek() else {
        return wrong("rows of file and class", "an empty file".into(), "write a row `file,class` for each picture");
    };
    let between = [',', ';', '\t'].into_iter().find(|c| first.contains(*c)).unwrap_or(' ');
    let mut places = HashMap::new();
    for (i, file) in files.iter().enumerate() {
        let inside = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Where several folders have a file of one name, only its way tells which.
        places.entry(name).and_modify(|at| *at = None).or_insert(Some(i));
        places.insert(inside, Some(i));
    }
    let place = |file: &str| places.get(file.trim_start_matches("./")).copied().flatten();

    let head = fields(first, between);
    let mut at = 1;
    if let Some(column) = column {
        match head.iter().position(|name| name == column) {
            Some(found) if found > 0 => at = found,
            _ => {
                return wrong(
                    &format!("a column called {column}"),
                    format!("the columns {}", head.join(", ")),
                    "name one of these with --label-column",
                );
            }
        }
    }
    if column.is_some() || (head.len() > 1 && place(&head[0]).is_none()) {
        lines.next();
    }
    let (mut named, mut spare) = (vec![None; files.len()], 0);
    for (number, line) in lines {
        let row = fields(line, between);
        let Some(class) = row.get(at).filter(|class| !class.is_empty()) else {
            return wrong(
                &format!("a file and its class in every row, {between:?} between them"),
                format!("line {number}: {line}"),
                "complete the row or take it out",
            );
        };
        match place(&row[0]) {
            Some(i) => named[i] = Some(class.clone()),
            None => spare += 1,
        }
    }
    if named.iter().all(Option::is_none) {
        return wrong(
            "names of the pictures in its first column",
            format!("{} rows, none of a file that is there, such as {}", grouped(spare), files[0].display()),
            "write the files' names as they are below the folder",
        );
    }
    let mut classes: Vec<String> = named.iter().flatten().cloned().collect();
    // Numbers go by their value: 10 comes after 9.
    classes.sort_by_key(|class| (class.parse::<i64>().unwrap_or(i64::MAX), class.clone()));
    classes.dedup();
    if classes.len() > 256 {
        let found = format!("{} of them", grouped(classes.len()));
        return wrong(
            "at most 256 classes",
            found,
            "choose another column with --label-column, or leave the labels out",
        );
    }
    let number = |class: &String| classes.iter().position(|c| c == class).map(|c| c as u8);
    let of_files = named.iter().map(|class| class.as_ref().and_then(number)).collect();
    Ok(LabelTable { of_files, classes, spare })
}

/// The fields of a row; quotes keep what separates fields, two of them are one.
fn fields(line: &str, between: char) -> Vec<String> {
    let (mut found, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let field = found.last_mut().expect("there is always a field");
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => field.push(letters.next().unwrap_or('"')),
            '"' => quoted = !quoted,
            c if c == between && !quoted => {
                if between != ' ' || !field.is_empty() {
                    found.push(String::new());
                }
            }
            c => field.push(c),
        }
    }
    found.iter().map(|field| field.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| Path::new("photos").join(name)).collect()
    }

    fn told(text: &str, column: Option<&str>, names: &[&str]) -> Result<LabelTable, String> {
        table(Path::new("l.csv"), text, column, Path::new("photos"), &files(names)).map_err(|e| e.to_string())
    }

    #[test]
    fn tables_with_and_without_headings_name_classes() {
        let names = ["a.png", "b, c.png", "d.png"];
        let with = told("file,kind\na.png,dog\n\"b, c.png\",\"cat \"\"x\"\"\"\ngone.png,dog\n", None, &names).unwrap();
        assert_eq!(with.classes, ["cat \"x\"", "dog"]);
        assert_eq!((with.of_files, with.spare), (vec![Some(1), Some(0), None], 1));
        let plain = told("a.png;10\r\nd.png;9\r\n", None, &names).unwrap();
        assert_eq!((plain.classes, plain.of_files), (vec!["9".into(), "10".into()], vec![Some(1), None, Some(0)]));
        let wide = told("image_id  Bald Smiling\n a.png  1 -1\nd.png -1  1\n", Some("Smiling"), &names).unwrap();
        assert_eq!((wide.classes, wide.of_files), (vec!["-1".into(), "1".into()], vec![Some(0), None, Some(1)]));
    }

    #[test]
    fn files_of_one_name_in_several_folders_are_told_apart() {
        let names = ["x/1.png", "y/1.png"];
        let labels = told("x/1.png,up\ny/1.png,down\n", None, &names).unwrap();
        assert_eq!(labels.of_files, [Some(1), Some(0)]);
        assert!(told("file,class\n1.png,up\n", None, &names).unwrap_err().contains("none of a file that is there"));
    }

    #[test]
    fn what_is_no_table_of_these_files_is_refused() {
        let names = ["a.png"];
        for (text, column, expected) in [
            ("", None, "an empty file"),
            ("a.png\n", None, "line 1: a.png"),
            ("a.png,dog\na.png,\n", None, "line 2"),
            ("file,kind\na.png,dog\n", Some("color"), "the columns file, kind"),
            ("z.png,dog\ny.png,cat\n", None, "none of a file"),
        ] {
            let message = told(text, column, &names).unwrap_err();
            assert!(
                message.contains(expected) && message.contains("l.csv") && message.lines().count() == 4,
                "{message}"
            );
        }
        let many: Vec<String> = (0..300).map(|i| format!("{i}.png")).collect();
        let rows: String = many.iter().map(|name| format!("{name},class of {name}\n")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(told(&rows, None, &many).unwrap_err().contains("300 of them"));
    }
}
