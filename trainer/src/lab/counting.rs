//! Counting: a generator of pictures with exactly three discs, and how often it gets the number wrong.
use super::{LabContext, LabError, LabResults, ResultTable};
use crate::data::{ImageDataset, to_bytes};
use crate::draw::{Plot, PlotSeries, image_grid};
use crate::philox::Key;
use crate::recipe::Recipe;
use crate::train::Trainer;
use serde_json::json;

pub(super) const SIDE: usize = 24;
/// Discs of every picture.
const WANTED: usize = 3;
/// Pictures of the data set, and of a measurement.
pub(super) const PICTURES: usize = 4000;
pub(super) const JUDGED: usize = 1000;
/// A part of fewer pixels is dirt, not a disc.
const LEAST: usize = 5;
const LOOKS: u64 = 6;

/// Pictures of three discs that do not touch.
fn discs() -> ImageDataset {
    let mut pixels = Vec::with_capacity(PICTURES * SIDE * SIDE);
    for index in 0..PICTURES {
        let mut places: Vec<(f32, f32, f32)> = Vec::new();
        let mut tries = 0;
        while places.len() < WANTED {
            let mut random = [0.0; 3];
            Key { seed: 8, stream: tries, step: index as u64 }.uniform(&mut random);
            tries += 1;
            let radius = 2.0 + random[2];
            let place = |u: f32| radius + 1.0 + u * (SIDE as f32 - 2.0 * radius - 2.0);
            let (x, y) = (place(random[0]), place(random[1]));
            // Two clear pixels between any two.
            if places.iter().all(|p| (p.0 - x).hypot(p.1 - y) > p.2 + radius + 2.5) {
                places.push((x, y, radius));
            }
        }
        for (y, x) in (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE)) {
            let inside = |p: &(f32, f32, f32)| p.2 - (p.0 - x as f32 - 0.5).hypot(p.1 - y as f32 - 0.5) + 0.5;
            let cover = places.iter().map(inside).fold(0.0, f32::max).min(1.0);
            pixels.push((255.0 * cover) as u8);
        }
    }
    ImageDataset::new("three discs", (SIDE, SIDE, 1), pixels, None).expect("every picture was drawn in full")
}

/// Bright parts of a picture that hang together, each of at least [`LEAST`] pixels.
fn parts(picture: &[u8]) -> usize {
    let mut seen: Vec<bool> = picture.iter().map(|&v| v < 128).collect();
    let mut count = 0;
    for start in 0..picture.len() {
        let (mut heap, mut size) = (Vec::new(), 0);
        if !seen[start] {
            seen[start] = true;
            heap.push(start);
        }
        while let Some(at) = heap.pop() {
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
                    heap.push(next);
                }
            }
        }
        count += usize::from(size >= LEAST);
    }
    count
}

/// How many pictures have 0, 1, … 6 or more discs.
fn counts(bytes: &[u8]) -> [usize; 7] {
    let mut all = [0; 7];
    bytes.chunks_exact(SIDE * SIDE).for_each(|picture| all[parts(picture).min(6)] += 1);
    all
}

fn wrong(counts: &[usize; 7]) -> f64 {
    1.0 - counts[WANTED] as f64 / counts.iter().sum::<usize>().max(1) as f64
}

/// What looks at [`JUDGED`] generated pictures after so many steps.
type Look<'a> = dyn FnMut(u64, &[u8], &mut LabContext<'_>) + 'a;

/// Trains on `data` for `steps` steps and lets `look` see generated pictures [`LOOKS`] times.
///
/// Gives the last pictures, and whether the run was stopped.
pub(super) fn watched(
    name: &str,
    data: ImageDataset,
    steps: u64,
    context: &mut LabContext<'_>,
    look: &mut Look<'_>,
) -> Result<(Vec<u8>, bool), LabError> {
    let steps = steps.max(1);
    let settings = [
        format!("name={name}"),
        format!("data.size=[{SIDE}, {SIDE}]"),
        "generator.widths=[32, 24, 16]".to_owned(),
        "discriminator.widths=[24, 48]".to_owned(),
        "train.batch_size=32".to_owned(),
        format!("train.steps={steps}"),
    ];
    let recipe = Recipe::open("digits", &settings)?;
    let mut trainer = Trainer::new(recipe, std::sync::Arc::new(data), 1, steps, context.threads)?;
    let (every, mut bytes) = ((steps / LOOKS).max(1), Vec::new());
    while trainer.step() < steps {
        if (context.stop)() {
            return Ok((bytes, true));
        }
        trainer.advance()?;
        if trainer.step().is_multiple_of(every) || trainer.step() == steps {
            bytes = to_bytes(&trainer.samples(1, JUDGED), (-1.0, 1.0));
            look(trainer.step(), &bytes, context);
        }
    }
    Ok((bytes, false))
}

/// The first pictures of many on a sheet.
pub(super) fn sheet(bytes: &[u8]) -> Vec<u8> {
    let pictures: Vec<_> = bytes.chunks_exact(SIDE * SIDE).take(32).collect();
    image_grid(&pictures, (SIDE, SIDE, 1), 8, 3).png()
}

/// Trains on pictures of three discs for `steps` steps and counts.
pub fn counting(steps: u64, context: &mut LabContext<'_>) -> Result<LabResults, LabError> {
    let data = discs();
    let real: Vec<u8> = (0..JUDGED).flat_map(|i| data.bytes(i).to_vec()).collect();
    let mut table = ResultTable::new(&["pictures", ">0", ">1", ">2", ">3", ">4", ">5", ">6+", ">wrong %"]);
    let mut add = |name: String, counts: &[usize; 7]| {
        let mut cells = vec![name];
        cells.extend(counts.map(|c| c.to_string()));
        cells.push(format!("{:.1}", 100.0 * wrong(counts)));
        table.rows.push(cells);
    };
    let of_data = counts(&real);
    add("real".into(), &of_data);
    let mut curve = Vec::new();
    let (bytes, stopped) = watched("counting", data, steps, context, &mut |step, bytes, context| {
        let found = counts(bytes);
        (context.progress)(&format!("step {step}: {:.1} % wrong", 100.0 * wrong(&found)));
        curve.push((step as f64, 100.0 * wrong(&found)));
        add(format!("step {step}"), &found);
    })?;
    if !bytes.is_empty() {
        (context.save)("counting-real.png", &sheet(&real))?;
        (context.save)("counting-generated.png", &sheet(&bytes))?;
        let plot = Plot {
            title: "Images with a wrong number of discs".into(),
            x_label: "step".into(),
            y_label: "%".into(),
            series: vec![PlotSeries::new("generated", curve.clone())],
            ..Plot::default()
        };
        (context.save)("counting.png", &plot.png())?;
        (context.save)("counting.svg", plot.svg().as_bytes())?;
    }
    let notes = vec![
        "every real picture has exactly three discs; a convolutional discriminator sees patches, and a number is no patch"
            .to_owned(),
    ];
    let values = json!({ "lab": "counting", "real": of_data, "wrong": curve, "stopped": stopped });
    Ok(LabResults { table, notes, values, stopped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_finds_three_discs_in_every_real_picture() {
        let data = discs();
        assert!((0..data.count()).all(|i| parts(data.bytes(i)) == WANTED));
        let mut two = vec![0; SIDE * SIDE];
        for at in [0, 1, 2, SIDE, SIDE + 1, 10 * SIDE + 5] {
            two[at] = 255;
        }
        // Five pixels in a corner are a part, one alone is dirt.
        assert_eq!(parts(&two), 1);
    }
}
