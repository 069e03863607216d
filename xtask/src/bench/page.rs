//! The table of `docs/BENCHMARKS.md`, written from the committed counts.

use super::anchors::anchor;
use super::cores::Core;
use super::firmware;
use super::gate::Row;
use crate::failure::Failure;
use crate::table::grouped;
use std::fs;
use std::path::PathBuf;

const BEGIN: &str = "<!-- counts: written by cargo xtask bench device --record -->\n";
const END: &str = "<!-- end of counts -->\n";

fn path() -> PathBuf {
    firmware::root().join("docs/BENCHMARKS.md")
}

/// Puts the table into the page.
pub(crate) fn write(rows: &[Row]) -> Result<(), Failure> {
    let path = path();
    let page = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
    let (before, _, behind) = split(&page).ok_or_else(|| Failure::file(&path, "the marks of the table are gone"))?;
    fs::write(&path, format!("{before}{BEGIN}{}{END}{behind}", table(rows))).map_err(|e| Failure::file(&path, e))
}

/// The page before, in and behind the table.
fn split(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (table, behind) = rest.split_once(END)?;
    Some((before, table, behind))
}

/// The rows in Markdown.
fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| core | model | layout | instructions | per MAC | to load | arena | stack | CMSIS-NN wrapper | CMSIS-NN direct |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let core = Core::ALL.into_iter().find(|c| c.name() == row.core);
        let against = |call| match core.and_then(|core| anchor(&row.model, core, call)) {
            Some(a) => format!("{:.1}x", a.instructions as f64 / row.instructions as f64),
            None => String::new(),
        };
        let counts = [row.load_instructions, row.ram_bytes, row.stack_bytes].map(grouped).join(" | ");
        out += &format!(
            "| {} | {} | {} | {} | {:.2} | {counts} | {} | {} |\n",
            row.core,
            row.model,
            row.layout,
            grouped(row.instructions),
            row.instructions as f64 / row.macs as f64,
            against("wrapper"),
            against("direct"),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gate::Committed;

    #[test]
    fn the_page_shows_the_committed_counts() {
        let page = fs::read_to_string(path()).unwrap();
        let committed = Committed::read().unwrap();
        let (_, shown, _) = split(&page).expect("marks around the table");
        assert!(shown == table(&committed.rows), "docs/BENCHMARKS.md is stale: cargo xtask bench device --record");
    }
}
