//! Estimates the instructions and clock cycles that an image takes on a microcontroller's core from measured images.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use ganlet_runtime::{Model, WeightLayout};
use serde::{Deserialize, Serialize};

use super::cycle_range::CycleRange;

/// A processor core on which images were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Core {
    /// Arm Cortex-M0 and M0+.
    M0,
    /// Arm Cortex-M3.
    M3,
    /// Arm Cortex-M4.
    M4,
    /// Arm Cortex-M7.
    M7,
    /// Arm Cortex-M33.
    M33,
    /// Arm Cortex-M55.
    M55,
    /// 32-bit RISC-V with multiplication.
    Rv32,
}

impl Core {
    /// Every core, from the smallest instruction set to the largest, Arm first.
    pub const ALL: [Self; 7] = [Self::M0, Self::M3, Self::M4, Self::M7, Self::M33, Self::M55, Self::Rv32];

    /// Returns the name in tables, in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::M0 => "m0",
            Self::M3 => "m3",
            Self::M4 => "m4",
            Self::M7 => "m7",
            Self::M33 => "m33",
            Self::M55 => "m55",
            Self::Rv32 => "rv32",
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not the name of a [`Core`]; the message lists the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCore(String);

impl fmt::Display for UnknownCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no core is named \"{}\"; expected one of {}", self.0, Core::ALL.map(Core::name).join(", "))
    }
}

impl std::error::Error for UnknownCore {}

impl FromStr for Core {
    type Err = UnknownCore;

    fn from_str(name: &str) -> Result<Self, UnknownCore> {
        Self::ALL.into_iter().find(|core| core.name() == name).ok_or_else(|| UnknownCore(name.to_owned()))
    }
}

/// Layout of a measured model's weights in flash. Names in files and tables: `compact`, `fast`, `as exported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeasuredLayout {
    /// One byte for each weight.
    Compact,
    /// Words that kernels read directly, at twice the flash.
    Fast,
    /// Whatever the exporter chose for a model file of the user; such a model has no committed counts.
    #[serde(rename = "as exported")]
    AsExported,
}

impl MeasuredLayout {
    /// Name in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
            Self::AsExported => "as exported",
        }
    }
}

impl fmt::Display for MeasuredLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Measured costs of images, as in `firmware-sim/device-counts.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCounts {
    /// One entry for each core, model and layout of weights.
    pub rows: Vec<ImageCount>,
}

/// The cost of one image on one core, as the emulator counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageCount {
    /// The core.
    pub core: Core,
    /// Name of the reference generator.
    pub model: String,
    /// Layout of the weights in flash.
    pub layout: MeasuredLayout,
    /// Name and version of the compiler that built the firmware.
    pub compiler: String,
    /// Multiply-accumulates of the image.
    pub macs: u64,
    /// Instructions to draw the image.
    pub instructions: u64,
    /// Clock cycles to draw the image, by a model of the core; `None` if there is no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<CycleRange>,
    /// On a Cortex-M0: clock cycles that the same program takes on a Cortex-M3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_on_m3: Option<CycleRange>,
    /// Instructions to load and check the model.
    pub load_instructions: u64,
    /// Bytes of the arena.
    pub ram_bytes: u64,
    /// Bytes of stack.
    pub stack_bytes: u64,
    /// FNV-1a hash of the image's bytes.
    pub checksum: String,
}

impl ImageCount {
    /// Returns core, model and layout, which identify the entry.
    #[must_use]
    pub fn key(&self) -> (Core, &str, MeasuredLayout) {
        (self.core, &self.model, self.layout)
    }
}

impl DeviceCounts {
    /// Returns the committed counts, which are compiled in.
    #[must_use]
    pub fn committed() -> &'static Self {
        // A test checks that the file parses.
        static COMMITTED: LazyLock<DeviceCounts> =
            LazyLock::new(|| serde_json::from_str(include_str!("../../device-counts.json")).unwrap_or_default());
        &COMMITTED
    }

    /// Returns the work of `macs` multiply-accumulates, scaled from the measured image with the nearest number of them.
    fn scaled(&self, core: Core, layout: MeasuredLayout, macs: u64) -> Option<CoreWork> {
        let distance = |row: &&ImageCount| {
            let ratio = row.macs.max(1) as f64 / macs.max(1) as f64;
            (ratio.ln().abs() * 1e6) as u64
        };
        let rows = self.rows.iter().filter(|row| row.core == core && row.layout == layout);
        let nearest = rows.min_by_key(distance)?;
        let scale = |count: u64| (u128::from(macs) * u128::from(count) / u128::from(nearest.macs.max(1))) as u64;
        Some(CoreWork {
            instructions: scale(nearest.instructions),
            cycles: nearest.cycles.map(|c| CycleRange { min: scale(c.min), max: scale(c.max) }),
        })
    }
}

/// Instructions and clock cycles of a computation on a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreWork {
    /// Executed instructions.
    pub instructions: u64,
    /// Clock cycles without wait states of the memory; `None` for cores without a model of cycles.
    pub cycles: Option<CycleRange>,
}

impl CoreWork {
    /// Returns the most clock cycles; one for each instruction if there is no model of cycles.
    #[must_use]
    pub fn most_cycles(&self) -> u64 {
        self.cycles.map_or(self.instructions, |cycles| cycles.max)
    }
}

impl std::ops::Add for CoreWork {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let cycles = self.cycles.zip(other.cycles).map(|(a, b)| a + b);
        Self { instructions: self.instructions + other.instructions, cycles }
    }
}

impl std::ops::Mul<u64> for CoreWork {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { instructions: self.instructions * times, cycles: self.cycles.map(|cycles| cycles * times) }
    }
}

/// Work of a model on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelWork {
    /// For an image.
    pub image: CoreWork,
    /// For an image and its score, if the model has a discriminator.
    pub scored: CoreWork,
}

impl ModelWork {
    /// Estimates the work of `model` on `core`, from the committed counts of images with the same layout of weights.
    ///
    /// Returns `None` if no such image was measured on that core.
    #[must_use]
    pub fn estimate(model: &Model<'_>, core: Core) -> Option<Self> {
        let fast = model.layers().any(|layer| layer.layout == WeightLayout::Fast);
        let layout = if fast { MeasuredLayout::Fast } else { MeasuredLayout::Compact };
        let of = |macs| DeviceCounts::committed().scaled(core, layout, macs);
        Some(Self { image: of(model.image_macs())?, scored: of(model.macs())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_scaled_from_the_nearest_image_of_the_same_core_and_layout() {
        let counts = DeviceCounts::committed();
        let of = |core: Core, layout: MeasuredLayout, model: &str| {
            counts.rows.iter().find(|row| row.key() == (core, model, layout)).unwrap().clone()
        };
        for core in [Core::M0, Core::M3, Core::M4, Core::M33, Core::Rv32] {
            let row = of(core, MeasuredLayout::Compact, "dcgan64-16");
            let same = counts.scaled(core, MeasuredLayout::Compact, row.macs).unwrap();
            assert_eq!((same.instructions, same.cycles), (row.instructions, row.cycles));
            let twice = counts.scaled(core, MeasuredLayout::Compact, 2 * row.macs).unwrap();
            assert!(twice.instructions.abs_diff(2 * row.instructions) <= 1, "{core}: {twice:?}");
        }
        assert!(
            counts.scaled(Core::M3, MeasuredLayout::Fast, 1000).unwrap().instructions
                < counts.scaled(Core::M3, MeasuredLayout::Compact, 1000).unwrap().instructions
        );
        assert_eq!(DeviceCounts::default().scaled(Core::M3, MeasuredLayout::Compact, 1000), None);
    }

    #[test]
    fn the_committed_counts_have_every_core() {
        let counts: DeviceCounts = serde_json::from_str(include_str!("../../device-counts.json")).unwrap();
        assert!(Core::ALL.iter().all(|core| counts.rows.iter().any(|row| row.core == *core)));
        assert_eq!(&counts, DeviceCounts::committed());
        for row in &counts.rows {
            let modeled = matches!(row.core, Core::M0 | Core::M3 | Core::M4);
            assert_eq!(row.cycles.is_some(), modeled, "{:?}", row.key());
            // Most instructions take a cycle, no sequence takes less on average.
            assert!(row.cycles.is_none_or(|c| row.instructions < c.min && c.min <= c.max), "{:?}", row.key());
        }
    }

    #[test]
    fn cores_parse_from_their_names() {
        assert!(Core::ALL.iter().all(|core| core.name().parse() == Ok(*core)));
        assert!("z80".parse::<Core>().unwrap_err().to_string().contains("m0, m3, m4"));
    }
}
