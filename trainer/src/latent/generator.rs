//! Draws the images of given latents with the float generator of a run or with an int8 model file.
use super::{ClassNames, LatentToolError, SavedLatent, latent_of_seed, to_float, to_int8};
use crate::data::to_bytes;
use crate::export::PreparedRun;
use crate::quantize::AlignedModel;
use ganlet_runtime::{Generator, Latent, LatentError, Model};

/// A generator that draws the image of any latent.
pub enum ImageGenerator {
    /// The float generator of a run.
    Float(Box<PreparedRun>),
    /// A model file, run with the integer arithmetic of devices.
    Int8(CheckedModel),
}

/// A model file that was checked once.
pub struct CheckedModel {
    file: AlignedModel,
    class_names: ClassNames,
}

impl CheckedModel {
    /// Returns the model.
    pub fn model(&self) -> Model<'_> {
        Model::from_bytes(self.file.bytes()).expect("the file was checked when it was opened")
    }
}

impl ImageGenerator {
    /// Uses the float generator of a run.
    ///
    /// # Errors
    /// If the run generates points.
    pub fn of_run(run: PreparedRun) -> Result<Self, LatentToolError> {
        if !run.has_images() {
            return Err(LatentToolError::Points);
        }
        Ok(Self::Float(Box::new(run)))
    }

    /// Uses a model file, whose classes have these names.
    ///
    /// # Errors
    /// If the file is not a valid model, or generates points.
    pub fn of_model(file: &[u8], class_names: ClassNames) -> Result<Self, LatentToolError> {
        let aligned = AlignedModel::new(file);
        let model = Model::from_bytes(aligned.bytes())?;
        // The numbers of a point are the pixels of its only row.
        if model.channels() == 1 && matches!(model.size(), (1 | 2, 1)) {
            return Err(LatentToolError::Points);
        }
        Ok(Self::Int8(CheckedModel { file: aligned, class_names }))
    }

    /// Returns height, width and channels of an image.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Float(run) => image_shape(run),
            Self::Int8(file) => {
                let model = file.model();
                [model.size().1.into(), model.size().0.into(), model.channels().into()]
            }
        }
    }

    /// Returns the number of values of a latent.
    pub fn latent_len(&self) -> usize {
        match self {
            Self::Float(run) => run.checkpoint.recipe.generator.latent(),
            Self::Int8(file) => file.model().latent_len(),
        }
    }

    /// Returns the number of classes; 0 without classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Float(run) => run.checkpoint.recipe.class_inputs(),
            Self::Int8(file) => file.model().classes().into(),
        }
    }

    /// Returns the names of the classes.
    pub fn class_names(&self) -> ClassNames {
        match self {
            Self::Float(run) => ClassNames::of_run(run),
            Self::Int8(file) => file.class_names.clone(),
        }
        .of(self.classes())
    }

    /// Checks a requested class, a number or a name, and returns its number; class 0 if none was requested.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn class(&self, requested: Option<&str>) -> Result<usize, LatentToolError> {
        self.class_names().find(self.classes(), requested)
    }

    /// Returns the latents of seeds as devices draw them. With classes, seed s is of class s modulo their number.
    pub fn latents_of_seeds(&self, seeds: &[u32]) -> Vec<SavedLatent> {
        let (len, classes) = (self.latent_len(), self.classes());
        let stored = |&seed: &u32| SavedLatent {
            values: latent_of_seed(seed, len),
            class: (classes > 0).then(|| (seed as usize % classes) as u16),
        };
        seeds.iter().map(stored).collect()
    }

    /// Checks that latents have the length that the generator takes.
    ///
    /// # Errors
    /// At the first latent of another length.
    pub fn check(&self, latents: &[SavedLatent]) -> Result<(), LatentToolError> {
        let expected = self.latent_len();
        match latents.iter().find(|latent| latent.values.len() != expected) {
            Some(other) => Err(LatentToolError::Length { found: other.values.len(), expected }),
            None => Ok(()),
        }
    }

    /// Draws the images of latents as bytes. `class` is ignored by generators without classes.
    ///
    /// # Errors
    /// If a model does not accept a latent.
    pub fn draw(&mut self, latents: &[Vec<f32>], class: usize) -> Result<Vec<Vec<u8>>, LatentToolError> {
        match self {
            Self::Float(run) => Ok(draw_float(run, latents, class)),
            Self::Int8(file) => {
                let model = file.model();
                let class = (model.classes() > 0).then_some(class as u16);
                let latents: Result<Vec<Latent>, _> =
                    latents.iter().map(|z| Latent::new(&model, &to_int8(z), class)).collect();
                Ok(draw_int8(&model, &latents?))
            }
        }
    }
}

/// Draws the frames of the walk through `points` as devices compute it: integer spherical interpolation, `steps` frames from each
/// point to the next.
///
/// # Errors
/// If the model does not accept a point.
pub fn draw_device_walk(
    model: &Model<'_>,
    points: &[SavedLatent],
    class: usize,
    steps: u32,
) -> Result<Vec<Vec<u8>>, LatentToolError> {
    Ok(draw_int8(model, &device_walk(model, points, class, steps)?))
}

/// Returns the latents of the walk through `points` as devices compute it.
///
/// # Errors
/// If the model does not accept a point.
pub fn device_walk(
    model: &Model<'_>,
    points: &[SavedLatent],
    class: usize,
    steps: u32,
) -> Result<Vec<Latent>, LatentError> {
    let class = (model.classes() > 0).then_some(class as u16);
    let points = points.iter().map(|p| Latent::new(model, &p.values, class)).collect::<Result<Vec<_>, _>>()?;
    let legs = points.windows(2).flat_map(|p| (0..steps).map(|step| Latent::slerp(&p[0], &p[1], step, steps)));
    Ok(legs.chain(points.last().cloned()).collect())
}

/// Returns saved latents as inputs of the float generator.
pub fn values(latents: &[SavedLatent]) -> Vec<Vec<f32>> {
    latents.iter().map(|latent| to_float(&latent.values)).collect()
}

/// Returns the mean absolute difference between neighboring frames; 0 for a single frame.
pub fn mean_difference(frames: &[Vec<u8>]) -> f64 {
    let apart = |p: &[Vec<u8>]| p[0].iter().zip(&p[1]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    let values = frames.first().map_or(1, Vec::len).max(1) * (frames.len() - 1).max(1);
    frames.windows(2).map(apart).sum::<f64>() / values as f64
}

/// Returns height, width and channels of a run's images.
pub(super) fn image_shape(run: &PreparedRun) -> [usize; 3] {
    let shape = run.trainer.data().shape();
    [shape[0], shape[1], shape[2]]
}

/// Draws with the float generator; classes are one-hot inputs after the latent.
pub(super) fn draw_float(run: &mut PreparedRun, latents: &[Vec<f32>], class: usize) -> Vec<Vec<u8>> {
    let size = image_shape(run).iter().product::<usize>();
    let ([black, white], classes) = (run.checkpoint.recipe.data.range, run.checkpoint.recipe.class_inputs());
    let one_hot = (0..classes).map(|c| f32::from(u8::from(c == class)));
    let inputs: Vec<f32> = latents.iter().flat_map(|z| z.iter().copied().chain(one_hot.clone())).collect();
    let values = run.trainer.samples_of(&inputs);
    values.chunks_exact(size).map(|image| to_bytes(image, (black, white))).collect()
}

fn draw_int8(model: &Model<'_>, latents: &[Latent]) -> Vec<Vec<u8>> {
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(model, &mut arena).expect("the arena has the model's own length");
    let mut images = Vec::with_capacity(latents.len());
    for latent in latents {
        let mut image = Vec::new();
        let mut rows = generator.rows(latent);
        while let Some(row) = rows.next_row() {
            image.extend_from_slice(row);
        }
        images.push(image);
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::{Interpolation, interpolate};
    use crate::quantize::reference_models::DIGITS28;

    #[test]
    fn neighboring_frames_differ_less_the_more_there_are() {
        let mut generator = ImageGenerator::of_model(&DIGITS28.file().unwrap(), ClassNames::default()).unwrap();
        let points = values(&generator.latents_of_seeds(&[1, 2, 3, 4]));
        let mut apart = |steps| {
            let path = interpolate(&points, steps, Interpolation::Spline);
            mean_difference(&generator.draw(&path, 0).unwrap())
        };
        let (few, more) = (apart(2), apart(8));
        assert!((3.0..5.0).contains(&(few / more)), "{few} {more}");
    }

    #[test]
    fn classes_and_latents_of_other_generators_are_rejected() {
        let generator = ImageGenerator::of_model(&DIGITS28.file().unwrap(), ClassNames::default()).unwrap();
        assert_eq!(generator.class(Some("1")), Err(LatentToolError::NoClasses { class: "1".into() }));
        let short = SavedLatent { values: vec![0; 3], class: None };
        assert_eq!(generator.check(&[short]), Err(LatentToolError::Length { found: 3, expected: 64 }));
    }
}
