//! Writes the table of instruction counts in `docs/BENCHMARKS.md`, for `bench device --record`.

use super::cmsis_nn::cmsis_nn;
use crate::failure::Failure;
use crate::process::root;
use crate::table::grouped;
use ganlet_sim::host::ImageCount;
use std::fs;
use std::path::PathBuf;

const BEGIN: &str = "<!-- counts: written by cargo xtask bench device --record -->\n";
const END: &str = "<!-- end of counts -->\n";

fn path() -> PathBuf {
    root().join("docs/BENCHMARKS.md")
}

/// Replaces the table in the page.
pub(crate) fn write(rows: &[ImageCount]) -> Result<(), Failure> {
    let path = path();
    let page = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
    let (before, _, after) = split(&page).ok_or_else(|| {
        Failure::file(&path, "the comments that mark the table are missing; restore them with git checkout")
    })?;
    fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table(rows))).map_err(|e| Failure::file(&path, e))
}

/// The page before, inside and after the marks of the table.
fn split(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    Some((before, table, after))
}

/// The rows as a Markdown table.
fn table(rows: &[ImageCount]) -> String {
    let mut out = String::from(
        "| core | model | layout | instructions | per MAC | to load | arena | stack | CMSIS-NN wrapper | CMSIS-NN direct |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let against = |call| match cmsis_nn(&row.model, row.core, call) {
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
    use ganlet_sim::host::DeviceCounts;

    #[test]
    fn the_page_shows_the_committed_counts() {
        let page = fs::read_to_string(path()).unwrap();
        let committed = DeviceCounts::committed();
        let (_, shown, _) = split(&page).expect("marks around the table");
        assert!(shown == table(&committed.rows), "docs/BENCHMARKS.md is stale: cargo xtask bench device --record");
    }
}
