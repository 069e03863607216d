//! A simulated device: the app, a generator, an emulated panel, buttons and a clock.

use std::path::Path;

use embedded_graphics::prelude::Size;
use ganlet_runtime::{Generator, Model};

use super::bezel::DevicePortrait;
use super::device::{ColorDepth, Device, ModelFit};
use super::error::SimError;
use super::frame::Frame;
use super::frame_cost::FrameCost;
use super::instructions::{CoreWork, ModelWork};
use super::panel::PanelBuffer;
use super::script::{Script, ScriptStep};
use crate::app::App;
use crate::input::Button;
use crate::saved_latents::SavedLatents;
use crate::screens::{self, Theme};

/// Returns the theme: light for e-paper, dark for emissive panels.
const fn theme(device: &Device) -> Theme {
    match device.depth {
        ColorDepth::Paper => Theme::Light,
        _ => Theme::Dark,
    }
}

/// A device that runs a model.
#[derive(Debug)]
pub struct Simulator<'m> {
    model: Model<'m>,
    arena: Vec<u8>,
    device: Device,
    app: App<'m>,
    panel: PanelBuffer,
    /// Bytes on the bus for the last frame.
    bytes: u32,
    /// Work per image, if known.
    work: Option<ModelWork>,
    /// Work for the last frame.
    spent: Option<CoreWork>,
}

impl<'m> Simulator<'m> {
    /// Checks the model and whether it fits the device, and shows the gallery at seed 1.
    ///
    /// The bytes are borrowed, like flash on a board. [`ModelFile`](super::ModelFile) aligns them.
    ///
    /// # Errors
    /// [`SimError::Model`] if the bytes are not a model, [`SimError::TooLarge`] with the sums if it does not fit.
    pub fn new(model: &'m [u8], device: Device) -> Result<Self, SimError> {
        let model = Model::from_bytes(model)?;
        let fit = device.fit_of(&model);
        if !fit.fits() {
            return Err(SimError::TooLarge(Box::new(fit)));
        }
        let app = App::new(&model, Size::new(device.width, device.height), theme(&device), 1).with_arena(fit.ram);
        let arena = vec![0; fit.ram];
        let mut simulator =
            Self { model, arena, device, app, panel: PanelBuffer::new(&device), bytes: 0, work: None, spent: None };
        simulator.draw();
        Ok(simulator)
    }

    /// Shows the gallery at `seed`.
    #[must_use]
    pub fn with_seed(mut self, seed: u32) -> Self {
        self.app.show(seed);
        self.draw();
        self
    }

    /// Adds saved latents and shows the gallery at the first of them.
    #[must_use]
    pub fn with_saved(mut self, saved: SavedLatents<'m>) -> Self {
        self.app = self.app.with_saved(&self.model, saved);
        let first = saved.first(&self.model);
        self.with_seed(first)
    }

    /// Sets the work per image on the device's core.
    #[must_use]
    pub fn with_work(mut self, work: Option<ModelWork>) -> Self {
        self.work = work;
        self.spent = self.frame_work();
        self
    }

    /// Shows the estimated time per image on the about page, where a board shows the measured time.
    #[must_use]
    pub fn with_time(mut self) -> Self {
        let ms = self.work.and_then(|work| {
            let image = FrameCost { device: self.device, bytes: self.bytes, work: Some(work.image) };
            image.ms()
        });
        self.app.set_image_time(ms.map(|ms| ms.round() as u32));
        self
    }

    /// Returns the work for the current screen.
    fn frame_work(&self) -> Option<CoreWork> {
        let ModelWork { image, scored } = self.work?;
        let candidates = self.app.candidates();
        let each = if self.app.shows_score() { scored } else { image };
        Some(scored * u64::from(candidates) + each * u64::from(self.app.images() - candidates))
    }

    /// Returns the device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the model.
    #[must_use]
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Returns the app.
    #[must_use]
    pub const fn app(&self) -> &App<'m> {
        &self.app
    }

    /// Returns the model's use of flash and RAM.
    #[must_use]
    pub fn fit(&self) -> ModelFit {
        self.device.fit_of(&self.model)
    }

    /// Returns the cost of the last frame on the device.
    #[must_use]
    pub const fn cost(&self) -> FrameCost {
        FrameCost { device: self.device, bytes: self.bytes, work: self.spent }
    }

    /// Returns the number of pixels that the app drew outside the panel; anything but 0 is a defect.
    #[must_use]
    pub fn pixels_outside(&self) -> usize {
        self.panel.pixels_outside()
    }

    /// Presses a button and draws.
    pub fn press(&mut self, button: Button) {
        self.app.press(&self.model, button);
        self.draw();
    }

    /// Advances by one frame; returns whether the panel changed.
    pub fn tick(&mut self) -> bool {
        self.app.tick();
        self.draw()
    }

    /// Draws until the image has its finest level.
    pub fn finish(&mut self) {
        while self.app.unfinished() && self.draw() {}
    }

    /// Draws everything again, as if the panel had been switched on.
    pub fn redraw(&mut self) {
        self.app.refresh();
        self.panel = PanelBuffer::new(&self.device);
        self.draw();
    }

    /// Plays a script and calls `shown` for every frame, including the initial one.
    ///
    /// # Errors
    /// Those of `shown`, which end the session.
    pub fn play<E>(&mut self, script: &Script, mut shown: impl FnMut(&Self) -> Result<(), E>) -> Result<(), E> {
        shown(self)?;
        for step in &script.0 {
            match *step {
                ScriptStep::Press(button) => {
                    self.press(button);
                    shown(self)?;
                }
                ScriptStep::Wait(frames) => {
                    for _ in 0..frames {
                        self.tick();
                        shown(self)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the panel's content, pixel for pixel.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.panel.frame()
    }

    /// Returns an image of the whole device.
    #[must_use]
    pub fn portrait(&self) -> Frame {
        DevicePortrait::of(&self.device).portrait(&self.frame())
    }

    /// Writes the [`portrait`](Self::portrait) as a PNG.
    ///
    /// # Errors
    /// [`SimError::File`] with the path and the cause. An earlier file of that name is then unchanged.
    pub fn save_png(&self, path: &Path) -> Result<(), SimError> {
        self.portrait().save_png(path)
    }

    /// Returns the panel's content when a board shows the notice `why` instead of the app.
    #[must_use]
    pub fn refusal(device: &Device, why: &str) -> Frame {
        let mut panel = PanelBuffer::new(device);
        let why = format_args!("{why}");
        let drawn = match &mut panel {
            PanelBuffer::Mono(pixels) => screens::notice(pixels, why, theme(device).colors()),
            PanelBuffer::Gray16(pixels) => screens::notice(pixels, why, theme(device).colors()),
            PanelBuffer::Led10(pixels) => screens::notice(pixels, why, theme(device).colors()),
            PanelBuffer::Rgb565(pixels) => screens::notice(pixels, why, theme(device).colors()),
        };
        let Ok(()) = drawn;
        panel.frame()
    }

    fn draw(&mut self) -> bool {
        let spent = self.frame_work();
        let Self { model, arena, device, app, panel, .. } = self;
        // The arena has the length that the model needs.
        let Ok(mut generator) = Generator::for_family(model, arena, device.chip.family) else { return false };
        let drawn = match panel {
            PanelBuffer::Mono(pixels) => app.draw(model, &mut generator, pixels),
            PanelBuffer::Gray16(pixels) => app.draw(model, &mut generator, pixels),
            PanelBuffer::Led10(pixels) => app.draw(model, &mut generator, pixels),
            PanelBuffer::Rgb565(pixels) => app.draw(model, &mut generator, pixels),
        };
        let Ok(drawn) = drawn;
        if drawn {
            self.bytes = self.panel.take_drawn().bytes(&self.device);
            self.spent = spent;
        }
        drawn
    }
}
