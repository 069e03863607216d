//! Judging pictures: several sets of latents of a run or a model file, beside what real pictures get.

use crate::console;
use crate::exporting::Chosen;
use crate::failure::Failure;
use crate::judge::FIRST_SEED;
use ganlet_runtime::Model;
use ganlet_trainer::data::{ImageDataset, to_bytes};
use ganlet_trainer::evaluate::{self, EvaluateError, Evaluation, Evaluator, Quality, intervals};
use ganlet_trainer::metrics::ConfidenceInterval;
use ganlet_trainer::quantize::Quantized;
use ganlet_trainer::run::PictureSplit;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Sets of latents that numbers are averaged over unless told otherwise.
pub(crate) const SETS: usize = 3;
/// Pictures drawn by a float network between two reports of progress.
const PIECE: usize = 250;

/// How much is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Pictures of a set.
    pub(crate) pictures: usize,
    /// Disjoint sets.
    pub(crate) sets: usize,
}

/// What draws pictures.
enum Artist<'a> {
    Float(&'a mut Chosen),
    Int8 { file: &'a [u8], classes: usize },
}

/// Judges the float network of a run and, if given, its integer model, on the same seeds.
pub(crate) fn run(chosen: &mut Chosen, amount: Amount, model: Option<&Quantized>) -> Result<Evaluation, Failure> {
    let Some(PictureSplit { train, held_out }) = chosen.loaded.pictures.clone() else {
        return Err(Failure::unusable("these are points, not pictures"));
    };
    let classes = chosen.checkpoint.recipe.data.classes;
    let mut artists = vec![("float", Artist::Float(chosen))];
    artists.extend(model.map(|m| ("int8", Artist::Int8 { file: &m.file, classes })));
    let found = judge((&train, &held_out), amount, artists)?;
    Ok(Evaluation {
        psnr_mean_db: model.map(|m| m.report.psnr.mean_db),
        psnr_min_db: model.map(|m| m.report.psnr.min_db),
        ..found
    })
}

/// Judges a model file alone.
pub(crate) fn model(
    splits: (&ImageDataset, &ImageDataset),
    amount: Amount,
    file: &[u8],
    model: &Model<'_>,
) -> Result<Evaluation, Failure> {
    judge(splits, amount, vec![("int8", Artist::Int8 { file, classes: model.classes().into() })])
}

fn judge(
    (train, held_out): (&ImageDataset, &ImageDataset),
    amount: Amount,
    artists: Vec<(&str, Artist<'_>)>,
) -> Result<Evaluation, Failure> {
    let told = |e: EvaluateError| Failure::unusable(e.to_string());
    let mut evaluator = Evaluator::new(held_out, train, 0).map_err(told)?;
    let n = amount.pictures;
    if n < evaluator.least() {
        // Before anything is drawn.
        let why = format!("two for each of {} features", evaluator.identity().features);
        return Err(Failure::unusable(format!(
            "cannot judge the generated pictures\n  expected: --samples {} or more, {why}\n  found:    {n}\n  to do:    leave \
             --samples away for 2,000",
            evaluator.least()
        )));
    }
    let progress = Progress::new();
    progress.doing("real pictures");
    let floors = evaluator.floors(n).map_err(told)?;
    let real = evaluator.survey_real(n).map_err(told)?;
    let mut evaluation = Evaluation {
        samples: n,
        references: evaluator.references(),
        floor: floors.iter().sum::<f64>() / floors.len() as f64,
        floor_spread: ConfidenceInterval::of(&floors).map(|i| i.spread),
        float: None,
        int8: None,
        real: Some(real),
        intervals: Default::default(),
        psnr_mean_db: None,
        psnr_min_db: None,
        features: evaluator.identity().clone(),
        class_names: evaluator.class_names().to_vec(),
        real_as_labeled: evaluator.real_as_labeled(),
    };
    for (kind, mut artist) in artists {
        let mut sets: Vec<Quality> = Vec::with_capacity(amount.sets);
        for set in 0..amount.sets {
            progress.doing(&format!("{kind} pictures, set {} of {}", set + 1, amount.sets));
            let first = FIRST_SEED.wrapping_add((set * n) as u32);
            let (bytes, classes) = artist.draw(first, n, &progress)?;
            // Seeds go through the classes, on devices as here.
            let asked: Vec<u8> = (0..n).map(|i| ((first as usize + i) % classes.max(1)) as u8).collect();
            let asked = (classes > 0).then_some(&asked[..]);
            sets.push(evaluator.survey(&bytes, asked, |done, of| progress.at(done, of)).map_err(told)?);
        }
        let numbers: Vec<_> = sets.iter().map(Quality::numbers).collect();
        if sets.len() > 1 {
            evaluation.intervals.insert(kind.to_owned(), intervals(&numbers));
        }
        let first = sets.into_iter().next();
        if kind == "int8" { evaluation.int8 = first } else { evaluation.float = first }
    }
    progress.end();
    Ok(evaluation)
}

impl Artist<'_> {
    /// `n` pictures from seed `first` on, and how many classes they go through.
    fn draw(&mut self, first: u32, n: usize, progress: &Progress) -> Result<(Vec<u8>, usize), Failure> {
        match self {
            Self::Float(chosen) => {
                let data = &chosen.checkpoint.recipe.data;
                let (range, classes) = ((data.range[0], data.range[1]), data.classes);
                let mut bytes = Vec::with_capacity(n * chosen.checkpoint.shape.iter().product::<usize>());
                for from in (0..n).step_by(PIECE) {
                    let count = PIECE.min(n - from);
                    let values = chosen.trainer.samples(first.wrapping_add(from as u32), count);
                    bytes.extend(to_bytes(&values, range));
                    progress.at(from + count, n);
                }
                Ok((bytes, classes))
            }
            Self::Int8 { file, classes } => {
                let bytes = evaluate::int8_pictures(file, first, n, |done, of| progress.at(done, of))?;
                Ok((bytes, *classes))
            }
        }
    }
}

/// A bar on a terminal, a line for each part elsewhere.
struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{bar:24.cyan/black} {pos}/{len}  judging {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, terminal }
    }

    fn doing(&self, what: &str) {
        if !self.terminal {
            console::note(&format!("judging {what}"));
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_position(0);
    }

    fn at(&self, done: usize, of: usize) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
