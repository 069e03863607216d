//! Fits a recipe to the proportions of the user's own images.
use super::{TrainingData, load_data};
use crate::data::{DataError, Dataset, usual_aspect};
use crate::recipe::{NAMED, Recipe};

/// Images this much wider than high, or the reverse, get a size of these proportions instead of a square one.
const OBLONG: f64 = 1.2;
/// Sides of a size differ by at most this factor; the rest of longer images is cropped.
const LONGEST: f64 = 2.0;

/// Largest number of classes that a latent value chooses by itself.
const MOST_CLASSES: usize = 16;
/// Largest number of examples for one example of the rarest class: rarer classes are not chosen by a latent value.
const RAREST: u32 = 50;

/// A change to a recipe that its data suggest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// The change, as `--set` takes it.
    pub setting: String,
    /// Why, in words.
    pub reason: String,
}

/// Returns the size with the proportions of the recipe's images, if its own size would cut off much of them.
///
/// The longer side stays. `None` for built-in sets and packed files, which have the size that they were made with, and for a source
/// that cannot be read.
pub fn adapted_size(recipe: &Recipe) -> Option<Adaptation> {
    let [width, height] = recipe.data.size?;
    let aspect = usual_aspect(&recipe.data.source)?;
    let (own, wanted) = (width as f64 / height as f64, aspect.clamp(1.0 / LONGEST, LONGEST));
    if (wanted / own).max(own / wanted) < OBLONG {
        return None;
    }
    let longer = width.max(height);
    let exact = longer as f64 * wanted.min(1.0 / wanted);
    let size = |shorter: usize| if wanted > 1.0 { [longer, shorter] } else { [shorter, longer] };
    let buildable = |shorter: &usize| {
        let [w, h] = size(*shorter);
        recipe.networks(&[h, w, 3]).is_ok()
    };
    let off = |shorter: usize| (shorter as f64 - exact).abs();
    let closest = (1..longer).filter(buildable).min_by(|a, b| off(*a).total_cmp(&off(*b)));
    closest.map(|shorter| {
        let [w, h] = size(shorter);
        let reason = match aspect {
            wide if wide > 1.0 => format!("most images are about {wide:.1} times as wide as high"),
            narrow => format!("most images are about {:.1} times as high as wide", 1.0 / narrow),
        };
        Adaptation { setting: format!("data.size={w}x{h}"), reason }
    })
}

/// Loads the data of `recipe`, which comes from the recipe named `base`. With `data.clusters`, groups the images, and sets the shares to
/// those of the groups. If a latent value chooses the class, and the data are not those of `base`, sets the classes to those of the data:
/// their number and shares, or none if they have no labels.
///
/// # Errors
/// If the source is missing or unreadable, or its images do not fit the recipe.
pub fn load_with_classes(recipe: &mut Recipe, base: &str) -> Result<TrainingData, DataError> {
    if recipe.data.clusters > 0 {
        return load_with_clusters(recipe);
    }
    let own = own_recipe(recipe, base).filter(|own| own.data.source != recipe.data.source);
    if own.is_none() {
        return load_data(recipe);
    }
    recipe.data.classes = 0;
    let mut data = load_data(recipe)?;
    if let Some(note) = set_classes(recipe, &*data.train) {
        data.notes.retain(|note| !note.contains("classes not used"));
        data.notes.push(note);
    }
    Ok(data)
}

/// Loads the data of `recipe`, whose images are grouped, and sets the shares of the groups. If the images form no groups, there are none.
fn load_with_clusters(recipe: &mut Recipe) -> Result<TrainingData, DataError> {
    recipe.data.class_shares.clear();
    let mut data = load_data(recipe)?;
    let counts = class_counts(&*data.train);
    if counts.len() > 1 {
        let all = f64::from(counts.iter().sum::<u32>());
        let percent = |count: Option<&u32>| 100.0 * f64::from(count.copied().unwrap_or(0)) / all;
        data.notes.push(format!(
            "{} groups of similar images, which a latent value chooses; each has {:.0} to {:.0} % of the images",
            counts.len(),
            percent(counts.iter().min()),
            percent(counts.iter().max())
        ));
        recipe.data.class_shares = counts.iter().map(|&count| count as f32).collect();
    } else {
        data.notes.push("the images form no groups, so there are no classes".to_owned());
        recipe.data.clusters = 0;
    }
    Ok(data)
}

/// Sets the classes of `recipe`, which comes from the recipe named `base`, to those of other data than its own, if a latent value chooses
/// the class.
pub(crate) fn suit_classes(recipe: &mut Recipe, base: &str, data: &dyn Dataset) {
    if own_recipe(recipe, base).is_some() {
        set_classes(recipe, data);
    }
}

/// Returns the recipe named `base` if in it and in `recipe` a latent value chooses among the same classes.
fn own_recipe(recipe: &Recipe, base: &str) -> Option<Recipe> {
    let own = NAMED.iter().find(|named| named.0 == base).and_then(|named| Recipe::open(named.0, &[]).ok())?;
    (!own.class_shares().is_empty() && own.class_shares() == recipe.class_shares()).then_some(own)
}

/// Sets classes and shares to those of the labels, or to none. Returns a note about them.
fn set_classes(recipe: &mut Recipe, data: &dyn Dataset) -> Option<String> {
    (recipe.data.classes, recipe.data.clusters, recipe.data.class_shares) = (0, 0, Vec::new());
    let counts = class_counts(data);
    let (rarest, all) = (counts.iter().min().copied().unwrap_or(0), counts.iter().sum::<u32>());
    if !(2..=MOST_CLASSES).contains(&counts.len()) || rarest * RAREST < all {
        return None;
    }
    recipe.data.classes = counts.len();
    recipe.data.class_shares = counts.iter().map(|&count| count as f32).collect();
    Some(format!("{} classes, which a latent value chooses: {}", counts.len(), shares(&counts)))
}

/// Returns the shares of the classes in percent, as a list.
fn shares(counts: &[u32]) -> String {
    let all: u32 = counts.iter().sum();
    let percent = |&count: &u32| format!("{:.0} %", 100.0 * f64::from(count) / f64::from(all));
    counts.iter().map(percent).collect::<Vec<_>>().join(", ")
}

/// Returns the number of examples of each class; empty without labels.
fn class_counts(data: &dyn Dataset) -> Vec<u32> {
    let labels = data.labels().unwrap_or_default();
    let mut counts = vec![0; labels.iter().max().map_or(0, |most| usize::from(*most) + 1)];
    labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Image;
    use std::fs;

    /// A recipe whose data are `count` images of this size, in a folder of their own.
    fn with_images(name: &str, (width, height): (usize, usize), count: usize) -> Recipe {
        let folder = std::env::temp_dir().join(format!("ganlet-adapt-{}-{width}x{height}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for i in 0..count {
            let pixels: Vec<u8> = (0..width * height * 3).map(|p| (p * (i + 3)) as u8).collect();
            fs::write(folder.join(format!("{i}.png")), Image::from_bytes(&pixels, (width, height, 3)).png()).unwrap();
        }
        Recipe::open(name, &[format!("data.source={}", folder.display())]).unwrap()
    }

    #[test]
    fn the_size_follows_the_proportions_of_most_images() {
        let size = |name, images| adapted_size(&with_images(name, images, 3)).map(|change| change.setting);
        assert_eq!(size("faces", (24, 16)).as_deref(), Some("data.size=16x12"));
        assert_eq!(size("faces", (16, 22)).as_deref(), Some("data.size=12x16"));
        assert_eq!(size("portraits-64", (40, 30)).as_deref(), Some("data.size=64x48"));
        // Panoramas are cropped to twice as wide as high.
        assert_eq!(size("portraits-64", (90, 20)).as_deref(), Some("data.size=64x32"));
        assert_eq!(size("faces", (21, 20)), None);
        assert_eq!(adapted_size(&Recipe::open("faces", &[]).unwrap()), None);
    }

    #[test]
    fn clusters_have_their_shares_and_are_the_same_in_a_continued_run() {
        let settings = ["data.clusters=6", "data.classes=0", "data.class_shares=[]"].map(str::to_owned);
        let mut recipe = Recipe::open("faces", &settings).unwrap();
        assert_eq!((recipe.classes(), recipe.class_inputs(), recipe.class_shares()), (6, 0, &[1.0; 6][..]));
        let data = load_with_classes(&mut recipe, "faces").unwrap();
        let counts = class_counts(&*data.train);
        assert!(recipe.classes() == counts.len() && (2..=6).contains(&counts.len()), "{counts:?}");
        assert_eq!(recipe.class_shares(), counts.iter().map(|&count| count as f32).collect::<Vec<_>>());
        assert_eq!(data.train.len(), Some(counts.iter().sum::<u32>() as usize));
        assert!(counts.iter().all(|count| u64::from(*count) * 120 >= counts.iter().map(|c| u64::from(*c)).sum()));
        assert!(
            data.notes.iter().any(|note| note.contains("groups of similar images, which a latent value chooses; each"))
        );
        // The labels of held-out images stay those of the data, which evaluation needs.
        let held_out = data.images.unwrap().held_out;
        assert_eq!(held_out.label_names(), ["plain", "glasses", "beard", "hat"]);
        assert_eq!(load_data(&recipe).unwrap().train.labels(), data.train.labels());
        // A single image that differs from all others forms no group.
        let mut same = with_images("faces", (9, 9), 0);
        same.data.source = same.data.source.clone() + "-same";
        fs::create_dir_all(&same.data.source).unwrap();
        for i in 0..120 {
            let pixels = [u8::from(i == 0) * 200; 243];
            fs::write(format!("{}/{i}.png", same.data.source), Image::from_bytes(&pixels, (9, 9, 3)).png()).unwrap();
        }
        (same.data.classes, same.data.clusters) = (0, 4);
        load_with_classes(&mut same, "faces").unwrap();
        assert_eq!((same.data.clusters, same.classes()), (0, 0));
    }

    #[test]
    fn classes_follow_the_labels_of_other_data() {
        let mut own = Recipe::open("faces", &[]).unwrap();
        let shares = own.data.class_shares.clone();
        load_with_classes(&mut own, "faces").unwrap();
        assert_eq!((own.data.classes, &own.data.class_shares), (4, &shares));
        let mut unlabeled = with_images("faces", (16, 17), 30);
        load_with_classes(&mut unlabeled, "faces").unwrap();
        assert_eq!((unlabeled.data.classes, unlabeled.class_inputs()), (0, 0));
        let mut digits = Recipe::open("faces", &["data.source=digits".into(), "data.size=[28, 28]".into()]).unwrap();
        let data = load_with_classes(&mut digits, "faces").unwrap();
        assert_eq!((digits.data.classes, digits.class_inputs()), (10, 0));
        assert!(
            data.notes.iter().any(|note| note.starts_with("10 classes, which a latent value chooses: 1")),
            "{:?}",
            data.notes
        );
        // Images of the library's user are not grouped: labels or nothing takes the place of the clusters of a named recipe.
        let mut drawings = Recipe::open("ink-64", &[]).unwrap();
        suit_classes(&mut drawings, "ink-64", &*data.train);
        assert_eq!((drawings.classes(), drawings.data.classes, drawings.data.clusters), (10, 10, 0));
        drawings = Recipe::open("ink-64", &[]).unwrap();
        suit_classes(&mut drawings, "ink-64", &crate::data::blobs(64, 64, 1, 10, 1));
        assert_eq!((drawings.classes(), drawings.data.clusters), (0, 0));
        // What the user sets stays.
        let mut set = Recipe::open("faces", &["data.source=digits".into(), "data.classes=0".into()]).unwrap();
        load_with_classes(&mut set, "faces").unwrap();
        assert_eq!(set.data.classes, 0);
    }
}
