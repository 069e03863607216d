//! Looks at the proportions of images before they are read.
use super::open::Source;
use super::{BuiltinDataset, PackedDataset, ReadOptions, open};
use std::path::Path;

/// Returns the width over the height of the images at `source`: that of the middle one, in the order of this ratio.
///
/// `None` for built-in sets and packed files, which have the size that they were made with, and for a source that cannot be read. Of a
/// folder or zip file, the headers of up to 1,000 images are read.
pub(crate) fn usual_aspect(source: &str) -> Option<f64> {
    let path = Path::new(source);
    if BuiltinDataset::from_name(source).is_some() || !path.exists() || PackedDataset::recognize(path) {
        return None;
    }
    let mut aspects: Vec<f64> = match Source::find(path, &mut Vec::new()).ok()? {
        Source::Images(folder) => folder.sizes().map(|(w, h)| w as f64 / h as f64).collect(),
        Source::Array(_) => {
            let images = open(path, &ReadOptions::default()).ok()?.images;
            vec![images.width() as f64 / images.height() as f64]
        }
    };
    aspects.sort_by(f64::total_cmp);
    aspects.get(aspects.len() / 2).copied()
}
