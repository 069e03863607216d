//! Symmetry: how often a generator that was trained on mirror-symmetric images draws images with different halves.
use super::small_images::{IMAGES, SIDE, cover, real_bytes, sample_grid, train};
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::ImageDataset;
use crate::draw::{Plot, PlotSeries};
use crate::philox::Key;
use serde_json::json;

/// Discs per half. Some overlap their mirror images in the middle.
const DISCS: usize = 3;
/// An image counts as wrong if at least this share of its bright pixels has a dark mirror image.
const WRONG: f64 = 0.1;

/// Images of discs and their mirror images.
fn mirrored() -> ImageDataset {
    let mut pixels = Vec::with_capacity(IMAGES * SIDE * SIDE);
    for index in 0..IMAGES {
        let mut random = [0.0; 3 * DISCS];
        Key { seed: 8, stream: 7, step: index as u64 }.uniform(&mut random);
        let side = SIDE as f32;
        let disc = |u: &[f32]| (1.5 + 2.0 * u[0], 1.0 + u[1] * (side / 2.0 - 1.0), 2.0 + u[2] * (side - 4.0));
        let discs: Vec<_> = random.chunks_exact(3).map(disc).collect();
        for (y, x) in (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE)) {
            let x = x.min(SIDE - 1 - x) as f32 + 0.5;
            let inside = |d: &(f32, f32, f32)| d.0 - (d.1 - x).hypot(d.2 - y as f32 - 0.5) + 0.5;
            pixels.push(cover(discs.iter().map(inside)));
        }
    }
    ImageDataset::new("mirrored discs", (SIDE, SIDE, 1), pixels, None).expect("every image has all pixels")
}

/// Share of the bright pixels whose mirror image is dark; 0 without bright pixels.
fn asymmetry(image: &[u8]) -> f64 {
    let bright = |x: usize, y: usize| image[y * SIDE + x] >= 128;
    let all = (0..SIDE * SIDE).map(|i| (i % SIDE, i / SIDE)).filter(|&(x, y)| bright(x, y));
    let (mut total, mut unmatched) = (0.0, 0.0);
    for (x, y) in all {
        total += 1.0;
        unmatched += f64::from(u8::from(!bright(SIDE - 1 - x, y)));
    }
    if total > 0.0 { unmatched / total } else { 0.0 }
}

/// Mean [`asymmetry`], and share of wrong images.
fn measure(bytes: &[u8]) -> (f64, f64) {
    let all: Vec<_> = bytes.chunks_exact(SIDE * SIDE).map(asymmetry).collect();
    let n = all.len().max(1) as f64;
    (all.iter().sum::<f64>() / n, all.iter().filter(|u| **u >= WRONG).count() as f64 / n)
}

/// Trains on mirror-symmetric images for `steps` steps and compares the halves of generated images.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn symmetry(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let data = mirrored();
    let real = real_bytes(&data);
    let mut table = ResultTable::new(&["images", ">asymmetric pixels, %", ">wrong images, %"]);
    let mut add = |name: String, (pixels, images): (f64, f64)| {
        table.push([name, format!("{:.1}", 100.0 * pixels), format!("{:.1}", 100.0 * images)]);
    };
    add("real".into(), measure(&real));
    let (mut curve, mut measurements) = (Vec::new(), Vec::new());
    let (bytes, stopped) = train("symmetry", data, steps, context, &mut |step, bytes, context| {
        let found = measure(bytes);
        (context.progress)(&format!("step {step}: {:.1} % of the images wrong", 100.0 * found.1));
        curve.push((step as f64, 100.0 * found.1));
        measurements.push(json!({ "step": step, "unlike": found.0, "wrong": found.1 }));
        add(format!("step {step}"), found);
    })?;
    if !bytes.is_empty() {
        (context.save)("symmetry-real.png", &sample_grid(&real))?;
        (context.save)("symmetry-generated.png", &sample_grid(&bytes))?;
        let plot = Plot {
            title: "Images whose halves differ".into(),
            x_label: "step".into(),
            y_label: "% of images".into(),
            series: vec![PlotSeries::new("generated", curve)],
            ..Plot::default()
        };
        context.save_plot("symmetry", &plot)?;
    }
    let notes = vec![format!(
        "an image is wrong if at least {:.0} % of its bright pixels have a dark mirror image; a convolution sees a neighborhood, \
         and mirror images are far apart",
        100.0 * WRONG
    )];
    Ok(LabResults {
        table,
        notes,
        values: json!({ "lab": "symmetry", "looks": measurements, "stopped": stopped }),
        stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_images_are_symmetric_and_exchanged_halves_are_detected() {
        let data = mirrored();
        let real: Vec<u8> = (0..200).flat_map(|i| data.bytes(i).to_vec()).collect();
        assert_eq!(measure(&real), (0.0, 0.0));
        // Each with the right half of another image.
        let mixed: Vec<u8> = (0..200)
            .flat_map(|i| {
                let (a, b) = (data.bytes(i), data.bytes(i + 200));
                (0..SIDE * SIDE).map(|p| if p % SIDE < SIDE / 2 { a[p] } else { b[p] }).collect::<Vec<_>>()
            })
            .collect();
        assert!(measure(&mixed).1 > 0.95, "{:?}", measure(&mixed));
        assert_eq!(asymmetry(&[0; SIDE * SIDE]), 0.0);
    }
}
