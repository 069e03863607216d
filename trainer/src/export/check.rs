//! Checks of a quantized model: bit-exactness against the oracle, and the discriminator's scores against the float network.
use crate::quantize::{AlignedModel, FloatNet, Quantized, oracle};
use ganlet_runtime::{FormatError, Generator, Model};
use std::fmt;

/// Seeds that the checks compare.
pub const CHECK_SEEDS: u32 = 256;

/// Returns whether the rows of the streaming runtime equal those of the whole-tensor [`oracle`] bit for bit, for [`CHECK_SEEDS`] seeds.
///
/// # Errors
/// If the model file is not valid.
pub fn bit_exact(quantized: &Quantized) -> Result<bool, FormatError> {
    let file = AlignedModel::new(&quantized.file);
    let model = Model::from_bytes(file.bytes())?;
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).expect("the arena has the model's own length");
    for seed in 0..CHECK_SEEDS {
        let latent = model.latent(seed);
        let whole = oracle::image(&quantized.layers, latent.values());
        let mut streamed = Vec::with_capacity(whole.len());
        let mut rows = generator.rows(&latent);
        while let Some(row) = rows.next_row() {
            streamed.extend_from_slice(row);
        }
        if streamed != whole {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How close the int8 discriminator's scores D(G(z)) are to those of the float network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreComparison {
    /// Mean score of the int8 model, 0..=1.
    pub mean: f64,
    /// Mean absolute difference to the float network.
    pub mean_error: f64,
    /// Largest absolute difference.
    pub max_error: f64,
    /// Number of seeds compared.
    pub seeds: u32,
}

impl fmt::Display for ScoreComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, mean_error, max_error, seeds } = self;
        write!(
            f,
            "discriminator: mean D(G(z)) {mean:.2}; int8 differs from float by {mean_error:.3} on average, {max_error:.3} at most, over \
             {seeds} seeds"
        )
    }
}

/// Compares the scores of a quantized model, which must include its discriminator, with those of the float network `net`.
///
/// # Errors
/// If the model file is not valid.
pub fn compare_scores(net: &FloatNet, quantized: &Quantized) -> Result<ScoreComparison, FormatError> {
    let file = AlignedModel::new(&quantized.file);
    let model = Model::from_bytes(file.bytes())?;
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).expect("the arena has the model's own length");
    let (mut total_error, mut max_error, mut total) = (0.0, 0.0_f64, 0.0);
    for seed in 0..CHECK_SEEDS {
        let latent = model.latent(seed);
        let float = f64::from(net.score(latent.values()).unwrap_or(0.0));
        let int8 = f64::from(generator.scored_rows(&latent).score().unwrap_or(0)) / 255.0;
        let error = (float - int8).abs();
        (total_error, max_error, total) = (total_error + error, max_error.max(error), total + int8);
    }
    let n = f64::from(CHECK_SEEDS);
    Ok(ScoreComparison { mean: total / n, mean_error: total_error / n, max_error, seeds: CHECK_SEEDS })
}
