//! Finds faces in photographs and cuts them out as upright squares (SeetaFace: Wu et al. 2017).

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};
use rustface::{Detector, ImageData, Model};

use super::error::DataError;
use super::packed::PackedWriter;
use super::prepare::{ClassCounts, FileOutcome, PreparedDataset, finish, name, other_kind};
use super::{fit, folder};

static MODEL: &[u8] = include_bytes!("../../assets/seeta_fd_frontal_v1.0.bin");

/// Width of the detector's smallest window: what is smaller is not seen.
const WINDOW: u32 = 40;
/// Longer sides of a photograph are shrunk to this before the search.
const SEARCHED: u32 = 1600;
/// Step from one size of the search to the next, and from one place to the next.
const SCALES: f32 = 0.8;
const STEP: u32 = 4;
/// Turns that are tried, in quarters, until one shows faces: photographs without a word on how they were held lie on their side.
const TURNS: [u32; 4] = [0, 1, 3, 2];

/// How to cut faces out.
#[derive(Clone, Copy, Debug)]
pub struct FaceCropOptions {
    /// Side of the squares.
    pub side: usize,
    /// How much is kept around a face: the square is so many times as wide as the face, from brow to chin.
    pub margin: f32,
    /// Faces narrower than this, in pixels of the photograph, are left out; `None`: half of what the square needs.
    pub least: Option<usize>,
    /// How sure the detector must be, 1 and more.
    pub sure: f64,
    /// Photographs with more pixels are left out before they are decoded.
    pub most_pixels: u64,
}

impl Default for FaceCropOptions {
    fn default() -> Self {
        Self { side: 64, margin: 1.4, least: None, sure: 3.0, most_pixels: folder::MOST_PIXELS }
    }
}

/// A face in a photograph: the corner and the side of a square in its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FaceSquare {
    x: i64,
    y: i64,
    side: i64,
}

/// What a photograph gave.
struct FaceCrops {
    /// Squares, RGB, and how many faces were too small for one.
    squares: Vec<Vec<u8>>,
    small: usize,
    /// Quarters by which the photograph was turned.
    turned: u32,
}

/// Cuts the faces out of the photographs of a folder and writes them to the packed file `out`.
///
/// Folders in the folder become classes. `progress` is told how many photographs are done and how many there are.
///
/// # Errors
/// When there are no photographs, fewer than two faces, or the file cannot be written; no file is left then.
pub fn crop_faces(
    source: &Path,
    cutting: &FaceCropOptions,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PreparedDataset, DataError> {
    let mut notes = Vec::new();
    let found = folder::find(source, &mut notes)?;
    found.some(source)?;
    let folder::ImageFolder { files, labels, classes, others } = found;
    let model = rustface::read_model(MODEL).map_err(|e| {
        DataError::new("the face detector's network", "the file of this version", e.to_string(), "build ganlet again")
    })?;
    let mut writer = PackedWriter::create(out, (cutting.side, cutting.side))?;
    let mut tally = ClassCounts::new(&classes);
    let mut rows: Vec<FileOutcome> =
        others.iter().map(|other| FileOutcome::skipped(name(other), 0, other_kind(other))).collect();
    let (mut from, mut turned) = (Vec::new(), 0);
    folder::in_order(
        &files,
        |path| cut(path, &model, cutting),
        |i, result| {
            progress(i + 1, files.len());
            let file = name(&files[i]);
            let cut = match result {
                Ok(cut) => cut,
                Err(why) => {
                    rows.push(FileOutcome::skipped(file, 0, why));
                    return Ok(());
                }
            };
            turned += usize::from(cut.turned > 0);
            let (mut kept, mut why) = (0, Vec::new());
            for square in &cut.squares {
                match writer.add(square, labels[i])? {
                    Ok(()) => {
                        from.push(i);
                        kept += 1;
                        tally.add(labels[i]);
                    }
                    Err(first) => why.push(format!("the same face as in {}", files[from[first]].display())),
                }
            }
            let found = cut.squares.len() + cut.small;
            if found == 0 {
                why.push("no face seen".to_owned());
            }
            if cut.small > 0 {
                why.push(format!("{} too small", cut.small));
            }
            rows.push(FileOutcome { file, found, kept, why: why.join("; ") });
            Ok(())
        },
    )?;
    if turned > 0 {
        notes.push(format!("{turned} photographs lay on a side or on their head and were turned"));
    }
    finish(source, writer, (cutting.side, cutting.side), tally, rows, notes)
}

fn cut(path: &Path, model: &Model, cutting: &FaceCropOptions) -> Result<FaceCrops, String> {
    let (photograph, _) = folder::on_white(folder::upright(path, cutting.most_pixels)?);
    let mut detector = rustface::create_detector_with_model(model.clone());
    detector.set_score_thresh(cutting.sure);
    detector.set_pyramid_scale_factor(SCALES);
    detector.set_slide_window_step(STEP, STEP);
    let (least, wanted) = (cutting.least.unwrap_or(least(cutting)) as i64, f64::from(cutting.margin));
    for turned in TURNS {
        let turned_around = match turned {
            1 => Some(imageops::rotate90(&photograph)),
            2 => Some(imageops::rotate180(&photograph)),
            3 => Some(imageops::rotate270(&photograph)),
            _ => None,
        };
        let photograph = turned_around.as_ref().unwrap_or(&photograph);
        let seen = see(&mut *detector, photograph, least);
        if seen.is_empty() {
            continue;
        }
        let large = seen.iter().filter(|face| face.side >= least);
        let squares: Vec<_> = large.map(|face| square(photograph, *face, wanted, cutting.side)).collect();
        return Ok(FaceCrops { small: seen.len() - squares.len(), squares, turned });
    }
    Ok(FaceCrops { squares: Vec::new(), small: 0, turned: 0 })
}

/// Half the width of a face that fills its square without being enlarged.
fn least(cutting: &FaceCropOptions) -> usize {
    (cutting.side as f32 / cutting.margin / 2.0).round().max(1.0) as usize
}

/// The faces of a photograph, the leftmost first.
fn see(detector: &mut dyn Detector, photograph: &RgbImage, least: i64) -> Vec<FaceSquare> {
    let (width, height) = photograph.dimensions();
    // A face of the least width has to fill a window, as far as the photograph is not too large for that.
    let wish = WINDOW as f32 / least.max(1) as f32;
    let scale = wish.clamp(1.0, 4.0).min(SEARCHED as f32 / width.max(height) as f32);
    let side = |n: u32| (n as f32 * scale).round() as u32;
    let (w, h) = (side(width), side(height));
    if w.min(h) < WINDOW {
        return Vec::new();
    }
    let gray: GrayImage = imageops::grayscale(photograph);
    let gray = if (w, h) == (width, height) { gray } else { imageops::resize(&gray, w, h, FilterType::Triangle) };
    let seen = detector.detect(&ImageData::new(gray.as_raw(), w, h));
    let back = |n: f32| (n / scale).round() as i64;
    let mut faces: Vec<FaceSquare> = seen
        .iter()
        .map(|face| face.bbox())
        .filter(|b| b.width() > 0)
        .map(|b| FaceSquare { x: back(b.x() as f32), y: back(b.y() as f32), side: back(b.width() as f32).max(1) })
        .collect();
    faces.sort_by_key(|face| (face.x, face.y));
    faces
}

/// The square around a face, moved where it would reach beyond the photograph, at the wanted size.
fn square(photograph: &RgbImage, face: FaceSquare, margin: f64, to: usize) -> Vec<u8> {
    let (width, height) = (i64::from(photograph.width()), i64::from(photograph.height()));
    let side = ((face.side as f64 * margin).round() as i64).clamp(1, width.min(height));
    let place = |at: i64, end: i64| (at + (face.side - side) / 2).clamp(0, end - side) as u32;
    let (x, y) = (place(face.x, width), place(face.y, height));
    let cut = imageops::crop_imm(photograph, x, y, side as u32, side as u32).to_image();
    fit::fit(cut.as_raw(), (side as usize, side as usize, 3), to, to)
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

    /// How alike two pictures of one size are: 1 for equal ones, 0 for strangers.
    fn alike(a: &[u8], b: &[u8]) -> f64 {
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
        let row = |start: &str| prepared.rows.iter().find(|row| row.file.contains(start)).unwrap();
        let counts = |start: &str| (row(start).found, row(start).kept);
        assert_eq!([counts("a-cat"), counts("b-one"), counts("d-three")], [(0, 0), (1, 1), (3, 2)]);
        assert!(row("d-three").why.contains("the same face as in") && row("d-three").why.ends_with("b-one.png"));
        assert_eq!(row("a-cat").why, "no face seen");
        assert_eq!(row("c-on").found, 1, "{:?}", row("c-on"));
        assert!(prepared.notes.iter().any(|n| n.contains("1 photographs lay on a side")), "{:?}", prepared.notes);
        assert!(row("e-far").kept == 0 && !row("e-far").why.is_empty());
        assert!(!row("f-broken").why.is_empty() && row("g.txt").why.contains("not called"));
        assert_eq!(prepared.shape, [64, 64, 3]);

        // Every square shows what the one of the plain photograph shows, upright.
        let one = square(&astronaut, FaceSquare { x: 110, y: 43, side: 61 }, 1.4, 64);
        let packed = PackedDataset::open(&out, (-1.0, 1.0), false, 0.2).unwrap();
        let (train, held_out) = packed.to_measure().unwrap();
        let all = (0..train.count()).map(|i| train.bytes(i)).chain((0..held_out.count()).map(|i| held_out.bytes(i)));
        let mut seen = 0;
        for square in all {
            let mirrored = flip_horizontal(&RgbImage::from_raw(64, 64, square.to_vec()).unwrap());
            let likeness = alike(&one, square).max(alike(&one, mirrored.as_raw()));
            assert!(likeness > 0.75, "{likeness}");
            seen += 1;
        }
        assert_eq!(seen, prepared.count);
    }

    #[test]
    fn squares_stay_within_the_photograph() {
        let photograph = RgbImage::from_fn(50, 30, |x, y| image::Rgb([x as u8, y as u8, 0]));
        let whole = square(&photograph, FaceSquare { x: -5, y: -5, side: 100 }, 1.4, 30);
        assert_eq!((whole[0], whole[1]), (20, 0));
        let corner = square(&photograph, FaceSquare { x: 45, y: 25, side: 10 }, 1.0, 10);
        assert_eq!(corner[..2], [40, 20]);
        assert_eq!(corner[corner.len() - 3..corner.len() - 1], [49, 29]);
    }
}
