//! Writes measured instruction counts to `firmware-sim/device-counts.json`, and from there to `docs/BENCHMARKS.md`.

use super::benchmarks_page;
use super::measure::ImageCost;
use crate::failure::Failure;
use crate::process::root;
use ganlet_sim::host::{DeviceCounts, ImageCount};
use ganlet_trainer::quantize::reference_models::REFERENCE_MODELS;
use std::fs;
use std::path::PathBuf;

/// The entry for a measured image.
pub(crate) fn count_of(cost: &ImageCost) -> ImageCount {
    ImageCount {
        core: cost.core,
        model: cost.model.clone(),
        layout: cost.layout,
        compiler: cost.compiler.clone(),
        macs: cost.macs,
        instructions: cost.instructions,
        cycles: cost.cycles.as_ref().map(|count| count.total().cycles),
        cycles_on_m3: cost.cycles.as_ref().and_then(|count| count.on_m3),
        load_instructions: cost.load_instructions,
        ram_bytes: cost.arena_bytes,
        stack_bytes: cost.stack_bytes,
        checksum: cost.checksum.clone(),
    }
}

fn path() -> PathBuf {
    root().join("firmware-sim/device-counts.json")
}

/// The counts in the file, which may be newer than those compiled in.
pub(crate) fn read() -> Result<DeviceCounts, Failure> {
    let path = path();
    let text = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
    serde_json::from_str(&text).map_err(|e| Failure::file(&path, e))
}

/// Replaces the counts of the measured images in the file, and rewrites the page that shows the counts; returns the file.
pub(crate) fn write(costs: &[ImageCost]) -> Result<PathBuf, Failure> {
    let path = path();
    let mut counts = if path.exists() { read()? } else { DeviceCounts::default() };
    for new in costs.iter().map(count_of) {
        match counts.rows.iter_mut().find(|row| row.key() == new.key()) {
            // Counts without --cycles keep the recorded cycles.
            Some(row) => {
                let (cycles, cycles_on_m3) = (new.cycles.or(row.cycles), new.cycles_on_m3.or(row.cycles_on_m3));
                *row = ImageCount { cycles, cycles_on_m3, ..new };
            }
            None => counts.rows.push(new),
        }
    }
    let order = |row: &ImageCount| {
        (row.core, REFERENCE_MODELS.iter().position(|reference| reference.name == row.model), row.layout)
    };
    counts.rows.sort_by_key(order);
    // One line for each row, so that a diff shows which rows changed.
    let rows = counts.rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    fs::write(&path, format!("{{\"rows\": [\n{}\n]}}\n", rows.join(",\n"))).map_err(|e| Failure::file(&path, e))?;
    benchmarks_page::write(&counts.rows)?;
    Ok(path)
}
