//! Loads the data that a recipe names, split into a training set and a held-out set.
use crate::data::{
    self, AnyDataset, BuiltinDataset, DataError, Dataset, Frame, GaussianMixture, ImageDataset, PackedDataset,
    ReadOptions, clusters, shared_layout,
};
use crate::files;
use crate::recipe::{Recipe, names_like};
use crate::text::{counted, grouped};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// With fewer training images, generated ones have clearly less variety than real ones.
const FEW: usize = 1000;
/// If one class has this many times as many images as another, the difference is mentioned.
const UNEVEN: usize = 10;
/// Images whose levels differ by less are nearly uniform. Images of 12 bits in files of 16 bits are, for example.
const LOW_CONTRAST: u8 = 64;
/// Images of which fewer have too random a mean to say whether they share a layout.
const COMPARABLE: usize = 40;
/// Images whose shared layout is below this have nothing in the same place.
const SHARED: f64 = 0.3;
/// Share of a data set that is held out if the recipe does not set `data.held_out`.
const HELD_OUT: f32 = 0.2;

/// The data of a run, ready for training and evaluation.
///
/// Clones share the images: data is loaded once for any number of trainers.
#[derive(Clone)]
pub struct TrainingData {
    /// The training set.
    pub train: Arc<dyn Dataset>,
    /// The training and held-out images for evaluation; `None` for points.
    pub images: Option<ImageSplit>,
    /// The distribution of the points; `None` for images.
    pub mixture: Option<GaussianMixture>,
    /// Remarks for the user about how the data was read.
    pub notes: Vec<String>,
}

/// The two parts of an image data set.
#[derive(Clone, Debug)]
pub struct ImageSplit {
    /// Images that the networks are trained on.
    pub train: ImageDataset,
    /// Images that are kept for evaluation.
    pub held_out: ImageDataset,
}

impl From<(ImageDataset, ImageDataset)> for ImageSplit {
    fn from((train, held_out): (ImageDataset, ImageDataset)) -> Self {
        Self { train, held_out }
    }
}

/// Loads what `recipe.data` names: a built-in set, a folder or zip file of images, or an IDX, NumPy or packed file.
///
/// # Errors
/// If the source is missing or unreadable, or its images do not fit the recipe.
pub fn load_data(recipe: &Recipe) -> Result<TrainingData, DataError> {
    let loaded = load(recipe)?;
    if loaded.images.is_some() && loaded.train.labels().is_none() && recipe.data.classes > 0 {
        return Err(DataError::new(
            &recipe.data.source,
            format!("images of {0} classes, because data.classes = {0}", recipe.data.classes),
            "no labels",
            "make a subfolder for each class, or use `data prepare --labels`; or set data.classes=0",
        ));
    }
    Ok(loaded)
}

fn load(recipe: &Recipe) -> Result<TrainingData, DataError> {
    let wanted = &recipe.data;
    let range = (wanted.range[0], wanted.range[1]);
    let size = wanted.size.map(|[w, h]| (w, h));
    let built_in = BuiltinDataset::from_name(&wanted.source);
    let path = Path::new(&wanted.source);
    if built_in.is_none() && PackedDataset::recognize(path) {
        return open_packed(recipe, path);
    }
    let (source, mut notes) = if let Some(set) = built_in {
        (set.open()?, Vec::new())
    } else if path.exists() {
        let options = ReadOptions { size, fit: wanted.fit, flip: wanted.flip, range, ..ReadOptions::default() };
        let opened = data::open(&wanted.source, &options)?;
        (AnyDataset::Images(opened.images), opened.notes)
    } else {
        return Err(DataError::new(
            format!("`{}`, for recipe {}", wanted.source, recipe.name),
            format!("a file or folder, or one of {}", BuiltinDataset::names()),
            "neither",
            match similar_path(path) {
                Some(similar) => {
                    format!("name your images with --data PATH; the nearest name is {}", files::quoted(&similar))
                }
                None => "name your images with --data PATH".to_owned(),
            },
        ));
    };
    match source {
        AnyDataset::Mixture(mixture) => {
            if wanted.clusters > 0 {
                return Err(DataError::new(
                    &wanted.source,
                    format!("images to group, because data.clusters = {}", wanted.clusters),
                    "a distribution of points",
                    "set data.clusters=0",
                ));
            }
            // The trainer scales points, so that measurements use the units of the data.
            Ok(TrainingData { train: Arc::new(mixture.clone()), images: None, mixture: Some(mixture), notes })
        }
        AnyDataset::Images(images) => {
            if wanted.scale != 1.0 {
                return Err(DataError::new(
                    format!("recipe {}", recipe.name),
                    "data.scale = 1 for images",
                    format!("data.scale = {}", wanted.scale),
                    "remove it; data.range sets the values of black and white",
                ));
            }
            let images = match size {
                Some((width, height)) => images.fitted(Frame { width, height, fit: wanted.fit })?,
                None => images,
            };
            let images = images.with_range(range.0, range.1).with_flip(wanted.flip);
            let mut split: ImageSplit = match wanted.held_out {
                None if built_in.is_some() => images.default_split()?,
                share => images.split_by_content(share.unwrap_or(HELD_OUT))?,
            }
            .into();
            if wanted.gray {
                split = ImageSplit { train: split.train.gray(), held_out: split.held_out.gray() };
            }
            let groups = groups(recipe, &split.train);
            notes.extend(limits(&split.train, split.held_out.count()));
            notes.extend(low_contrast(&split.train));
            if built_in.is_none() {
                notes.extend(no_shared_layout(&split.train));
                notes.extend(groups.is_none().then(|| classes(recipe, &split.train)).into_iter().flatten());
            }
            if let Some(groups) = groups {
                split.train = split.train.with_groups(groups);
            }
            Ok(TrainingData { train: Arc::new(split.train.clone()), images: Some(split), mixture: None, notes })
        }
    }
}

/// Loads images of `source` in the shape [height, width, channels] of a generator's images, to compare these with them.
///
/// # Errors
/// If the source is missing or unreadable, or has no images.
pub fn load_data_of_shape(
    source: &str,
    shape: [usize; 3],
    range: [f32; 2],
    held_out: Option<f32>,
) -> Result<TrainingData, DataError> {
    let [height, width, channels] = shape;
    let path = Path::new(source);
    let built_in = BuiltinDataset::from_name(source);
    if built_in.is_none() && PackedDataset::recognize(path) {
        let packed = PackedDataset::open(path, (range[0], range[1]), false, held_out.unwrap_or(HELD_OUT))?;
        let (train, rest) = packed.to_measure()?;
        let in_shape = |images: ImageDataset| images.resized(width, height)?.with_channels(channels);
        let split = ImageSplit { train: in_shape(train)?, held_out: in_shape(rest)? };
        return Ok(TrainingData {
            train: Arc::new(split.train.clone()),
            images: Some(split),
            mixture: None,
            notes: Vec::new(),
        });
    }
    let (images, mut notes) = match built_in {
        Some(set) => match set.open()? {
            AnyDataset::Images(images) => (images, Vec::new()),
            AnyDataset::Mixture(_) => {
                return Err(DataError::new(
                    source,
                    "images",
                    "a distribution of points",
                    "name a set of images with --data",
                ));
            }
        },
        None => {
            let options = ReadOptions { size: Some((width, height)), ..ReadOptions::default() };
            let opened = data::open(source, &options)?;
            (opened.images, opened.notes)
        }
    };
    if images.shape() != shape {
        let [h, w, c] = [0, 1, 2].map(|axis| images.shape()[axis]);
        notes.push(format!("the images are {w}x{h}x{c}; they are compared at {width}x{height}x{channels}, the shape of the generated ones"));
    }
    let images = images.resized(width, height)?.with_channels(channels)?.with_range(range[0], range[1]);
    let split: ImageSplit = match held_out {
        None if built_in.is_some() => images.default_split()?,
        share => images.split_by_content(share.unwrap_or(HELD_OUT))?,
    }
    .into();
    Ok(TrainingData { train: Arc::new(split.train.clone()), images: Some(split), mixture: None, notes })
}

/// Returns the source of data as it can be found from any folder: paths are absolute, names of built-in sets stay.
pub fn absolute_source(source: &str) -> String {
    if BuiltinDataset::from_name(source).is_some() || source.is_empty() {
        return source.to_owned();
    }
    let absolute = std::path::absolute(source).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute.unwrap_or_else(|| source.to_owned())
}

/// Opens a packed file, whose images are streamed from the disk.
fn open_packed(recipe: &Recipe, path: &Path) -> Result<TrainingData, DataError> {
    let wanted = &recipe.data;
    let packed = PackedDataset::open(
        path,
        (wanted.range[0], wanted.range[1]),
        wanted.flip,
        wanted.held_out.unwrap_or(HELD_OUT),
    )?;
    let packed = if wanted.gray { packed.gray() } else { packed };
    let &[height, width, _] = packed.shape() else { unreachable!("packed data are images") };
    if let Some([w, h]) = wanted.size.filter(|size| *size != [width, height]) {
        return Err(DataError::new(
            path.display().to_string(),
            format!("images of {w}x{h}, the size that recipe {} sets", recipe.name),
            format!("{width}x{height}"),
            format!("prepare them again with --size {w}x{h}, or train with --set data.size={width}x{height}"),
        ));
    }
    let images = Some(packed.to_measure()?.into());
    let megabytes = packed.bytes() as f64 / 1e6;
    let mut notes =
        vec![format!("{megabytes:.0} MB streamed from the disk; --profile shows the time spent waiting for it")];
    notes.extend(limits(&packed, packed.held_out_count()));
    let packed = match groups(recipe, &packed) {
        Some(groups) => packed.with_groups(groups),
        None => {
            notes.extend(classes(recipe, &packed));
            packed
        }
    };
    Ok(TrainingData { train: Arc::new(packed), images, mixture: None, notes })
}

/// Returns the path in the same folder whose name is most similar to the name of `path`, which does not exist.
fn similar_path(path: &Path) -> Option<PathBuf> {
    let entries = path.parent()?.read_dir().ok()?.flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let similar = names_like(path.file_name()?.to_str()?, names.iter().map(String::as_str));
    similar.first().map(|name| path.with_file_name(name))
}

/// Remarks on how many images there are.
fn limits(train: &dyn Dataset, held_out: usize) -> Vec<String> {
    let count = train.len().unwrap_or(0);
    let mut notes = vec![format!("{} to train, {} held out", grouped(count), grouped(held_out))];
    if count < FEW {
        notes.push(format!(
            "fewer than {} images: expect mixtures of these with little variety; add images, or mirror them: data.flip=true",
            grouped(FEW)
        ));
    }
    notes
}

/// A remark on images that are nearly uniform, all of them in the same way.
fn low_contrast(images: &ImageDataset) -> Option<String> {
    let levels = || (0..images.count()).flat_map(|i| images.bytes(i)).copied();
    let (darkest, brightest) = (levels().min()?, levels().max()?);
    (brightest - darkest < LOW_CONTRAST).then(|| {
        format!("all levels are from {darkest} to {brightest} of 0 to 255: stretch the contrast of the images before training")
    })
}

/// A remark on images whose bright and dark parts are nowhere in the same places.
fn no_shared_layout(images: &ImageDataset) -> Option<String> {
    (images.count() >= COMPARABLE && shared_layout(images) < SHARED).then(|| {
        "the images have nothing in the same place, and their mean is nearly uniform: expect textures and blurred mixtures, but no \
         objects; use images of one kind, and align them (docs/DATA.md)"
            .to_owned()
    })
}

/// Returns the cluster of each training image if the recipe asks for clusters, and the images form any.
fn groups(recipe: &Recipe, train: &dyn Dataset) -> Option<Vec<u8>> {
    let most = recipe.data.clusters;
    (most > 0).then(|| clusters(train, most)).filter(|groups| !groups.is_empty())
}

/// Remarks on classes: that they are not used, what their numbers mean, and which have too few images.
fn classes(recipe: &Recipe, train: &dyn Dataset) -> Vec<String> {
    let names = train.label_names();
    match (names.len(), recipe.data.classes) {
        (0 | 1, _) => Vec::new(),
        (n, 0) => {
            let inputs = if recipe.data.class_shares.is_empty() { "" } else { " --set data.class_shares=[]" };
            vec![format!("{n} classes not used: --set data.classes={n}{inputs} trains on them")]
        }
        (n, _) => {
            let numbered = names.iter().enumerate().all(|(i, name)| *name == i.to_string());
            let named: Vec<String> =
                names.iter().enumerate().map(|(i, name)| format!("{i} {}", listed(name))).collect();
            let meaning = (!numbered).then(|| format!("{n} classes: {}", named.join(", ")));
            meaning.into_iter().chain(class_sizes(names, train.labels().unwrap_or_default())).collect()
        }
    }
}

/// Returns the name of a class for a list: on one line, and in quotes if it contains a comma.
fn listed(name: &str) -> String {
    let name = files::one_line(name);
    if name.contains(',') { format!("\"{name}\"") } else { name }
}

/// A remark on classes without images, or one on classes of very different sizes.
fn class_sizes(names: &[String], labels: &[u8]) -> Option<String> {
    let mut sizes: Vec<(usize, String)> = names.iter().map(|name| (0, listed(name))).collect();
    for label in labels {
        sizes.get_mut(usize::from(*label))?.0 += 1;
    }
    let empty: Vec<&str> = sizes.iter().filter(|class| class.0 == 0).map(|class| class.1.as_str()).collect();
    if !empty.is_empty() {
        return Some(format!(
            "{} to train on, and will stay noise: {}; add images, or remove the class",
            counted(empty.len(), "class has no image", "classes have no images"),
            empty.join(", ")
        ));
    }
    let (least, most) = (sizes.iter().min_by_key(|class| class.0)?, sizes.iter().max_by_key(|class| class.0)?);
    (most.0 >= UNEVEN * least.0).then(|| {
        format!(
            "the classes are uneven, from {} ({}) to {} ({}): expect small classes to look worse",
            counted(least.0, "image", "images"),
            least.1,
            grouped(most.0),
            most.1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_on_one_line_and_distinct() {
        assert_eq!(["cat", "a\nb", "c,d"].map(listed), ["cat", "a\\u000ab", "\"c,d\""]);
    }

    #[test]
    fn classes_without_images_and_uneven_classes_are_mentioned() {
        let names: Vec<String> = ["cat", "dog", "owl"].map(str::to_owned).into();
        let remark = |counts: [usize; 3]| {
            let labels: Vec<u8> = (0..3).flat_map(|class| vec![class as u8; counts[class]]).collect();
            class_sizes(&names, &labels)
        };
        assert_eq!(remark([9, 1, 4]), None);
        let uneven = "the classes are uneven, from 1 image (dog) to 2,000 (owl): expect small classes to look worse";
        assert_eq!(remark([40, 1, 2000]).as_deref(), Some(uneven));
        let empty = "1 class has no image to train on, and will stay noise: dog; add images, or remove the class";
        assert_eq!(remark([40, 0, 9]).as_deref(), Some(empty));
        assert!(remark([40, 0, 0]).unwrap().starts_with("2 classes have no images to train on"));
    }

    #[test]
    fn images_that_share_nothing_are_mentioned() {
        let mut values = vec![0.0; 60 * 8 * 8];
        crate::philox::Key { seed: 2, stream: 0, step: 0 }.uniform(&mut values);
        let noise = values.iter().map(|v| (v * 255.0) as u8).collect();
        let remark = no_shared_layout(&ImageDataset::new("noise", (8, 8, 1), noise, None).unwrap()).unwrap();
        assert!(remark.contains("no objects") && remark.contains("align them"), "{remark}");
        assert_eq!(no_shared_layout(&data::digits().unwrap()), None);
    }

    #[test]
    fn nearly_uniform_images_are_mentioned() {
        let images = |levels: &[u8]| ImageDataset::new("x", (1, 1, 1), levels.to_vec(), None).unwrap();
        let remark = low_contrast(&images(&[0, 15, 3])).unwrap();
        assert!(remark.starts_with("all levels are from 0 to 15 of 0 to 255"), "{remark}");
        assert_eq!(low_contrast(&images(&[100, 164])), None);
    }
}
