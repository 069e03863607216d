//! Symmetry: a generator of pictures that are their own mirror images, and how often it gets the halves unlike.
use super::counting::{JUDGED, PICTURES, SIDE, sheet, watched};
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::ImageDataset;
use crate::draw::{Plot, PlotSeries};
use crate::philox::Key;
use serde_json::json;

/// Discs of a half; some meet their mirror images in the middle.
const DISCS: usize = 3;
/// A picture is wrong from this share of its bright pixels on that have a dark mirror image.
const UNLIKE: f64 = 0.1;

/// Pictures of discs and their mirror images.
fn mirrored() -> ImageDataset {
    let mut pixels = Vec::with_capacity(PICTURES * SIDE * SIDE);
    for index in 0..PICTURES {
        let mut random = [0.0; 3 * DISCS];
        Key { seed: 8, stream: 7, step: index as u64 }.uniform(&mut random);
        let side = SIDE as f32;
        let disc = |u: &[f32]| (1.5 + 2.0 * u[0], 1.0 + u[1] * (side / 2.0 - 1.0), 2.0 + u[2] * (side - 4.0));
        let discs: Vec<_> = random.chunks_exact(3).map(disc).collect();
        for (y, x) in (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE)) {
            let x = x.min(SIDE - 1 - x) as f32 + 0.5;
            let inside = |d: &(f32, f32, f32)| d.0 - (d.1 - x).hypot(d.2 - y as f32 - 0.5) + 0.5;
            let cover = discs.iter().map(inside).fold(0.0, f32::max).min(1.0);
            pixels.push((255.0 * cover) as u8);
        }
    }
    ImageDataset::new("mirrored discs", (SIDE, SIDE, 1), pixels, None).expect("every picture was drawn in full")
}

/// Share of the bright pixels whose mirror image is dark; 0 without bright ones.
fn unlike(picture: &[u8]) -> f64 {
    let bright = |x: usize, y: usize| picture[y * SIDE + x] >= 128;
    let all = (0..SIDE * SIDE).map(|i| (i % SIDE, i / SIDE)).filter(|&(x, y)| bright(x, y));
    let (mut total, mut alone) = (0.0, 0.0);
    for (x, y) in all {
        total += 1.0;
        alone += f64::from(u8::from(!bright(SIDE - 1 - x, y)));
    }
    if total > 0.0 { alone / total } else { 0.0 }
}

/// Mean share of unlike pixels, and share of wrong pictures.
fn judged(bytes: &[u8]) -> (f64, f64) {
    let all: Vec<_> = bytes.chunks_exact(SIDE * SIDE).map(unlike).collect();
    let n = all.len().max(1) as f64;
    (all.iter().sum::<f64>() / n, all.iter().filter(|u| **u >= UNLIKE).count() as f64 / n)
}

/// Trains on mirrored pictures for `steps` steps and compares halves.
pub fn symmetry(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let data = mirrored();
    let real: Vec<u8> = (0..JUDGED).flat_map(|i| data.bytes(i).to_vec()).collect();
    let mut table = ResultTable::new(&["pictures", ">unlike pixels %", ">wrong pictures %"]);
    let mut add = |name: String, (pixels, pictures): (f64, f64)| {
        table.push([name, format!("{:.1}", 100.0 * pixels), format!("{:.1}", 100.0 * pictures)]);
    };
    add("real".into(), judged(&real));
    let (mut curve, mut told) = (Vec::new(), Vec::new());
    let (bytes, stopped) = watched("symmetry", data, steps, context, &mut |step, bytes, context| {
        let found = judged(bytes);
        (context.progress)(&format!("step {step}: {:.1} % of the pictures wrong", 100.0 * found.1));
        curve.push((step as f64, 100.0 * found.1));
        told.push(json!({ "step": step, "unlike": found.0, "wrong": found.1 }));
        add(format!("step {step}"), found);
    })?;
    if !bytes.is_empty() {
        (context.save)("symmetry-real.png", &sheet(&real))?;
        (context.save)("symmetry-generated.png", &sheet(&bytes))?;
        let plot = Plot {
            title: "Images whose halves differ".into(),
            x_label: "step".into(),
            y_label: "%".into(),
            series: vec![PlotSeries::new("generated", curve)],
            ..Plot::default()
        };
        (context.save)("symmetry.png", &plot.png())?;
        (context.save)("symmetry.svg", plot.svg().as_bytes())?;
    }
    let notes = vec![format!(
        "a picture is wrong when {:.0} % of its bright pixels or more have a dark mirror image; a convolution sees what is near, \
         and mirror images are far apart",
        100.0 * UNLIKE
    )];
    Ok(LabResults { table, notes, values: json!({ "lab": "symmetry", "looks": told, "stopped": stopped }), stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_pictures_are_their_own_mirror_images_and_a_moved_half_is_seen() {
        let data = mirrored();
        let real: Vec<u8> = (0..200).flat_map(|i| data.bytes(i).to_vec()).collect();
        assert_eq!(judged(&real), (0.0, 0.0));
        // The right halves of other pictures.
        let mixed: Vec<u8> = (0..200)
            .flat_map(|i| {
                let (a, b) = (data.bytes(i), data.bytes(i + 200));
                (0..SIDE * SIDE).map(|p| if p % SIDE < SIDE / 2 { a[p] } else { b[p] }).collect::<Vec<_>>()
            })
            .collect();
        assert!(judged(&mixed).1 > 0.95, "{:?}", judged(&mixed));
        assert_eq!(unlike(&[0; SIDE * SIDE]), 0.0);
    }
}
