//! Fits a recipe to the proportions of the user's own images.
use crate::data::usual_aspect;
use crate::recipe::Recipe;

/// Images this much wider than high, or the reverse, get a size of these proportions instead of a square one.
const OBLONG: f64 = 1.2;
/// Sides of a size differ by at most this factor; the rest of longer images is cropped.
const LONGEST: f64 = 2.0;

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
}
