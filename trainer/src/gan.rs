//! The main interface of the crate: build a GAN, train it, draw samples, and export it as an int8 model.
use crate::data::{DataError, Dataset, GaussianMixture};
use crate::draw::{Image, ImageFormat};
use crate::exec::NotFinite;
use crate::export::{ExportError, device_net};
use crate::graph::{Graph, NodeId, Shape};
use crate::loss::{CustomLoss, Scores};
use crate::nets::NetworkError;
use crate::nn::Network;
use crate::quantize::{QuantizeError, QuantizeOptions, Quantized, quantize};
use crate::recipe::{Recipe, RecipeError};
use crate::run::{figures, load_with_classes, suit_classes};
use crate::train::{StepError, StepReport, Trainer, TrainerParts};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A GAN in memory: generator, discriminator, their optimizer state, and the training data.
///
/// ```
/// use ganlet_trainer::prelude::*;
///
/// # fn main() -> Result<(), GanError> {
/// let mut gan = Gan::recipe("ring")?.seed(7).steps(20).build()?;
/// gan.train(|step| println!("step {}: D(x) {:.2}, D(G(z)) {:.2}", step.step, step.d_real, step.d_fake))?;
/// let points = gan.samples(0, 100); // 100 points of two numbers
/// assert_eq!(points.len(), 200);
/// # Ok(())
/// # }
/// ```
pub struct Gan {
    trainer: Trainer,
    /// The recipe's distribution of points, whose range an exported model needs; `None` for images and for the caller's own data.
    mixture: Option<GaussianMixture>,
}

impl Gan {
    /// Starts from a named recipe such as `"ring"` or `"faces"`, a recipe file, or a recipe with methods such as `"ring+minimax"`.
    ///
    /// # Errors
    /// If no recipe has that name, or the file is not a valid recipe.
    pub fn recipe(name: &str) -> Result<GanBuilder, GanError> {
        Ok(Self::from_recipe(Recipe::open(name, &[])?))
    }

    /// Starts from a recipe in memory.
    pub fn from_recipe(recipe: Recipe) -> GanBuilder {
        GanBuilder {
            recipe,
            data: None,
            generator: None,
            discriminator: None,
            loss: None,
            name: None,
            seed: 1,
            threads: 0,
        }
    }

    /// Trains to the last step and calls `on_step` after each step.
    ///
    /// # Errors
    /// If a loss or a gradient is not finite: the run has diverged. The failing update is not applied.
    pub fn train(&mut self, mut on_step: impl FnMut(&StepReport)) -> Result<(), GanError> {
        while !self.is_done() {
            on_step(&self.step()?);
        }
        Ok(())
    }

    /// Trains one step: the discriminator's updates, then the generator's.
    ///
    /// # Errors
    /// The errors of [`Gan::train`].
    pub fn step(&mut self) -> Result<StepReport, GanError> {
        Ok(self.trainer.advance()?)
    }

    /// Whether all steps of the run are done.
    pub fn is_done(&self) -> bool {
        self.trainer.step() >= self.trainer.steps()
    }

    /// Samples of the EMA generator for the seeds `first..first + n`, one after another.
    ///
    /// An image is [height, width, channels] in the recipe's data range, -1 to 1 unless changed; a point is in the units of the data.
    /// For images, a seed gives the same latent as on a device. In a conditional GAN, seed s has class s modulo the number of classes.
    pub fn samples(&mut self, first: u32, n: usize) -> Vec<f32> {
        self.trainer.samples(first, n)
    }

    /// Draws samples: a grid of 64 images, a scatter plot of points on a plane, or a histogram of points on a line.
    pub fn figure(&mut self) -> Image {
        figures::samples(&mut self.trainer)
    }

    /// Writes [`Gan::figure`] as a PNG file, or as a GIF file if the name ends in `.gif`.
    ///
    /// # Errors
    /// If the name ends in that of another format, or the file cannot be written.
    pub fn save_figure(&mut self, path: impl AsRef<Path>) -> Result<(), GanError> {
        let path = path.as_ref();
        let format = ImageFormat::of(path, ImageFormat::Png).map_err(|e| GanError::File {
            path: path.display().to_string(),
            cause: std::io::Error::new(std::io::ErrorKind::InvalidInput, e),
        })?;
        save(path, &self.figure().encoded(format))
    }

    /// Quantizes the EMA generator to int8: `file` of the result is the content of a `.model` file.
    ///
    /// # Errors
    /// If the generator has a layer that devices cannot run, or generates points of more than two numbers.
    pub fn quantize(&mut self) -> Result<Quantized, GanError> {
        let net = device_net(&mut self.trainer, self.mixture.as_ref())?;
        Ok(quantize(&net, &QuantizeOptions::default())?)
    }

    /// Quantizes the EMA generator to int8 and writes it as a `.model` file for devices and the simulator.
    ///
    /// # Errors
    /// The errors of [`Gan::quantize`], or if the file cannot be written.
    pub fn export(&mut self, path: impl AsRef<Path>) -> Result<Quantized, GanError> {
        let quantized = self.quantize()?;
        save(path.as_ref(), &quantized.file)?;
        Ok(quantized)
    }

    /// The underlying trainer, for functions that this type does not offer.
    #[doc(hidden)]
    pub fn trainer(&mut self) -> &mut Trainer {
        &mut self.trainer
    }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), GanError> {
    std::fs::write(path, bytes).map_err(|cause| GanError::File { path: path.display().to_string(), cause })
}

/// Builds a [`Gan`]. Everything that is not set comes from the recipe.
pub struct GanBuilder {
    recipe: Recipe,
    data: Option<Arc<dyn Dataset>>,
    generator: Option<Network>,
    discriminator: Option<Network>,
    loss: Option<CustomLoss>,
    name: Option<String>,
    seed: u64,
    threads: usize,
}

impl GanBuilder {
    /// Trains on `data`: an [`ImageDataset`](crate::data::ImageDataset) or a [`Dataset`] of your own.
    #[must_use]
    pub fn data(mut self, data: impl Dataset + 'static) -> Self {
        self.data = Some(Arc::new(data));
        self
    }

    /// Name in figures and in the exported model; unless set, the name of your own data set, or of the recipe.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Number of steps of the run, 1 to 100,000,000; learning rate schedules follow it.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.recipe.train.steps = steps;
        self
    }

    /// Seed of initial weights, batches and latents; 1 by default. Equal seeds give bitwise equal runs.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Number of threads, 1 to 256; 0, the default, uses all cores. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Changes one key of the recipe, as in `"optimizer.learning_rate=5e-4"`; `docs/RECIPES.md` lists the keys.
    ///
    /// # Errors
    /// If there is no such key, or the recipe with this value is not valid.
    pub fn set(mut self, setting: &str) -> Result<Self, GanError> {
        let origin = self.recipe.name.clone();
        self.recipe = Recipe::parse(&origin, &self.recipe.to_toml(), &[setting.to_owned()])?;
        Ok(self)
    }

    /// Uses this generator: a network from a latent, `[latent length + number of classes]`, to an example of the data's shape.
    #[must_use]
    pub fn generator(mut self, network: Network) -> Self {
        self.generator = Some(network);
        self
    }

    /// Uses this discriminator: a network from an example to one score, `[1]`.
    #[must_use]
    pub fn discriminator(mut self, network: Network) -> Self {
        self.discriminator = Some(network);
        self
    }

    /// Replaces the recipe's loss: both closures append nodes to the graph and return a scalar to minimize.
    ///
    /// The scores are the discriminator's outputs without a sigmoid, [batch, 1] each.
    #[must_use]
    pub fn loss(
        mut self,
        discriminator: impl Fn(&mut Graph, Scores) -> NodeId + 'static,
        generator: impl Fn(&mut Graph, Scores) -> NodeId + 'static,
    ) -> Self {
        self.loss = Some(CustomLoss { discriminator: Box::new(discriminator), generator: Box::new(generator) });
        self
    }

    /// Loads the data, initializes both networks, and plans the training steps.
    ///
    /// # Errors
    /// If a setting is out of range, the data cannot be read, networks, loss and data do not fit together, or the run needs more
    /// memory than is free.
    pub fn build(mut self) -> Result<Gan, GanError> {
        if self.threads > MAX_THREADS {
            let why = format!("threads = {}: expected 0 for all cores, or 1 to {MAX_THREADS}", self.threads);
            return Err(NetworkError::new("threads", why).into());
        }
        let base = self.recipe.name.clone();
        let (data, mixture) = match self.data {
            Some(data) => {
                check_dataset(&*data)?;
                suit_classes(&mut self.recipe, &base, &*data);
                data.name().clone_into(&mut self.recipe.name);
                (data, None)
            }
            None => {
                let loaded = load_with_classes(&mut self.recipe, &base)?;
                (loaded.train, loaded.mixture)
            }
        };
        self.recipe.name = self.name.unwrap_or(self.recipe.name);
        self.recipe.validate()?;
        for (what, network) in [("generator", &self.generator), ("discriminator", &self.discriminator)] {
            if let Some(network) = network {
                network.check().map_err(|why| NetworkError::new(what, why))?;
            }
        }
        if let Some(loss) = &self.loss {
            check_loss(loss, self.recipe.train.batch_size)?;
        }
        let steps = self.recipe.train.steps;
        let parts = match (self.generator, self.discriminator) {
            (Some(generator), Some(discriminator)) => {
                TrainerParts { recipe: self.recipe, data, generator, discriminator, loss: self.loss }
            }
            (generator, discriminator) => {
                let parts = TrainerParts::of(self.recipe, data)?;
                TrainerParts {
                    generator: generator.unwrap_or(parts.generator),
                    discriminator: discriminator.unwrap_or(parts.discriminator),
                    loss: self.loss,
                    ..parts
                }
            }
        };
        Ok(Gan { trainer: Trainer::from_parts(parts, self.seed, steps, self.threads)?, mixture })
    }
}

/// Most threads of a run; more than cores only wait for each other.
const MAX_THREADS: usize = 256;

fn check_dataset(data: &dyn Dataset) -> Result<(), NetworkError> {
    let shape = data.shape();
    if !matches!(shape.len(), 1 | 3) || shape.contains(&0) {
        let why = format!(
            "{} has examples of the shape {shape:?}: expected [height, width, channels] of an image, or [dimensions] of a point",
            data.name()
        );
        return Err(NetworkError::new("data", why));
    }
    if data.len() == Some(0) {
        return Err(NetworkError::new("data", format!("{} is empty: expected one or more examples", data.name())));
    }
    Ok(())
}

/// Builds both losses once on placeholder scores, to find a loss that is not a scalar before training is planned.
fn check_loss(loss: &CustomLoss, batch: usize) -> Result<(), NetworkError> {
    for (what, function) in [("discriminator loss", &loss.discriminator), ("generator loss", &loss.generator)] {
        let mut g = Graph::default();
        let [real, fake] = ["real scores", "fake scores"].map(|name| g.input(name, &[batch, 1]));
        let value = function(&mut g, Scores { real, fake });
        let shape = g.shape(value);
        if shape != Shape::SCALAR {
            let why = format!("it has the shape {shape:?}: expected a scalar; end it with g.mean(...)");
            return Err(NetworkError::new(what, why));
        }
    }
    Ok(())
}

/// Why a GAN cannot be built, trained or exported.
#[derive(Debug)]
#[non_exhaustive]
pub enum GanError {
    /// The recipe is not valid.
    Recipe(RecipeError),
    /// The data cannot be read.
    Data(DataError),
    /// Networks and data do not fit together.
    Network(NetworkError),
    /// Training diverged.
    Diverged(NotFinite),
    /// The generator cannot run on a device.
    Export(ExportError),
    /// The generator cannot be quantized.
    Quantize(QuantizeError),
    /// A file cannot be written.
    File {
        /// Its path.
        path: String,
        /// The cause.
        cause: std::io::Error,
    },
}

impl fmt::Display for GanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe(e) => e.fmt(f),
            Self::Data(e) => e.fmt(f),
            Self::Network(e) => e.fmt(f),
            Self::Diverged(e) => e.fmt(f),
            Self::Export(e) => e.fmt(f),
            Self::Quantize(e) => e.fmt(f),
            Self::File { path, cause } => write!(f, "{path}: cannot write: {cause}"),
        }
    }
}

impl std::error::Error for GanError {}

macro_rules! from {
    ($($kind:ident($error:ty)),*) => {
        $(impl From<$error> for GanError {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        })*
    };
}

impl From<StepError> for GanError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::NotFinite(error) => Self::Diverged(error),
            StepError::Data(error) => Self::Data(error),
        }
    }
}

from!(Recipe(RecipeError), Data(DataError), Network(NetworkError), Export(ExportError), Quantize(QuantizeError));
