//! Decides what subfolders mean: classes, or the parts of a data set.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::source::{Ignored, ImageFile};
use crate::text::grouped;

/// Names of subfolders with the images to train on, and of those with images to evaluate on.
const TRAINING_PARTS: [&str; 2] = ["train", "training"];
const OTHER_PARTS: [&str; 8] = ["val", "valid", "validation", "dev", "eval", "evaluation", "test", "testing"];
/// Most classes, because a label is a byte.
pub(crate) const MAX_CLASSES: usize = 256;
/// Up to this many classes are named in a message.
const NAMED: usize = 12;

/// The files that are read, and their classes.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) files: Vec<ImageFile>,
    /// The class of each file; zeros if there are no classes.
    pub(crate) labels: Vec<u8>,
    /// Names of the classes; empty if there are none.
    pub(crate) classes: Vec<String>,
    /// Folders with images that are not read.
    pub(crate) unused: Vec<Ignored>,
    pub(crate) notes: Vec<String>,
}

/// Chooses from all image files of a folder those that are read, and their classes.
///
/// If images are directly in the folder, only these are read. A single subfolder stands for the folder itself. Of the parts `train`, `val`
/// and `test`, the training part is read. Other subfolders are classes, each with all images in it and its subfolders.
pub(crate) fn arrange(mut images: Vec<ImageFile>) -> Layout {
    let mut layout = Layout::default();
    let mut base = PathBuf::new();
    for depth in 0.. {
        let mut own = Vec::new();
        let mut folders = BTreeMap::<String, Vec<ImageFile>>::new();
        for image in images {
            let mut parts = image.inside.components().skip(depth);
            match (parts.next(), parts.next()) {
                (Some(folder), Some(_)) => {
                    folders.entry(folder.as_os_str().to_string_lossy().into_owned()).or_default().push(image);
                }
                _ => own.push(image),
            }
        }
        if !own.is_empty() {
            let reason = "images beside this folder are read instead: move them, or name this folder";
            layout.leave_out(&base, &folders, reason);
            layout.labels = vec![0; own.len()];
            layout.files = own;
            return layout;
        }
        let part = match training_part(&folders) {
            _ if folders.len() == 1 => folders.keys().next().cloned(),
            part => part,
        };
        let Some(part) = part else {
            layout.add_classes(folders);
            return layout;
        };
        images = folders.remove(&part).unwrap_or_default();
        if !folders.is_empty() {
            let reason = format!("{part} is read instead: name this folder to use it");
            let are = if folders.len() == 1 { "is" } else { "are" };
            layout.notes.push(format!("{part} is read, {} {are} not", name_some(folders.keys())));
            layout.leave_out(&base, &folders, &reason);
        }
        base.push(part);
    }
    layout
}

impl Layout {
    fn leave_out(&mut self, base: &Path, folders: &BTreeMap<String, Vec<ImageFile>>, reason: &str) {
        self.unused.extend(folders.iter().map(|(name, images)| {
            let count = match images.len() {
                1 => "1 image".to_owned(),
                n => format!("{} images", grouped(n)),
            };
            Ignored { path: base.join(name), reason: format!("{count}; {reason}") }
        }));
    }

    fn add_classes(&mut self, folders: BTreeMap<String, Vec<ImageFile>>) {
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_by(|a, b| compare_classes(&a.0, &b.0));
        let count = folders.len();
        for (class, (name, images)) in folders.into_iter().enumerate() {
            self.labels.extend(std::iter::repeat_n(u8::try_from(class).unwrap_or(0), images.len()));
            self.files.extend(images);
            self.classes.push(name);
        }
        if count > MAX_CLASSES {
            let count = grouped(count);
            self.notes.push(format!("{count} subfolders exceed the limit of {MAX_CLASSES} classes: labels ignored"));
            self.classes.clear();
            self.labels.fill(0);
        } else if count > 0 {
            self.notes.push(format!("{count} subfolders are {count} classes: {}", name_some(self.classes.iter())));
        }
    }
}

/// The folder with the training part, if all folders have names of parts.
fn training_part(folders: &BTreeMap<String, Vec<ImageFile>>) -> Option<String> {
    let is_training = |name: &&String| TRAINING_PARTS.contains(&&*name.to_lowercase());
    let is_part = |name: &String| is_training(&name) || OTHER_PARTS.contains(&&*name.to_lowercase());
    folders.keys().find(is_training).filter(|_| folders.keys().all(is_part)).cloned()
}

/// Order of classes: numbers by value, so that 10 comes after 9, and then other names.
pub(crate) fn compare_classes(a: &str, b: &str) -> Ordering {
    let key = |name: &str| name.parse::<i64>().map_or((1, 0), |number| (0, number));
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// The first names, separated by commas, and the number of the others.
pub(crate) fn name_some<'n>(names: impl ExactSizeIterator<Item = &'n String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {} more", grouped(more));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(paths: &[&str]) -> Layout {
        let mut images: Vec<_> = paths.iter().map(|path| ImageFile::of_folder(path)).collect();
        images.sort();
        arrange(images)
    }

    fn files(layout: &Layout) -> Vec<String> {
        layout.files.iter().map(|file| file.inside.to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn numbered_classes_are_sorted_by_value() {
        let names: Vec<String> = (0..12).map(|i| format!("{i}/a.png")).chain(["x/a.png".into()]).collect();
        let layout = arranged(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(layout.classes[..4], ["0", "1", "2", "3"]);
        assert_eq!(layout.classes[9..], ["9", "10", "11", "x"]);
        assert_eq!((layout.labels[2], &files(&layout)[2][..]), (2, "2/a.png"));
        assert!(layout.notes[0].contains("13 classes: 0, 1, 2, 3"), "{:?}", layout.notes);
    }

    #[test]
    fn nested_folders_belong_to_their_class_and_the_training_part_is_read() {
        let layout = arranged(&["d/train/cat/1.png", "d/train/cat/old/2.png", "d/train/dog/1.png", "d/Val/cat/9.png"]);
        assert_eq!((&layout.classes[..], &layout.labels[..]), (&["cat".into(), "dog".into()][..], &[0, 0, 1][..]));
        assert_eq!(files(&layout)[1], "d/train/cat/old/2.png");
        assert_eq!(layout.unused[0].path, Path::new("d/Val"));
        assert!(layout.notes[0] == "train is read, Val is not" && layout.unused[0].reason.starts_with("1 image"));
        // A train is also a vehicle.
        assert_eq!(arranged(&["train/1.png", "bus/1.png"]).classes, ["bus", "train"]);
        let flat = arranged(&["a/b/1.png", "a/b/2.png"]);
        assert_eq!((flat.files.len(), flat.classes.len(), flat.labels), (2, 0, vec![0, 0]));
    }

    #[test]
    fn images_in_the_folder_itself_win_over_its_subfolders() {
        let layout = arranged(&["1.png", "more/2.png", "more/3.png"]);
        assert_eq!((files(&layout), layout.classes.len()), (vec!["1.png".to_owned()], 0));
        assert!(layout.unused[0].reason.starts_with("2 images; images beside this folder"), "{:?}", layout.unused);
    }

    #[test]
    fn too_many_subfolders_are_no_classes() {
        let names: Vec<String> = (0..300).map(|i| format!("{i}/a.png")).collect();
        let layout = arranged(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(layout.classes.is_empty() && layout.labels == [0; 300] && layout.notes[0].contains("labels ignored"));
    }
}
