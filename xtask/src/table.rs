//! Plain-text tables: each column is as wide as its widest cell, and numbers are aligned right.

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    Left,
    Right,
}

/// Rows of cells below headings.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these headings. A heading that starts with `>` aligns its column right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let alignment = |h: &&str| if h.starts_with('>') { Alignment::Right } else { Alignment::Left };
        let heading = |h: &&str| h.trim_start_matches('>').to_owned();
        Self {
            alignments: headings.iter().map(alignment).collect(),
            rows: vec![headings.iter().map(heading).collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Adds a row of any number of cells.
    pub(crate) fn row_of(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Returns the table as lines, indented by two spaces.
    pub(crate) fn lines(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.alignments.len()).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), alignment) in row.iter().zip(&widths).zip(&self.alignments) {
                match alignment {
                    Alignment::Left => line += &format!("  {cell:<width$}"),
                    Alignment::Right => line += &format!("  {cell:>width$}"),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Returns a number with commas between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |i: usize| i > 0 && (digits.len() - i).is_multiple_of(3);
    digits.chars().enumerate().flat_map(|(i, digit)| comma(i).then_some(',').into_iter().chain([digit])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["name", ">bytes"]);
        table.row(["a".into(), grouped(1_234_567)]);
        table.row(["longer".into(), "0".into()]);
        assert_eq!(table.lines(), "  name        bytes\n  a       1,234,567\n  longer          0\n");
    }
}
