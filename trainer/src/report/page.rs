//! The parts of an HTML page: escaped text, embedded pictures, tables.

use std::fmt::Write;

/// Text with the characters that mean something to HTML replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Bytes as base64 (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// An `<img>` that carries a PNG or GIF file within itself.
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
    format!("<img alt=\"{}\"{size} src=\"data:image/{kind};base64,{}\">", escape(description), base64(file))
}

/// A table; columns in which every cell starts like a number are set right.
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
    fn base64_gives_the_published_vectors() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn columns_of_numbers_are_set_right() {
        let header = ["layer".to_string(), "size".into(), "bytes".into()];
        let html = table(&header, &[vec!["conv <1>".into(), "16x16".into(), "1,024".into()]]);
        assert!(html.contains("<th class=\"n\">bytes") && html.contains("<td>16x16") && html.contains("&lt;1&gt;"));
    }

    #[test]
    fn pictures_carry_their_size() {
        let png = crate::report::Image::new(7, 5, [0; 3]).png();
        assert!(
            embedded(&png, "a \"b\"")
                .contains("alt=\"a &quot;b&quot;\" width=\"7\" height=\"5\" src=\"data:image/png;")
        );
        let gif = crate::report::animation(&[crate::report::Image::new(7, 5, [0; 3])], 50);
        assert!(embedded(&gif, "").contains("width=\"7\" height=\"5\" src=\"data:image/gif;"));
        assert!(embedded(b"\x89PNG", "").contains("<img") && embedded(b"", "").contains("<img"));
    }
}
