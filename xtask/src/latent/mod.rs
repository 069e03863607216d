//! The latent tools: ways through the latent space, and ways back into it.

pub(crate) mod edit;
pub(crate) mod grid;
pub(crate) mod interpolate;
pub(crate) mod project;
mod search;

use crate::exporting::Chosen;
use crate::failure::Failure;
use crate::model_file;
use ganlet_runtime::{Generator, Latent, Model};
use ganlet_sim::host::ModelFile;
use ganlet_trainer::data::to_bytes;
use ganlet_trainer::draw::Image;
use ganlet_trainer::latent::{StoredLatent, numbers, of_seed, rounded};
use std::path::Path;

/// What draws: a run's float generator, or the integers of a model file.
pub(crate) enum Artist {
    Float(Box<Chosen>),
    Int8(ModelFile),
}

impl Artist {
    /// Opens a run folder or a model file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_file() {
            return Ok(Self::Int8(model_file::read(path)?));
        }
        let chosen = Chosen::open(path)?;
        if chosen.loaded.mixture.is_some() {
            return Err(Failure::unusable(format!(
                "{}: makes points, and this draws pictures; `cargo xtask sim` of an exported model shows points",
                path.display()
            )));
        }
        Ok(Self::Float(Box::new(chosen)))
    }

    fn model(file: &ModelFile) -> Result<Model<'_>, Failure> {
        Ok(Model::from_bytes(file.bytes())?)
    }

    /// Height, width and channels of a picture.
    pub(crate) fn shape(&self) -> Result<[usize; 3], Failure> {
        Ok(match self {
            Self::Float(chosen) => {
                let shape = chosen.trainer.data().shape();
                [shape[0], shape[1], shape[2]]
            }
            Self::Int8(file) => {
                let model = Self::model(file)?;
                [model.size().1.into(), model.size().0.into(), model.channels().into()]
            }
        })
    }

    /// Numbers of a latent.
    pub(crate) fn latent(&self) -> Result<usize, Failure> {
        Ok(match self {
            Self::Float(chosen) => chosen.checkpoint.recipe.generator.latent(),
            Self::Int8(file) => Self::model(file)?.latent_len(),
        })
    }

    /// How many classes there are.
    pub(crate) fn classes(&self) -> Result<usize, Failure> {
        Ok(match self {
            Self::Float(chosen) => chosen.checkpoint.recipe.data.classes,
            Self::Int8(file) => Self::model(file)?.classes().into(),
        })
    }

    /// Checks a class that was asked for; the first one where none was.
    pub(crate) fn class(&self, asked: Option<usize>) -> Result<usize, Failure> {
        search::class(self.classes()?, asked)
    }

    /// The latents of a file, or of seeds.
    pub(crate) fn latents(&self, kept: Option<&Path>, seeds: &[u32]) -> Result<Vec<StoredLatent>, Failure> {
        let latent = self.latent()?;
        let Some(path) = kept else {
            let classes = self.classes()?;
            let kept = |&seed: &u32| StoredLatent {
                values: of_seed(seed, latent),
                class: (classes > 0).then(|| (seed as usize % classes) as u16),
            };
            return Ok(seeds.iter().map(kept).collect());
        };
        let all = model_file::kept_latents(path)?;
        match all.iter().find(|kept| kept.values.len() != latent) {
            Some(other) => Err(Failure::unusable(format!(
                "{}: found latents of {} numbers, this generator takes {latent}: they belong to another one",
                path.display(),
                other.values.len()
            ))),
            None => Ok(all),
        }
    }

    /// The pictures of latents, of class `class` where there are classes.
    pub(crate) fn draw(&mut self, latents: &[Vec<f32>], class: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let size = self.shape()?.iter().product::<usize>();
        match self {
            Self::Float(chosen) => {
                let recipe = &chosen.checkpoint.recipe;
                let ([black, white], classes) = (recipe.data.range, recipe.data.classes);
                let one = |z: &Vec<f32>| {
                    z.iter().copied().chain((0..classes).map(|c| f32::from(u8::from(c == class)))).collect::<Vec<_>>()
                };
                let fed: Vec<f32> = latents.iter().flat_map(one).collect();
                let values = chosen.trainer.samples_of(&fed);
                Ok(values.chunks_exact(size).map(|picture| to_bytes(picture, (black, white))).collect())
            }
            Self::Int8(file) => {
                let model = Self::model(file)?;
                let class = (model.classes() > 0).then_some(class as u16);
                let latents: Result<Vec<Latent>, _> =
                    latents.iter().map(|z| Latent::new(&model, &rounded(z), class)).collect();
                Self::draw_integers(&model, &latents.map_err(|e| Failure::unusable(e.to_string()))?)
            }
        }
    }

    /// The pictures that devices draw of latents.
    fn draw_integers(model: &Model<'_>, latents: &[Latent]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut arena = vec![0; model.arena_len()];
        let mut generator = Generator::new(model, &mut arena)?;
        let mut pictures = Vec::with_capacity(latents.len());
        for latent in latents {
            let mut picture = Vec::new();
            let mut rows = generator.rows(latent);
            while let Some(row) = rows.next_row() {
                picture.extend_from_slice(row);
            }
            pictures.push(picture);
        }
        Ok(pictures)
    }
}

/// The numbers of kept latents.
fn values(kept: &[StoredLatent]) -> Vec<Vec<f32>> {
    kept.iter().map(|kept| numbers(&kept.values)).collect()
}

/// How far pictures are enlarged to be looked at: to about so many pixels a side.
fn enlargement(shape: [usize; 3], side: usize) -> usize {
    (side / shape[0].max(shape[1])).clamp(1, 16)
}

/// A picture to look at.
fn image(bytes: &[u8], [height, width, channels]: [usize; 3]) -> Image {
    Image::from_bytes(bytes, (width, height, channels))
}

/// Width, height and channels, as sheets take them.
const fn sheet([height, width, channels]: [usize; 3]) -> (usize, usize, usize) {
    (width, height, channels)
}
