//! How many instructions a picture takes on a core, from the committed counts of pictures that were measured there.

use crate::bench::gate::{Committed, Row};
use ganlet_runtime::{Model, WeightLayout};
use ganlet_sim::host::Instructions;

/// Multiply-accumulates times what one took on `core` in the measured picture of the nearest size, in the same layout.
///
/// `None` where that core was never measured.
pub(crate) fn instructions(model: &Model<'_>, core: &str) -> Option<Instructions> {
    let fast = model.layers().any(|layer| layer.layout == WeightLayout::Fast);
    let (rows, layout) = (Committed::read().ok()?.rows, if fast { "fast" } else { "compact" });
    let of = |macs| from_rows(&rows, core, layout, macs);
    Some(Instructions { picture: of(model.picture_macs())?, judged: of(model.macs())? })
}

fn from_rows(rows: &[Row], core: &str, layout: &str, macs: u64) -> Option<u64> {
    let distance = |row: &&Row| {
        let times = row.macs.max(1) as f64 / macs.max(1) as f64;
        (times.ln().abs() * 1e6) as u64
    };
    let nearest = rows.iter().filter(|row| row.core == core && row.layout == layout).min_by_key(distance)?;
    Some((u128::from(macs) * u128::from(nearest.instructions) / u128::from(nearest.macs.max(1))) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_grow_from_the_nearest_picture_of_the_same_core_and_layout() {
        let rows = Committed::read().unwrap().rows;
        let of = |core: &str, layout: &str, model: &str| {
            rows.iter().find(|r| (&*r.core, &*r.layout, &*r.model) == (core, layout, model)).unwrap().clone()
        };
        for core in ["m0", "m3", "m4", "m33", "rv32"] {
            let row = of(core, "compact", "dcgan64-16");
            assert_eq!(from_rows(&rows, core, "compact", row.macs), Some(row.instructions));
            let twice = from_rows(&rows, core, "compact", 2 * row.macs).unwrap();
            assert!(twice.abs_diff(2 * row.instructions) <= 1, "{core}: {twice}");
        }
        assert!(from_rows(&rows, "m3", "fast", 1000) < from_rows(&rows, "m3", "compact", 1000));
        assert_eq!(from_rows(&rows, "z80", "compact", 1000), None);
    }
}
