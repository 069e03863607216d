//! Puts a file on disk whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes `bytes` to `path`: into a temporary file beside it, onto the disk, then renamed over it.
///
/// A reader, a crash or a full disk never meets half a file; an existing file stays until the new one is complete. A link stays a link, and
/// what is no file (a pipe, a device) is written to as it is. The error's text names the file and what to do.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    // What does not exist yet is no link.
    let behind = fs::canonicalize(path.as_ref());
    let path = behind.as_deref().unwrap_or(path.as_ref());
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
        // What matters is the first error; a temporary file that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
        return Err(explained(path, &error));
    }
    // Some file systems cannot sync folders; the file itself is safe by now.
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn explained(path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "make its folder first",
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
        assert!(text.contains("a.txt") && text.contains("make its folder"), "{text}");
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(dir.path().join("taken"), "x").is_err());
        assert!(write(dir.path().join(".."), "x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
