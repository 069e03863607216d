//! Reads tables of text as spreadsheets and data sets have them: any encoding, line ends and separator.

use csv::{ReaderBuilder, StringRecord, Trim};

/// A row of a table: its line number and its fields.
pub(crate) type Row = (u64, Vec<String>);

/// The separator of the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Separator {
    Comma,
    Semicolon,
    Tab,
    /// Any number of spaces.
    Spaces,
}

impl Separator {
    pub(crate) const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Spaces];

    pub(crate) fn as_char(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
            Self::Spaces => ' ',
        }
    }

    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
            Self::Tab => "tabs",
            Self::Spaces => "blanks",
        }
    }
}

/// The text of a file in UTF-8, UTF-16 or Latin-1, with a line feed after each line, and a note if the encoding was guessed.
pub(crate) fn decode_text(bytes: &[u8]) -> (String, Option<&'static str>) {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|b| **b == 0).count();
    let (text, note) = match bytes {
        [0xff, 0xfe, rest @ ..] => (utf16(rest, u16::from_le_bytes), None),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, u16::from_be_bytes), None),
        _ if 4 * zeros(1) > bytes.len() => (utf16(bytes, u16::from_le_bytes), None),
        _ if 4 * zeros(0) > bytes.len() => (utf16(bytes, u16::from_be_bytes), None),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => {
                (bytes.iter().map(|b| char::from(*b)).collect(), Some("it is not in UTF-8 and was read as Latin-1"))
            }
        },
    };
    (text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"), note)
}

/// Empties the lines that start with `#`, so that the numbers of the others stay.
pub(crate) fn without_comments(text: &str) -> String {
    let lines = text.split('\n').map(|line| if line.trim_start().starts_with('#') { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// The line of a quote that opens a field and is not closed properly: text follows the next quote on a later line, or there is none.
pub(crate) fn unclosed_quote(text: &str, separator: Separator) -> Option<u64> {
    let separator = separator.as_char();
    let (mut line, mut opened, mut at_start) = (1, None, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, opened) {
            ('"', None) if at_start => opened = Some(line),
            ('"', Some(_)) if chars.peek() == Some(&'"') => _ = chars.next(),
            ('"', Some(first)) => {
                let closes = chars.peek().is_none_or(|next| *next == separator || next.is_whitespace());
                if !closes && first != line {
                    return Some(first);
                }
                opened = None;
            }
            _ => {}
        }
        at_start = opened.is_none() && (c == separator || c == '\n');
        line += u64::from(c == '\n');
    }
    opened
}

/// The rows of a table that are not empty. A first line with only a count, as CelebA's tables have, is skipped.
pub(crate) fn rows(text: &str, separator: Separator) -> Result<Vec<Row>, csv::Error> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator.as_char() as u8)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let fields = |record: &StringRecord| -> Vec<String> {
        let kept = |field: &&str| separator != Separator::Spaces || !field.is_empty();
        record.iter().filter(kept).map(str::to_owned).collect()
    };
    let rows = reader.records().map(|record| {
        let record = record?;
        Ok((record.position().map_or(0, csv::Position::line), fields(&record)))
    });
    let is_empty = |row: &Result<Row, csv::Error>| matches!(row, Ok((_, f)) if f.iter().all(String::is_empty));
    let mut rows: Vec<Row> = rows.filter(|row| !is_empty(row)).collect::<Result<_, csv::Error>>()?;
    if let [(_, first), (_, second), ..] = &rows[..]
        && first.len() == 1
        && second.len() > 1
        && first[0].bytes().all(|b| b.is_ascii_digit())
    {
        rows.remove(0);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_encoding_and_line_end_is_read() {
        let text = "é,1\nb,2\n";
        for (bytes, noted) in [
            (text.as_bytes().to_vec(), false),
            ("\u{feff}é,1\r\nb,2\r\n".as_bytes().to_vec(), false),
            ("\u{feff}é,1\rb,2\r".encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
            ("\u{feff}é,1\nb,2\n".encode_utf16().flat_map(u16::to_be_bytes).collect(), false),
            ("é,1\nb,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
            (b"\xe9,1\rb,2\r".to_vec(), true),
        ] {
            assert_eq!(decode_text(&bytes), (text.to_owned(), decode_text(&bytes).1), "{bytes:?}");
            assert_eq!(decode_text(&bytes).1.is_some(), noted);
        }
    }

    #[test]
    fn quotes_that_are_not_closed_are_found() {
        for (text, line) in [
            ("a,\"b\"\nc,d\n", None),
            ("a,\"b\nc\"\nd,e\n", None),
            ("a,\"b \"\"c\"\" d\"\n", None),
            ("a,5\" wide\nb,c\n", None),
            ("a,\"b\" c\n", None),
            ("a,b\nc,\"d\ne,f\n", Some(2)),
            ("a,\"b\nc,d\ne,\"f\n", Some(1)),
            ("\"", Some(1)),
        ] {
            assert_eq!(unclosed_quote(text, Separator::Comma), line, "{text}");
        }
        assert_eq!(unclosed_quote("a \"b\nc d\n", Separator::Spaces), Some(1));
    }

    #[test]
    fn comments_empty_lines_and_a_count_are_skipped_and_lines_keep_their_numbers() {
        let text = without_comments("# made by \"me, 2020\n\n3\na b c\n1  2 3 \n");
        let rows = rows(&text, Separator::Spaces).unwrap();
        let wanted = [(4, ["a", "b", "c"]), (5, ["1", "2", "3"])];
        assert_eq!(rows, wanted.map(|(line, fields)| (line, fields.map(str::to_owned).to_vec())));
    }
}
