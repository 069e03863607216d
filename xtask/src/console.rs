//! Standard output and standard error: printing, and colors where the terminal shows them.

use crate::failure::Failure;
use ::console::StyledObject;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Styles of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextStyle {
    Bold,
    Red,
}

/// Prints text to standard output. A closed pipe, as with `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Checks that a file can be written, before work whose result would be lost.
pub(crate) fn writable(path: &Path) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match () {
        () if !folder.is_dir() => Err(Failure::file(path, "its folder does not exist: create it first")),
        () if path.is_dir() => Err(Failure::file(path, "this is a folder: choose another name")),
        () => Ok(()),
    }
}

/// Prints a line to standard error.
pub(crate) fn note(line: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints an error message to standard error.
pub(crate) fn complain(message: &str) {
    note(&format!("{} {message}", on_stderr(TextStyle::Red, "error:")));
}

/// Returns text for standard error, colored if that is a terminal and `NO_COLOR` is not set.
pub(crate) fn on_stderr(style: TextStyle, text: &str) -> String {
    styled(style, ::console::style(text).for_stderr())
}

/// Returns text for standard output, colored if that is a terminal and `NO_COLOR` is not set.
pub(crate) fn on_stdout(style: TextStyle, text: &str) -> String {
    styled(style, ::console::style(text))
}

fn styled(style: TextStyle, text: StyledObject<&str>) -> String {
    match style {
        TextStyle::Bold => text.bold(),
        TextStyle::Red => text.red(),
    }
    .to_string()
}
