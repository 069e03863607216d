//! Writes files atomically.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes `bytes` to `path` atomically: writes a temporary file next to it, syncs it to disk, and renames it.
///
/// Readers never see a partial file, even after a crash or on a full disk, and an existing file stays until the new one is
/// complete. A symbolic link stays a link; a pipe or device is written to directly.
///
/// # Errors
/// When the file cannot be written. The message names the file and a remedy.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    // A path that does not exist yet is not a link.
    let target = fs::canonicalize(path.as_ref());
    let path = target.as_deref().unwrap_or(path.as_ref());
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, bytes).map_err(|error| explained(path, &error));
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes.as_ref()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Report the first error. The temporary file may not exist.
        let _ = fs::remove_file(&temporary);
        return Err(explained(path, &error));
    }
    // Some file systems cannot sync folders. The file itself is safe at this point.
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn explained(path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create its folder first",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make its folder writable or choose another",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space or choose another disk",
        ErrorKind::IsADirectory => "a folder has this name: choose another",
        _ => "choose another place",
    };
    io::Error::new(error.kind(), format!("cannot write {}: {error}\n  to do: {remedy}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_the_file_and_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let text = write(dir.path().join("no/such/a.txt"), "x").unwrap_err().to_string();
        assert!(text.contains("a.txt") && text.contains("create its folder"), "{text}");
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(dir.path().join("taken"), "x").is_err());
        assert!(write(dir.path().join(".."), "x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
