//! Elements of an HTML page: embedded images and tables.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::draw::svg::escape;

/// Bytes of a page that contain the name of its program.
const HEAD: u64 = 1024;
/// The element that names the program that wrote a page.
const GENERATOR: &str = "<meta name=\"generator\" content=\"ganlet\">";

/// Whether the file at `path` is a page that this module wrote.
pub(super) fn recognize(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.is_ok() && head.windows(GENERATOR.len()).any(|part| part == GENERATOR.as_bytes())
}

/// A whole page with the style of all pages, which follows the reader's light or dark theme and fits a phone.
pub(super) fn document(title: &str, body: &str) -> String {
    let (title, style) = (escape(title), include_str!("page.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{GENERATOR}\
         <title>{title}</title>\n<style>\n{style}</style></head>\n<body><main>{body}</main></body></html>\n"
    )
}

/// A section with a heading.
pub(super) fn section(heading: &str, content: &str) -> String {
    format!("<section><h2>{heading}</h2>{content}</section>")
}

/// An `<img>` element that embeds the bytes of a PNG or GIF file; width and height come from the file.
pub(crate) fn embedded(file: &[u8], description: &str) -> String {
    let (kind, size) = match file {
        [0x89, b'P', b'N', b'G', ..] if file.len() >= 24 => {
            let side = |at: usize| u32::from_be_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
            ("png", Some((side(16), side(20))))
        }
        [b'G', b'I', b'F', _, _, _, w0, w1, h0, h1, ..] => {
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
            ("gif", Some((side(*w0, *w1), side(*h0, *h1))))
        }
        _ => ("png", None),
    };
    let size = size.map(|(w, h)| format!(" width=\"{w}\" height=\"{h}\"")).unwrap_or_default();
    format!(
        "<img alt=\"{}\"{size} src=\"data:image/{kind};base64,{}\">",
        escape(description),
        BASE64_STANDARD.encode(file)
    )
}

/// A `<table>` element. Columns in which every cell starts with a number are aligned right.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|r| r.get(column)).filter(|c| !c.is_empty()).peekable();
        cells.peek().is_some()
            && cells
                .all(|c| c.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit()) && !c.contains('x'))
    };
    let class = |column: usize| if numeric(column) { " class=\"n\"" } else { "" };
    let classes: Vec<&str> = (0..header.len()).map(class).collect();
    let mut out = "<div class=\"scroll\"><table><thead><tr>".to_string();
    for (cell, class) in header.iter().zip(&classes) {
        let _ = write!(out, "<th{class}>{}</th>", escape(cell));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (cell, class) in row.iter().zip(&classes) {
            let _ = write!(out, "<td{class}>{}</td>", escape(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_are_aligned_right() {
        let header = ["layer".to_string(), "size".into(), "bytes".into()];
        let html = table(&header, &[vec!["conv <1>".into(), "16x16".into(), "1,024".into()]]);
        assert!(html.contains("<th class=\"n\">bytes") && html.contains("<td>16x16") && html.contains("&lt;1&gt;"));
    }

    #[test]
    fn embedded_images_state_their_size() {
        let png = crate::draw::Image::new(7, 5, [0; 3]).png();
        assert!(
            embedded(&png, "a \"b\"")
                .contains("alt=\"a &quot;b&quot;\" width=\"7\" height=\"5\" src=\"data:image/png;")
        );
        let gif = crate::draw::animation(&[crate::draw::Image::new(7, 5, [0; 3])], 50);
        assert!(embedded(&gif, "").contains("width=\"7\" height=\"5\" src=\"data:image/gif;"));
        assert!(embedded(b"\x89PNG", "").contains("<img") && embedded(b"", "").contains("<img"));
    }
}
