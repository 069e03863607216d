//! Counting: how often a generator that was trained on images of exactly three discs draws another number of discs.
use super::small_images::{IMAGES, SIDE, cover, real_bytes, sample_grid, train};
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::ImageDataset;
use crate::draw::{Plot, PlotSeries};
use crate::philox::Key;
use serde_json::json;

/// Discs in every real image.
const DISCS: usize = 3;
/// Components with fewer pixels count as noise.
const MIN_PIXELS: usize = 5;

/// Images of three discs that do not touch.
fn discs() -> ImageDataset {
    let mut pixels = Vec::with_capacity(IMAGES * SIDE * SIDE);
    for index in 0..IMAGES {
        let mut discs: Vec<(f32, f32, f32)> = Vec::new();
        let mut tries = 0;
        while discs.len() < DISCS {
            let mut random = [0.0; 3];
            Key { seed: 8, stream: tries, step: index as u64 }.uniform(&mut random);
            tries += 1;
            let radius = 2.0 + random[2];
            let position = |u: f32| radius + 1.0 + u * (SIDE as f32 - 2.0 * radius - 2.0);
            let (x, y) = (position(random[0]), position(random[1]));
            // At least two dark pixels between any two.
            if discs.iter().all(|p| (p.0 - x).hypot(p.1 - y) > p.2 + radius + 2.5) {
                discs.push((x, y, radius));
            }
        }
        for (y, x) in (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE)) {
            let inside = |p: &(f32, f32, f32)| p.2 - (p.0 - x as f32 - 0.5).hypot(p.1 - y as f32 - 0.5) + 0.5;
            pixels.push(cover(discs.iter().map(inside)));
        }
    }
    ImageDataset::new("three discs", (SIDE, SIDE, 1), pixels, None).expect("every image has all pixels")
}

/// Number of connected components of bright pixels, each of at least [`MIN_PIXELS`] pixels.
fn components(image: &[u8]) -> usize {
    let mut seen: Vec<bool> = image.iter().map(|&v| v < 128).collect();
    let mut count = 0;
    for start in 0..image.len() {
        let (mut stack, mut size) = (Vec::new(), 0);
        if !seen[start] {
            seen[start] = true;
            stack.push(start);
        }
        while let Some(at) = stack.pop() {
            size += 1;
            let (y, x) = (at / SIDE, at % SIDE);
            let near = [
                (y > 0, at.wrapping_sub(SIDE)),
                (y + 1 < SIDE, at + SIDE),
                (x > 0, at.wrapping_sub(1)),
                (x + 1 < SIDE, at + 1),
            ];
            for (_, next) in near.into_iter().filter(|n| n.0) {
                if !seen[next] {
                    seen[next] = true;
                    stack.push(next);
                }
            }
        }
        count += usize::from(size >= MIN_PIXELS);
    }
    count
}

/// Number of images with 0, 1, …, 6 or more discs.
fn counts(bytes: &[u8]) -> [usize; 7] {
    let mut all = [0; 7];
    bytes.chunks_exact(SIDE * SIDE).for_each(|image| all[components(image).min(6)] += 1);
    all
}

/// Share of the images with a wrong number of discs.
fn wrong_share(counts: &[usize; 7]) -> f64 {
    1.0 - counts[DISCS] as f64 / counts.iter().sum::<usize>().max(1) as f64
}

/// Trains on images of three discs for `steps` steps and counts the discs in generated images.
///
/// # Errors
/// When training diverges or a figure cannot be written.
pub fn counting(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let data = discs();
    let real = real_bytes(&data);
    let mut table = ResultTable::new(&["images", ">0", ">1", ">2", ">3", ">4", ">5", ">6+", ">wrong %"]);
    let mut add = |name: String, counts: &[usize; 7]| {
        let mut cells = vec![name];
        cells.extend(counts.map(|c| c.to_string()));
        cells.push(format!("{:.1}", 100.0 * wrong_share(counts)));
        table.rows.push(cells);
    };
    let of_data = counts(&real);
    add("real".into(), &of_data);
    let mut curve = Vec::new();
    let (bytes, stopped) = train("counting", data, steps, context, &mut |step, bytes, context| {
        let found = counts(bytes);
        (context.progress)(&format!("step {step}: {:.1} % wrong", 100.0 * wrong_share(&found)));
        curve.push((step as f64, 100.0 * wrong_share(&found)));
        add(format!("step {step}"), &found);
    })?;
    if !bytes.is_empty() {
        (context.save)("counting-real.png", &sample_grid(&real))?;
        (context.save)("counting-generated.png", &sample_grid(&bytes))?;
        let plot = Plot {
            title: "Images with a wrong number of discs".into(),
            x_label: "step".into(),
            y_label: "% of images".into(),
            series: vec![PlotSeries::new("generated", curve.clone())],
            ..Plot::default()
        };
        context.save_plot("counting", &plot)?;
    }
    let notes = vec![
        "every real image has exactly three discs; a convolutional discriminator sees patches, and the number of discs is not a property of a patch"
            .to_owned(),
    ];
    let values = json!({ "lab": "counting", "real": of_data, "wrong": curve, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_discs_are_counted_in_every_real_image() {
        let data = discs();
        assert!((0..data.count()).all(|i| components(data.bytes(i)) == DISCS));
        let mut two = vec![0; SIDE * SIDE];
        for at in [0, 1, 2, SIDE, SIDE + 1, 10 * SIDE + 5] {
            two[at] = 255;
        }
        // Five connected pixels are a component; a single one is noise.
        assert_eq!(components(&two), 1);
    }
}
