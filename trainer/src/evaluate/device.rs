//! Pictures as a device would show them: drawn by the runtime that ships, or rounded from floats.
use ganlet_runtime::{FormatError, Generator, Model};
use rayon::prelude::*;

/// Pictures that one task draws.
const PIECE: usize = 16;
/// Pictures between two reports of progress.
const ROUND: usize = 16 * PIECE;

/// The pictures that the model in `file` draws of seeds `first..first + n`, one after the other, on all cores.
///
/// `file` may start at any address. `progress` gets pictures drawn and `n`.
///
/// # Errors
/// When `file` is no model.
pub fn int8_pictures(
    file: &[u8],
    first: u32,
    n: usize,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<u8>, FormatError> {
    // A model lies at an aligned address; bytes that were read from a disk lie anywhere.
    let mut room = vec![0; file.len() + 15];
    let at = room.as_ptr().align_offset(16).min(15);
    room[at..][..file.len()].copy_from_slice(file);
    let model = Model::from_bytes(&room[at..][..file.len()])?;
    let (width, height) = model.size();
    let size = usize::from(width) * usize::from(height) * usize::from(model.channels());
    let mut pictures = vec![0; n * size];
    for (round, out) in pictures.chunks_mut(ROUND * size).enumerate() {
        let start = round * ROUND;
        let drawn = out.len() / size;
        out.par_chunks_mut(PIECE * size).enumerate().for_each(|(piece, out)| {
            let mut arena = vec![0; model.arena_len()];
            let mut generator = Generator::new(&model, &mut arena).expect("the arena has the model's own length");
            for (i, picture) in out.chunks_exact_mut(size).enumerate() {
                let seed = first.wrapping_add((start + piece * PIECE + i) as u32);
                let latent = model.latent(seed);
                let mut rows = generator.rows(&latent);
                let mut rest = picture;
                while let Some(row) = rows.next_row() {
                    let (here, after) = rest.split_at_mut(row.len());
                    here.copy_from_slice(row);
                    rest = after;
                }
            }
        });
        progress(start + drawn, n);
    }
    Ok(pictures)
}
