//! Tables in plain text: columns as wide as their widest cell, numbers to the right.

/// On which side the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows of cells under headings.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; `>` in front of one puts its column to the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let side = |h: &&str| if h.starts_with('>') { Side::Right } else { Side::Left };
        let heading = |h: &&str| h.trim_start_matches('>').to_owned();
        Self { sides: headings.iter().map(side).collect(), rows: vec![headings.iter().map(heading).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Adds a row of any length.
    pub(crate) fn row_of(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as lines, indented by two spaces.
    pub(crate) fn lines(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), side) in row.iter().zip(&widths).zip(&self.sides) {
                match side {
                    Side::Left => line += &format!("  {cell:<width$}"),
                    Side::Right => line += &format!("  {cell:>width$}"),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A number with commas between groups of three digits.
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
