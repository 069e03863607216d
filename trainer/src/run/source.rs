//! The data that a recipe names, split into what is trained on and what is held out for measuring.
use crate::data::{
    self, AnyDataset, BuiltinDataset, DataError, Dataset, GaussianMixture, ImageDataset, PackedDataset, ReadOptions,
};
use crate::recipe::Recipe;
use std::path::Path;

/// The share of a set that is held out where the recipe does not say.
const HELD_OUT: f32 = 0.2;

/// Data, ready to train on.
pub struct Loaded {
    /// What training draws from.
    pub train: Box<dyn Dataset>,
    /// The same pictures again, and those held out, for measuring; none for points.
    pub pictures: Option<(ImageDataset, ImageDataset)>,
    /// The law of points.
    pub mixture: Option<GaussianMixture>,
    /// What the user should know about how the data was read.
    pub notes: Vec<String>,
}

/// Opens what `recipe.data` names.
pub fn load(recipe: &Recipe) -> Result<Loaded, DataError> {
    let wanted = &recipe.data;
    let range = (wanted.range[0], wanted.range[1]);
    let size = wanted.size.map(|[w, h]| (w, h));
    let named = BuiltinDataset::from_name(&wanted.source);
    let path = Path::new(&wanted.source);
    if named.is_none() && PackedDataset::recognize(path) {
        return stream(recipe, path);
    }
    let (source, notes) = if let Some(named) = named {
        (named.open()?, Vec::new())
    } else if Path::new(&wanted.source).exists() {
        let options = ReadOptions { size, flip: wanted.flip, range, ..ReadOptions::default() };
        let opened = data::open(&wanted.source, &options)?;
        (AnyDataset::Images(opened.pictures), opened.notes)
    } else {
        return Err(DataError::new(
            format!("`{}`, for recipe {}", wanted.source, recipe.name),
            format!("a file or folder, or one of {}", BuiltinDataset::names()),
            "neither",
            "name your pictures with --data PATH",
        ));
    };
    match source {
        AnyDataset::Mixture(mixture) => {
            // Points are scaled by the trainer, so that measures see the data's own units.
            Ok(Loaded { train: Box::new(mixture.clone()), pictures: None, mixture: Some(mixture), notes })
        }
        AnyDataset::Images(pictures) => {
            if wanted.scale != 1.0 {
                return Err(DataError::new(
                    format!("recipe {}", recipe.name),
                    "data.scale = 1 for pictures",
                    format!("data.scale = {}", wanted.scale),
                    "leave it away; data.range says what black and white become",
                ));
            }
            let pictures = match size {
                Some((w, h)) => pictures.resized(w, h)?,
                None => pictures,
            };
            let pictures = pictures.with_range(range.0, range.1).with_flip(wanted.flip);
            let (train, held_out) = match wanted.held_out {
                None if named.is_some() => pictures.usual_split()?,
                share => pictures.split_by_content(share.unwrap_or(HELD_OUT))?,
            };
            Ok(Loaded { train: Box::new(train.clone()), pictures: Some((train, held_out)), mixture: None, notes })
        }
    }
}

/// Trains on a packed file, which stays on the disk.
fn stream(recipe: &Recipe, path: &Path) -> Result<Loaded, DataError> {
    let wanted = &recipe.data;
    let packed = PackedDataset::open(
        path,
        (wanted.range[0], wanted.range[1]),
        wanted.flip,
        wanted.held_out.unwrap_or(HELD_OUT),
    )?;
    let &[height, width, _] = packed.shape() else { unreachable!("packed data are pictures") };
    if let Some([w, h]) = wanted.size.filter(|size| *size != [width, height]) {
        return Err(DataError::new(
            path.display().to_string(),
            format!("pictures of {w}x{h}, as recipe {} wants them", recipe.name),
            format!("{width}x{height}"),
            format!("prepare them again with --size {w}x{h}, or train with --set data.size=[{width},{height}]"),
        ));
    }
    let pictures = packed.to_measure()?;
    let megabytes = packed.bytes() as f64 / 1e6;
    let notes = vec![format!("{megabytes:.0} MB streamed from the disk; waiting for it shows in --profile")];
    Ok(Loaded { train: Box::new(packed), pictures: Some(pictures), mixture: None, notes })
}
