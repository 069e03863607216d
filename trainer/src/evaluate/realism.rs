//! How close generated images are to real ones: one number, a verdict in plain words, and the flaws that stand out.
use super::{EvaluateError, Evaluator, FIRST_SEED, Quality};
use crate::data::{ImageDataset, to_bytes};
use crate::metrics::{ContrastHistogram, texture};
use crate::run::ImageSplit;
use crate::text::measured;
use crate::train::Trainer;
use serde::{Deserialize, Serialize};

/// Verdicts, each with the largest value of [`Realism::times_real`] that it covers.
const GRADES: [(f64, &str); 5] = [
    (1.25, "hard to tell from real images"),
    (4.0, "close to real images"),
    (40.0, "recognizable, with visible flaws"),
    (120.0, "clearly different from real images"),
    (f64::INFINITY, "far from real images"),
];
/// The best grade with random features, which do not see whether an object is well formed.
const BEST_OF_RANDOM: &str = "close to real images, as far as untrained features can tell";
/// Images of a comparison after training.
const IMAGES: usize = 1000;
/// Relative change of a value that is mentioned. Values of real images vary by a few percent.
const NOTABLE: f64 = 0.15;
/// Ratio of patch distances that is mentioned.
const NOTABLE_PATCHES: f64 = 1.5;
/// Distance of features that is mentioned if no other flaw stands out.
const NOTABLE_FEATURES: f64 = 1.4;
/// Density and coverage below this count as this, so that images unlike any real one have a finite distance.
const LEAST_SHARE: f64 = 0.01;
/// Distance of contrasts that is hardly visible, in octaves.
const LEAST_CONTRAST: f64 = 0.03;
/// Distance to the nearest training image, compared with that of held-out images, below which images count as copies.
const COPIED: f64 = 0.8;
/// Number of held-out images below which the verdict is called rough.
const FEW_HELD_OUT: usize = 200;
/// Largest number of classes whose shares are mentioned one by one.
const NAMED_CLASSES: usize = 3;
/// Share of a class among real images below which its share is not mentioned.
const RARE: f64 = 0.02;

/// Generated images compared with real training images, both measured against held-out ones.
///
/// Features see shapes and proportions, and random features see hardly more than that. Contrasts between neighbors see edges, noise and
/// texture. The product of both ratios falls only if the images become better in both respects. It was chosen so that it ranks checkpoints
/// as the eye does (`docs/EVALUATION.md`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Realism {
    /// The product of `features` and `details`: 1 for real images.
    pub times_real: f64,
    /// Features compared with those of real images: the square root of the product of three ratios, that of the Fréchet distances (its
    /// square root, because it is a squared distance), and the inverse ones of density and coverage. Each counts at least 1, except that of
    /// the Fréchet distances.
    pub features: f64,
    /// Details compared with those of real images: the ratio of the distances of contrasts between neighboring pixels, at least 1.
    pub details: f64,
    /// The verdict in plain words.
    pub verdict: String,
    /// The flaws that stand out, as sentences; empty if none does.
    pub findings: Vec<String>,
}

/// What images were measured with.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Mean Fréchet distance of real images.
    pub floor: f64,
    /// Number of held-out images.
    pub held_out: usize,
    /// Names of the classes that the classifier knows; empty without one.
    pub class_names: &'a [String],
    /// Whether the feature network is random, because none was trained for such images.
    pub has_random_features: bool,
}

impl Realism {
    /// Compares the quality of generated images with that of `real` ones.
    pub fn of(made: &Quality, real: &Quality, reference: &Reference<'_>) -> Self {
        let Reference { floor, held_out, class_names, has_random_features } = *reference;
        let features = features_ratio(made, real, floor);
        let contrast = |q: &Quality| q.slow.as_ref().map(|slow| slow.contrast);
        let details = contrast(made).zip(contrast(real)).map_or(1.0, |(made, real)| details_ratio(made, real));
        let levels = patch_ratios(made, real);
        let mut findings = findings(made, real, &levels, class_names);
        if findings.is_empty() && features > NOTABLE_FEATURES {
            findings.push(format!(
                "shapes differ: parts are malformed or combined wrongly (features {features:.1} times as far away)"
            ));
        }
        if let Some(times) = made.slow.as_ref().and_then(|slow| slow.memorization).filter(|times| *times < COPIED) {
            findings.push(format!(
                "copies: only {times:.2} times as far from the nearest training image as held-out images"
            ));
        }
        if held_out < FEW_HELD_OUT {
            findings.push(format!(
                "only {held_out} held-out images to compare with: the verdict is rough, and copies of training images can look good; look at the \
                 samples"
            ));
        }
        Self::from_ratios(features, details, findings, has_random_features)
    }

    /// Takes the ratios, and derives the rest from them.
    pub(super) fn from_ratios(features: f64, details: f64, findings: Vec<String>, has_random_features: bool) -> Self {
        let times_real = features * details;
        let verdict = match GRADES.iter().position(|g| times_real <= g.0) {
            Some(0) if has_random_features => BEST_OF_RANDOM,
            grade => GRADES[grade.unwrap_or(GRADES.len() - 1)].1,
        };
        Self { times_real, features, details, verdict: verdict.to_owned(), findings }
    }

    /// The comparison in sentences: the verdict, then the findings.
    pub fn sentences(&self) -> Vec<String> {
        let Self { times_real, features, details, verdict, .. } = self;
        let parts = format!("features {features:.1} times, details {details:.1} times");
        let mut all = vec![format!(
            "{verdict}: {} times as far from held-out images as real ones ({parts})",
            if *times_real < 100.0 { format!("{times_real:.1}") } else { measured(*times_real) }
        )];
        all.extend(self.findings.iter().cloned());
        all
    }
}

/// The samples of a run compared with its images.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The comparison.
    pub realism: Realism,
    /// Mean Fréchet distance of sets of real training images.
    pub floor: f64,
    /// Whether the feature network is random, because none was trained for such images.
    pub has_random_features: bool,
}

impl Comparison {
    /// Compares samples of the EMA generator with the images of the run.
    ///
    /// # Errors
    /// If there are too few images.
    pub fn of(trainer: &mut Trainer, split: &ImageSplit) -> Result<Self, EvaluateError> {
        let mut evaluator = Evaluator::new(&split.held_out, &split.train, trainer.threads())?;
        let [black, white] = trainer.recipe().data.range;
        let n = IMAGES.max(evaluator.min_samples());
        let images = to_bytes(&trainer.samples(FIRST_SEED, n), (black, white));
        let floor = evaluator.floor(n)?;
        let real = evaluator.measure_real_all_metrics(n)?;
        let made = evaluator.measure_all_metrics(&images, None, |_, _| {})?;
        let reference = evaluator.reference(floor);
        let has_random_features = reference.has_random_features;
        Ok(Self { realism: Realism::of(&made, &real, &reference), floor, has_random_features })
    }

    /// The comparison in sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut all = self.realism.sentences();
        all[0].insert_str(0, "the samples are ");
        if self.has_random_features {
            all.push(
                "the features are those of a random network, because none was trained for such images: compare them only between runs on \
                 this data"
                    .into(),
            );
        }
        all
    }
}

impl Evaluator {
    /// What this evaluator measures with; `floor` is the mean Fréchet distance of real images.
    pub(super) fn reference(&self, floor: f64) -> Reference<'_> {
        Reference {
            floor,
            held_out: self.held_out.count(),
            class_names: self.class_names(),
            has_random_features: self.identity().is_random(),
        }
    }
}

/// Returns the ratio of the patch distances on each level of the pyramid, finest first.
fn patch_ratios(made: &Quality, real: &Quality) -> Vec<f64> {
    let levels = |q: &Quality| q.slow.as_ref().map_or_else(Vec::new, |s| s.patches.clone());
    levels(made).iter().zip(levels(real)).map(|(made, real)| made / real.max(f64::MIN_POSITIVE)).collect()
}

/// Returns [`Realism::features`]; `floor` is the mean Fréchet distance of real images.
fn features_ratio(made: &Quality, real: &Quality, floor: f64) -> f64 {
    let distance = (made.frechet / floor.max(f64::MIN_POSITIVE)).sqrt();
    let missing = |made: f64, real: f64| (real / made.max(LEAST_SHARE)).max(1.0);
    (distance * missing(made.density, real.density) * missing(made.coverage, real.coverage)).sqrt()
}

/// Returns [`Realism::details`]: the ratio of two distances of contrasts, both increased by the smallest distance that counts.
fn details_ratio(made: f64, real: f64) -> f64 {
    ((made + LEAST_CONTRAST) / (real + LEAST_CONTRAST)).max(1.0)
}

/// [`Realism::times_real`] without the slow metrics, for images of the same evaluator again and again.
pub(super) struct RealImages {
    quality: Quality,
    floor: f64,
    /// Contrasts of the held-out images.
    contrasts: ContrastHistogram,
    /// Distance of the contrasts of real training images from them.
    contrast: f64,
}

impl RealImages {
    /// Measures `n` real training images.
    ///
    /// # Errors
    /// If there are too few images.
    pub(super) fn new(evaluator: &mut Evaluator, n: usize) -> Result<Self, EvaluateError> {
        let (quality, floor) = (evaluator.measure_real(n)?, evaluator.floor(n)?);
        let (shape, n) = (shape(&evaluator.train), n.min(evaluator.train.count()));
        let (held_out, train) = (&evaluator.held_out, &evaluator.train);
        let contrasts = texture(shape, held_out.count(), |i| held_out.bytes(i)).1;
        let contrast = texture(shape, n, |i| train.bytes(i)).1.distance(&contrasts);
        Ok(Self { quality, floor, contrasts, contrast })
    }

    /// Returns [`Realism::times_real`] of generated images, and their quality without the slow metrics.
    ///
    /// # Errors
    /// If there are too few images.
    pub(super) fn compare(&self, evaluator: &mut Evaluator, images: &[u8]) -> Result<(f64, Quality), EvaluateError> {
        let made = evaluator.measure(images, |_, _| {})?;
        let shape = shape(&evaluator.train);
        let size = shape.iter().product::<usize>();
        let found = texture(shape, images.len() / size, |i| &images[i * size..][..size]).1;
        let details = details_ratio(found.distance(&self.contrasts), self.contrast);
        Ok((features_ratio(&made, &self.quality, self.floor) * details, made))
    }
}

fn shape(images: &ImageDataset) -> [usize; 3] {
    [images.height(), images.width(), images.channels()]
}

/// Returns a sentence for every flaw that stands out.
fn findings(made: &Quality, real: &Quality, levels: &[f64], class_names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let percent = |v: f64| format!("{:.0} %", 100.0 * v);
    if let (Some(made), Some(real)) = (made.slow.as_ref().map(|s| &s.texture), real.slow.as_ref().map(|s| &s.texture)) {
        let detail = made.detail / real.detail.max(f64::MIN_POSITIVE);
        let is_grid = made.grid > 1.5 * real.grid + 0.5;
        if is_grid {
            let (made, real) = (made.grid, real.grid);
            found.push(format!(
                "a checkerboard: a pattern with a period of two pixels has {made:.1} of 255 levels, in real images {real:.1}"
            ));
        }
        if detail < 1.0 - NOTABLE {
            found.push(format!("blurred: the fine detail is {} as strong as in real images", percent(detail)));
        } else if detail > 1.0 + NOTABLE && !is_grid {
            found.push(format!("noisy: the fine detail is {} as strong as in real images", percent(detail)));
        }
        if made.flat < (1.0 - NOTABLE) * real.flat && real.flat > 0.1 {
            found.push(format!(
                "mottled: {} of the squares of 2x2 pixels are flat, in real images {}",
                percent(made.flat),
                percent(real.flat)
            ));
        }
    }
    if found.is_empty() && levels.first().is_some_and(|r| *r > NOTABLE_PATCHES) {
        found.push(format!("edges and textures differ: their patches are {:.1} times as far away", levels[0]));
    }
    if let Some(ratio) = levels.last().filter(|r| levels.len() > 1 && **r > NOTABLE_PATCHES) {
        found.push(format!(
            "large shapes or colors have other proportions: their patches are {ratio:.1} times as far away"
        ));
    }
    let precision = made.precision / real.precision.max(f64::MIN_POSITIVE);
    if precision < 1.0 - NOTABLE {
        found.push(format!("malformed: about {} of the images resemble no real one", percent(1.0 - precision)));
    }
    let recall = made.recall / real.recall.max(f64::MIN_POSITIVE);
    if recall < 1.0 - NOTABLE {
        found.push(format!(
            "little variety: about {} of the real images resemble no generated one",
            percent(1.0 - recall)
        ));
    }
    let classes = made.classes.iter().zip(&real.classes).zip(class_names);
    let uneven: Vec<_> = classes
        .filter(|((made, real), _)| **real >= RARE && !(0.5 * **real..=2.0 * **real).contains(*made))
        .map(|((made, real), name)| {
            let rare = if made < real { "rare" } else { "frequent" };
            format!("class {name} is too {rare}: {}, in real images {}", percent(*made), percent(*real))
        })
        .collect();
    let more = uneven.len().saturating_sub(NAMED_CLASSES);
    found.extend(uneven.into_iter().take(NAMED_CLASSES));
    found.extend((more > 0).then(|| format!("the shares of {more} more classes differ by a factor of two or more")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, ImageDataset};
    use crate::philox::Key;

    /// Changes the images of a set; `change` receives an image and its index.
    fn changed(set: &ImageDataset, n: usize, change: impl Fn(&mut [u8], usize)) -> Vec<u8> {
        let mut images: Vec<u8> = (0..n).flat_map(|i| set.bytes(i).to_vec()).collect();
        let size = images.len() / n;
        images.chunks_mut(size).enumerate().for_each(|(i, image)| change(image, i));
        images
    }

    /// Averages every pixel of a 16x16 image with its right and lower neighbors.
    fn blur(image: &mut [u8]) {
        let old = image.to_vec();
        for (at, v) in image.iter_mut().enumerate() {
            let near = |to: usize| u32::from(*old.get(to).unwrap_or(&old[at]));
            *v = ((u32::from(old[at]) + near(at + 3) + near(at + 48) + near(at + 51)) / 4) as u8;
        }
    }

    #[test]
    fn every_staged_defect_worsens_the_comparison_and_is_named() {
        let (train, held_out) = data::faces().unwrap().default_split().unwrap();
        // Other training images than those that the floor is measured on, as if they were generated.
        let part = |set: &ImageDataset, range: std::ops::Range<usize>| set.select(&range.collect::<Vec<_>>());
        let fresh = part(&train, 2000..3000);
        let own_data = |set: &ImageDataset| {
            let bytes = (0..set.count()).flat_map(|i| set.bytes(i).to_vec()).collect();
            ImageDataset::new("own", (16, 16, 3), bytes, None).unwrap()
        };
        // The embedded classifier, and a random network as for a user's own images.
        for own in [false, true] {
            let [train, held_out] =
                [&part(&train, 0..2000), &held_out].map(|set| if own { own_data(set) } else { set.clone() });
            let mut evaluator = Evaluator::new(&held_out, &train, 0).unwrap();
            let n = 1000;
            let (floor, real) = (evaluator.floor(n).unwrap(), evaluator.measure_real_all_metrics(n).unwrap());
            let mut compare = |images: &[u8]| {
                let made = evaluator.measure_all_metrics(images, None, |_, _| {}).unwrap();
                Realism::of(&made, &real, &evaluator.reference(floor))
            };
            let key = Key { seed: 3, stream: 0, step: 0 };
            let clean = compare(&changed(&fresh, n, |_, _| {}));
            assert!(clean.times_real > 1.25 || (clean.verdict == BEST_OF_RANDOM) == own, "{clean:?}");
            assert!((0.7..1.3).contains(&clean.times_real) && clean.findings.is_empty(), "{clean:?}");
            let blurred = compare(&changed(&fresh, n, |image, _| blur(image)));
            let checkered = compare(&changed(&fresh, n, |image, _| {
                for (at, v) in image.iter_mut().enumerate() {
                    *v = if (at / 3 + at / 48) % 2 == 0 { v.saturating_add(12) } else { v.saturating_sub(12) };
                }
            }));
            let mottled = compare(&changed(&fresh, n, |image, i| {
                for (at, v) in image.iter_mut().enumerate() {
                    // Squares of 2x2 pixels, each a little lighter or darker.
                    let square = at / 96 * 8 + at / 6 % 8;
                    *v = v.saturating_add(key.below((i * 64 + square) as u32, 24) as u8);
                }
            }));
            let wrong = compare(&changed(&fresh, n, |image, i| {
                // The lower half of every second face is that of another one.
                if i % 2 == 0 {
                    image[384..].copy_from_slice(&fresh.bytes((i + 501) % n)[384..]);
                }
            }));
            // Only faces without anything.
            let plain: Vec<u8> =
                (0..n).filter(|&i| fresh.label(i) == Some(0)).flat_map(|i| fresh.bytes(i).to_vec()).collect();
            let dropped = compare(&plain);
            let expected = [
                (&blurred, "blurred"),
                (&checkered, "checkerboard"),
                (&mottled, "mottled"),
                (&wrong, "malformed"),
                (&dropped, ""),
            ];
            for (found, word) in expected {
                println!("{own} {word} {found:?}");
                assert!(found.times_real > 1.25 * clean.times_real, "own {own}, {word}: {found:?}, {clean:?}");
                assert!(found.findings.iter().any(|f| f.starts_with(word) || f.contains(word)), "{word}: {found:?}");
            }
            if !own {
                assert!(dropped.findings.iter().any(|f| f.starts_with("class") && f.contains("rare")), "{dropped:?}");
            }
        }
    }
    #[test]
    fn copies_and_too_few_held_out_images_are_named() {
        let (train, held_out) = data::faces().unwrap().split(600, 150).unwrap();
        let mut evaluator = Evaluator::new(&held_out, &train, 1).unwrap();
        let (floor, real) = (evaluator.floor(300).unwrap(), evaluator.measure_real_all_metrics(300).unwrap());
        let copies = changed(&train, 300, |_, _| {});
        let made = evaluator.measure_all_metrics(&copies, None, |_, _| {}).unwrap();
        let reference = Reference { class_names: &[], ..evaluator.reference(floor) };
        let found = Realism::of(&made, &real, &reference);
        let starts = |word: &str| found.findings.iter().any(|f| f.starts_with(word));
        assert!(starts("copies: only 0.00 times") && starts("only 150 held-out images"), "{found:?}");
        let many = Reference { held_out: 2000, ..reference };
        assert!(!Realism::of(&made, &real, &many).findings.iter().any(|f| f.contains("held-out images to")));
    }
}
