//! Finds the file that a row of a table names, as people write names of files.

use std::collections::HashMap;
use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization;

use super::decode::EXTENSIONS;

/// Files by the names that a table may use for them.
///
/// A name may have fewer folders than the file, or more (an absolute path). Names that differ only in letter case, in the Unicode form of
/// accents, or in an image extension are matched if there is no exact match.
pub(crate) struct FileIndex {
    exact: Names,
    loose: Names,
    /// Whether the name of a file starts with `#`, as comments do.
    pub(crate) has_hash: bool,
}

/// The file with each name; `None` if several have it.
#[derive(Default)]
struct Names {
    whole: HashMap<String, Option<usize>>,
    /// Names without one or more of the first folders.
    ends: HashMap<String, Option<usize>>,
}

impl Names {
    fn insert(&mut self, name: &str, i: usize) {
        let add = |map: &mut HashMap<String, Option<usize>>, name: &str| {
            map.entry(name.to_owned()).and_modify(|at| *at = None).or_insert(Some(i));
        };
        add(&mut self.whole, name);
        name.match_indices('/').for_each(|(at, _)| add(&mut self.ends, &name[at + 1..]));
    }

    /// The file whose name equals `name`, or of which one is the end of the other, folder by folder.
    fn find(&self, name: &str) -> Option<usize> {
        if let Some(found) = self.whole.get(name).or_else(|| self.ends.get(name)) {
            return *found;
        }
        name.match_indices('/').find_map(|(at, _)| self.whole.get(&name[at + 1..]).copied().flatten())
    }
}

impl FileIndex {
    /// Takes the paths of files inside their folder.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let (mut exact, mut loose) = (Names::default(), Names::default());
        let mut has_hash = false;
        for (i, file) in files.iter().enumerate() {
            let name = plain(&file.to_string_lossy());
            has_hash |= name.starts_with('#') || name.contains("/#");
            exact.insert(&name, i);
            loose.insert(&simplified(&name), i);
        }
        Self { exact, loose, has_hash }
    }

    /// The file that `name` names.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let name = plain(name);
        if name.is_empty() {
            return None;
        }
        self.exact.find(&name).or_else(|| self.loose.find(&simplified(&name)))
    }
}

/// A path with `/` between folders, without `./` at its start.
fn plain(name: &str) -> String {
    let name = name.trim().replace('\\', "/");
    name.trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// A name in lower case and composed Unicode form, without its image extension.
fn simplified(name: &str) -> String {
    let name: String = name.nfc().collect::<String>().to_lowercase();
    match name.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS.contains(&extension) && !stem.is_empty() => stem.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_people_write_them() {
        let files = ["cat/1.png", "dog/1.png", "dog/Größe é.PNG", "3.png"].map(PathBuf::from);
        let index = FileIndex::new(&files);
        for (name, found) in [
            ("cat/1.png", Some(0)),
            ("./cat/1.png", Some(0)),
            (".\\dog\\1.png", Some(1)),
            ("C:\\data\\dog\\1.png", Some(1)),
            ("/data/photos/cat/1.png", Some(0)),
            ("photos/3.png", Some(3)),
            ("CAT/1.PNG", Some(0)),
            ("3", Some(3)),
            ("3.jpg", Some(3)),
            // Decomposed, as macOS writes names.
            ("Gro\u{308}ße e\u{301}.png", Some(2)),
            ("Größe é", Some(2)),
            // Two files have this name, and another folder is another file.
            ("1.png", None),
            ("bird/1.png", None),
            ("", None),
            ("4.png", None),
        ] {
            assert_eq!(index.find(name), found, "{name}");
        }
    }
}
