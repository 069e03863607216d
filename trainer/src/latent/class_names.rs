//! Names of classes: chosen on the command line, and kept in a text file next to a model file, which has no place for them.
use super::LatentToolError;
use crate::export::PreparedRun;
use crate::files;
use std::io;
use std::path::{Path, PathBuf};

/// First line of a file of class names.
const TITLE: &str = "# Names of the classes of the model beside this file, one per line";

/// The names of a generator's classes. A class without a name is called by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassNames(Vec<String>);

impl ClassNames {
    /// Takes the names in the order of the classes. Line breaks in names become spaces.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.replace(['\n', '\r'], " ")).collect())
    }

    /// The class names of the data that a run was trained on.
    pub fn of_run(run: &PreparedRun) -> Self {
        Self::new(&run.checkpoint.data.classes)
    }

    /// Path of the file with the class names of the model file `model`.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("classes.txt")
    }

    /// Reads the class names of a model file; no names if their file is missing.
    ///
    /// # Errors
    /// If the file is no text file, or a pipe, socket or device.
    pub fn beside(model: &Path) -> io::Result<Self> {
        let path = Self::path(model);
        let text = match files::read_text(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|e| {
                let (path, model) = (path.display(), model.display());
                io::Error::new(
                    e.kind(),
                    format!("{path}: {e}; it names the classes of {model}: move it, if it is another file"),
                )
            })?,
        };
        Ok(Self(text.lines().filter(|line| *line != TITLE).map(str::to_owned).collect()))
    }

    /// The names if there are `classes` of them; otherwise they belong to another generator.
    #[must_use]
    pub fn of(self, classes: usize) -> Self {
        if self.0.len() == classes { self } else { Self::default() }
    }

    /// Writes the names next to a model file, and returns the path of their file; `None` if every class is called by its number.
    ///
    /// # Errors
    /// If the file cannot be written, or is another one than an earlier list of class names.
    pub fn write_beside(&self, model: &Path) -> io::Result<Option<PathBuf>> {
        if self.are_numbers() {
            return Ok(None);
        }
        let path = Self::path(model);
        let is_other = files::read_text(&path).map_or(path.exists(), |old| !old.starts_with(TITLE));
        if is_other {
            let problem = format!("{} is not a list of class names, so it is not overwritten: move it", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        files::write(&path, format!("{TITLE}\n{}\n", self.0.join("\n")))?;
        Ok(Some(path))
    }

    fn are_numbers(&self) -> bool {
        self.0.iter().enumerate().all(|(i, name)| *name == i.to_string())
    }

    /// All classes with their names, as in "0 (cat), 1 (dog)"; `None` if every class is called by its number.
    pub fn describe_all(&self) -> Option<String> {
        let all: Vec<String> = (0..self.0.len()).map(|class| self.describe(class)).collect();
        (!self.are_numbers()).then(|| all.join(", "))
    }

    /// The name of a class, or its number if it has none.
    pub fn name(&self, class: usize) -> String {
        self.0.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// The class with its name, as in "2 (cat)".
    pub fn describe(&self, class: usize) -> String {
        match self.name(class) {
            name if name == class.to_string() => name,
            name => format!("{class} ({name})"),
        }
    }

    /// Checks a requested class, a name or a number from 0, and returns its number; class 0 if none was requested. A name counts, even if it
    /// is also the number of another class.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn find(&self, classes: usize, requested: Option<&str>) -> Result<usize, LatentToolError> {
        let Some(requested) = requested else { return Ok(0) };
        if classes == 0 {
            return Err(LatentToolError::NoClasses { class: requested.to_owned() });
        }
        let named = self.0.iter().take(classes).position(|name| name == requested);
        let number = || requested.parse().ok().filter(|class| *class < classes);
        named.or_else(number).ok_or_else(|| LatentToolError::NoSuchClass {
            class: requested.to_owned(),
            classes,
            names: if self.are_numbers() { Vec::new() } else { self.0.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn classes_are_found_by_name_and_by_number() {
        let names = ClassNames::new(&["1".into(), "cat".into(), "7".into()]);
        for (requested, found) in [(None, 0), (Some("1"), 0), (Some("cat"), 1), (Some("7"), 2), (Some("2"), 2)] {
            assert_eq!(names.find(3, requested), Ok(found), "{requested:?}");
        }
        let message = names.find(3, Some("dog")).unwrap_err().to_string();
        assert_eq!(message, "--class dog: expected 0 to 2, or one of 1, cat, 7");
        assert!(names.find(0, Some("1")).unwrap_err().to_string().contains("without classes"));
        let message = ClassNames::default().find(3, Some("-1")).unwrap_err().to_string();
        assert_eq!(message, "--class -1: expected 0 to 2");
        assert_eq!((names.describe(1), ClassNames::default().describe(1)), ("1 (cat)".into(), "1".into()));
    }

    #[test]
    fn names_are_kept_next_to_a_model_and_nothing_else_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("pets.model");
        let numbers = ClassNames::new(&["0".into(), "1".into()]);
        assert_eq!(numbers.write_beside(&model).unwrap(), None);
        let names = ClassNames::new(&["cat".into(), "big\ndog".into()]);
        let path = names.write_beside(&model).unwrap().unwrap();
        assert_eq!(
            (path.file_name().unwrap().to_str(), ClassNames::beside(&model).unwrap().of(2)),
            (Some("pets.classes.txt"), names.clone())
        );
        assert_eq!(ClassNames::beside(&model).unwrap().of(3), ClassNames::default());
        assert_eq!(names.describe_all().as_deref(), Some("0 (cat), 1 (big dog)"));
        let names = ClassNames::new(&["a".into(), "b".into()]);
        assert!(names.write_beside(&model).is_ok());
        fs::write(&path, "my notes").unwrap();
        assert!(names.write_beside(&model).unwrap_err().to_string().contains("not overwritten"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "my notes");
        fs::write(&path, b"\xff").unwrap();
        assert!(
            ClassNames::beside(&model).unwrap_err().to_string().contains("pets.classes.txt: this is not a text file")
        );
    }
}
