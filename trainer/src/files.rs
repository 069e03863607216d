//! Reads files of a limited size, and writes files atomically. Pipes and devices are neither read nor written.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use crate::text::grouped;

/// Largest text file that is read: a recipe, names of classes, latents and the like, in bytes.
pub const MAX_TEXT: u64 = 16 << 20;

/// Reads the file at `path`, unless it is larger than `most` bytes.
///
/// # Errors
/// If it cannot be read. Pipes, sockets and devices are refused before they are opened, because that or reading them may never end.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(not_a_file(&found));
    }
    let mut bytes = Vec::new();
    // Special files of a system state a size of 0 and may be endless.
    let taken = if found.len() > most { 0 } else { File::open(path)?.take(most + 1).read_to_end(&mut bytes)? };
    if found.len().max(taken as u64) > most {
        let text =
            format!("the file is larger than {} bytes, the most that such a file may have", grouped(most as usize));
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Reads a text file of at most [`MAX_TEXT`] bytes.
///
/// # Errors
/// The errors of [`read`], or if the file is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, MAX_TEXT)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("this is not a text file: byte {at} is no UTF-8"))
    })
}

/// The error of something that is no file.
fn not_a_file(found: &fs::Metadata) -> io::Error {
    if found.is_dir() {
        return io::Error::new(ErrorKind::IsADirectory, "this is a folder, expected a file");
    }
    io::Error::new(ErrorKind::InvalidInput, "this is a pipe, socket or device, which may never end, expected a file")
}

/// Checks that `path` is neither a link nor anything else than a file, if it exists: a program's own files are no links.
///
/// # Errors
/// If it is. The message contains a remedy.
pub(crate) fn check_own(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let problem = match () {
        () if found.is_file() => return Ok(()),
        () if found.is_symlink() => "this is a link, which is not followed".to_owned(),
        () => not_a_file(&found).to_string(),
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("{problem}; remove it, or move it to another place")))
}

/// Writes `bytes` to `path` atomically: writes a temporary file next to it, syncs it to disk, and renames it.
///
/// Readers never see a partial file, even after a crash or on a full disk, and an existing file stays until the new one is
/// complete. A symbolic link stays a link. Pipes, sockets and devices are refused.
///
/// # Errors
/// When the file cannot be written. The message names the file and a remedy.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    // A path that does not exist yet is not a link.
    let target = fs::canonicalize(path.as_ref());
    let path = target.as_deref().unwrap_or(path.as_ref());
    if let Ok(found) = fs::metadata(path)
        && !found.is_file()
    {
        return Err(explained(path, &not_a_file(&found)));
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    // A file of this name is left from an interrupted process. It may also be a link, which is not followed.
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
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

/// Whether [`write`](write()) gives this name to a temporary file, which is left if the process is interrupted.
pub(crate) fn is_temporary(name: &str) -> bool {
    let parts = || name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.');
    parts().is_some_and(|(file, process)| !file.is_empty() && process.parse::<u32>().is_ok())
}

/// Describes a file that an output would replace.
const UNKNOWN: &str = "a file of this name exists, and this command did not make it";

/// Checks that an output may be written to `path`: there is nothing yet, an empty file, or a file that `is_own` recognizes as an earlier
/// output. With `overwrite`, the value of that option, any other file is replaced, but never a device, a pipe or a folder.
///
/// # Errors
/// If there is something else. The message names it and a remedy.
pub fn check_output(path: &Path, is_own: fn(&Path) -> bool, overwrite: Option<bool>) -> io::Result<()> {
    let refused = |found: &str, remedy: &str| {
        let text = format!("{}: {found}; it is not replaced\n  to do: {remedy}", shown(path));
        Err(io::Error::new(ErrorKind::AlreadyExists, text))
    };
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(_) if path.is_symlink() => return refused("a link to a file that does not exist", "choose another name"),
        // A folder that does not exist is reported when the file is written.
        Err(_) => return Ok(()),
    };
    match () {
        () if found.is_dir() => refused("a folder has this name", "name a file"),
        () if !found.is_file() => refused("this is a device or a pipe, not a file", "name a file"),
        () if overwrite == Some(true) || found.len() == 0 || is_own(path) => Ok(()),
        () if overwrite.is_none() => refused(UNKNOWN, "choose another name"),
        () => refused(UNKNOWN, "choose another name, or add --overwrite"),
    }
}

/// Returns a name with visible codes for all control characters, line breaks included.
pub fn one_line(name: &str) -> String {
    let code = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    name.chars().map(code).collect()
}

/// Returns a path for a message, on one line.
pub fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}

/// Returns a path as a shell takes it: in quotes if it has characters that shells interpret.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(char::is_control) {
        // Shells know these codes in this form of quotes only.
        let code = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        return format!("$'{}'", text.chars().map(code).collect::<String>());
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn explained(path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create its folder first",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make its folder writable or choose another",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space or choose another disk",
        ErrorKind::IsADirectory => "choose another name",
        ErrorKind::InvalidInput => "name a file",
        _ => "choose another place",
    };
    io::Error::new(error.kind(), format!("cannot write {}: {error}\n  to do: {remedy}", shown(path)))
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
    fn paths_are_quoted_for_a_shell_only_if_needed() {
        let quoted = |path: &str| quoted(Path::new(path));
        assert_eq!(quoted("runs/00001-ring+hinge"), "runs/00001-ring+hinge");
        assert_eq!(quoted("my run"), "'my run'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("größe/a"), "größe/a");
        assert_eq!((quoted("a\nb'c"), shown(Path::new("a\nb"))), (r"$'a\u000ab\'c'".into(), r"a\u000ab".into()));
    }

    #[test]
    fn outputs_replace_only_earlier_outputs_unless_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photo.png");
        let own = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"own"));
        let check = |path: &Path, overwrite| check_output(path, own, Some(overwrite)).map_err(|e| e.to_string());
        assert_eq!(check(&path, false), Ok(()));
        for (contents, allowed) in [("", true), ("own data", true), ("mine", false)] {
            fs::write(&path, contents).unwrap();
            assert_eq!(check(&path, false).is_ok(), allowed, "{contents}");
        }
        assert!(check(&path, false).unwrap_err().contains("add --overwrite"));
        assert!(!check_output(&path, own, None).unwrap_err().to_string().contains("--overwrite"));
        assert_eq!(check(&path, true), Ok(()));
        assert!(check(dir.path(), true).unwrap_err().contains("a folder"));
        assert!(check(Path::new("/dev/null"), true).unwrap_err().contains("a device or a pipe"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(check(&link, true).unwrap_err().contains("a link to a file that does not exist"));
    }

    #[test]
    fn pipes_devices_and_endless_files_are_neither_read_nor_written() {
        let dir = tempfile::tempdir().unwrap();
        let [pipe, zero, link, file] = ["pipe", "zero", "link", "file"].map(|name| dir.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", &zero).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for special in [&pipe, &zero] {
            let found = read(special, 9).unwrap_err().to_string();
            assert!(found.contains("a pipe, socket or device"), "{found}");
            let found = write(special, "x").unwrap_err().to_string();
            assert!(found.contains("a pipe, socket or device") && found.contains("name a file"), "{found}");
            assert!(check_own(special).is_err());
        }
        assert!(read(dir.path(), 9).unwrap_err().to_string().contains("a folder"));
        assert!(check_own(&file).is_ok() && check_own(&link).unwrap_err().to_string().contains("a link"));
        write(&file, "0123456789").unwrap();
        assert_eq!(read(&link, 10).unwrap(), b"0123456789");
        assert!(check_own(&file).is_ok() && check_own(dir.path()).unwrap_err().to_string().contains("a folder"));
        assert!(read(&link, 9).unwrap_err().to_string().contains("larger than 9 bytes"));
        // A file that states the size 0.
        assert!(read(Path::new("/proc/self/status"), 9).unwrap_err().to_string().contains("larger than 9 bytes"));
        fs::write(&file, b"a\xff").unwrap();
        assert!(read_text(&file).unwrap_err().to_string().contains("byte 1 is no UTF-8"));
    }

    #[test]
    fn temporary_files_are_recognized_by_name() {
        assert!(is_temporary(".step-0000060.safetensors.4711.tmp"));
        assert!(["a.4711.tmp", ".a.tmp", ".4711.tmp", "..4711.tmp", ".a.b.tmp"].iter().all(|name| !is_temporary(name)));
    }

    #[test]
    fn a_failure_names_the_file_and_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let text = write(dir.path().join("no/such/a.txt"), "x").unwrap_err().to_string();
        assert!(text.contains("a.txt") && text.contains("create its folder"), "{text}");
        let text = explained(Path::new("a.txt"), &ErrorKind::StorageFull.into()).to_string();
        assert!(text.contains("free some space"), "{text}");
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(dir.path().join("taken"), "x").is_err());
        assert!(write(dir.path().join(".."), "x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
