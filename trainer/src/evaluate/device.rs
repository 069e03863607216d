//! Draws the images of a model file with `ganlet-runtime`, on all cores.
use crate::quantize::AlignedModel;
use ganlet_runtime::{FormatError, Generator, Model};
use rayon::prelude::*;

/// Images per task.
const TASK: usize = 16;
/// Images between two progress reports.
const ROUND: usize = 16 * TASK;

/// Returns the images that the int8 model in `file` draws for the seeds `first..first + n`, one after the other.
///
/// `file` may start at any address. `progress` receives the number of images drawn so far and `n`.
///
/// # Errors
/// If `file` is not a valid model.
pub fn int8_images(
    file: &[u8],
    first: u32,
    n: usize,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<u8>, FormatError> {
    let aligned = AlignedModel::new(file);
    let model = Model::from_bytes(aligned.bytes())?;
    let (width, height) = model.size();
    let size = usize::from(width) * usize::from(height) * usize::from(model.channels());
    let mut images = vec![0; n * size];
    for (round, out) in images.chunks_mut(ROUND * size).enumerate() {
        let start = round * ROUND;
        let drawn = out.len() / size;
        out.par_chunks_mut(TASK * size).enumerate().for_each(|(task, out)| {
            let mut arena = vec![0; model.arena_len()];
            let mut generator = Generator::new(&model, &mut arena).expect("the arena has the model's own length");
            for (i, image) in out.chunks_exact_mut(size).enumerate() {
                let seed = first.wrapping_add((start + task * TASK + i) as u32);
                let latent = model.latent(seed);
                let mut rows = generator.rows(&latent);
                let mut rest = image;
                while let Some(row) = rows.next_row() {
                    let (here, after) = rest.split_at_mut(row.len());
                    here.copy_from_slice(row);
                    rest = after;
                }
            }
        });
        progress(start + drawn, n);
    }
    Ok(images)
}
