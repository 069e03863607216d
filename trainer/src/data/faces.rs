//! Detects faces in photographs and cuts them out as upright squares (SeetaFace: Wu et al. 2017).

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};
use rustface::{Detector, ImageData, Model};

use super::decode::{DecodeLimits, ImageBytes, MAX_PIXELS, blend_onto_white, decode_upright, max_file_bytes};
use super::error::DataError;
use super::fit::Frame;
use super::packed_writer::Added;
use super::prepare::{FileOutcome, Packing, PreparedDataset, Progress};
use super::{Fit, open};
use crate::text::counted;

static MODEL: &[u8] = include_bytes!("../../assets/seeta_fd_frontal_v1.0.bin");

/// Width of the detector's smallest window. The detector misses smaller faces.
const WINDOW: u32 = 40;
/// Photographs are shrunk before detection so that the longer side is at most this.
const MAX_SEARCHED_SIDE: u32 = 1600;
/// Ratio between successive sizes of the image pyramid that the detector searches.
const PYRAMID_SCALE: f32 = 0.8;
/// Step of the detector's sliding window, in pixels.
const WINDOW_STEP: u32 = 4;
/// Rotations, in quarter turns, in the order in which they are tried. Photographs without an orientation tag may be sideways.
const QUARTER_TURNS: [u32; 4] = [0, 1, 3, 2];

/// Options of [`crop_faces`].
#[derive(Clone, Copy, Debug)]
pub struct FaceCropOptions {
    /// Side of the square crops, in pixels.
    pub side: usize,
    /// Width of the crop as a multiple of the size of the face from brow to chin.
    pub margin: f32,
    /// Faces narrower than this, in pixels of the photograph, are skipped. `None` requires half of what the crop needs.
    pub min_width: Option<usize>,
    /// Minimum detection score, 1 or more.
    pub min_score: f64,
    /// Photographs with more pixels are skipped before they are decoded.
    pub max_pixels: u64,
}

impl Default for FaceCropOptions {
    fn default() -> Self {
        Self { side: 64, margin: 1.4, min_width: None, min_score: 3.0, max_pixels: MAX_PIXELS }
    }
}

impl FaceCropOptions {
    /// Minimum width of a face in pixels of the photograph; by default half of the width that fills the crop without enlarging.
    fn min_width(&self) -> i64 {
        let half = (self.side as f32 / self.margin / 2.0).round().max(1.0);
        self.min_width.unwrap_or(half as usize) as i64
    }
}

/// A square around a face: its upper left corner and its side, in pixels of the photograph.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FaceSquare {
    x: i64,
    y: i64,
    side: i64,
}

/// The faces that were cut out of a photograph.
struct FaceCrops {
    /// RGB bytes of each crop.
    squares: Vec<Vec<u8>>,
    /// Number of faces that were too small.
    too_small: usize,
    /// Quarter turns by which the photograph was rotated.
    quarter_turns: u32,
}

/// Cuts the faces out of the photographs of a folder and packs them into the file `out`. Subfolders become classes.
///
/// # Errors
/// When there are no photographs, fewer than two faces, or `out` cannot be written. No file remains then.
pub fn crop_faces(
    source: &Path,
    options: &FaceCropOptions,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<PreparedDataset, DataError> {
    let mut notes = Vec::new();
    let folder = open::image_folder(source, &mut notes)?;
    let model = rustface::read_model(MODEL).map_err(|e| {
        DataError::new("the face detector's network", "the file of this version", e.to_string(), "build ganlet again")
    })?;
    let mut packing = Packing::create(out, (options.side, options.side), &folder.classes)?;
    packing.files.extend(folder.others.iter().map(FileOutcome::ignored));
    // The photograph of each kept face, and the number of rotated photographs.
    let (mut photograph_of, mut rotated) = (Vec::new(), 0);
    let limits = DecodeLimits::new(options.max_pixels);
    folder.in_order(
        max_file_bytes(options.max_pixels),
        |file| crops(file, &limits, &model, options),
        |i, result| {
            progress(i + 1, folder.files.len());
            let file = folder.name(i);
            let crops = match result {
                Ok(crops) => crops,
                Err(reason) => {
                    packing.files.push(FileOutcome::skipped(file, 0, reason));
                    return Ok(());
                }
            };
            rotated += usize::from(crops.quarter_turns > 0);
            let (mut kept, mut reasons) = (0, Vec::new());
            for square in &crops.squares {
                match packing.add(square, folder.labels[i])? {
                    Added::New => {
                        photograph_of.push(i);
                        kept += 1;
                    }
                    Added::CopyOf(first) => {
                        reasons.push(format!("the same face as in {}", folder.name(photograph_of[first])));
                    }
                }
            }
            let found = crops.squares.len() + crops.too_small;
            if found == 0 {
                reasons.push("no face found".to_owned());
            }
            if crops.too_small > 0 {
                reasons.push(format!("{} too small", crops.too_small));
            }
            packing.files.push(FileOutcome { file, found, kept, reason: reasons.join("; ") });
            Ok(())
        },
    )?;
    if rotated > 0 {
        notes.push(format!(
            "{} rotated because faces were sideways or upside down",
            counted(rotated, "photograph was", "photographs were")
        ));
    }
    packing.finish(source, notes)
}

/// Finds the faces of one photograph and cuts them out. If there is none, the photograph is searched in the other three orientations.
fn crops(
    file: Box<dyn ImageBytes>,
    limits: &DecodeLimits,
    model: &Model,
    options: &FaceCropOptions,
) -> Result<FaceCrops, String> {
    decode_upright(file, limits, |image| crops_of(blend_onto_white(image).0, model, options))
}

fn crops_of(photograph: RgbImage, model: &Model, options: &FaceCropOptions) -> FaceCrops {
    let mut detector = rustface::create_detector_with_model(model.clone());
    detector.set_score_thresh(options.min_score);
    detector.set_pyramid_scale_factor(PYRAMID_SCALE);
    detector.set_slide_window_step(WINDOW_STEP, WINDOW_STEP);
    let (min_width, margin) = (options.min_width(), f64::from(options.margin));
    for quarter_turns in QUARTER_TURNS {
        let rotated = match quarter_turns {
            1 => Some(imageops::rotate90(&photograph)),
            2 => Some(imageops::rotate180(&photograph)),
            3 => Some(imageops::rotate270(&photograph)),
            _ => None,
        };
        let photograph = rotated.as_ref().unwrap_or(&photograph);
        let found = detect(&mut *detector, photograph, min_width);
        if found.is_empty() {
            continue;
        }
        let large = found.iter().filter(|face| face.side >= min_width);
        let squares: Vec<_> = large.map(|face| square(photograph, *face, margin, options.side)).collect();
        return FaceCrops { too_small: found.len() - squares.len(), squares, quarter_turns };
    }
    FaceCrops { squares: Vec::new(), too_small: 0, quarter_turns: 0 }
}

/// The faces of a photograph, sorted from left to right.
fn detect(detector: &mut dyn Detector, photograph: &RgbImage, min_width: i64) -> Vec<FaceSquare> {
    let (width, height) = photograph.dimensions();
    // Enlarges the photograph, within limits, so that a face of the minimum width fills a window.
    let enlargement = WINDOW as f32 / min_width.max(1) as f32;
    let scale = enlargement.clamp(1.0, 4.0).min(MAX_SEARCHED_SIDE as f32 / width.max(height) as f32);
    let side = |n: u32| (n as f32 * scale).round() as u32;
    let (w, h) = (side(width), side(height));
    if w.min(h) < WINDOW {
        return Vec::new();
    }
    let gray: GrayImage = imageops::grayscale(photograph);
    let gray = if (w, h) == (width, height) { gray } else { imageops::resize(&gray, w, h, FilterType::Triangle) };
    let found = detector.detect(&ImageData::new(gray.as_raw(), w, h));
    let unscaled = |n: f32| (n / scale).round() as i64;
    let mut faces: Vec<FaceSquare> = found
        .iter()
        .map(|face| face.bbox())
        .filter(|b| b.width() > 0)
        .map(|b| FaceSquare {
            x: unscaled(b.x() as f32),
            y: unscaled(b.y() as f32),
            side: unscaled(b.width() as f32).max(1),
        })
        .collect();
    faces.sort_by_key(|face| (face.x, face.y));
    faces
}

/// Cuts out the square around a face at the size `to`. It is moved if it would extend beyond the photograph.
fn square(photograph: &RgbImage, face: FaceSquare, margin: f64, to: usize) -> Vec<u8> {
    let (width, height) = (i64::from(photograph.width()), i64::from(photograph.height()));
    let side = ((face.side as f64 * margin).round() as i64).clamp(1, width.min(height));
    let corner = |at: i64, end: i64| (at + (face.side - side) / 2).clamp(0, end - side) as u32;
    let (x, y) = (corner(face.x, width), corner(face.y, height));
    let cut = imageops::crop_imm(photograph, x, y, side as u32, side as u32).to_image();
    Frame { width: to, height: to, fit: Fit::Crop }.fit(cut.as_raw(), (side as usize, side as usize, 3))
}

#[cfg(test)]
mod tests {
    use super::super::PackedDataset;
    use super::*;
    use image::imageops::{flip_horizontal, replace, rotate90};
    use std::fs;
    use std::path::PathBuf;

    fn photograph(name: &str) -> RgbImage {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/photographs").join(name);
        image::open(path).unwrap().into_rgb8()
    }

    /// Correlation of two images of one size: 1 for equal ones, about 0 for unrelated ones.
    fn correlation(a: &[u8], b: &[u8]) -> f64 {
        let mean = |v: &[u8]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
        let (of_a, of_b) = (mean(a), mean(b));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (&x, &y) in a.iter().zip(b) {
            let (x, y) = (f64::from(x) - of_a, f64::from(y) - of_b);
            (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
        }
        ab / (aa * bb).sqrt()
    }

    #[test]
    fn photographs_with_no_one_and_several_faces_are_counted_and_cut_upright() {
        let dir = tempfile::tempdir().unwrap();
        let (photos, out) = (dir.path().join("photos"), dir.path().join("faces.pack"));
        fs::create_dir(&photos).unwrap();
        let (astronaut, cat) = (photograph("astronaut.jpg"), photograph("cat.jpg"));
        cat.save(photos.join("a-cat.png")).unwrap();
        astronaut.save(photos.join("b-one.png")).unwrap();
        rotate90(&astronaut).save(photos.join("c-on-its-side.png")).unwrap();
        // The same face at three sizes, one of them mirrored, with a cat between them.
        let mut crowd = RgbImage::from_pixel(900, 520, image::Rgb([90, 110, 90]));
        replace(&mut crowd, &astronaut, 10, 10);
        replace(&mut crowd, &flip_horizontal(&astronaut), 340, 10);
        replace(&mut crowd, &imageops::resize(&astronaut, 448, 350, FilterType::Triangle), 20, 265);
        replace(&mut crowd, &cat, 560, 300);
        crowd.save(photos.join("d-three.png")).unwrap();
        imageops::resize(&astronaut, 64, 50, FilterType::Triangle).save(photos.join("e-far.png")).unwrap();
        fs::write(photos.join("f-broken.jpg"), b"\xff\xd8\xff no more").unwrap();
        fs::write(photos.join("g.txt"), "words").unwrap();

        let prepared = crop_faces(&photos, &FaceCropOptions::default(), &out, &mut |_, _| {}).unwrap();
        let row = |start: &str| prepared.files.iter().find(|row| row.file.contains(start)).unwrap();
        let counts = |start: &str| (row(start).found, row(start).kept);
        assert_eq!([counts("a-cat"), counts("b-one"), counts("d-three")], [(0, 0), (1, 1), (3, 2)]);
        assert!(row("d-three").reason.contains("the same face as in") && row("d-three").reason.ends_with("b-one.png"));
        assert_eq!(row("a-cat").reason, "no face found");
        assert_eq!(row("c-on").found, 1, "{:?}", row("c-on"));
        assert!(prepared.notes.iter().any(|n| n.contains("1 photograph was rotated")), "{:?}", prepared.notes);
        assert!(row("e-far").kept == 0 && !row("e-far").reason.is_empty());
        assert!(!row("f-broken").reason.is_empty() && row("g.txt").reason.contains("its extension is not"));
        assert_eq!(prepared.shape, [64, 64, 3]);

        // Every crop shows the face of the plain photograph, upright.
        let one = square(&astronaut, FaceSquare { x: 110, y: 43, side: 61 }, 1.4, 64);
        let packed = PackedDataset::open(&out, (-1.0, 1.0), false, 0.2).unwrap();
        let (train, held_out) = packed.to_measure().unwrap();
        let all = (0..train.count()).map(|i| train.bytes(i)).chain((0..held_out.count()).map(|i| held_out.bytes(i)));
        let mut seen = 0;
        for square in all {
            let mirrored = flip_horizontal(&RgbImage::from_raw(64, 64, square.to_vec()).unwrap());
            let similarity = correlation(&one, square).max(correlation(&one, mirrored.as_raw()));
            assert!(similarity > 0.75, "{similarity}");
            seen += 1;
        }
        assert_eq!(seen, prepared.count);
    }

    #[test]
    fn crops_stay_within_the_photograph() {
        let photograph = RgbImage::from_fn(50, 30, |x, y| image::Rgb([x as u8, y as u8, 0]));
        let whole = square(&photograph, FaceSquare { x: -5, y: -5, side: 100 }, 1.4, 30);
        assert_eq!((whole[0], whole[1]), (20, 0));
        let corner = square(&photograph, FaceSquare { x: 45, y: 25, side: 10 }, 1.0, 10);
        assert_eq!(corner[..2], [40, 20]);
        assert_eq!(corner[corner.len() - 3..corner.len() - 1], [49, 29]);
    }
}
