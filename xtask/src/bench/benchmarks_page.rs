//! Writes the tables of instruction counts and of cycles in `docs/BENCHMARKS.md`, for `bench device --record`.

use super::cmsis_nn::cmsis_nn;
use crate::failure::Failure;
use crate::process::root;
use crate::table::grouped;
use ganlet_sim::host::{Core, ImageCount};
use std::fs;
use std::path::PathBuf;

/// The comments around a table.
type Marks = [&'static str; 2];

const COUNTS: Marks = ["<!-- counts: written by cargo xtask bench device --record -->\n", "<!-- end of counts -->\n"];
const CYCLES: Marks =
    ["<!-- cycles: written by cargo xtask bench device --cycles --record -->\n", "<!-- end of cycles -->\n"];

fn path() -> PathBuf {
    root().join("docs/BENCHMARKS.md")
}

/// Replaces the tables in the page.
pub(crate) fn write(rows: &[ImageCount]) -> Result<(), Failure> {
    let path = path();
    let mut page = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
    for (marks, table) in [(COUNTS, table(rows)), (CYCLES, cycles_table(rows))] {
        let (before, _, after) = split(&page, marks).ok_or_else(|| {
            Failure::file(&path, "the comments that mark the tables are missing; restore them with git checkout")
        })?;
        let [begin, end] = marks;
        page = format!("{before}{begin}{table}{end}{after}");
    }
    fs::write(&path, page).map_err(|e| Failure::file(&path, e))
}

/// The page before, inside and after the marks of a table.
fn split(page: &str, [begin, end]: Marks) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(begin)?;
    let (table, after) = rest.split_once(end)?;
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

/// The cycles as a Markdown table, with those of a Cortex-M0's program on a Cortex-M3.
fn cycles_table(rows: &[ImageCount]) -> String {
    let mut out = String::from(
        "| core | kernels | model | layout | instructions | cycles | cycles per MAC | cycles per instruction |\n\
         |---|---|---|---|--:|--:|--:|--:|\n",
    );
    let own = rows.iter().filter_map(|row| Some((row.core, "own", row, row.cycles?)));
    let others = rows.iter().filter_map(|row| Some((Core::M3, "Armv6-M", row, row.cycles_on_m3?)));
    for (core, kernels, row, cycles) in own.chain(others) {
        let range = |text: &dyn Fn(u64) -> String| {
            let [min, max] = [cycles.min, cycles.max].map(text);
            if min == max { min } else { format!("{min} to {max}") }
        };
        let per = |of: u64| range(&|cycles| format!("{:.2}", cycles as f64 / of as f64));
        out += &format!(
            "| {core} | {kernels} | {} | {} | {} | {} | {} | {} |\n",
            row.model,
            row.layout,
            grouped(row.instructions),
            range(&grouped),
            per(row.macs),
            per(row.instructions),
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
        for (marks, table) in [(COUNTS, table(&committed.rows)), (CYCLES, cycles_table(&committed.rows))] {
            let (_, shown, _) = split(&page, marks).expect("marks around the table");
            assert!(shown == table, "docs/BENCHMARKS.md is stale: cargo xtask bench device --cycles --record");
        }
    }
}
