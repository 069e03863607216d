//! The committed models that `sim`, `emulate` and `inspect` use when no file is given.

use crate::console;
use std::path::{Path, PathBuf};

/// Returns the model file to work with: `given`, or else the committed generator of pixel faces.
///
/// Prints the name of the committed file, so that nobody takes it for their own model.
pub(crate) fn given_or_faces(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| {
        let file = faces();
        console::note(&format!("no model file given: using the trained faces in {}", file.display()));
        file
    })
}

/// Path of the committed generator of 16x16 pixel faces, relative to the current folder if it lies below it.
fn faces() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let file = root.join("firmware-sim/models/faces.model");
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(&here).map_or_else(|_| file.clone(), Path::to_owned)
}
