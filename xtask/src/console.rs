//! Standard output and standard error: printing, and colors where the terminal shows them.

use crate::failure::Failure;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Styles of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextStyle {
    Bold,
    Red,
}

/// Noncharacters that mark where a style starts and ends, until [`rendered`] replaces them.
const BOLD: char = '\u{fdd0}';
const RED: char = '\u{fdd1}';
const END: char = '\u{fdd2}';

/// Prints text to standard output. A closed pipe, as with `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(rendered(text).as_bytes()).and_then(|()| out.flush()) {
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

/// Checks that a folder for results does not exist yet, is empty, or holds the file `mark` of earlier results, which are replaced.
pub(crate) fn own_folder(folder: &Path, mark: Option<&str>) -> Result<(), Failure> {
    let Ok(mut entries) = folder.read_dir() else { return Ok(()) };
    match entries.next() {
        Some(_) if mark.is_some_and(|mark| folder.join(mark).is_file()) => Ok(()),
        Some(Ok(entry)) => Err(Failure::file(
            folder,
            format!(
                "this folder holds other files, such as {}; nothing was overwritten: choose a new or an empty folder with --out",
                entry.file_name().display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Prints a line to standard error.
pub(crate) fn note(line: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr().lock(), "{}", rendered(line));
}

/// Prints an error message to standard error.
pub(crate) fn complain(message: &str) {
    note(&format!("{} {message}", on_stderr(TextStyle::Red, "error:")));
}

/// Returns text for standard error, colored if that is a terminal and `NO_COLOR` is not set.
pub(crate) fn on_stderr(style: TextStyle, text: &str) -> String {
    styled(style, text, ::console::colors_enabled_stderr())
}

/// Returns text for standard output, colored if that is a terminal and `NO_COLOR` is not set.
pub(crate) fn on_stdout(style: TextStyle, text: &str) -> String {
    styled(style, text, ::console::colors_enabled())
}

fn styled(style: TextStyle, text: &str, colored: bool) -> String {
    let mark = match style {
        TextStyle::Bold => BOLD,
        TextStyle::Red => RED,
    };
    if colored { format!("{mark}{text}{END}") } else { text.to_owned() }
}

/// Returns text as it is printed: with the escape sequences of its styles, and with visible codes for control characters, which
/// could otherwise clear the screen or change what was printed before.
///
/// Names of models, files and classes come from anywhere. The codes have the form of JSON strings, so JSON stays valid.
pub(crate) fn rendered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            BOLD => out += "\x1b[1m",
            RED => out += "\x1b[31m",
            END => out += "\x1b[0m",
            '\n' | '\t' => out.push(c),
            c if controls(c) => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

/// Returns whether a character controls the terminal: C0, C1, and the marks that reverse the direction of text.
fn controls(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_printed_as_visible_codes() {
        let name = "a\u{1b}[2J\u{1b}]0;x\u{7}\r\u{9b}31m\u{7f}\u{202e}b ü\n\t";
        assert_eq!(rendered(name), "a\\u001b[2J\\u001b]0;x\\u0007\\u000d\\u009b31m\\u007f\\u202eb ü\n\t");
        let json = serde_json::to_string(name).unwrap();
        assert_eq!(serde_json::from_str::<String>(&rendered(&json)).unwrap(), name);
    }

    #[test]
    fn styles_are_the_only_escape_sequences() {
        assert_eq!(rendered(&styled(TextStyle::Bold, "a\u{1b}[31m", true)), "\x1b[1ma\\u001b[31m\x1b[0m");
        assert_eq!(styled(TextStyle::Red, "a", false), "a");
    }
}
