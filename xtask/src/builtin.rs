//! The committed model that commands show if there is neither a file nor a run.

use std::path::{Path, PathBuf};

/// Returns the path of the committed generator of 16x16 pixel faces, relative to the current folder if it lies below it.
pub(crate) fn faces() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let file = root.join("firmware-sim/models/faces.model");
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(&here).map_or_else(|_| file.clone(), Path::to_owned)
}
