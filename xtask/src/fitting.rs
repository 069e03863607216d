//! Reports before training which boards an exported generator fits, and narrows generators that must fit one.

use crate::console;
use crate::failure::Failure;
use crate::table::{Table, grouped};
use ganlet_runtime::Model;
use ganlet_sim::host::{BoardInfo, Device, FrameCost, ModelFile, ModelWork};
use ganlet_trainer::export::{draft_model, fit_widths};
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::TrainingData;
use std::collections::BTreeSet;

/// Limits for the exported generator, from `--fit` and `--flash`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The model fits next to the firmware of this board or device.
    pub(crate) device: Option<Device>,
    /// Largest size of the model file.
    pub(crate) flash: Option<usize>,
}

impl Limits {
    fn admit(&self, model: &Model<'_>) -> bool {
        self.device.is_none_or(|device| device.fit_of(model).fits())
            && self.flash.is_none_or(|most| model.flash_bytes() <= most)
    }

    /// Returns what the model needs and has.
    fn compare(&self, model: &Model<'_>) -> String {
        let fit = self.device.map(|device| device.fit_of(model).to_string());
        let flash = self.flash.map(|most| {
            format!(
                "the model takes {} bytes of flash, --flash allows {}",
                grouped(model.flash_bytes() as u64),
                grouped(most as u64)
            )
        });
        fit.into_iter().chain(flash).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the device with this name for `--fit`: a board, or a device of the simulator.
pub(crate) fn device(name: &str) -> Result<Device, String> {
    BoardInfo::named(name).map(BoardInfo::device).or_else(|e| Device::named(name).map_err(|_| e.to_string()))
}

/// Parses a number of bytes, as in 65536, 64K or 1.5M.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        _ => 0,
    };
    let number = digits.parse::<f64>().ok().map(|n| n * f64::from(unit)).filter(|n| (1.0..=4e9).contains(n));
    number.map(|n| n as usize).ok_or_else(|| "expected a number of bytes, as in 65536, 64K or 1M".to_owned())
}

/// Returns the recipe with its generator narrowed until the exported model is within the limits.
pub(crate) fn narrowed(recipe: &Recipe, data: &TrainingData, limits: &Limits) -> Result<Recipe, Failure> {
    let fitted = fit_widths(recipe, data.train.shape(), data.mixture.as_ref(), &|model| limits.admit(model));
    let fitted = fitted.map_err(|e| Failure::unusable(format!("recipe {}: {e}", recipe.name)))?;
    let file = ModelFile::of(&fitted.model);
    let model = Model::from_bytes(file.bytes())?;
    let (before, after) = (recipe.generator.widths(), fitted.recipe.generator.widths());
    if !fitted.fits {
        return Err(Failure::unusable(format!(
            "recipe {}: even with {after} the exported generator is too large\n{}\nset fewer widths, a shorter generator.latent or smaller \
             images (data.size), or choose larger limits",
            recipe.name,
            limits.compare(&model)
        )));
    }
    console::note(&if before == after {
        format!("the generator of recipe {} fits as it is: {after}\n{}", recipe.name, limits.compare(&model))
    } else {
        format!(
            "narrowed the generator of recipe {} to {after}, from {before}\n{}",
            recipe.name,
            limits.compare(&model)
        )
    });
    Ok(fitted.recipe)
}

/// Prints a line about the devices that the generator will fit, or a warning if no device will take it.
pub(crate) fn report(recipe: &Recipe, data: &TrainingData) {
    match draft(recipe, data) {
        Ok(file) => match Model::from_bytes(file.bytes()) {
            Ok(model) => console::note(&format!("  export     {}", summary(&model))),
            Err(e) => console::note(&format!("  warning    no device can run this generator: {e}")),
        },
        Err(e) => console::note(&format!("  warning    no device can run this generator: {e}")),
    }
}

/// Prints the flash, RAM and instructions that the exported generator will need on each board.
pub(crate) fn print_boards(recipe: &Recipe, data: &TrainingData) -> Result<(), Failure> {
    let Ok(file) = draft(recipe, data) else { return Ok(()) };
    console::note(boards(&Model::from_bytes(file.bytes())?).lines().trim_end());
    Ok(())
}

fn draft(recipe: &Recipe, data: &TrainingData) -> Result<ModelFile, String> {
    let model = draft_model(recipe, data.train.shape(), data.mixture.as_ref()).map_err(|e| e.to_string())?;
    Ok(ModelFile::of(&model))
}

fn summary(model: &Model<'_>) -> String {
    let all = BoardInfo::all();
    let (fitting, others): (Vec<_>, Vec<_>) = all.iter().partition(|board| board.check(model).is_ok());
    let names = |boards: &[&BoardInfo]| boards.iter().map(|board| board.name).collect::<Vec<_>>().join(", ");
    let [flash, macs] = [model.flash_bytes() as u64, model.macs()].map(grouped);
    // The buffers of a model depend on the kernels of the core.
    let ram: BTreeSet<_> = all.iter().map(|board| board.device().fit_of(model).ram as u64).collect();
    let ram = ram.into_iter().map(grouped).collect::<Vec<_>>().join(" or ");
    let verdict = match (fitting.len(), others.len()) {
        (_, 0) => format!("fits all {} boards", all.len()),
        (0, _) => format!("fits no board: --fit {} narrows the generator", largest(all)),
        _ => format!("fits {}, but not {}", names(&fitting), names(&others)),
    };
    format!("{flash} bytes of flash, {ram} of RAM, {macs} multiply-accumulates per image: {verdict}")
}

/// Returns the name of the board with the most free flash.
fn largest(boards: &[BoardInfo]) -> &'static str {
    let free = |board: &&BoardInfo| {
        let chip = board.device().chip;
        chip.flash - chip.firmware_flash
    };
    boards.iter().max_by_key(free).map_or("pico2", |board| board.name)
}

fn boards(model: &Model<'_>) -> Table {
    let headings = ["board", "chip", ">flash", ">free", ">RAM", ">free", ">instructions", ">ms per image", "verdict"];
    let mut table = Table::new(&headings);
    for board in BoardInfo::all() {
        let device = board.device();
        let (fit, chip) = (device.fit_of(model), device.chip);
        let work = ModelWork::estimate(model, chip.core).map(|work| work.image);
        let unknown = || "unknown".to_owned();
        let cost = FrameCost { device, bytes: 0, work };
        table.row([
            board.name.into(),
            chip.name.into(),
            grouped(fit.flash as u64),
            grouped((chip.flash - chip.firmware_flash) as u64),
            grouped(fit.ram as u64),
            grouped((chip.ram - chip.firmware_ram) as u64),
            work.map_or_else(unknown, |work| grouped(work.instructions)),
            cost.core_ms().map_or_else(unknown, |ms| format!("{ms:.1}")),
            if fit.fits() { "fits".into() } else { "too large".into() },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(
            [bytes("65536"), bytes("64K"), bytes("64kib"), bytes("1.5M")].map(Result::unwrap),
            [65_536, 65_536, 65_536, 3 << 19]
        );
        assert!(["", "K", "-1", "0", "64G", "6 4", "1e99"].into_iter().all(|text| bytes(text).is_err()));
    }

    #[test]
    fn boards_and_devices_of_the_simulator_have_names() {
        assert_eq!(device("pico").unwrap().chip.name, "RP2040");
        assert_eq!(device("epaper-200").unwrap().panel, "SSD1681");
        assert!(device("toaster").unwrap_err().contains("lm3s6965evb"));
    }
}
