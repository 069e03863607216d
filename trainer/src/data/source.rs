//! Lists the image files of a folder or a zip file, and opens them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::ZipArchive;

use super::decode::{EXTENSIONS, ImageBytes};
use super::error::DataError;

/// Folders that are nested deeper are not read.
const MAX_DEPTH: usize = 16;
/// Entries that systems and network storage add to folders and archives, in lower case. Some of them hold thumbnails or deleted images.
const SYSTEM_FILES: [&str; 8] = [
    "__macosx",
    "thumbs.db",
    "desktop.ini",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
];

/// An entry that is not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

/// Where image files are: a folder, or an archive in a file.
pub(crate) struct ImageSource {
    path: PathBuf,
    archive: Option<Mutex<ZipArchive<File>>>,
}

/// An image file of an [`ImageSource`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageFile {
    /// Path inside the source.
    pub(crate) inside: PathBuf,
    /// Number of the member in the archive; 0 in a folder.
    member: usize,
}

#[cfg(test)]
impl ImageFile {
    /// A file of a folder.
    pub(crate) fn of_folder(inside: &str) -> Self {
        Self { inside: inside.into(), member: 0 }
    }
}

/// The entries of a folder, or of an archive, and of all its subfolders. Paths are relative to it, and sorted.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) images: Vec<ImageFile>,
    /// NumPy and IDX files.
    pub(crate) arrays: Vec<PathBuf>,
    pub(crate) others: Vec<Ignored>,
}

/// Whether the file `path` is one of the images or arrays in the folder `source`, possibly by a link.
pub fn is_source_file(source: &Path, path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let Ok((_, listing)) = ImageSource::folder(source) else { return false };
    let images = listing.images.iter().map(|image| &image.inside);
    images.chain(&listing.arrays).any(|file| source.join(file).canonicalize().is_ok_and(|file| file == path))
}

impl ImageSource {
    /// Lists the folder at `path`.
    pub(crate) fn folder(path: &Path) -> Result<(Self, Listing), DataError> {
        Ok((Self { path: path.to_owned(), archive: None }, FolderWalk::new(path).list()?))
    }

    /// Lists the zip file at `path`.
    pub(crate) fn archive(path: &Path) -> Result<(Self, Listing), DataError> {
        let file = File::open(path).map_err(|e| DataError::io(path, &e))?;
        let mut archive = ZipArchive::new(file).map_err(|e| {
            let remedy = "get the file again: it is damaged";
            DataError::new(path.display().to_string(), "a valid zip archive", e.to_string(), remedy)
        })?;
        let mut listing = Listing::default();
        for member in 0..archive.len() {
            // Members whose header is damaged cannot be opened, but have a name.
            let Some(name) = archive.name_for_index(member).map(|name| name.replace('\\', "/")) else { continue };
            let is_file = archive.by_index_raw(member).is_ok_and(|file| file.is_file());
            let inside: PathBuf = name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
            let hidden = inside.iter().any(|part| is_hidden(&part.to_string_lossy()));
            if is_file && !name.ends_with('/') && !hidden {
                listing.add_file(ImageFile { inside, member });
            }
        }
        listing.images.sort();
        Ok((Self { path: path.to_owned(), archive: Some(Mutex::new(archive)) }, listing))
    }

    /// Opens a file for reading. Members of archives of more than `max_bytes` are refused.
    pub(crate) fn open(&self, file: &ImageFile, max_bytes: u64) -> Result<Box<dyn ImageBytes>, String> {
        let Some(archive) = &self.archive else {
            let file = File::open(self.path.join(&file.inside)).map_err(|e| e.to_string())?;
            return Ok(Box::new(BufReader::new(file)));
        };
        let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
        let mut member = archive.by_index(file.member).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        // The size that an archive states may be wrong.
        member.by_ref().take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > max_bytes {
            return Err("it unpacks to more bytes than an image of the largest size would take".into());
        }
        Ok(Box::new(Cursor::new(bytes)))
    }
}

/// Goes through a folder. Every folder is read once, under its own path or that of the first link to it: with links, the same images could
/// otherwise be reached on exponentially many paths.
struct FolderWalk<'r> {
    root: &'r Path,
    listing: Listing,
    /// The resolved paths of the folders that were read.
    read: HashSet<PathBuf>,
    /// Links to folders, and their depths. They are followed after the folders.
    links: Vec<(PathBuf, usize)>,
}

impl<'r> FolderWalk<'r> {
    fn new(root: &'r Path) -> Self {
        Self { root, listing: Listing::default(), read: HashSet::new(), links: Vec::new() }
    }

    fn list(mut self) -> Result<Listing, DataError> {
        self.add_folder(Path::new(""), 0)?;
        while !self.links.is_empty() {
            for (link, depth) in std::mem::take(&mut self.links) {
                self.add_subfolder(link, depth);
            }
        }
        self.listing.images.sort();
        self.listing.arrays.sort();
        self.listing.others.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.listing)
    }

    fn add_folder(&mut self, inside: &Path, depth: usize) -> Result<(), DataError> {
        let folder = self.root.join(inside);
        self.read.extend(folder.canonicalize());
        for (name, kind) in entries(&folder)? {
            let inside = inside.join(name);
            match kind {
                EntryKind::File => self.listing.add_file(ImageFile { inside, member: 0 }),
                EntryKind::Folder => self.add_subfolder(inside, depth + 1),
                EntryKind::FolderLink => self.links.push((inside, depth + 1)),
                EntryKind::BrokenLink => self.listing.ignore(inside, "a broken link: its target does not exist"),
                EntryKind::Special => self.listing.ignore(inside, "a pipe, socket or device, not a regular file"),
            }
        }
        Ok(())
    }

    fn add_subfolder(&mut self, inside: PathBuf, depth: usize) {
        if depth > MAX_DEPTH {
            return self.listing.ignore(inside, &format!("it is nested in more than {MAX_DEPTH} folders"));
        }
        if self.root.join(&inside).canonicalize().is_ok_and(|path| self.read.contains(&path)) {
            return self.listing.ignore(inside, "a link to a folder that is read already");
        }
        if let Err(e) = self.add_folder(&inside, depth) {
            self.listing.ignore(inside, &e.found);
        }
    }
}

impl Listing {
    fn add_file(&mut self, file: ImageFile) {
        let extension = file.inside.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = file.inside.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if EXTENSIONS.contains(&&*extension) {
            self.images.push(file);
        } else if matches!(&*extension, "npz" | "npy") || name.contains("idx3") || name.contains("idx4") {
            self.arrays.push(file.inside);
        } else {
            let known = EXTENSIONS.map(|extension| format!(".{extension}")).join(", ");
            let remedy = match &*extension {
                "csv" | "tsv" | "txt" => "`data prepare --labels` reads tables of classes",
                _ => "convert it if it is an image",
            };
            let reason = &format!("its extension is not {known}: {remedy}");
            self.ignore(file.inside, reason);
        }
    }

    fn ignore(&mut self, path: PathBuf, reason: &str) {
        self.others.push(Ignored { path, reason: reason.to_owned() });
    }
}

/// Kind of an entry in a folder. Links to files are followed.
enum EntryKind {
    File,
    Folder,
    /// A link to a folder.
    FolderLink,
    BrokenLink,
    /// A pipe, socket or device: reading it might never end.
    Special,
}

/// The visible entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<(OsString, EntryKind)>, DataError> {
    let failed = |e| DataError::io(folder, &e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_hidden(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let own = entry.file_type().map_err(failed)?;
        let target =
            if own.is_symlink() { fs::metadata(entry.path()).map(|target| target.file_type()) } else { Ok(own) };
        let kind = match target {
            Ok(kind) if kind.is_dir() && own.is_symlink() => EntryKind::FolderLink,
            Ok(kind) if kind.is_dir() => EntryKind::Folder,
            Ok(kind) if kind.is_file() => EntryKind::File,
            Ok(_) => EntryKind::Special,
            Err(_) => EntryKind::BrokenLink,
        };
        found.push((entry.file_name(), kind));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || SYSTEM_FILES.contains(&&*name.to_lowercase())
}
